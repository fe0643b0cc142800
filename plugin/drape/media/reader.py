"""Frames of a view, upright, in presentation order, for everything that looks at pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import av

from drape.errors import MediaError
from drape.media import images
from drape.media.decode import decode
from drape.media.orientation import UPRIGHT, Orientation, orientation_of
from drape.media.planes import image_to_planes, to_image, to_planes
from drape.media.source import reason
from drape.media.times import FrameClock
from drape.media.types import Frame, Planes
from drape.recording import View

_T = TypeVar("_T")


def read_frames(view: View, start: int = 0) -> Iterator[Frame]:
    """Frames as upright BGR pictures.

    Args:
        view: a video or an image sequence.
        start: index of the first frame to yield; the frames before are decoded and dropped.

    Raises:
        MediaError: the view is damaged, incomplete, or contradicts itself; names the frame where it can.
    """
    if view.kind == "images":
        for index, pts, time, image in images.read_images(view, start):
            yield Frame(index, pts, time, image)
        return
    for index, time, frame, orientation in upright_frames(view, start):
        yield Frame(index, frame.pts, time, _converted(view, index, to_image, frame, orientation))


def read_planes(view: View, start: int = 0) -> Iterator[Planes]:
    """Frames as upright 8-bit limited-range 4:2:0 planes of even size; see `Planes`.

    Arguments and errors as in `read_frames`.
    """
    if view.kind == "images":
        for index, pts, time, image in images.read_images(view, start):
            yield Planes(index, pts, time, *image_to_planes(image))
        return
    for index, time, frame, orientation in upright_frames(view, start):
        yield Planes(index, frame.pts, time, *_converted(view, index, to_planes, frame, orientation))


def upright_frames(view: View, start: int = 0) -> Iterator[tuple[int, float, av.VideoFrame, Orientation]]:
    """Decoded frames as stored, each with its index, its time and how to turn it; ``frame.pts`` is in ticks.

    Arguments and errors as in `read_frames`.
    """
    clock: FrameClock | None = None
    orientation = UPRIGHT
    rotation = 0
    count = 0
    for index, frame in decode(view):
        clock = clock or FrameClock(view, (frame.time_base.numerator, frame.time_base.denominator))
        # The whole matrix is asked for once only: the question ties the frame into a cycle of references, and a
        # stretch of such frames fills the memory before the garbage collector comes by.
        if index == 0:
            orientation, rotation = orientation_of(frame, view.id, index), frame.rotation
        if frame.rotation != rotation:
            raise MediaError(view.id, "the picture is turned differently from here on", "Split the video here", index)
        count = index + 1
        if index >= start:
            yield index, clock(index, frame.pts), frame, orientation
    if clock is not None:
        clock.finish(count)


def _converted(
    view: View, index: int, convert: Callable[[av.VideoFrame, Orientation], _T], frame: av.VideoFrame, turn: Orientation
) -> _T:
    try:
        return convert(frame, turn)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            view.id,
            f"its pixel format {frame.format.name} cannot be converted ({reason(error)})",
            "Re-encode the video as 8-bit H.264",
            index,
        ) from None
