"""Heads over time: where a head is between frames in which it is certain, and how small it may get."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.pose.head_config import HeadConfig

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Carried(NamedTuple):
    """Heads taken over from other frames, N rows: ``xy`` (N, 2) pixels, ``scale`` (N,) pixels per metre, ``sigma`` (N,)
    metres, infinite where no certain frame is near."""

    xy: Floats
    scale: Floats
    sigma: Floats


class Neighbours(NamedTuple):
    """Rows of the last certain frame before each row and of the first after it, itself excluded; -1 for none."""

    before: Ints
    after: Ints


def neighbours(tracklet: NDArray[np.int32], time: Floats, certain: Bools) -> Neighbours:
    """Nearest certain rows (N,) of each row's own tracklet."""
    order = np.lexsort((time, tracklet))
    count = len(order)
    place = np.arange(count)
    marked = certain[order]
    starts = np.concatenate([[True], np.diff(tracklet[order]) != 0]) if count else np.zeros(0, bool)
    start = np.maximum.accumulate(np.where(starts, place, 0)) if count else place
    ends = np.roll(starts, -1)
    stop = np.minimum.accumulate(np.where(ends, place, count)[::-1])[::-1] if count else place
    last = np.maximum.accumulate(np.where(marked, place, -1)) if count else place
    first = np.minimum.accumulate(np.where(marked, place, count)[::-1])[::-1] if count else place
    last, first = np.append(-1, last[:-1])[:count], np.append(first[1:], count)[:count]
    before, after = np.full(count, -1), np.full(count, -1)
    good = last >= start
    before[order[good]] = order[last[good]]
    good = (first <= stop) & (first < count)
    after[order[good]] = order[first[good]]
    return Neighbours(before, after)


def carried(
    near: Neighbours, time: Floats, boxes: Boxes, centre: Floats, scale: Floats, sigma: Floats, config: HeadConfig
) -> Carried:
    """Heads of all rows from their certain neighbours, in the box's own coordinates.

    Between two certain frames the place runs in a straight line, and how far the head strays from it grows as for a
    random walk that is held at both ends; beyond one it grows with the root of the time. The box's own jitter comes on
    top.

    Args:
        near: the certain neighbours.
        time: (N,) seconds.
        boxes: (N, 4).
        centre, scale, sigma: (N, 2), (N,), (N,) of the certain rows' heads; others are not looked at.
        config: how far in time, and how heads stray.
    """
    inside = within(boxes, centre, scale)
    gaps = [np.where(rows >= 0, np.abs(time - time[rows]), np.inf) for rows in near]
    gaps = [np.where(gap <= config.time_gap_s, gap, np.inf) for gap in gaps]
    a, b = gaps
    both = np.isfinite(a) & np.isfinite(b)
    total = np.where(both, a + b, 1.0)
    share = np.where(both, np.where(both, a, 0) / np.maximum(total, 1e-9), np.where(np.isfinite(a), 0.0, 1.0))
    there = np.isfinite(np.minimum(a, b))
    early, late = (np.where(rows >= 0, rows, 0) for rows in near)
    place = inside[early] * (1 - share)[:, None] + inside[late] * share[:, None]
    size = np.where(share < 1, _resized(boxes, early, scale), 0.0)
    size = np.maximum(size, np.where(share > 0, _resized(boxes, late, scale), 0.0))
    wander = np.where(both, np.where(both, a * b, 0) / np.maximum(total, 1e-9), np.minimum(a, b))
    own = np.maximum(np.where(share < 1, sigma[early], 0.0), np.where(share > 0, sigma[late], 0.0))
    strayed = np.sqrt(own**2 + config.box_sigma**2 + config.time_sigma**2 * np.where(there, wander, np.inf))
    return Carried(_outside(boxes, place, size), size, strayed)


def least_scale(near: Neighbours, time: Floats, boxes: Boxes, scale: Floats, config: HeadConfig) -> Floats:
    """The scale (N,) below which no head may fall: the last certain one's, shrunk as the box shrank; 0 for none."""
    rows = np.where(near.before >= 0, near.before, 0)
    recent = (near.before >= 0) & (time - time[rows] <= config.memory_s)
    return np.where(recent, _resized(boxes, rows, scale), 0.0)


def within(boxes: Boxes, xy: Floats, scale: Floats) -> Floats:
    """Places (N, 2) in boxes: across as a share of the width, down in metres below the top.

    A box's lower end comes and goes with what stands before the legs; its top is the head's.
    """
    width = np.maximum(boxes[:, 2] - boxes[:, 0], 1e-6)
    return np.stack([(xy[:, 0] - boxes[:, 0]) / width, (xy[:, 1] - boxes[:, 1]) / np.maximum(scale, 1e-9)], axis=1)


def _outside(boxes: Boxes, place: Floats, scale: Floats) -> Floats:
    width = boxes[:, 2] - boxes[:, 0]
    return np.stack([boxes[:, 0] + place[:, 0] * width, boxes[:, 1] + place[:, 1] * scale], axis=1)


def _resized(boxes: Boxes, rows: Ints, scale: Floats) -> Floats:
    """Scale of other rows' heads as far as both sides of the box shrank, or both grew, since."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6).astype(np.float64)
    ratio = size / size[rows]
    return scale[rows] * np.minimum(ratio.max(axis=1), 1.0) * np.maximum(ratio.min(axis=1), 1.0)
