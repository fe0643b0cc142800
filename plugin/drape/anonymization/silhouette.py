"""The hull of a person's whole pose, grown: less than the box, more than the head."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.anonymization.config import ReleaseConfig
from drape.anonymization.shapes import Floats, reach_of
from drape.boxes import Boxes

Bools = NDArray[np.bool_]

LEAST_SCORE = 0.3
"""Points below this score do not count."""

NEEDED = (5, 6)
"""Shoulders: without both a pose is doubtful."""

LIMBS = ((7, 9), (8, 10), (13, 15), (14, 16))
"""Elbow and wrist, knee and ankle, left and right: of ``LEAST_LIMBS`` at least one point must be known."""

LEAST_LIMBS = 2

FILLED = 0.8
"""A grown hull that fills less than this share of the box's height or width leaves out a part of the person."""

SURE_HEADS = ("key_points", "over_time")
"""Rules of heads that may stand for the head in a silhouette."""


def silhouettes(
    poses: pa.Table | None,
    rows: NDArray[np.int64],
    boxes: Boxes,
    heads: Floats,
    rules: NDArray[np.str_],
    config: ReleaseConfig,
) -> tuple[Floats, Bools]:
    """Hulls of poses and heads.

    Args:
        poses: table ``POSES``; None if there is none, and then no row is either.
        rows: (N,) row of each person in ``poses``, -1 for none.
        boxes: (N, 4) of the persons.
        heads: (N, 16) reach of their heads.
        rules: (N,) by which these were found.
        config: how far the hull is grown.

    Returns:
        (N, 16) reach of the grown hulls; (N,) whether the pose is good enough for them to stand for the person.
    """
    around, whole = np.array(heads), np.zeros(len(rows), bool)
    has = np.flatnonzero((rows >= 0) & np.isin(rules, SURE_HEADS))
    if poses is None or not len(has):
        return around, whole
    points, known = _points(poses, rows[has])
    hull = reach_of(points, known)
    height = (boxes[has, 3] - boxes[has, 1]).astype(np.float64)
    grown = np.maximum(hull + (config.silhouette_margin * height)[:, None], heads[has])
    limbs = np.stack([known[:, list(limb)].any(axis=1) for limb in LIMBS]).sum(axis=0)
    sound = known[:, list(NEEDED)].all(axis=1) & (limbs >= LEAST_LIMBS) & np.isfinite(grown).all(axis=1)
    around[has] = np.where(sound[:, None], grown, heads[has])
    whole[has] = sound & _fills(grown, boxes[has])
    return around, whole


def _points(poses: pa.Table, rows: NDArray[np.int64]) -> tuple[Floats, Bools]:
    """Points (N, K, 2), 0 where unknown, and which are known (N, K); all rows of a table have as many."""
    taken = poses.take(pa.array(rows))
    count = len(rows)
    x, y, score, outside = (
        taken.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(count, -1)
        for name in ("x", "y", "score", "outside")
    )
    known = np.isfinite(x) & np.isfinite(y) & (score >= LEAST_SCORE) & ~outside
    points = np.stack([np.where(known, x, 0), np.where(known, y, 0)], axis=2).astype(np.float64)
    return points, known


def _fills(reach: Floats, boxes: Boxes) -> Bools:
    """Whether hulls (N, 16) span most of their boxes, both ways."""
    low, high = np.maximum(-reach[:, [8, 12]], boxes[:, :2]), np.minimum(reach[:, [0, 4]], boxes[:, 2:])
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    return np.asarray(((high - low) >= FILLED * size).all(axis=1))
