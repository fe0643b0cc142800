"""Bounds of reviews by strata: they must hold as often as they say, which is computed and not drawn where it can be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from drape.errors import EvaluationError
from drape.evaluation.bounds import upper_bound
from drape.evaluation.strata import running_upper_bound, stratified_upper_bound
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2


@pytest.mark.parametrize("reviewed", [(4, 4), (2, 7), (0, 6)])
@pytest.mark.parametrize("sizes", [(50, 50), (10, 300)])
def test_the_stratified_bound_holds_for_every_pair_of_rates(reviewed: tuple[int, int], sizes: tuple[int, int]) -> None:
    share = np.array(sizes) / sum(sizes)
    outcomes = list(itertools.product(*(range(n + 1) for n in reviewed)))
    bound = np.array([stratified_upper_bound(m, reviewed, sizes) for m in outcomes])
    counts = np.array(outcomes).T
    for rates in itertools.product(np.linspace(0, 1, 21), repeat=2):
        chance = np.prod([binom.pmf(m, n, p) for m, n, p in zip(counts, reviewed, rates, strict=True)], axis=0)
        assert chance[bound >= share @ np.array(rates) - 1e-12].sum() >= 0.95 - 1e-9


def test_one_stratum_is_no_stratum() -> None:
    for misses in (0, 3):
        assert stratified_upper_bound([misses], [90], [1000]) == pytest.approx(upper_bound(misses, 90))
        assert stratified_upper_bound([misses, 0], [90, 0], [1000, 0]) == pytest.approx(upper_bound(misses, 90))


def test_samples_in_proportion_lose_nothing_when_clean() -> None:
    assert stratified_upper_bound([0, 0], [100, 200], [1000, 2000]) == pytest.approx(upper_bound(0, 300))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 500)), min_size=1, max_size=5))
def test_the_clean_bound_is_the_edge_of_what_is_likely(strata: list[tuple[int, int]]) -> None:
    reviewed, sizes = (list(x) for x in zip(*strata, strict=True))
    share = np.array(sizes) / sum(sizes)
    bound = stratified_upper_bound([0] * len(strata), reviewed, sizes)
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(len(strata), 0.5), 200)
    # Rates under which a clean review has exactly the probability that is left: none may exceed the bound.
    rates = 1 - 0.05 ** (weights / np.array(reviewed))
    assert (rates @ share <= bound + 1e-9).all()
    assert bound <= 1.0
    more = stratified_upper_bound([0] * len(strata), [n + 5 for n in reviewed], sizes)
    assert more < bound


@pytest.mark.parametrize(("misses", "reviewed", "sizes"), [((1, 2), (60, 60), (50, 50)), ((0, 3), (50, 20), (10, 10))])
def test_with_misses_the_bound_is_where_fishers_test_begins_to_reject(
    misses: tuple[int, int], reviewed: tuple[int, int], sizes: tuple[int, int]
) -> None:
    rates = np.linspace(1e-6, 1 - 1e-6, 1500)
    logs = [binom.logcdf(m, n, rates) for m, n in zip(misses, reviewed, strict=True)]
    left = logs[0][:, None] + logs[1][None, :] >= -chi2.ppf(0.95, 4) / 2
    whole = (sizes[0] * rates[:, None] + sizes[1] * rates[None, :]) / sum(sizes)
    assert stratified_upper_bound(misses, reviewed, sizes) == pytest.approx(whole[left].max(), abs=2e-3)


def test_one_stratum_that_is_nearly_all_takes_the_sum_of_bounds() -> None:
    """Fisher's test pays for strata that hardly matter; the sum of bounds is then the better plan."""
    rates = [upper_bound(m, n, 1 - 0.05 / 3) for m, n in ((2, 300), (0, 30), (0, 30))]
    bound = stratified_upper_bound([2, 0, 0], [300, 30, 30], [10_000, 10, 10])
    assert bound == pytest.approx((10_000 * rates[0] + 10 * rates[1] + 10 * rates[2]) / 10_020)


def test_what_was_never_reviewed_may_all_be_missed() -> None:
    for bound in (
        stratified_upper_bound([1, 0], [80, 0], [75, 25]),
        running_upper_bound([1, 0], [80, 0], [75, 25], 0.01),
    ):
        assert 0.25 < bound < 0.25 + 0.75 * 0.15
    assert stratified_upper_bound([4, 0], [4, 10], [50, 50]) > 0.5
    assert stratified_upper_bound([0], [0], [9]) == running_upper_bound([0], [0], [9], 0.01) == 1.0


@pytest.mark.parametrize(("rate", "reviews"), [(0.02, 250), (0.2, 80)])
def test_the_running_bound_holds_at_every_moment_at_once(rate: float, reviews: int) -> None:
    """The chance that it ever falls below the true rate, exactly, by the number of misses so far."""
    bounds = {
        "running": lambda m, n: running_upper_bound([m], [n], [1000], 0.05),
        "fixed": lambda m, n: upper_bound(m, n) if m < n else 1.0,
    }
    lost = dict.fromkeys(bounds, 0.0)
    for name, bound in bounds.items():
        alive, below = np.eye(1, 60)[0], 0
        for reviewed in range(1, reviews + 1):
            alive = alive * (1 - rate) + np.append(0.0, alive[:-1]) * rate
            # The bound rises with the misses and falls with the reviews: it is too low below a number that only grows.
            while bound(below, reviewed) < rate:
                below += 1
            lost[name], alive[:below] = lost[name] + alive[:below].sum(), 0.0
    assert lost["running"] <= 0.05
    assert lost["fixed"] > 0.07, "a bound for samples of fixed size does not survive being looked at all the time"


def test_the_running_bound_survives_a_reviewer_who_follows_the_misses() -> None:
    rng = np.random.default_rng(5)
    rates, sizes = np.array([0.3, 0.02]), [100, 900]
    true = float(rates @ sizes) / 1000
    wrong = 0
    for _ in range(100):
        misses, reviewed = [0, 0], [0, 0]
        for step in range(160):
            stratum = int(misses[1] * 4 <= misses[0] or step % 2)
            reviewed[stratum] += 1
            misses[stratum] += bool(rng.random() < rates[stratum])
            if step % 16 == 15 and running_upper_bound(misses, reviewed, sizes, 0.05) < true:
                wrong += 1
                break
    assert wrong <= 8


def test_the_price_of_looking_all_the_time() -> None:
    planned, running = (
        next(n for n in range(250, 900) if bound(n) <= 0.01)
        for bound in (lambda n: upper_bound(0, n), lambda n: running_upper_bound([0], [n], [1000], 0.01))
    )
    assert planned == 299
    assert 299 < running < 1.3 * 299


@pytest.mark.parametrize(
    "call",
    [
        lambda: stratified_upper_bound([0], [1, 2], [3, 4]),
        lambda: stratified_upper_bound([0, 3], [1, 2], [3, 4]),
        lambda: stratified_upper_bound([], [], []),
        lambda: stratified_upper_bound([0], [1], [3], 0.0),
        lambda: running_upper_bound([0], [1], [3], 0.0),
        lambda: running_upper_bound([2], [1], [3], 0.1),
    ],
)
def test_what_cannot_be_is_refused(call) -> None:
    with pytest.raises(EvaluationError):
        call()
