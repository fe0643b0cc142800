"""Convex shapes by how far they reach in 16 directions: joined, and turned into polygons.

The reach of a shape along a unit vector d is the largest d . p over its points (its support function). The reach of the
hull of two shapes is the larger of theirs, so shapes are joined by taking maxima.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.pose.head_fit import Centres
from drape.pose.head_points import Points, Stance
from drape.pose.head_template import (
    HALF_AXES,
    LEFT_SHOULDER,
    NECK,
    NECK_SHARE,
    RIGHT_SHOULDER,
)

Floats = NDArray[np.float64]

SIDES = 16
_ANGLE = np.arange(SIDES) * 2 * np.pi / SIDES
DIRECTIONS: Floats = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)
"""(16, 2) unit vectors, clockwise in the picture from the right."""

SKIN = 0.02
"""What a point of the face is covered by around it, in metres, beside its own error."""

_ASIDE = (HALF_AXES[0] + HALF_AXES[1]) / 2
_UP = HALF_AXES[2]


def ellipses(centre: Floats, scale: Floats, stance: Stance | None, extra: Floats) -> Floats:
    """Reach (N, 16) of heads.

    Args:
        centre: (N, 2) pixels.
        scale: (N,) pixels per metre.
        stance: of the bodies; heads are round where it tells nothing.
        extra: (N,) pixels by which they are larger all around.
    """
    if stance is None:
        return discs(centre, _UP * scale + extra)
    along = stance.up @ DIRECTIONS.T
    across = np.stack([-stance.up[:, 1], stance.up[:, 0]], axis=1) @ DIRECTIONS.T
    aside = np.where(stance.clear, _ASIDE, _UP)[:, None]
    return centre @ DIRECTIONS.T + np.hypot(aside * across, _UP * along) * scale[:, None] + extra[:, None]


def discs(centre: Floats, radius: Floats) -> Floats:
    """Reach (N, 16) of discs; centre (N, 2), radius (N,)."""
    return centre @ DIRECTIONS.T + radius[:, None]


def rectangles(boxes: Boxes) -> Floats:
    """Reach (N, 16) of boxes (N, 4)."""
    low, high = boxes[:, None, :2].astype(np.float64), boxes[:, None, 2:].astype(np.float64)
    return np.where(DIRECTIONS > 0, high * DIRECTIONS, low * DIRECTIONS).sum(axis=2)


def head_and_neck(
    points: Points, centres: Centres, scale: Floats, stance: Stance, grown: float, widening: float
) -> Floats:
    """Reach (N, 16) of heads with their necks and all points that they were found by.

    Args:
        points: of N persons.
        centres: of their heads, finite.
        scale: (N,) pixels per metre.
        stance: of their bodies.
        grown: factor on the head's size.
        widening: deviations.
    """
    sigma = np.where(np.isfinite(centres.sigma), centres.sigma, 0.0)
    reach = ellipses(centres.xy, scale * grown, stance, widening * sigma * scale)
    middle, both = points.of(LEFT_SHOULDER, RIGHT_SHOULDER)
    both &= centres.used[:, LEFT_SHOULDER] & centres.used[:, RIGHT_SHOULDER]
    below = centres.xy - stance.up * ((_UP + NECK / 2) * scale * grown)[:, None]
    neck = np.where(both[:, None], centres.xy + NECK_SHARE * (middle - centres.xy), below)
    reach = np.maximum(reach, discs(neck, NECK * scale * grown))
    for point in np.flatnonzero(centres.used.any(axis=0)):
        if point in (LEFT_SHOULDER, RIGHT_SHOULDER):
            continue
        own = discs(points.xy[:, point], SKIN * scale)
        reach = np.where(centres.used[:, point, None], np.maximum(reach, own), reach)
    return reach


def corners(reach: Floats) -> Floats:
    """Corners (N, 16, 2) of the polygons with sides across ``DIRECTIONS`` that closely hold shapes of these reaches."""
    following = np.roll(DIRECTIONS, -1, axis=0)
    # Lines d . p = r of neighbouring directions; their determinant is sin(2 pi / 16) for each pair.
    det = DIRECTIONS[:, 0] * following[:, 1] - DIRECTIONS[:, 1] * following[:, 0]
    next_reach = np.roll(reach, -1, axis=1)
    x = (reach * following[:, 1] - next_reach * DIRECTIONS[:, 1]) / det
    y = (next_reach * DIRECTIONS[:, 0] - reach * following[:, 0]) / det
    return np.stack([x, y], axis=2)
