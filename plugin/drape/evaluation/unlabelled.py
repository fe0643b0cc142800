"""How many persons are missed, where nobody has labelled anything: from two detectors, or from calibrated risks."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from drape.boxes import iou
from drape.errors import EvaluationError
from drape.evaluation.matching import Likeness, match


@dataclass(frozen=True)
class Capture:
    """What two detectors, neither of which finds everybody, say together.

    Chapman, "Some properties of the hypergeometric distribution with applications to zoological sample censuses", 1951;
    variance: Seber, "The estimation of animal abundance", 1982. It takes the detectors to miss independently of each
    other and every find to be a person. Detectors miss the same hard persons, so the number is rather too low; false
    finds, which seldom agree, make it too high.

    Attributes:
        first, second: what each detector found.
        both: what both found.
    """

    first: int
    second: int
    both: int

    def __post_init__(self) -> None:
        if not 0 <= self.both <= min(self.first, self.second):
            raise EvaluationError("Both found more than one of them did", "Count the finds again")

    @property
    def seen(self) -> int:
        """What at least one has found."""
        return self.first + self.second - self.both

    @property
    def total(self) -> float:
        """Estimated number of all, found or not."""
        return (self.first + 1) * (self.second + 1) / (self.both + 1) - 1

    @property
    def unseen(self) -> float:
        """Estimated number that neither found, >= 0."""
        return self.total - self.seen

    @property
    def variance(self) -> float:
        """Estimated variance of ``total``."""
        alone = (self.first - self.both) * (self.second - self.both)
        return (self.first + 1) * (self.second + 1) * alone / ((self.both + 1) ** 2 * (self.both + 2))

    def unseen_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Interval of ``unseen`` that stays above 0: its logarithm is taken to be normal (Chao, 1987)."""
        if not self.variance or not self.unseen:
            return self.unseen, self.unseen
        spread = NormalDist().inv_cdf((1 + confidence) / 2) * np.sqrt(np.log1p(self.variance / self.unseen**2))
        return float(self.unseen / np.exp(spread)), float(self.unseen * np.exp(spread))


@dataclass(frozen=True)
class ExpectedMisses:
    """Expected number of misses, and its standard deviation if the risks are calibrated."""

    mean: float
    deviation: float


def capture(first: pa.Table, second: pa.Table, threshold: float = 0.5, likeness: Likeness = iou) -> Capture:
    """Count what two detectors found, frame by frame.

    Args:
        first, second: tables with ``frame`` and box columns, each cut at the operating point of its detector.
        threshold: least likeness of two boxes of one person.
        likeness: as for ``matching.match``.
    """
    return Capture(len(first), len(second), len(match(first, second, threshold, likeness).truth))


def expected_misses(
    risks: ArrayLike, weights: ArrayLike | None = None, blocks: ArrayLike | None = None
) -> ExpectedMisses:
    """Sum of the risks that somebody is missed, e.g. ``probability`` of ``MISSED``.

    Args:
        risks: (N,) probabilities in [0, 1], calibrated (see ``calibration``).
        weights: (N,) what each miss counts, e.g. the seconds of its frame; by default 1.
        blocks: (N,) risks of one block (a tracklet) come true together, those of different blocks independently; by
            default every risk stands alone. It changes the deviation only, which within a block is the largest there
            can be.

    Raises:
        EvaluationError: the arrays do not fit each other, or a risk is not in [0, 1].
    """
    p = np.asarray(risks, np.float64)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, np.float64)
    block: NDArray = np.arange(len(p)) if blocks is None else np.asarray(blocks)
    if not p.shape == w.shape == block.shape:
        raise EvaluationError("Risks, weights and blocks differ in number", "Give one of each for every risk")
    if not ((p >= 0) & (p <= 1)).all():
        raise EvaluationError("A risk is not in [0, 1]", "Pass probabilities")
    _, index = np.unique(block, return_inverse=True)
    deviations = np.bincount(index, weights=w * np.sqrt(p * (1 - p)))
    return ExpectedMisses(float(w @ p), float(np.sqrt(np.sum(deviations**2))))
