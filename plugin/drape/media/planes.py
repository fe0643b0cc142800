"""From a decoded frame to upright planes or an upright picture, and back."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

from drape.media.orientation import Orientation
from drape.media.types import BT709, UNSPECIFIED, Colour, Plane

_FULL = 2
_RGB_MATRIX = 0


def is_full_range(frame: av.VideoFrame) -> bool:
    """Whether the samples use all codes from 0 to 255 (or the like), as JPEG does, instead of 16 to 235."""
    return bool(frame.format.name.startswith("yuvj") or frame.color_range == _FULL or frame.format.is_rgb)


def plane_colour(frame: av.VideoFrame) -> Colour:
    """What the planes made of a frame mean: the source's tags, and BT.709 where the source is RGB."""
    if frame.format.is_rgb or frame.colorspace == _RGB_MATRIX:
        return BT709
    known = (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace))
    return Colour(*(code if code > 0 else UNSPECIFIED for code in known))


def to_planes(frame: av.VideoFrame, orientation: Orientation) -> tuple[Plane, Plane, Plane]:
    """Upright limited-range planes of even size: y (H, W), u and v (H / 2, W / 2), contiguous and writable.

    Planes of an 8-bit limited-range 4:2:0 source are copied without any conversion.
    """
    y, u, v = (_plane(frame, i) for i in range(3)) if _is_direct(frame) else _converted(frame)
    height, width = y.shape
    if _misplaces_chroma(orientation, width, height):
        return _turned_in_full(y, u, v, orientation)
    return (_even(orientation.apply(y)), orientation.apply(u), orientation.apply(v))


def to_image(frame: av.VideoFrame, orientation: Orientation) -> Plane:
    """Upright BGR picture, uint8 (height, width, 3). Untagged colours are read as BT.601, as ffmpeg and OpenCV do."""
    source = "JPEG" if is_full_range(frame) else "MPEG"
    picture = frame.reformat(format="bgr24", src_color_range=source, dst_color_range="JPEG", threads=1)
    rows = np.frombuffer(picture.planes[0], np.uint8).reshape(-1, picture.planes[0].line_size)
    return orientation.apply(rows[: frame.height, : frame.width * 3].reshape(frame.height, frame.width, 3))


def image_to_planes(image: Plane) -> tuple[Plane, Plane, Plane]:
    """Limited-range BT.709 planes of even size of a BGR picture, uint8 (height, width, 3)."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="bgr24")
    frame = frame.reformat(
        format="yuv420p", dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG", threads=1
    )
    return _plane(frame, 0).copy(), _plane(frame, 1).copy(), _plane(frame, 2).copy()


def to_frame(y: Plane, u: Plane, v: Plane) -> av.VideoFrame:
    """A yuv420p frame that holds copies of the planes."""
    height, width = y.shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for target, plane in zip(frame.planes, (y, u, v), strict=True):
        rows = np.frombuffer(target, np.uint8).reshape(-1, target.line_size)
        rows[: plane.shape[0], : plane.shape[1]] = plane
    return frame


def _is_direct(frame: av.VideoFrame) -> bool:
    return bool(frame.format.name == "yuv420p" and not is_full_range(frame))


def _plane(frame: av.VideoFrame, index: int) -> Plane:
    plane = frame.planes[index]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def _converted(frame: av.VideoFrame) -> tuple[Plane, Plane, Plane]:
    source = "JPEG" if is_full_range(frame) else "MPEG"
    matrix = {"dst_colorspace": "ITU709"} if plane_colour(frame) == BT709 and is_full_range(frame) else {}
    result = frame.reformat(format="yuv420p", src_color_range=source, dst_color_range="MPEG", threads=1, **matrix)
    # Copies, because the frame that owns the memory ends here.
    return _plane(result, 0).copy(), _plane(result, 1).copy(), _plane(result, 2).copy()


def _even(plane: Plane) -> Plane:
    height, width = plane.shape
    if height % 2 == 0 and width % 2 == 0:
        return plane
    return np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")


def _misplaces_chroma(orientation: Orientation, width: int, height: int) -> bool:
    # A chroma sample covers a 2 x 2 block counted from the stored top left corner. Where an odd side is reversed, the
    # upright blocks are counted from the other end and lie half a block off.
    turned = np.empty((2, 2), np.uint8)
    turned[:] = [[0, 1], [2, 3]]
    x, y = divmod(int(orientation.apply(turned)[0, 0]), 2)[::-1]
    return bool((x and width % 2) or (y and height % 2))


def _turned_in_full(y: Plane, u: Plane, v: Plane, orientation: Orientation) -> tuple[Plane, Plane, Plane]:
    height, width = y.shape
    chroma = [c.repeat(2, axis=0).repeat(2, axis=1)[:height, :width] for c in (u, v)]
    u, v = (_halved(_even(orientation.apply(np.ascontiguousarray(c)))) for c in chroma)
    return _even(orientation.apply(np.ascontiguousarray(y))), u, v


def _halved(plane: NDArray[np.uint8]) -> Plane:
    blocks = plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).astype(np.uint16)
    return ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)
