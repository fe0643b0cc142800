"""Dilation in time: a mask also stands where the same person is a moment before and after.

Shapes come as their reach along fixed directions; the reach of the hull of two shapes is the larger of theirs. A box is
such a shape in four directions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes

Reach = NDArray[np.float32]

_OUTWARDS = np.array([-1, -1, 1, 1], np.float32)
"""Turns a box into its reach to the left, up, right and down, and back."""


class Windows(NamedTuple):
    """One shape per tracklet and frame, sorted by frame, then tracklet; ``reach`` (N, K)."""

    frame: NDArray[np.int64]
    tracklet: NDArray[np.int32]
    reach: Reach

    @property
    def boxes(self) -> Boxes:
        """The shapes, if they are boxes."""
        return self.reach * _OUTWARDS


def windows(
    frame: NDArray[np.int64],
    tracklet: NDArray[np.int32],
    boxes: Boxes,
    times: NDArray[np.float64],
    padding: float,
) -> Windows:
    """For every frame, the box around all of a tracklet's boxes at most ``padding`` seconds away; see `hulls`."""
    return hulls(frame, tracklet, boxes * _OUTWARDS, times, padding)


def hulls(
    frame: NDArray[np.int64],
    tracklet: NDArray[np.int32],
    reach: Reach,
    times: NDArray[np.float64],
    padding: float,
) -> Windows:
    """For every frame, the hull of all of a tracklet's shapes at most ``padding`` seconds away.

    A tracklet's first and last shape thus also stand in the frames up to ``padding`` before and after it.

    Args:
        frame: (N,) frame of each shape, in any order.
        tracklet: (N,) tracklet of each shape; several shapes of a tracklet in one frame are joined.
        reach: (N, K).
        times: (F,) times of all frames in seconds, not decreasing.
        padding: seconds.
    """
    order = np.lexsort((frame, tracklet))
    frame, tracklet, reach = frame[order], tracklet[order], reach[order]
    cuts = np.flatnonzero(np.diff(tracklet)) + 1
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, len(frame)], strict=True):
        if stop > start:
            target, union = _dilate(frame[start:stop], reach[start:stop], times, padding)
            parts.append((target, np.full(len(target), tracklet[start], np.int32), union))
    if not parts:
        return Windows(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros((0, reach.shape[1]), np.float32))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return Windows(*(column[order] for column in joined))


def _dilate(
    frame: NDArray[np.int64], reach: Reach, times: NDArray[np.float64], padding: float
) -> tuple[NDArray[np.int64], Reach]:
    """Frames near one tracklet's shapes, and the hull of those that are close enough to each."""
    slack = 1e-6
    own = times[frame]
    first = np.searchsorted(times, own[0] - padding - slack, side="left")
    last = np.searchsorted(times, own[-1] + padding + slack, side="right")
    target = np.arange(first, last)
    low = np.searchsorted(own, times[target] - padding - slack, side="left")
    high = np.searchsorted(own, times[target] + padding + slack, side="right")
    near = high > low
    return target[near], _span(reach, low[near], high[near])


def _span(reach: Reach, low: NDArray[np.int64], high: NDArray[np.int64]) -> Reach:
    """Largest of ``reach[low[i]:high[i]]`` for every i: two overlapping runs of a power-of-two length each."""
    out = np.empty((len(low), reach.shape[1]), np.float32)
    length = high - low
    size = 1
    while size <= length.max(initial=0):
        here = (length >= size) & (length < 2 * size)
        out[here] = np.maximum(reach[low[here]], reach[high[here] - size])
        reach = np.maximum(reach[:-size], reach[size:]) if len(reach) > size else reach[:0]
        size *= 2
    return out
