"""What a head is like: where its points lie on it, how large it is, and how far apart points of a body can be.

Metres of an adult. The head's frame has its origin in the middle between vertex and chin and axes to the left, ahead
and up. Lengths are those of the usual anthropometric tables (Drillis and Contini 1966; NASA-STD-3000: breadth, length
and height of heads, 50th to 95th percentile), plus a cap or hair.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR, LEFT_SHOULDER, RIGHT_SHOULDER = range(7)
LEFT_HIP, RIGHT_HIP = 11, 12
FACE = 23
CHIN = FACE + 8

POINTS: dict[int, tuple[float, float, float]] = {
    NOSE: (0.0, 0.108, -0.014),
    LEFT_EYE: (0.032, 0.090, 0.017),
    RIGHT_EYE: (-0.032, 0.090, 0.017),
    LEFT_EAR: (0.077, 0.0, 0.0),
    RIGHT_EAR: (-0.077, 0.0, 0.0),
    LEFT_SHOULDER: (0.186, 0.0, -0.27),
    RIGHT_SHOULDER: (-0.186, 0.0, -0.27),
    FACE: (-0.077, 0.021, -0.006),
    FACE + 4: (-0.033, 0.066, -0.084),
    CHIN: (0.0, 0.057, -0.110),
    FACE + 12: (0.033, 0.066, -0.084),
    FACE + 16: (0.077, 0.021, -0.006),
    FACE + 21: (-0.015, 0.094, 0.037),
    FACE + 22: (0.015, 0.094, 0.037),
    FACE + 51: (0.0, 0.092, -0.050),
}
"""Points that tell where the head is: of the body, the shoulders included, and some of the face."""

HALF_AXES = (0.105, 0.130, 0.135)
"""Of the head with cap or hair: aside, ahead, up."""

NECK = 0.075
"""Half the width of the neck."""

NECK_SHARE = 0.65
"""The neck reaches so far from the head's centre to the middle of the shoulders."""

LENGTHS: dict[tuple[int, int], float] = {
    (5, 6): 0.39,
    (5, 11): 0.52,
    (6, 12): 0.52,
    (5, 12): 0.58,
    (6, 11): 0.58,
    (5, 7): 0.31,
    (6, 8): 0.31,
    (7, 9): 0.26,
    (8, 10): 0.26,
    (11, 13): 0.42,
    (12, 14): 0.42,
    (3, 5): 0.29,
    (4, 6): 0.29,
    (3, 4): 0.16,
    (3, 31): 0.155,
    (4, 31): 0.155,
    (0, 3): 0.14,
    (0, 4): 0.14,
    (2, 3): 0.145,
    (1, 4): 0.145,
    (23, 31): 0.14,
    (39, 31): 0.14,
}
"""Distances between points, which a picture can shorten but not lengthen."""

TALLEST = 1.9
"""Height of a tall adult, and the span of his arms."""

VARIETY, NECK_VARIETY = 0.015, 0.045
"""Deviation in metres of people from the template: of each point, and of the shoulders because the neck bends."""

_ELEVATIONS = (0.0, 0.4, 0.8)
_TURNS = (-0.6, 0.0, 0.6)
_NODS = (-0.2, 0.3)
_YAWS = 16


def _about_up(angle: float) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _nod(angle: float) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def _projections() -> Floats:
    """Template points (S, P, 2) in pictures of one pixel per metre, x to the right and y down, the head's centre at 0.

    The camera looks from ``_ELEVATIONS`` above the horizon; the body turns by all yaws, the head against it by
    ``_TURNS`` and ``_NODS``.
    """
    ids = list(POINTS)
    template = np.array([POINTS[i] for i in ids])
    shoulders = np.isin(ids, (LEFT_SHOULDER, RIGHT_SHOULDER))
    shots = []
    yaws = np.arange(_YAWS) * 2 * np.pi / _YAWS
    for yaw, turn, nod, high in itertools.product(yaws, _TURNS, _NODS, _ELEVATIONS):
        head = template @ (_about_up(yaw + turn) @ _nod(nod)).T
        body = template @ _about_up(yaw).T
        placed = np.where(shoulders[:, None], body, head)
        # Seen from ahead: left becomes x, what is ahead (towards the camera) lowers y as far as the camera is high.
        shots.append(np.stack([placed[:, 0], -placed[:, 2] * np.cos(high) + placed[:, 1] * np.sin(high)], axis=1))
    return np.array(shots)


IDS: NDArray[np.int64] = np.array(list(POINTS))
_SHOTS = _projections()
MEAN: Floats = _SHOTS.mean(axis=0)
"""(P, 2) mean offset of each point of ``IDS`` from the head's centre, metres, upright in the picture."""

_SPREAD = _SHOTS - MEAN
_SHOULDERS = np.isin(IDS, (LEFT_SHOULDER, RIGHT_SHOULDER)).astype(float)
SPREAD: Floats = (
    np.einsum("spk,sqk->kpq", _SPREAD, _SPREAD) / len(_SHOTS)
    + VARIETY**2 * np.eye(len(IDS))
    + NECK_VARIETY**2 * np.outer(_SHOULDERS, _SHOULDERS)
)
"""(2, P, P) covariance of these offsets over all poses and people, for x and for y, square metres."""
