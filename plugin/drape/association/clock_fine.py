"""The lag to a fraction of a frame: the maps of the plane and the lag that together explain matched paths best.

A person who walks at velocity v is seen v times the lag's error beside where the map puts her, and people walk in all
directions: the lag is not taken up by the map (spatio-temporal alignment, Caspi and Irani 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.association.clock_planes import Marks, Planes, carry, find, marks, refine
from drape.association.clock_signals import Floats, Path

REPEATS = 2
"""Times that pairs of paths are sought: nearer to the right lag, more of them fit."""
ROUNDS = 12
STEP = 0.25
"""Longest correction of the lag in one round, in seconds: the paths bend."""
SLOPE = 0.2
"""Seconds to either side over which velocities are taken."""
MEMORY = 0.5
"""Seconds after which the errors of a path's boxes are taken to be independent."""


@dataclass(frozen=True)
class Fine:
    """Corrections to a lag.

    Attributes:
        planes: maps and pairs of paths at the corrected lag.
        lag: the lag in seconds that explains the whole stretch best.
        times: (W,) middles of windows in seconds of a's clock.
        lags: (W,) lag of each window in seconds.
        errors: (W,) their standard errors.
        explained: share of what both views show of a's paths that the maps explain, 0 to 1.
    """

    planes: Planes
    lag: float
    times: Floats
    lags: Floats
    errors: Floats
    explained: float


@dataclass(frozen=True)
class _Points:
    """Matched points: from ``p`` through map ``plane`` to ``q``, which moves at ``speed``; (N, ...)."""

    plane: NDArray[np.int64]
    time: Floats
    p: Floats
    q: Floats
    speed: Floats


def align(
    a: list[Path],
    b: list[Path],
    extents: tuple[tuple[float, float], tuple[float, float]],
    times: Floats,
    lag: float,
    window: float,
    seed: int,
) -> Fine | None:
    """Correct a lag between two views over a stretch of some minutes.

    Args:
        a, b: paths of the two views that touch the stretch.
        extents: width and height of the pictures in units of their longer sides.
        times: regular times of the stretch on a's clock, (T,).
        lag: b's time less a's, in seconds, to within about half a second.
        window: seconds of the windows that are also looked at alone.
        seed: seed of the guesses.

    Returns:
        None where the paths of the two views do not fit together.
    """
    rate = 1 / float(times[1] - times[0])
    seen = marks(a, times, extents[0])
    planes = find(seen, marks(b, times + lag, extents[1]), rate, seed)
    if planes is None or not len(planes.pairs):
        return None
    for _ in range(REPEATS):
        maps = planes.maps
        for _ in range(ROUNDS):
            points = _points(seen, b, extents[1], times, lag, planes.pairs)
            if len(points.p) < 16:
                return None
            maps, step = _improve(maps, points)
            lag += float(np.clip(step, -STEP, STEP))
            if abs(step) < 1e-4:
                break
        planes = refine(maps, seen, marks(b, times + lag, extents[1]))
    maps = planes.maps
    points = _points(seen, b, extents[1], times, lag, planes.pairs)
    middles, steps, errors = _windows(maps, points, window, rate)
    return Fine(planes, lag, middles, lag + steps, errors, explained(maps, seen, marks(b, times + lag, extents[1])))


