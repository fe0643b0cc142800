"""The display matrix: how a stored picture is turned and mirrored to stand upright."""

from __future__ import annotations

import math
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from drape.errors import MediaError
from drape.media.types import Plane

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class Orientation(NamedTuple):
    """Mirror left to right if ``flip``, then turn clockwise by ``rotation`` degrees (0, 90, 180 or 270)."""

    flip: bool
    rotation: int

    @property
    def is_identity(self) -> bool:
        """The stored picture is upright already."""
        return not self.flip and self.rotation == 0

    @property
    def swaps(self) -> bool:
        """Width and height change places."""
        return self.rotation in (90, 270)

    def apply(self, picture: Plane) -> Plane:
        """The upright picture of a stored one, (h, w) or (h, w, 3); contiguous, and not a view of the input."""
        if self.is_identity:
            return picture.copy()
        upright = cv2.flip(picture, 1) if self.flip else picture
        if self.rotation:
            upright = cv2.rotate(upright, _TURNS[self.rotation])
        return np.asarray(upright, np.uint8)


UPRIGHT = Orientation(False, 0)


def orientation_of(frame: av.VideoFrame, role: str, index: int) -> Orientation:
    """The orientation a decoded frame asks for.

    Raises:
        MediaError: the display matrix is not a turn by a multiple of 90 degrees with or without mirroring.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    matrix = np.frombuffer(bytes(data), np.int32)
    found = _from_matrix(matrix[[0, 1, 3, 4]].reshape(2, 2).astype(np.float64))
    if found is None:
        raise MediaError(
            role,
            "the picture is turned by an angle that is not a multiple of 90 degrees, or skewed",
            "Re-encode the video upright",
            index,
        )
    return found


def _from_matrix(linear: NDArray[np.float64]) -> Orientation | None:
    # ISO/IEC 14496-12, 6.2.2: (x', y') = (x, y) M with rows (a b), (c d), y pointing down; scale is ignored.
    scale = math.sqrt(abs(float(np.linalg.det(linear))))
    if scale == 0:
        return None
    unit = linear / scale
    rounded = np.round(unit)
    if np.abs(unit - rounded).max() > 0.01 or not np.array_equal(np.abs(rounded).sum(axis=0), [1, 1]):
        return None
    flip = float(np.linalg.det(rounded)) < 0
    if flip:
        rounded[0] = -rounded[0]
    # What is left is a pure rotation: the x axis (1, 0) goes to the first row, (cos, sin) of the clockwise angle.
    angle = round(math.degrees(math.atan2(rounded[0, 1], rounded[0, 0]))) % 360
    return Orientation(flip, angle)
