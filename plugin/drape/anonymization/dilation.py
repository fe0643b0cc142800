"""Dilation of boxes in time: a mask also stands where the same person is a moment before and after."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes


class Windows(NamedTuple):
    """One box per tracklet and frame, sorted by frame, then tracklet."""

    frame: NDArray[np.int64]
    tracklet: NDArray[np.int32]
    boxes: Boxes


def windows(
    frame: NDArray[np.int64],
    tracklet: NDArray[np.int32],
    boxes: Boxes,
    times: NDArray[np.float64],
    padding: float,
) -> Windows:
    """For every frame, the box around all of a tracklet's boxes at most ``padding`` seconds away.

    A tracklet's first and last box thus also stand in the frames up to ``padding`` before and after it.

    Args:
        frame: (N,) frame of each box, in any order.
        tracklet: (N,) tracklet of each box; several boxes of a tracklet in one frame are joined.
        boxes: (N, 4).
        times: (F,) times of all frames in seconds, not decreasing.
        padding: seconds.
    """
    order = np.lexsort((frame, tracklet))
    frame, tracklet, boxes = frame[order], tracklet[order], boxes[order]
    cuts = np.flatnonzero(np.diff(tracklet)) + 1
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, len(frame)], strict=True):
        if stop > start:
            target, union = _dilate(frame[start:stop], boxes[start:stop], times, padding)
            parts.append((target, np.full(len(target), tracklet[start], np.int32), union))
    if not parts:
        return Windows(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros((0, 4), np.float32))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return Windows(*(column[order] for column in joined))


def _dilate(
    frame: NDArray[np.int64], boxes: Boxes, times: NDArray[np.float64], padding: float
) -> tuple[NDArray[np.int64], Boxes]:
    """Frames near one tracklet's boxes, and the box around those within reach of each."""
    slack = 1e-6
    own = times[frame]
    first = np.searchsorted(times, own[0] - padding - slack, side="left")
    last = np.searchsorted(times, own[-1] + padding + slack, side="right")
    target = np.arange(first, last)
    low = np.searchsorted(own, times[target] - padding - slack, side="left")
    high = np.searchsorted(own, times[target] + padding + slack, side="right")
    reached = high > low
    return target[reached], _span(boxes, low[reached], high[reached])


def _span(boxes: Boxes, low: NDArray[np.int64], high: NDArray[np.int64]) -> Boxes:
    """Box around ``boxes[low[i]:high[i]]`` for every i: two overlapping runs of a power-of-two length each."""
    keyed = boxes * np.array([-1, -1, 1, 1], np.float32)
    out = np.empty((len(low), 4), np.float32)
    length = high - low
    size = 1
    while size <= length.max(initial=0):
        here = (length >= size) & (length < 2 * size)
        out[here] = np.maximum(keyed[low[here]], keyed[high[here] - size])
        keyed = np.maximum(keyed[:-size], keyed[size:]) if len(keyed) > size else keyed[:0]
        size *= 2
    return out * np.array([-1, -1, 1, 1], np.float32)
