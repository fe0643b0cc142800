"""A first guess at the geometry: where on the floor each person stands, as one view alone can tell.

People stand upright and are about equally tall, so the height of a box is a linear function of where its feet are in
the picture (Hoiem et al. 2008; Criminisi et al. 2000). The function's zero line is the horizon; with a usual focal
length it gives floor positions in units of a person's height, up to where the camera itself stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.association.views import Floats, ViewBoxes

FOCAL = 0.9
"""Focal length in picture widths where nothing is known: that of a lens of 58 degrees."""
EDGE = 0.005
"""A box this near an edge of the picture, in widths, is cut by it."""
TOLERANCE = 0.15
"""Relative error of a height that is counted as agreement."""
TRIALS = 400
LEAST_BOXES = 30
MOST_BOXES = 3000


@dataclass(frozen=True)
class Floor:
    """A view's floor, in units of the picture's longer side from its upper left corner.

    Attributes:
        slope: (3,) height of a box = slope · (x of its middle, y of its lower edge, 1).
        matrix: (3, 3) homogeneous (x, y, 1) to floor coordinates in person heights, the camera above the origin.
        fit: share of whole boxes whose height agrees.
    """

    slope: Floats
    matrix: Floats
    fit: float


def whole(view: ViewBoxes) -> NDArray[np.bool_]:
    """Which boxes no edge of the picture cuts, (N,)."""
    width, height = view.extent()
    x1, y1, x2, y2 = view.boxes.T
    edge = EDGE * max(width, height)
    return (x1 >= edge) & (y1 >= edge) & (x2 <= width - edge) & (y2 <= height - edge)


def footed(view: ViewBoxes) -> NDArray[np.bool_]:
    """Which boxes show the feet: the picture's lower edge does not cut them, (N,)."""
    width, height = view.extent()
    out: NDArray[np.bool_] = view.boxes[:, 3] <= height - EDGE * max(width, height)
    return out


def fit_floor(view: ViewBoxes, rng: np.random.Generator) -> Floor | None:
    """The view's floor, from the boxes that no edge cuts; None where too few agree on one."""
    rows = np.flatnonzero(whole(view))
    if len(rows) < LEAST_BOXES:
        return None
    boxes = view.boxes[rows].astype(np.float64) / max(view.extent())
    points = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], np.ones(len(boxes))], axis=1)
    height = boxes[:, 3] - boxes[:, 1]
    slope = _refine(points, height, _sample(points, height, rng))
    if slope is None or not 0.02 < slope[1] < 2.0:
        return None
    fit = float(np.mean(_errors(points, height, slope) < TOLERANCE))
    return Floor(slope, _matrix(slope, view.extent()), fit)


def _errors(points: Floats, height: Floats, slope: Floats) -> Floats:
    expected = points @ slope
    error: Floats = np.where(expected > 1e-3, np.abs(expected - height) / np.maximum(expected, 1e-3), 1.0)
    return error


def _sample(points: Floats, height: Floats, rng: np.random.Generator) -> Floats | None:
    """The best slope through three boxes (Fischler and Bolles 1981)."""
    best = np.inf
    found: Floats | None = None
    some = rng.choice(len(points), min(len(points), MOST_BOXES), replace=False)
    for _ in range(TRIALS):
        rows = rng.choice(len(points), 3, replace=False)
        try:
            slope = np.linalg.solve(points[rows], height[rows]).astype(np.float64)
        except np.linalg.LinAlgError:
            continue
        if slope[1] <= 0.05:
            continue
        loss = np.minimum(_errors(points[some], height[some], slope), TOLERANCE).mean()
        if loss < best:
            best, found = loss, slope
    return found


def _refine(points: Floats, height: Floats, slope: Floats | None) -> Floats | None:
    for _ in range(10):
        if slope is None:
            return None
        near = _errors(points, height, slope) < TOLERANCE
        if near.sum() < LEAST_BOXES / 2:
            return None
        weight = 1 / np.maximum(points[near] @ slope, 1e-3)
        solved = np.linalg.lstsq(points[near] * weight[:, None], height[near] * weight, rcond=None)[0]
        slope = solved.astype(np.float64)
    return slope


def _matrix(slope: Floats, extent: tuple[float, float]) -> Floats:
    """Rays to the floor: its normal is the horizon line seen through the lens; the camera's height is 1 / slope."""
    width, height = np.array(extent) / max(extent)
    focal = FOCAL * width
    lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    normal = lens.T @ slope
    normal /= np.linalg.norm(normal)
    camera_height = 1 / float(np.hypot(slope[0], slope[1]))
    right = np.cross(normal, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    ahead = np.cross(right, normal)
    return np.stack([camera_height * right, camera_height * ahead, normal]) @ np.linalg.inv(lens)
