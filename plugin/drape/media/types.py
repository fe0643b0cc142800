"""What the readers yield and what the writer is told."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]

UNSPECIFIED = 2
"""The code of ITU-T H.273 for "not said" in primaries, transfer and matrix."""


class Frame(NamedTuple):
    """One upright frame as a picture.

    ``index`` counts from 0 in presentation order, ``pts`` is in ticks of the view's time base, ``time`` in seconds
    of the recording's clock, ``image`` is uint8 BGR of shape (height, width, 3).
    """

    index: int  # type: ignore[assignment]  # a frame has no use for tuple.index
    pts: int
    time: float
    image: Plane


class Planes(NamedTuple):
    """One upright frame as 8-bit limited-range 4:2:0 planes.

    ``index``, ``pts`` and ``time`` as in `Frame`. With ``H`` and ``W`` the view's height and width rounded up to even
    numbers, ``y`` is uint8 (H, W), ``u`` and ``v`` are uint8 (H / 2, W / 2). The planes are contiguous and belong to
    the receiver, who may write into them; rows and columns beyond an odd size repeat the edge.
    """

    index: int  # type: ignore[assignment]  # a frame has no use for tuple.index
    pts: int
    time: float
    y: Plane
    u: Plane
    v: Plane


@dataclass(frozen=True)
class Colour:
    """What the numbers of limited-range planes mean, as codes of ITU-T H.273 (2 = unspecified)."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED


BT709 = Colour(1, 1, 1)
UNTAGGED = Colour()


@dataclass(frozen=True)
class Probe:
    """What a view's header says. Sizes are in pixels; "upright" means after the display matrix was applied.

    Attributes:
        codec: name of the codec, ``"images"`` for an image sequence.
        width: width of the upright frame.
        height: height of the upright frame.
        coded_width: width as stored, before the display matrix.
        coded_height: height as stored.
        time_base: seconds per tick as (numerator, denominator).
        rotation: degrees the stored picture is turned clockwise to become upright, after `flip`.
        flip: whether the stored picture is mirrored left to right first.
        num_frames: frames the header promises; 0 if it does not say.
        average_rate: frames per second on average, if known.
        pixel_format: ffmpeg's name of the stored pixel format.
        sample_aspect_ratio: width of an upright pixel over its height.
        colour: what the planes given by ``read_planes`` mean.
        full_range: the source holds full-range samples (``read_planes`` converts them).
        other_streams: streams of the file that are not read: audio, subtitles, data, further pictures.
        duration: seconds, if the header says.
    """

    codec: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    time_base: tuple[int, int]
    rotation: int
    flip: bool
    num_frames: int
    average_rate: Fraction | None
    pixel_format: str
    sample_aspect_ratio: Fraction
    colour: Colour
    full_range: bool
    other_streams: int
    duration: float | None
