"""Points over a tracklet: outliers are dropped, the others smoothed by how sure they are. Nothing is invented.

Outliers as by Hampel's identifier (Davies and Gather 1993), with the median of the neighbours alone; smoothing by local
linear regression (Fan and Gijbels 1996, section 3.2), which is centred and does not lag behind people who move evenly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.boxes import Floats
from drape.pose.config import PoseConfig
from drape.pose.estimator import Points
from drape.pose.rows import RAW, outside_of, points_of, poses_table
from drape.tables import boxes_of

_SIGMAS = 3
"""Standard deviations after which the smoothing's kernel is cut off."""

_MOST = 40
"""Neighbours on each side that count at most, at whatever frame rate."""

_COLUMNS = 19
"""Points that are looked at together, so that the neighbours of many persons fit into memory."""

_RIDGE = 0.01
"""Of the regression's slope, in kernel widths: enough that it exists where a point has no neighbours."""

_MAD = 1.4826
"""Standard deviations of a normal distribution per median absolute deviation."""

_PEERS = 0.5
"""A point is judged only by neighbours whose score is at least this share of its own."""


def smooth_segments(segments: Iterable[pa.Table], config: PoseConfig) -> Iterator[pa.Table]:
    """Final poses of a view, piece by piece; memory does not grow with their number.

    A point far from its neighbours in time is dropped (not a number, score 0), the others are smoothed; scores stay.
    How the rows are cut into segments changes nothing.

    Args:
        segments: ``RAW`` of a view, in order of time.
        config: how far to look and what an outlier is.

    Yields:
        ``POSES`` with the rows of each segment that has any, in the same order.
    """
    reach = config.outlier_window_s + _SIGMAS * config.smoothing_s
    coming = (table for table in segments if table.num_rows)
    past, queue = RAW.empty_table(), list[pa.Table]()
    finished = False
    while True:
        while not finished and (len(queue) < 2 or _end(queue[-1]) <= _end(queue[0]) + reach):
            following = next(coming, None)
            finished = following is None
            queue += [] if following is None else [following]
        if not queue:
            return
        now = queue.pop(0)
        after = pa.concat_tables([RAW.empty_table(), *queue])
        after = after.filter(pc.less_equal(after.column("time"), _end(now) + reach))
        window = pa.concat_tables([past, now, after])
        yield _smoothed(window, config).slice(past.num_rows, now.num_rows)
        before = pa.concat_tables([past, now])
        past = before.filter(pc.greater_equal(before.column("time"), _end(now) - reach))


def _end(table: pa.Table) -> float:
    return float(table.column("time")[-1].as_py())


class _Near(NamedTuple):
    """Rows that have a neighbour at some distance in their own tracklet, that neighbour, and its time minus theirs."""

    rows: NDArray[np.int64]
    others: NDArray[np.int64]
    away: NDArray[np.float64]


def _smoothed(raw: pa.Table, config: PoseConfig) -> pa.Table:
    points, scores = points_of(raw)
    boxes = boxes_of(raw)
    time, tracklet = raw.column("time").to_numpy(), raw.column("tracklet").to_numpy()
    points, scores = points.copy(), scores.copy()
    near = list(_neighbours(time, tracklet, config.outlier_window_s))
    for first in range(0, scores.shape[1], _COLUMNS):
        part = slice(first, first + _COLUMNS)
        wrong = _outliers(points[:, part], scores[:, part], boxes[:, 3] - boxes[:, 1], near, config)
        points[:, part][wrong] = np.nan
        scores[:, part][wrong] = 0
    near = list(_neighbours(time, tracklet, _SIGMAS * config.smoothing_s))
    points = _regression(points, scores, near, config.smoothing_s)
    return poses_table(raw, points, scores, outside_of(points, boxes))


def _neighbours(time: NDArray[np.float64], tracklet: NDArray[np.int32], window: float) -> Iterator[_Near]:
    """Neighbours within ``window`` seconds, by their distance in rows of the tracklet; rows are themselves left out."""
    order = np.lexsort((time, tracklet))
    for step in range(1, _MOST + 1):
        here, there = order[:-step], order[step:]
        away = time[there] - time[here]
        close = (tracklet[here] == tracklet[there]) & (away <= window + 1e-9)
        if not close.any():
            return
        apart = close & (away > 0)
        yield _Near(here[apart], there[apart], away[apart])
        yield _Near(there[apart], here[apart], -away[apart])


def _outliers(
    points: Points, scores: Floats, height: Floats, near: list[_Near], config: PoseConfig
) -> NDArray[np.bool_]:
    """Which points (N, K) lie too far from the median of their neighbours in time."""
    if not near:
        return np.zeros(scores.shape, bool)
    others = np.full((len(near), *points.shape), np.nan, np.float32)
    for layer, (rows, whose, _) in zip(others, near, strict=True):
        peers = (scores[whose] > 0) & (scores[whose] >= _PEERS * scores[rows])
        layer[rows] = np.where(peers[..., None], points[whose], np.nan)
    middle, count = _median(others)
    spread, _ = _median(np.linalg.norm(others - middle, axis=-1))
    off = np.linalg.norm(points - middle, axis=-1)
    allowed = np.maximum(config.outlier_deviations * _MAD * spread, config.outlier_floor * height[:, None])
    return (count[..., 0] >= 2) & (off > allowed)


def _median(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Median over the first axis of the values that are numbers, and their count; not a number where there are none."""
    count = (~np.isnan(values)).sum(axis=0)
    ordered = np.sort(values, axis=0)  # what is not a number comes last
    picked = [np.take_along_axis(ordered, k[None], axis=0)[0] for k in (np.maximum(count - 1, 0) // 2, count // 2)]
    return np.where(count > 0, (picked[0] + picked[1]) / 2, np.float32(np.nan)), count


def _regression(points: Points, scores: Floats, near: list[_Near], sigma: float) -> Points:
    """Points smoothed by local linear regression with a Gaussian kernel in time and the squared scores as weights."""
    known = np.isfinite(points).all(axis=-1) & (scores > 0)
    if sigma <= 0 or not near:
        return points
    weight = np.where(known, scores.astype(np.float64) ** 2, 0)
    place = np.where(known[..., None], points, 0).astype(np.float64)
    s0, t0 = weight.copy(), weight[..., None] * place
    s1, s2, t1 = np.zeros_like(s0), np.zeros_like(s0), np.zeros_like(t0)
    for rows, others, away in near:
        kernel = np.exp(-0.5 * (away / sigma) ** 2)[:, None] * weight[others]
        far = away[:, None]
        s0[rows] += kernel
        s1[rows] += kernel * far
        s2[rows] += kernel * far**2
        t0[rows] += kernel[..., None] * place[others]
        t1[rows] += (kernel * far)[..., None] * place[others]
    # A ridge keeps the slope at zero where the kernel sees too little to know one.
    s2 += _RIDGE * s0 * sigma**2
    det = np.where(known, s0 * s2 - s1**2, 1)
    smooth = (t0 * s2[..., None] - t1 * s1[..., None]) / det[..., None]
    return np.where(known[..., None], smooth, points).astype(np.float32)
