"""How sure a figure is: intervals by resampling whole blocks, because frames of one track are not independent.

Block bootstrap with percentile intervals (Efron and Tibshirani, "An introduction to the bootstrap", 1993). It knows
only what has happened: where no block has failed, the interval is a point, and ``bounds`` has the honest answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drape.errors import EvaluationError

Floats = NDArray[np.float64]

DRAWS = 1000
LEVEL = 0.95
_CELLS = 2_000_000  # draws x blocks held in memory at a time


class Interval(NamedTuple):
    """A figure and the interval that holds it with the level asked for; NaN where the figure is undefined."""

    value: float
    low: float
    high: float


def ratio(above: ArrayLike, below: ArrayLike, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> Interval:
    """Interval of a ratio of two sums over blocks, e.g. found sights by sights, summed per track.

    Args:
        above, below: (B,) what each block adds to the two sums.
        draws: how many times the blocks are resampled.
        level: share of the resampled ratios inside the interval.
        seed: of the resampling.

    Raises:
        EvaluationError: the arrays differ in length, or ``level`` is not in (0, 1).
    """
    a, b = np.asarray(above, np.float64), np.asarray(below, np.float64)
    if a.shape != b.shape:
        raise EvaluationError("The two sums are over different blocks", "Give each block one value for either")
    total = float(b.sum())
    if not total:
        return Interval(float("nan"), float("nan"), float("nan"))
    parts = [(weights @ a, weights @ b) for weights in resampled(len(a), draws, seed)]
    tops, bottoms = (np.concatenate(side) for side in zip(*parts, strict=True))
    defined = bottoms > 0
    return _interval(float(a.sum()) / total, tops[defined] / bottoms[defined], level)


def resampled(blocks: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each block is drawn, in parts of (d, blocks) that make up ``draws`` rows, each of sum ``blocks``."""
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // max(blocks, 1))
    for start in range(0, draws, step):
        yield rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=min(step, draws - start))


def _interval(value: float, sample: Floats, level: float) -> Interval:
    if not 0 < level < 1:
        raise EvaluationError("The level of an interval is not in (0, 1)", "Ask for 0.95, say")
    low, high = np.quantile(sample, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
