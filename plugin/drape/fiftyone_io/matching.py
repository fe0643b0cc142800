"""Whether a box is one that is known already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from drape.boxes import Boxes

SAME_PX = 0.05
"""Boxes whose edges lie within this many pixels are one box: far below what a hand moves, far above rounding."""

_FRAME_STRIDE = 1e6

Ints = NDArray[np.signedinteger]


def is_known(frames: Ints, boxes: Boxes, known_frames: Ints, known_boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes are among the known ones of their frame, to within ``SAME_PX``.

    Args:
        frames: frame of each box, (N,).
        boxes: pixels, (N, 4).
        known_frames: frame of each known box, (M,).
        known_boxes: pixels, (M, 4).

    Returns:
        (N,) bool.
    """
    if not len(known_frames) or not len(frames):
        return np.zeros(len(frames), bool)
    tree = cKDTree(_points(known_frames, known_boxes))
    distance, _ = tree.query(_points(frames, boxes), p=np.inf, distance_upper_bound=SAME_PX)
    found: NDArray[np.bool_] = np.isfinite(distance)
    return found


def _points(frames: Ints, boxes: Boxes) -> NDArray[np.float64]:
    """Frame and box as one point, frames too far apart to be confused; shape (N, 5)."""
    return np.column_stack([frames.astype(np.float64) * _FRAME_STRIDE, boxes.astype(np.float64)])
