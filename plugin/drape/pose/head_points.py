"""Key points of a table as arrays: how sure each is, how large the person is, and which way it stands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.pose.head_config import HeadConfig
from drape.pose.head_template import (
    CHIN,
    IDS,
    LEFT_EYE,
    LEFT_HIP,
    LEFT_SHOULDER,
    LENGTHS,
    MEAN,
    RIGHT_EYE,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    SPREAD,
    TALLEST,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

COUNT = 133
"""Points of a row here; a body-only pose has none beyond the 17th."""

SMALLEST = 0.25
"""A box shows at least so many metres of a person."""

SHARED = 0.7
"""Share of the variance of a head's points that all of them have in common: estimators shift faces as a whole."""

NEAR = 0.75
"""A bound on the scale is backed by another of at least this share of it."""

_PAIRS = [{a, b} for a, b in LENGTHS]
_OTHERS = [[j for j, other in enumerate([*_PAIRS, {-1}]) if not pair & other] for pair in [*_PAIRS, {-1}]]
"""For each distance, and the box at the end, the places of those that share no point with it."""

_HEAD = np.flatnonzero(~np.isin(IDS, (LEFT_SHOULDER, RIGHT_SHOULDER)))
_FIRST, _SECOND = (_HEAD[i] for i in np.triu_indices(len(_HEAD), 1))
_HEAD_PAIRS = IDS[_FIRST], IDS[_SECOND]
_HEAD_DISTANCES = np.array(
    [
        SPREAD[:, a, a] + SPREAD[:, b, b] - 2 * SPREAD[:, a, b] + (MEAN[a] - MEAN[b]) ** 2
        for a, b in zip(_FIRST, _SECOND, strict=True)
    ]
).sum(axis=1)
"""Mean squared distance of these pairs over all turns of the head, square metres."""


class Points(NamedTuple):
    """Key points of N persons.

    ``xy`` (N, 133, 2) pixels, 0 where unknown; ``known`` (N, 133); ``sigma`` (N, 133) metres of the person, infinite
    where unknown; ``score`` (N, 133), 0 where unknown.
    """

    xy: Floats
    known: Bools
    sigma: Floats
    score: Floats

    def of(self, *ids: int) -> tuple[Floats, Bools]:
        """The mean (N, 2) of some points, and where all of them are known (N,)."""
        return self.xy[:, list(ids)].mean(axis=1), np.asarray(self.known[:, list(ids)].all(axis=1))


def sigma_of(score: Floats, config: HeadConfig) -> Floats:
    """Deviation of points on each axis in metres of the person, from scores in [0, 1].

    ``point_sigma`` at 1 grows with the square of what is missing to 1, up to ``doubtful_sigma`` at 0.
    """
    return config.point_sigma + (config.doubtful_sigma - config.point_sigma) * (1 - np.clip(score, 0, 1)) ** 2


def points_of(poses: pa.Table | None, rows: NDArray[np.int64], config: HeadConfig) -> Points:
    """Points of persons.

    Args:
        poses: table ``POSES``; None if there is none, and then no row is either.
        rows: (N,) row of each person in ``poses``, -1 for none.
        config: least score, deviations.
    """
    xy, score = np.zeros((len(rows), COUNT, 2)), np.zeros((len(rows), COUNT))
    outside = np.ones((len(rows), COUNT), bool)
    has = np.flatnonzero(rows >= 0)
    if poses is not None and len(has):
        x, y, s = (_matrix(poses, name, rows[has]) for name in ("x", "y", "score"))
        width = x.shape[1]
        xy[has, :width], score[has, :width] = np.stack([x, y], axis=2), s
        outside[has, :width] = _matrix(poses, "outside", rows[has])
    known = np.isfinite(xy).all(axis=2) & np.isfinite(score) & (score >= config.min_score) & ~outside
    sigma = np.where(known, sigma_of(np.nan_to_num(score), config), np.inf)
    return Points(np.where(known[:, :, None], xy, 0.0), known, sigma, np.where(known, score, 0.0))


