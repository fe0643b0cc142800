"""How many misses there may be at most, given how few a reviewer has found: exact bounds without any model.

The unit is what fails or not as a whole (a track, a person at an instant); units must be drawn at random from those
that the bound speaks of. Neighbouring frames fail together, so they are not units.

They hold for a sample of a size that was fixed beforehand; ``strata`` has those for strata, and for stopping at will.
Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934.
"""

from __future__ import annotations

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
    check(misses, reviewed, confidence)
    return 1.0 if misses >= reviewed else float(beta.ppf(confidence, misses + 1, reviewed - misses))


def interval(misses: int, reviewed: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of the miss rate; arguments and errors as for ``upper_bound``."""
    check(misses, reviewed, confidence)
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
    check(misses, reviewed, confidence)
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
    check(misses, misses, confidence)
    if not 0 < limit < 1:
        raise EvaluationError("The limit on the miss rate is not in (0, 1)", "Ask for 0.01, say")
    low, high = misses, misses + 1
    while upper_bound(misses, high, confidence) > limit:
        low, high = high, 2 * high
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if upper_bound(misses, middle, confidence) <= limit else (middle, high)
    return high


def check(misses: int, reviewed: int, confidence: float) -> None:
    """Refuse impossible counts.

    Raises:
        EvaluationError: there are more misses than reviews, or the confidence is not in (0, 1).
    """
    if not 0 <= misses <= reviewed:
        raise EvaluationError("There are more misses than reviews, or fewer than none", "Count them again")
    if not 0 < confidence < 1:
        raise EvaluationError("The confidence is not in (0, 1)", "Ask for 0.95, say")
