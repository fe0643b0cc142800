"""What the clocks are read from: the paths of a view's tracklets, and signals over time that sum up where people are.

A signal is the mean embedding of the set of persons (Smola et al. 2007): each person gives random Fourier features of
where she stands, and those of one time are added up. Two cameras see the same people, so the one signal is close to a
linear map of the other, whatever the cameras' places; no calibration is needed to see that they move together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.association.views import ViewBoxes

Floats = NDArray[np.float64]
CHUNK = 1 << 15
"""Persons embedded at once, so that memory stays flat."""


@dataclass(frozen=True)
class Path:
    """One tracklet: times (K,) in seconds, rising; boxes (K, 4) in units of the picture's longer side; mean score."""

    times: Floats
    boxes: Floats
    score: float


@dataclass(frozen=True)
class Signal:
    """Values (T, D) at the times ``start + i / rate``, with the slow part taken out and whitened."""

    start: float
    rate: float
    values: NDArray[np.float32]

    def times(self) -> Floats:
        """Times of the rows, (T,)."""
        return self.start + np.arange(len(self.values)) / self.rate

    def stop(self) -> float:
        """Time of the last row."""
        return self.start + max(len(self.values) - 1, 0) / self.rate

    def cut(self, start: float, stop: float) -> Signal:
        """The rows between two times."""
        low = max(int(np.ceil((start - self.start) * self.rate - 1e-6)), 0)
        high = max(int(np.floor((stop - self.start) * self.rate + 1e-6)) + 1, low)
        return Signal(self.start + low / self.rate, self.rate, self.values[low:high])

    def liveliest(self, seconds: float) -> Signal:
        """The stretch of at most so many seconds in which most happens."""
        size = int(seconds * self.rate)
        if size >= len(self.values):
            return self
        power = np.concatenate([[0.0], np.cumsum((self.values.astype(np.float64) ** 2).sum(axis=1))])
        low = int(np.argmax(power[size:] - power[:-size]))
        return Signal(self.start + low / self.rate, self.rate, self.values[low : low + size])

    def steps_to(self, other: Signal, reach: float) -> tuple[NDArray[np.int64], float]:
        """Whole steps by which this signal's rows can be moved to the other's within ``reach`` seconds.

        Row i of this signal meets row i + step of the other at the lag (step + shift) / rate; returns steps and shift.
        """
        shift = (other.start - self.start) * self.rate
        first, last = int(np.ceil(-reach * self.rate - shift)), int(np.floor(reach * self.rate - shift))
        return np.arange(first, last + 1), shift


def regular(start: float, stop: float, rate: float) -> Floats:
    """Times from ``start`` up to ``stop``, so many per second."""
    return np.asarray(start + np.arange(max(int(np.ceil((stop - start) * rate)), 0)) / rate, np.float64)


def paths(view: ViewBoxes, max_gap: float, least: float) -> list[Path]:
    """The view's tracklets, cut at gaps over ``max_gap`` seconds; pieces under ``least`` seconds are left out."""
    rows = np.flatnonzero(view.tracklet >= 0)
    rows = rows[np.lexsort((view.time[rows], view.tracklet[rows]))]
    if not len(rows):
        return []
    time, unit = view.time[rows], max(view.extent())
    breaks = (np.diff(view.tracklet[rows]) != 0) | (np.diff(time) > max_gap)
    out = []
    for part in np.split(np.arange(len(rows)), np.flatnonzero(breaks) + 1):
        part = part[np.concatenate([[True], np.diff(time[part]) > 0])]
        if time[part[-1]] - time[part[0]] >= least:
            own = rows[part]
            out.append(Path(time[part], view.boxes[own].astype(np.float64) / unit, float(view.scores[own].mean())))
    return out


def moved(path: Path, corrected: Floats) -> list[Path]:
    """The path at corrected times (K,); stretches whose time is not known (NaN) or runs back are left out."""
    known = np.isfinite(corrected)
    steps = np.concatenate([[False], np.diff(np.where(known, corrected, -np.inf)) <= 0])
    edges = np.flatnonzero(~known | steps)
    out = []
    for part in np.split(np.arange(len(corrected)), edges):
        part = part[known[part]]
        if len(part) > 1:
            out.append(Path(corrected[part], path.boxes[part], path.score))
    return out


def sample(path: Path, times: Floats) -> Floats:
    """Boxes (T, 4) at any times, linear between detections; NaN before the first and after the last."""
    columns = [np.interp(times, path.times, path.boxes[:, i], left=np.nan, right=np.nan) for i in range(4)]
    return np.stack(columns, axis=1)


def signal(found: list[Path], start: float, stop: float, rate: float, width: int, slow: float, seed: int) -> Signal:
    """The signal of a view between two times.

    Args:
        found: the view's paths.
        start, stop: seconds.
        rate: values per second.
        width: number of random features (the head count is one more).
        slow: seconds over which the running mean is taken that is subtracted.
        seed: seed of the features.
    """
    count = max(int(np.floor((stop - start) * rate)) + 1, 1)
    rng = np.random.default_rng(seed)
    waves, phase = rng.normal(0, 1 / SPREAD, (2, width)), rng.uniform(0, 2 * np.pi, width)
    total = np.zeros((count, width + 1))
    for path in found:
        first = max(int(np.ceil((path.times[0] - start) * rate)), 0)
        last = min(int(np.floor((path.times[-1] - start) * rate)), count - 1)
        for at in range(first, last + 1, CHUNK):
            rows = np.arange(at, min(at + CHUNK, last + 1))
            box = sample(path, start + rows / rate)
            foot = np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1)
            known = np.isfinite(foot[:, 0])
            total[rows[known], 0] += path.score
            total[rows[known], 1:] += path.score * np.cos(foot[known] @ waves + phase)
    return Signal(start, rate, _whitened(_fast(total, int(slow * rate) | 1)))


SPREAD = 0.15
"""Width of the features in units of the picture's longer side: people nearer than this look like one place."""
RIDGE = 0.1
"""Added to the variances before whitening, in shares of their mean: directions nobody moves in stay small."""


def _fast(values: Floats, window: int) -> Floats:
    """Values less their running mean, (T, D)."""
    window = min(window, 2 * len(values) - 1)
    half = window // 2
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return values - (sums[high] - sums[low]) / (high - low)[:, None]


def _whitened(values: Floats) -> NDArray[np.float32]:
    values = values / np.sqrt((values**2).mean(axis=0) + 1e-12)
    variance, axes = np.linalg.eigh(values.T @ values / len(values))
    scale = np.sqrt(np.maximum(variance, 0) + RIDGE * max(variance.mean(), 1e-12))
    return ((values @ axes) / scale).astype(np.float32)
