"""Convex shapes as rows of rectangles, which renderer and verifier know how to fill.

A shape is kept as its reach along 16 directions: the largest d . p over its points p for each unit vector d. The
polygon that these reaches bound holds the shape; if its sides lie across these directions, it is the shape itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes

Floats = NDArray[np.float64]

SIDES = 16
_ANGLE = np.arange(SIDES) * 2 * np.pi / SIDES
DIRECTIONS: Floats = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)
"""(16, 2) unit vectors, clockwise in the picture: 0 right, 4 down, 8 left, 12 up."""

STEP = 8
"""Height of a rectangle in pixels; lower ones would follow the shape more closely and make tables larger."""

STRIPS = 16
"""A shape has at most so many rectangles; those of large shapes are higher."""


class Strips(NamedTuple):
    """Rectangles of shapes: ``shape`` (R,) which shape each is of, ascending, and ``boxes`` (R, 4)."""

    shape: NDArray[np.int64]
    boxes: Boxes


def reach_of(points: Floats, known: NDArray[np.bool_]) -> Floats:
    """Reach (N, 16) of the hulls of points (N, K, 2) as far as they are known (N, K); -inf where none is."""
    return np.where(known[:, :, None], points @ DIRECTIONS.T, -np.inf).max(axis=1, initial=-np.inf)


def corners(reach: Floats) -> Floats:
    """Corners (N, 16, 2) of the polygons that reaches (N, 16) bound; corner k lies between directions k and k + 1."""
    following = np.roll(DIRECTIONS, -1, axis=0)
    det = np.sin(2 * np.pi / SIDES)
    later = np.roll(reach, -1, axis=1)
    x = (reach * following[:, 1] - later * DIRECTIONS[:, 1]) / det
    y = (later * DIRECTIONS[:, 0] - reach * following[:, 0]) / det
    return np.stack([x, y], axis=2)


def strips(reach: Floats, height: int) -> Strips:
    """Rectangles that cover shapes, strip by strip from top to bottom; strips begin on even rows.

    Args:
        reach: (N, 16) of convex shapes, finite.
        height: of the frame in pixels, even; what lies above or below gets no rectangle.
    """
    top = np.clip(np.floor(-reach[:, 12] / 2) * 2, 0, height).astype(np.int64)
    bottom = np.clip(np.ceil(reach[:, 4] / 2) * 2, 0, height).astype(np.int64)
    tall = np.maximum(bottom - top, 0)
    step = np.maximum(STEP, (-(-tall // STRIPS) + 1) // 2 * 2)
    count = -(-tall // step)
    shape = np.repeat(np.arange(len(reach)), count)
    number = np.arange(len(shape)) - np.repeat(np.cumsum(count) - count, count)
    y1 = top[shape] + number * step[shape]
    y2 = np.minimum(y1 + step[shape], bottom[shape])
    x1, x2 = _across(reach, shape, y1, y2)
    return Strips(shape, np.stack([x1, y1, x2, y2], axis=1).astype(np.float32))


def _across(
    reach: Floats, shape: NDArray[np.int64], y1: NDArray[np.int64], y2: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """How far to the left and right (R,) shapes come between two heights."""
    rows = reach[shape]
    low, high = np.maximum(y1, -rows[:, 12]), np.minimum(y2, rows[:, 4])
    points = corners(reach)
    found = []
    for side, sign in ((8, -1.0), (0, 1.0)):
        # The border is convex: furthest at its own corner, if that lies between the heights, else at one of them.
        border = np.stack([_border(rows, sign, y) for y in (low, high)]).max(axis=0)
        tip = points[:, [side - 1, side], 1]
        inside = (tip.min(axis=1)[shape] <= high) & (tip.max(axis=1)[shape] >= low)
        found.append(sign * np.where(inside, rows[:, side], border))
    return found[0], found[1]


def _border(rows: Floats, sign: float, y: Floats) -> Floats:
    """How far shapes come at heights y (R,): to the right for sign 1, to the left, counted leftwards, for -1."""
    out = np.full(len(y), np.inf)
    for k, (dx, dy) in enumerate(DIRECTIONS):
        if sign * dx > 1e-9:
            out = np.minimum(out, (rows[:, k] - dy * y) / (sign * dx))
    return out