def _matrix(poses: pa.Table, name: str, rows: NDArray[np.int64]) -> NDArray:
    """A list column as a matrix; lists of one table have one length, or the shorter ones end in NaN."""
    column = poses.column(name).combine_chunks().take(pa.array(rows))
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    values = column.flatten().to_numpy(zero_copy_only=False)
    width = min(int(lengths.max()), COUNT)
    at = np.arange(width)[None, :]
    starts = (np.cumsum(lengths) - lengths)[:, None]
    there = at < lengths[:, None]
    filler = True if values.dtype == bool else np.nan
    return np.where(there, values[np.minimum(starts + at, len(values) - 1)], filler)


def scale_of(points: Points, boxes: Boxes) -> tuple[Floats, Bools]:
    """Pixels per metre at each person.

    Two estimates, of which the larger holds. A picture shortens distances between points and lengthens none, so each
    gives a lower bound; one wild point must not make a giant, so that a bound counts as far as one between other
    points, or the box, comes near it. And distances between points of the head are known in the mean over all its
    turns.

    Returns:
        (N,) pixels per metre; (N,) whether any distance spoke, and not the box alone.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64).max(axis=1, initial=0.0)
    bounds = np.zeros((len(sides), len(_PAIRS) + 1))
    for place, ((a, b), length) in enumerate(LENGTHS.items()):
        apart, error = _apart(points, np.array([a]), np.array([b]))
        # apart <= scale * (length + error): the error is a length on the person too
        bounds[:, place] = np.nan_to_num(apart / (length + error))[:, 0]
    bounds[:, -1] = sides / TALLEST
    backing = np.stack([bounds[:, others].max(axis=1) for others in _OTHERS], axis=1)
    scale = np.minimum(bounds, backing / NEAR).max(axis=1)
    scale = np.maximum(scale, bounds[:, -1])
    first, second = _HEAD_PAIRS
    apart, error = _apart(points, first, second)
    usual = _median(apart / np.sqrt(_HEAD_DISTANCES + error**2))
    scale = np.maximum(scale, np.nan_to_num(usual))
    spoke = (bounds[:, :-1] > 0).any(axis=1) | np.isfinite(usual)
    return np.minimum(scale, sides / SMALLEST), spoke


def _apart(points: Points, a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Distance (N, K) of pairs of points in pixels, NaN where one is not known, and its deviation in metres."""
    both = points.known[:, a] & points.known[:, b]
    apart = np.linalg.norm(points.xy[:, a] - points.xy[:, b], axis=2)
    error = np.where(both, np.hypot(points.sigma[:, a], points.sigma[:, b]), 0.0)
    return np.where(both, apart, np.nan), np.sqrt(1 - SHARED) * error


def _median(values: Floats) -> Floats:
    """Medians of rows (N,) without NaN; NaN where there are fewer than three values."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(values).sum(axis=1)
    middle: Floats = ordered[np.arange(len(values)), np.minimum(count // 2, values.shape[1] - 1)]
    return np.where(count >= 3, middle, np.nan)


class Stance(NamedTuple):
    """Which way N bodies point: ``up`` (N, 2) unit vectors in the picture, straight up where nothing tells; ``clear``
    (N,) whether something does; ``lying`` (N,) who lies or bends."""

    up: Floats
    clear: Bools
    lying: Bools


def stance_of(points: Points, scale: Floats, config: HeadConfig) -> Stance:
    """Which way is up along each body: from the hips to the shoulders, else from the chin to the eyes.

    Args:
        points: of N persons.
        scale: (N,) pixels per metre.
        config: from which angle on somebody lies.
    """
    up, clear = np.tile([0.0, -1.0], (len(scale), 1)), np.zeros(len(scale), bool)
    ways = (((CHIN,), (LEFT_EYE, RIGHT_EYE), 0.07), ((LEFT_HIP, RIGHT_HIP), (LEFT_SHOULDER, RIGHT_SHOULDER), 0.25))
    for low, high, least in ways:
        (start, a), (end, b) = points.of(*low), points.of(*high)
        length = np.linalg.norm(end - start, axis=1)
        # Seen along its axis it points nowhere.
        tells = a & b & (length > least * scale)
        up = np.where(tells[:, None], (end - start) / np.maximum(length, 1e-9)[:, None], up)
        clear |= tells
    return Stance(up, clear, clear & (-up[:, 1] < np.cos(np.radians(config.lying))))
