"""Gaps inside tracklets are filled, and boxes smoothed, with an uncertain look at each frame but a good one at many.

Local linear regression with a Gaussian kernel in time (Fan and Gijbels 1996, section 3.2): exact for people who move
evenly, at any frame rate, and centred, so that it does not lag behind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GAP_WEIGHT = 0.02
"""Weight of a filled-in box beside a seen one's (0.3 + score)."""


def smooth(times: Array, boxes: Array, scores: Array, tracklet: NDArray[np.int64], sigma: float) -> Array:
    """Smooth the boxes of many tracklets at once.

    Args:
        times: (N,) seconds.
        boxes: (N, 4) ``x1, y1, x2, y2`` in pixels, without gaps; rows sorted by tracklet, then time.
        scores: (N,) detector scores, NaN where the box was filled in.
        tracklet: (N,) tracklet numbers.
        sigma: the kernel's standard deviation in seconds; 0 leaves the boxes as they are.

    Returns:
        (N, 4) smoothed boxes.
    """
    count = len(times)
    if sigma <= 0 or count == 0:
        return boxes
    weight = np.where(np.isnan(scores), GAP_WEIGHT, 0.3 + np.nan_to_num(scores))
    s0, s1, s2 = np.zeros(count), np.zeros(count), np.zeros(count)
    t0, t1 = np.zeros((count, 4)), np.zeros((count, 4))
    for shift in range(-_reach(times, tracklet, sigma), _reach(times, tracklet, sigma) + 1):
        here = slice(max(0, -shift), count - max(0, shift))
        there = slice(max(0, shift), count - max(0, -shift))
        away = times[there] - times[here]
        kernel = np.where(tracklet[there] == tracklet[here], np.exp(-0.5 * (away / sigma) ** 2), 0.0) * weight[there]
        s0[here] += kernel
        s1[here] += kernel * away
        s2[here] += kernel * away**2
        t0[here] += kernel[:, None] * boxes[there]
        t1[here] += (kernel * away)[:, None] * boxes[there]
    # A ridge keeps the slope at zero where the kernel sees too little to know one.
    s2 += 0.05 * s0 * sigma**2
    det = s0 * s2 - s1**2
    return (t0 * s2[:, None] - t1 * s1[:, None]) / det[:, None]


def _reach(times: Array, tracklet: NDArray[np.int64], sigma: float) -> int:
    """Rows on either side that three standard deviations can hold."""
    step = np.diff(times)[np.diff(tracklet) == 0]
    if len(step) == 0:
        return 0
    return int(np.clip(np.ceil(3 * sigma / max(float(np.median(step)), 1e-6)), 1, 200))


def fill(rows: NDArray[np.int64], boxes: Array, wanted: NDArray[np.int64]) -> Array:
    """Boxes at the frames ``wanted``, linear between the known frames ``rows`` (both increasing), shape (M, 4)."""
    return np.stack([np.interp(wanted, rows, boxes[:, i]) for i in range(4)], axis=1)
