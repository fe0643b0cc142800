"""How many misses there may be at most, given how few a reviewer has found: exact bounds without any model.

The unit is what fails or not as a whole (a track, a person at an instant); units must be drawn at random from those
that the bound speaks of. Neighbouring frames fail together, so they are not units.

Sources: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934;
Buehler, "Confidence intervals for the product of two binomial parameters", 1957.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import beta, hypergeom

from drape.errors import EvaluationError

CONFIDENCE = 0.95


def upper_bound(misses: int, reviewed: int, confidence: float = CONFIDENCE) -> float:
    """One-sided Clopper-Pearson bound on the miss rate: the true rate is higher in at most 1 - confidence of reviews.

    Args:
        misses: units of the sample that were missed.
        reviewed: units of the sample; none say nothing, and the bound is 1.

    Raises:
        EvaluationError: the counts or the confidence are impossible.
    """
    _check(misses, reviewed, confidence)
    return 1.0 if misses >= reviewed else float(beta.ppf(confidence, misses + 1, reviewed - misses))


def interval(misses: int, reviewed: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of the miss rate; arguments and errors as for ``upper_bound``."""
    _check(misses, reviewed, confidence)
    half = (1 - confidence) / 2
    low = 0.0 if misses == 0 else float(beta.ppf(half, misses, reviewed - misses + 1))
    return low, upper_bound(misses, reviewed, 1 - half)


def most_missed(misses: int, reviewed: int, total: int, confidence: float = CONFIDENCE) -> int:
    """Upper bound on the number of missed units among ``total``, reviewed ones included (exact, hypergeometric).

    Sharper than ``upper_bound`` where a good part has been reviewed; those that remain are the bound less ``misses``.

    Args:
        misses, reviewed: as for ``upper_bound``.
        total: units from which the reviewed ones were drawn without replacement.

    Raises:
        EvaluationError: the counts or the confidence are impossible.
    """
    _check(misses, reviewed, confidence)
    if total < reviewed:
        raise EvaluationError("More was reviewed than there is", "Give the number of all units")
    # The largest number under which so few misses in the sample are not too unlikely.
    low, high = misses, total - (reviewed - misses)
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeom.cdf(misses, total, middle, reviewed) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return int(low)


def reviews_needed(limit: float, misses: int = 0, confidence: float = CONFIDENCE) -> int:
    """Units that must be reviewed for ``upper_bound`` to fall to ``limit``, if no more than ``misses`` are found.

    Raises:
        EvaluationError: the limit is not in (0, 1), or the counts or the confidence are impossible.
    """
    _check(misses, misses, confidence)
    if not 0 < limit < 1:
        raise EvaluationError("The limit on the miss rate is not in (0, 1)", "Ask for 0.01, say")
    low, high = misses, misses + 1
    while upper_bound(misses, high, confidence) > limit:
        low, high = high, 2 * high
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if upper_bound(misses, middle, confidence) <= limit else (middle, high)
    return high


def stratified_upper_bound(
    misses: Sequence[int], reviewed: Sequence[int], sizes: Sequence[int], confidence: float = CONFIDENCE
) -> float:
    """Upper bound on the miss rate of a whole that was sampled by strata of different risk.

    Without any miss it is Buehler's: the largest rate under which so clean a review is not too unlikely. With misses
    the strata's own bounds are added, the error shared out between them (Bonferroni). The two together keep the
    confidence, because the second is never below what it is without misses.

    Args:
        misses, reviewed: (H,) as for ``upper_bound``, per stratum.
        sizes: (H,) units of each stratum.
        confidence: as for ``upper_bound``.

    Raises:
        EvaluationError: the lists differ in length, there are no units, or a count is impossible.
    """
    if not len(misses) == len(reviewed) == len(sizes) or min(sizes, default=0) < 0 or sum(sizes) == 0:
        raise EvaluationError("The strata do not fit each other", "Give misses, reviews and size of each stratum")
    for m, n in zip(misses, reviewed, strict=True):
        _check(m, n, confidence)
    present = [h for h, size in enumerate(sizes) if size]
    share = np.array([sizes[h] for h in present], np.float64) / sum(sizes)
    if not any(misses[h] for h in present):
        return _clean_bound(share, np.array([reviewed[h] for h in present], np.float64), 1 - confidence)
    each = 1 - (1 - confidence) / len(present)
    rates = [upper_bound(misses[h], reviewed[h], each) for h in present]
    return float(min(1.0, share @ np.array(rates)))


def _clean_bound(share: NDArray[np.float64], reviewed: NDArray[np.float64], error: float) -> float:
    """Maximum of sum(share p) subject to prod((1 - p) ** reviewed) >= error.

    By Lagrange's condition 1 - p is ``level`` x reviewed / share, at most 1; the level is that at which the constraint
    is tight.
    """
    effort = reviewed / share
    free = float(share[reviewed == 0].sum())
    share, effort, reviewed = share[reviewed > 0], effort[reviewed > 0], reviewed[reviewed > 0]
    if not len(share):
        return 1.0

    def slack(level: float) -> float:
        return float(reviewed @ np.log(np.minimum(1.0, level * effort))) - np.log(error)

    # At the upper end every p is 0 and the constraint is slack; at the lower end one stratum alone breaks it.
    level = brentq(slack, error / effort.max(), 1 / effort.min(), xtol=1e-300, rtol=1e-14)
    return free + float(share @ (1 - np.minimum(1.0, level * effort)))


def _check(misses: int, reviewed: int, confidence: float) -> None:
    if not 0 <= misses <= reviewed:
        raise EvaluationError("There are more misses than reviews, or fewer than none", "Count them again")
    if not 0 < confidence < 1:
        raise EvaluationError("The confidence is not in (0, 1)", "Ask for 0.95, say")