def _points(
    seen: Marks, b: list[Path], extent: tuple[float, float], times: Floats, lag: float, pairs: NDArray[np.int64]
) -> _Points:
    now, before, after = (marks(b, times + lag + shift, extent).points for shift in (0.0, -SLOPE, SLOPE))
    parts = []
    for plane in (0, 1):
        p, q = seen.points[plane][:, pairs[:, 0]], now[plane][:, pairs[:, 1]]
        speed = (after[plane] - before[plane])[:, pairs[:, 1]] / (2 * SLOPE)
        rows, columns = np.nonzero(np.isfinite(p[..., 0]) & np.isfinite(q[..., 0]) & np.isfinite(speed[..., 0]))
        parts.append((np.full(len(rows), plane), times[rows], p[rows, columns], q[rows, columns], speed[rows, columns]))
    return _Points(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _weights(maps: Floats, points: _Points) -> tuple[Floats, Floats]:
    """Residuals (N, 2) and Cauchy weights (N,) in units of each plane's noise: weighted squares are near 1."""
    residual = np.empty_like(points.q)
    weight = np.zeros(len(points.q))
    for plane in (0, 1):
        rows = np.flatnonzero(points.plane == plane)
        residual[rows] = carry(maps[plane], points.p[rows]) - points.q[rows]
        if len(rows):
            distance = np.linalg.norm(residual[rows], axis=1)
            noise = max(float(np.median(distance)) / 1.1774, 1e-6)
            weight[rows] = 1 / (1 + (distance / (2.4 * noise)) ** 2) / noise**2
    return residual, weight


def _improve(maps: Floats, points: _Points) -> tuple[Floats, float]:
    """One step of Gauss and Newton for both maps and the lag together."""
    residual, weight = _weights(maps, points)
    slopes = np.zeros((2 * len(residual), 19))
    for plane in (0, 1):
        rows = np.flatnonzero(points.plane == plane)
        slopes[:, 9 * plane : 9 * plane + 9][np.stack([rows, rows + len(residual)], axis=1).ravel()] = _by_map(
            maps[plane], points.p[rows]
        )
    slopes[:, 18] = -points.speed.T.ravel()
    scaled = slopes * np.sqrt(np.tile(weight, 2))[:, None]
    size = np.maximum(np.linalg.norm(scaled, axis=0), 1e-12)
    target = -residual.T.ravel() * np.sqrt(np.tile(weight, 2))
    step = np.linalg.lstsq(scaled / size, target, rcond=1e-8)[0] / size
    better = maps + step[:18].reshape(2, 3, 3)
    return better / np.linalg.norm(better, axis=(1, 2), keepdims=True), float(step[18])


def _by_map(homography: Floats, points: Floats) -> Floats:
    """Derivatives of carried points (N, 2) by the 9 numbers of the map: rows x1, y1, x2, y2 ..., (2 N, 9)."""
    whole = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    image = whole @ homography.T
    depth = image[:, 2:]
    out = np.zeros((len(points), 2, 9))
    out[:, 0, 0:3] = out[:, 1, 3:6] = whole / depth
    out[:, 0, 6:9] = -whole * image[:, 0:1] / depth**2
    out[:, 1, 6:9] = -whole * image[:, 1:2] / depth**2
    return out.reshape(-1, 9)


def _windows(maps: Floats, points: _Points, window: float, rate: float) -> tuple[Floats, Floats, Floats]:
    """Middles, corrections of the lag and their errors, of windows with people who move."""
    residual, weight = _weights(maps, points)
    pull = weight * (residual * points.speed).sum(axis=1)
    stiff = weight * (points.speed**2).sum(axis=1)
    place = np.floor((points.time - points.time.min()) / window).astype(np.int64)
    pulls, stiffs, centres = (np.bincount(place, values) for values in (pull, stiff, stiff * points.time))
    used = np.flatnonzero(stiffs > 0)
    inflation = np.sqrt(max(rate * MEMORY, 1.0))
    return centres[used] / stiffs[used], pulls[used] / stiffs[used], inflation / np.sqrt(stiffs[used])


def explained(maps: Floats, a: Marks, b: Marks) -> float:
    """Share of a's marks, where both views show at least as many people, that fall on a mark of b (beyond chance)."""
    found, possible = 0.0, 0.0
    for plane in (0, 1):
        image = carry(maps[plane], a.points[plane])
        distance = np.linalg.norm(image[:, :, None] - b.points[plane][:, None], axis=-1)
        near = np.where(np.isfinite(distance), distance, np.inf)
        hits = (near.min(axis=1) < 0.04).sum(axis=1) if near.shape[1] and near.shape[2] else np.zeros(len(near))
        counts = [np.isfinite(m.points[plane][..., 0]).sum(axis=1) for m in (a, b)]
        found += float(np.minimum(hits, np.minimum(*counts)).sum())
        possible += float(np.minimum(*counts).sum())
    return found / max(possible, 1.0)
