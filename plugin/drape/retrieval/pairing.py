"""Pairs of rows: of one group, or of two tables that share groups; and overlaps pair by pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def within_groups(group: NDArray) -> tuple[Ints, Ints]:
    """All ordered pairs of rows with equal ``group`` (N,), sorted; each row is also paired with itself."""
    return across_groups(group, group)


def across_groups(left: NDArray, right: NDArray) -> tuple[Ints, Ints]:
    """All pairs (row of ``left``, row of ``right``) with equal group; ``right`` is sorted."""
    start, stop = np.searchsorted(right, left), np.searchsorted(right, left, "right")
    counts = stop - start
    i = np.repeat(np.arange(len(left)), counts)
    j = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - start, counts)
    return i.astype(np.int64), j.astype(np.int64)


def paired_iou(a: NDArray, b: NDArray) -> Floats:
    """Intersection over union of boxes pair by pair, (N, 4) and (N, 4) to (N,)."""
    size = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).astype(np.float64)
    inter = size[:, 0] * size[:, 1]
    union = np.prod(a[:, 2:] - a[:, :2], axis=1) + np.prod(b[:, 2:] - b[:, :2], axis=1) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def log_odds(p: NDArray | float) -> Floats:
    """``log(p / (1 - p))`` with probabilities kept off 0 and 1."""
    p = np.clip(np.asarray(p, np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(p / (1 - p)))


def logistic(x: NDArray | float) -> Floats:
    """``1 / (1 + exp(-x))``."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))
