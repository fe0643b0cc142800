"""Capture-recapture and expected misses against exact means, simulation and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from drape.errors import EvaluationError
from drape.evaluation.unlabelled import Capture, capture, expected_misses
from support.evaluation import tracks

UNIT = (0, 0, 10, 10)


def test_chapman_by_hand() -> None:
    found = Capture(first=9, second=7, both=4)
    assert (found.total, found.seen, found.unseen) == (15, 12, 3)
    assert found.variance == pytest.approx(10 * 8 * 5 * 3 / (25 * 6))


def test_who_agree_wholly_leave_nobody_unseen() -> None:
    found = Capture(12, 12, 12)
    assert (found.total, found.variance, found.unseen_interval()) == (12, 0, (0, 0))


def test_independent_detectors_tell_how_many_there_are() -> None:
    """200 persons, found with probability .8 and .7: the estimates are right on average, and so is their spread."""
    rng = np.random.default_rng(0)
    first, second = rng.random((2000, 200)) < 0.8, rng.random((2000, 200)) < 0.7
    counts = zip(first.sum(1).tolist(), second.sum(1).tolist(), (first & second).sum(1).tolist(), strict=True)
    found = [Capture(*row) for row in counts]
    totals = np.array([c.total for c in found])
    assert totals.mean() == pytest.approx(200, abs=0.3)
    assert np.mean([c.variance for c in found]) == pytest.approx(totals.var(), rel=0.15)
    unseen = [int(n) for n in (~first & ~second).sum(1)]
    ranges = [c.unseen_interval() for c in found]
    assert np.mean([low <= n <= high for n, (low, high) in zip(unseen, ranges, strict=True)]) > 0.93


def test_detectors_that_miss_the_same_persons_say_too_few() -> None:
    rng = np.random.default_rng(1)
    hard = np.where(rng.random(4000) < 0.3, 0.2, 0.95)
    first, second = rng.random((2, 4000)) < hard
    assert Capture(int(first.sum()), int(second.sum()), int((first & second).sum())).total < 3800


def test_two_tables_are_counted_frame_by_frame() -> None:
    first = tracks([(0, 1, *UNIT), (1, 1, *UNIT), (2, 1, *UNIT)])
    second = tracks([(0, 1, 0, 0, 10, 9), (1, 1, 30, 0, 40, 9), (3, 1, *UNIT)])
    assert capture(first, second) == Capture(3, 3, 1)


def test_more_in_common_than_there_is_is_refused() -> None:
    with pytest.raises(EvaluationError):
        Capture(3, 5, 4)


def test_expected_misses_add_up() -> None:
    alone = expected_misses([0.5, 0.5, 0.1])
    assert (alone.mean, alone.deviation) == pytest.approx((1.1, np.sqrt(0.25 + 0.25 + 0.09)))
    together = expected_misses([0.5, 0.5, 0.1], blocks=[7, 7, 3])
    assert (together.mean, together.deviation) == pytest.approx((1.1, np.sqrt(1.0 + 0.09)))
    seconds = expected_misses([0.5, 0.1], weights=[4.0, 10.0])
    assert seconds.mean == pytest.approx(3.0)
    assert (expected_misses([]).mean, expected_misses([]).deviation) == (0.0, 0.0)


def test_a_block_varies_at_most_as_much_as_is_said() -> None:
    """Risks that come true together in one draw: the spread of their sum is what the formula gives for equal risks."""
    rng = np.random.default_rng(2)
    draw = rng.random((20000, 1)) < 0.3
    assert np.sum(np.repeat(draw, 8, axis=1), axis=1).std() == pytest.approx(
        expected_misses([0.3] * 8, blocks=[0] * 8).deviation, rel=0.03
    )
    uneven = rng.random((20000, 1)) < np.array([0.1, 0.5, 0.9])
    assert uneven.sum(axis=1).std() <= expected_misses([0.1, 0.5, 0.9], blocks=[0] * 3).deviation


@pytest.mark.parametrize("arguments", [([0.5], [1.0, 2.0]), ([0.5], None, [1, 2]), ([1.5],), ([np.nan],)])
def test_what_cannot_be_is_refused(arguments: tuple) -> None:
    with pytest.raises(EvaluationError):
        expected_misses(*arguments)
