"""The lag between views from their signals, over all lags at once, and how sure it is.

The score of a lag is the dependence of two signals (the Hilbert-Schmidt norm of their cross-covariance, Gretton et al.
2005) that one part of the recording confirms of another: with C_f the cross-covariance of part f, the sum over f != g
of <C_f, C_g>. It is 0 on average at every wrong lag, however long the signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from drape.association.clock_follow import Track, follow
from drape.association.clock_signals import Floats, Signal

EULER = 0.5772156649015329
FOLDS = 6
"""Parts of a recording that confirm each other."""
STARTS = 3
"""Lags that are followed, the best of which is kept."""
APART = 1.0
"""Seconds between lags that have nothing to do with each other."""
BACKWARDS = 8
"""Times that a view is played backwards, to see what lags are found where there are none."""


@dataclass(frozen=True)
class Curve:
    """Score (K,) of each lag (K,), in standard deviations over wrong lags; NaN where views overlap too little.

    A lag is in seconds: the time of the other view less the time of the view itself.
    """

    lags: Floats
    scores: Floats

    def peaks(self, count: int) -> list[float]:
        """The best lags, more than ``APART`` seconds from each other, best first."""
        left, out = np.where(np.isfinite(self.scores), self.scores, -np.inf), list[float]()
        while len(out) < count and np.isfinite(left).any():
            best = int(np.argmax(left))
            out.append(float(self.lags[best]))
            left = np.where(np.abs(self.lags - self.lags[best]) <= APART, -np.inf, left)
        return out

    def height(self) -> float:
        """Score of the best lag; 0 if there is none."""
        known = self.scores[np.isfinite(self.scores)]
        return float(known.max()) if len(known) else 0.0


def dependence(a: Signal, b: Signal, reach: float, least: float) -> Curve:
    """Score of every lag up to ``reach`` seconds from no lag.

    Args:
        a, b: signals of one rate; they need not begin together.
        reach: largest lag in seconds, either way.
        least: seconds that must overlap.
    """
    steps, shift = a.steps_to(b, reach)
    count = len(a.values)
    length = 1 << int(np.ceil(np.log2(count + len(b.values) + 1)))
    spectrum = np.fft.rfft(b.values, length, axis=0)
    edges = np.linspace(0, count, FOLDS + 1).astype(int)
    total = np.zeros((len(steps), a.values.shape[1], b.values.shape[1]), np.float32)
    alone = np.zeros(len(steps))
    for low, high in pairwise(edges):
        part = np.zeros_like(a.values)
        part[low:high] = a.values[low:high]
        own = np.conj(np.fft.rfft(part, length, axis=0))
        for i in range(part.shape[1]):
            cross = np.fft.irfft(own[:, i : i + 1] * spectrum, length, axis=0)[steps % length].astype(np.float32)
            total[:, i] += cross
            alone += (cross**2).sum(axis=1)
    scores = ((total**2).sum(axis=(1, 2)) - alone) / np.maximum(alone, 1e-12)
    overlap = np.minimum(count, len(b.values) - steps) - np.maximum(0, -steps)
    return Curve(np.asarray((steps + shift) / a.rate), _standard(np.where(overlap < least * a.rate, np.nan, scores)))


def _standard(scores: Floats) -> Floats:
    known = scores[np.isfinite(scores)]
    if not len(known):
        return scores
    middle = np.median(known)
    return np.asarray((scores - middle) / max(1.4826 * float(np.median(np.abs(known - middle))), 1e-9))


def likely(a: Signal, others: Sequence[Signal], reach: float, least: float, stretch: float, count: int) -> list[float]:
    """The lags of ``a`` to views in step with each other that look best in its liveliest stretch, best first.

    Args:
        a: signal of the view.
        others: signals of the other views, over the same times.
        reach: largest lag in seconds.
        least: seconds that must overlap.
        stretch: seconds of the stretch.
        count: most lags.
    """
    part = a.liveliest(stretch)
    near = [b.cut(part.start - reach, part.stop() + reach) for b in others]
    curves = [dependence(part, b, reach, min(least, stretch / 3)) for b in near if len(b.values)]
    return Curve(curves[0].lags, np.sum([c.scores for c in curves], axis=0)).peaks(count) if curves else []


def search(a: Signal, others: Sequence[Signal], starts: Sequence[float], reach: float, window: float) -> Track | None:
    """The lag of ``a`` window by window, begun at each of ``starts`` (seconds); None without any."""
    tracks = [follow(a, list(others), lag, reach, window) for lag in starts]
    return max(tracks, key=lambda track: float(track.evidence.sum()), default=None)


def unrelated(a: Signal, others: Sequence[Signal], reach: float, least: float, window: float, seed: int) -> Floats:
    """Evidence that is found for ``a`` played backwards, from several beginnings: what chance alone gives."""
    rng = np.random.default_rng(seed)
    out = []
    for begin in rng.integers(0, max(len(a.values), 1), BACKWARDS):
        turned = Signal(a.start, a.rate, np.roll(a.values[::-1], int(begin), axis=0))
        starts = likely(turned, others, reach, least, a.stop() - a.start + 1, STARTS)
        track = search(turned, others, starts, reach, window)
        out.append(0.0 if track is None else float(track.evidence.sum()))
    return np.array(out)


def certainty(value: float, chance: Floats, least_spread: float) -> float:
    """Probability that chance gives less than ``value``: a Gumbel law with the moments of ``chance`` (N,).

    So few values may lie close together by luck: their standard deviation is taken as at least ``least_spread``.
    """
    scale = max(float(chance.std(ddof=1)), least_spread) * np.sqrt(6) / np.pi
    return float(np.exp(-np.exp(-(value - chance.mean() + EULER * scale) / scale)))
