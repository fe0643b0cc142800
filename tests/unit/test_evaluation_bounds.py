"""Bounds on misses: they must hold as often as they say, for every true rate, which is computed and not drawn."""

from __future__ import annotations

import numpy as np
import pytest
from drape.errors import EvaluationError
from drape.evaluation.bounds import interval, most_missed, reviews_needed, upper_bound
from scipy.stats import binom, hypergeom


def test_the_rule_of_three() -> None:
    assert upper_bound(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert upper_bound(0, 300) < 0.01 < upper_bound(0, 298)
    assert upper_bound(0, 0) == upper_bound(4, 4) == 1.0
    assert [reviews_needed(limit) for limit in (0.01, 0.001)] == [299, 2995]


@pytest.mark.parametrize(("reviewed", "confidence"), [(1, 0.95), (30, 0.95), (30, 0.8)])
def test_the_bound_holds_for_every_rate(reviewed: int, confidence: float) -> None:
    bounds = np.array([upper_bound(m, reviewed, confidence) for m in range(reviewed + 1)])
    assert (np.diff(bounds) >= 0).all()
    low, high = np.array([interval(m, reviewed, confidence) for m in range(reviewed + 1)]).T
    for rate in np.linspace(0.001, 0.999, 200):
        chance = binom.pmf(np.arange(reviewed + 1), reviewed, rate)
        assert chance[bounds >= rate].sum() >= confidence - 1e-9
        assert chance[(low <= rate) & (rate <= high)].sum() >= confidence - 1e-9


def test_the_bound_is_no_larger_than_it_must_be() -> None:
    for misses in range(5):
        assert binom.cdf(misses, 50, upper_bound(misses, 50)) == pytest.approx(0.05)


@pytest.mark.parametrize(("reviewed", "total"), [(20, 25), (15, 60), (0, 5), (7, 7)])
def test_the_bound_of_a_finite_number_holds(reviewed: int, total: int) -> None:
    for bad in range(total + 1):
        held = sum(
            hypergeom.pmf(m, total, bad, reviewed)
            for m in range(max(0, bad + reviewed - total), min(bad, reviewed) + 1)
            if most_missed(m, reviewed, total) >= bad
        )
        assert held >= 0.95 - 1e-9


def test_what_was_reviewed_wholly_is_known() -> None:
    assert most_missed(3, 40, 40) == 3
    assert most_missed(0, 30, 40) < 40 * upper_bound(0, 30)


@pytest.mark.parametrize(
    "call",
    [
        lambda: upper_bound(3, 2),
        lambda: upper_bound(-1, 2),
        lambda: upper_bound(0, 2, 1.0),
        lambda: most_missed(0, 10, 9),
        lambda: reviews_needed(0.0),
    ],
)
def test_what_cannot_be_is_refused(call) -> None:
    with pytest.raises(EvaluationError):
        call()


@pytest.mark.parametrize("misses", [0, 1, 6])
@pytest.mark.parametrize("limit", [0.5, 0.03])
def test_reviews_needed_are_just_enough(limit: float, misses: int) -> None:
    needed = reviews_needed(limit, misses)
    assert upper_bound(misses, needed) <= limit < upper_bound(misses, needed - 1)
