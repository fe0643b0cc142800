"""How many misses there may be at most, where the reviewed units were drawn by strata of different risk.

``stratified_upper_bound`` is for a plan that is carried out as it was made. ``running_upper_bound`` may be looked at
after every unit, may stop the review, and may choose the stratum of the next unit. Units of a stratum are drawn at
random and independently of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaincc, betaln, xlog1py, xlogy
from scipy.stats import chi2

from drape.errors import EvaluationError
from drape.evaluation.bounds import CONFIDENCE, check, upper_bound

Floats = NDArray[np.float64]

_STEPS = 60  # of bisection: to the last bit of a rate
_FAR = 300.0  # no price is higher, or lower, than e to this


def stratified_upper_bound(
    misses: Sequence[int], reviewed: Sequence[int], sizes: Sequence[int], confidence: float = CONFIDENCE
) -> float:
    """Upper bound on the miss rate of the whole, strata together.

    Without any miss it is Buehler's ("Confidence intervals for the product of two binomial parameters", 1957): the
    largest rate under which so clean a review is not too unlikely. With misses it is the largest rate that Fisher's
    combination of the strata's exact tests does not reject, or the sum of the strata's own bounds with the error shared
    out (Bonferroni): whichever is smaller without misses, so that the choice hangs on the plan alone. The two cases
    together keep the confidence, because with misses the bound is never below what the same rule gives without.

    Args:
        misses, reviewed: (H,) units missed, and units reviewed, in each stratum.
        sizes: (H,) units of each stratum, reviewed ones included.
        confidence: the true rate is higher in at most 1 - confidence of reviews.

    Raises:
        EvaluationError: the lists differ in length, there are no units, or a count is impossible.
    """
    m, n, share = _checked(misses, reviewed, sizes, confidence)
    if not m.any():
        return _clean(n, share, confidence)
    clean = np.zeros(len(m))
    rule = min((_fisher, _bonferroni), key=lambda bound: bound(clean, n, share, confidence))
    return min(1.0, rule(m, n, share, confidence))


def running_upper_bound(
    misses: Sequence[int],
    reviewed: Sequence[int],
    sizes: Sequence[int],
    aim: float,
    confidence: float = CONFIDENCE,
) -> float:
    """Upper bound on the miss rate of the whole that holds at every moment of a review at once.

    The rates that are left are those against which no bet on a smaller or larger rate has won 1 / (1 - confidence)
    times its stake (Ville, 1939; mixture of bets as in Robbins, "Statistical methods related to the law of the
    iterated logarithm", 1970). To look all the time costs about a quarter more reviews than a plan of fixed size.

    Args:
        misses, reviewed, sizes: as for ``stratified_upper_bound``, so far.
        aim: the rate the bound is hoped to reach, in (0, 1), fixed before the review; the bets are best there.
        confidence: the true rate is ever above the bound in at most 1 - confidence of reviews.

    Raises:
        EvaluationError: as for ``stratified_upper_bound``, or the aim is not in (0, 1).
    """
    if not 0 < aim < 1:
        raise EvaluationError("The rate aimed at is not in (0, 1)", "Give the limit of the policy, 0.01, say")
    m, n, share = _checked(misses, reviewed, sizes, confidence)
    stake = float(np.sum(betaln(0.5 + m, 1 / aim + n - m) - betaln(0.5, 1 / aim)))
    return _likeliest(m, n, share, -np.log(1 - confidence) - stake)


def _clean(n: Floats, share: Floats, confidence: float) -> float:
    return _likeliest(np.zeros(len(n)), n, share, -np.log(1 - confidence))


def _bonferroni(m: Floats, n: Floats, share: Floats, confidence: float) -> float:
    each = 1 - (1 - confidence) / len(m)
    return float(share @ np.array([upper_bound(int(x), int(y), each) for x, y in zip(m, n, strict=True)]))


def _fisher(m: Floats, n: Floats, share: Floats, confidence: float) -> float:
    """Largest rate at which minus the log probabilities of so few misses do not add up to too much.

    The probability of at most m misses of n at the rate p is 1 - I_p(m + 1, n - m): log-concave in p.
    """
    known = m < n
    a, b = m + 1, np.where(known, n - m, 1.0)

    def cost(p: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.where(known, -np.log(betaincc(a, b, p)), 0.0)

    def slope(p: Floats) -> Floats:
        density: Floats = np.exp(xlogy(a - 1, p) + xlog1py(b - 1, -p) - betaln(a, b))
        tail = betaincc(a, b, p)
        return np.where(known, np.divide(density, tail, out=np.full(len(p), np.inf), where=tail > 0), 0.0)

    def rates(worth: Floats) -> Floats:
        low: Floats = np.zeros(len(m))
        high: Floats = np.ones(len(m))
        for _ in range(_STEPS):
            middle = (low + high) / 2
            inside = slope(middle) < worth
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return low

    drawn = int((n > 0).sum())
    return _largest(share, cost, rates, float(chi2.ppf(confidence, 2 * drawn)) / 2 if drawn else 0.0)


def _likeliest(m: Floats, n: Floats, share: Floats, budget: float) -> float:
    """Largest rate at which minus the log likelihood of the review is no more than the budget."""

    def cost(p: Floats) -> Floats:
        likelihood: Floats = xlogy(m, p) + xlog1py(n - m, -p)
        return -likelihood

    def rates(worth: Floats) -> Floats:
        # The slope (n - m) / (1 - p) - m / p is ``worth`` at the positive root of worth p^2 + (n - worth) p - m.
        ahead = worth - n
        root = np.sqrt(ahead**2 + 4 * worth * m)
        behind: Floats = np.divide(2 * m, root - ahead, out=np.zeros(len(m)), where=root > ahead)
        return np.where(ahead > 0, (ahead + root) / (2 * worth), behind)

    return _largest(share, cost, rates, budget)


def _largest(
    share: Floats, cost: Callable[[Floats], Floats], rates: Callable[[Floats], Floats], budget: float
) -> float:
    """Maximum of sum(share p) over rates p whose convex costs add up to no more than the budget.

    At the maximum a little more of any rate buys the same for its cost (Lagrange's condition): with that price, each
    rate is where the slope of its cost is share / price, which ``rates`` finds. The price follows from the budget.
    """

    def excess(log_price: float) -> float:
        spent = float(cost(rates(share / np.exp(log_price))).sum())
        return min(spent - budget, 1e9)

    if excess(-_FAR) <= 0:  # whatever costs anything is at its end
        return float(share @ rates(share / np.exp(-_FAR)))
    return float(share @ rates(share / np.exp(brentq(excess, -_FAR, _FAR, xtol=1e-13))))


def _checked(
    misses: Sequence[int], reviewed: Sequence[int], sizes: Sequence[int], confidence: float
) -> tuple[Floats, Floats, Floats]:
    """Misses, reviews and share of the whole of the strata that hold units."""
    if not len(misses) == len(reviewed) == len(sizes) or min(sizes, default=0) < 0 or sum(sizes) == 0:
        raise EvaluationError("The strata do not fit each other", "Give misses, reviews and size of each stratum")
    for m, n in zip(misses, reviewed, strict=True):
        check(m, n, confidence)
    table = np.array([row for row in zip(misses, reviewed, sizes, strict=True) if row[2]], np.float64)
    return table[:, 0], table[:, 1], table[:, 2] / sum(sizes)
