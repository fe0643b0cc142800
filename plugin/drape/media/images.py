"""Image sequences: one folder of pictures per view, in the natural order of their names.

``pts`` is the index. Seconds per tick follow from the view's ``fps``, else from the mean interval of its timestamps
file, else one picture per second.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from drape.errors import MediaError
from drape.media.times import FrameClock, read_timestamps
from drape.media.types import Plane
from drape.recording import View, image_files

_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"})
_MAX_RATE_DENOMINATOR = 1001


def image_paths(view: View) -> list[Path]:
    """The pictures of an image sequence in order.

    Raises:
        MediaError: the folder is missing or holds no picture.
    """
    try:
        paths = image_files(view.media)
    except OSError as error:
        raise MediaError(view.id, f"the folder cannot be read ({error.strerror})", "Check that it is there") from None
    if not paths:
        raise MediaError(view.id, "the folder holds no pictures", "Give a folder of JPEG, PNG, BMP or TIFF files")
    return paths


def image_rate(view: View) -> Fraction:
    """Pictures per second: ``view.fps``, else by the timestamps file, else 1."""
    if view.fps is not None:
        return Fraction(view.fps).limit_denominator(_MAX_RATE_DENOMINATOR)
    if view.timestamps is not None:
        stamps = read_timestamps(view, view.timestamps)
        if len(stamps) > 1:
            rate = Fraction((len(stamps) - 1) / (stamps[-1] - stamps[0])).limit_denominator(_MAX_RATE_DENOMINATOR)
            return max(rate, Fraction(1, _MAX_RATE_DENOMINATOR))
    return Fraction(1)


def image_time_base(view: View) -> tuple[int, int]:
    """Seconds per picture as (numerator, denominator)."""
    rate = image_rate(view)
    return rate.denominator, rate.numerator


def read_images(view: View, start: int = 0) -> Iterator[tuple[int, int, float, Plane]]:
    """Upright pictures of an image sequence.

    Args:
        view: of kind ``"images"``.
        start: index of the first picture to yield; those before are not opened.

    Yields:
        (index, pts, time, image): image is uint8 BGR (height, width, 3).

    Raises:
        MediaError: a picture is damaged, of another size than the first, or not an 8-bit still picture.
    """
    paths = image_paths(view)
    clock = FrameClock(view, image_time_base(view))
    clock.finish(len(paths))
    size: tuple[int, ...] | None = None
    for index, path in enumerate(paths[start:], start=start):
        content = _content(view, path, index)
        image = decode_image(view.id, content, index)
        if size not in (None, image.shape):
            raise MediaError(view.id, "the picture has another size than the first", "Bring all to one size", index)
        size = image.shape
        yield index, index, clock(index, index), image


def first_image(view: View, paths: list[Path]) -> Plane:
    """The first picture, upright BGR; errors as in `read_images`."""
    return decode_image(view.id, _content(view, paths[0], 0), 0)


def decode_image(role: str, content: bytes, index: int) -> Plane:
    """One picture file as upright BGR, uint8 (height, width, 3); transparency is dropped.

    Raises:
        MediaError: see `read_images`.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            _check_kind(role, picture, index)
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise MediaError(
            role, "the picture is damaged or cannot be read", "Copy it again from the source", index
        ) from None
    return np.ascontiguousarray(np.asarray(upright, np.uint8)[:, :, ::-1])


def _check_kind(role: str, picture: Image.Image, index: int) -> None:
    if picture.mode not in _EIGHT_BIT:
        raise MediaError(role, f"pictures of type {picture.mode} are not supported", "Convert them to 8 bits", index)
    if getattr(picture, "n_frames", 1) != 1:
        raise MediaError(role, "the file holds several pictures", "Give one file per picture", index)


def _content(view: View, path: Path, index: int) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MediaError(
            view.id, f"the picture cannot be read ({error.strerror})", "Check that it is there", index
        ) from None
