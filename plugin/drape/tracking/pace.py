"""How fast a recording's people move, so that one set of settings serves every frame rate.

Containers lie about frame rates (time lapses, wrong headers), and rooms differ. The pace is measured on the
recording's own confident tracks, and everything that has to do with motion is expressed in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drape.tracking.kalman import to_centre
from drape.tracking.passes import Detections, Ints

WALKING = 0.6
"""Heights per second at which the pace is 1: the upper quartile of the speed of people who walk about."""

BASELINE_FRAMES = 8
"""Speeds are measured over this many frames, because a box's jitter drowns the motion between two."""

BOUNDS = (0.5, 12.0)


def measure_pace(detections: Detections, owner: Ints) -> float:
    """Upper quartile of the tracks' speeds, in multiples of walking.

    Args:
        detections: confident candidates of a view.
        owner: (N,) track numbers of a provisional pass over them.

    Returns:
        The pace, within ``BOUNDS``; 1 where there is too little to measure.
    """
    rows = np.flatnonzero(owner >= 0)
    frame = detections.frame_of()
    rows = rows[np.lexsort((frame[rows], owner[rows]))]
    if len(rows) <= BASELINE_FRAMES:
        return 1.0
    a, b = rows[:-BASELINE_FRAMES], rows[BASELINE_FRAMES:]
    near = (owner[a] == owner[b]) & (frame[b] - frame[a] <= 2 * BASELINE_FRAMES)
    if near.sum() < 5 * BASELINE_FRAMES:
        return 1.0
    speed = _speeds(detections, a[near], b[near])
    return float(np.clip(np.percentile(speed, 75) / WALKING, *BOUNDS))


def _speeds(detections: Detections, a: Ints, b: Ints) -> NDArray[np.float64]:
    frame = detections.frame_of()
    before, after = to_centre(detections.boxes[a]), to_centre(detections.boxes[b])
    seconds = np.maximum(detections.times[frame[b]] - detections.times[frame[a]], 1e-6)
    height = (before[:, 3] + after[:, 3]) / 2
    return np.hypot(*(after[:, :2] - before[:, :2]).T) / (seconds * np.maximum(height, 1.0))
