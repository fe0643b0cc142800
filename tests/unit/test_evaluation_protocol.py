"""The 4D-OR rules and operating points against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from drape.boxes import coverage
from drape.errors import EvaluationError
from drape.evaluation.detection import Curve, curve, detection, hits
from drape.evaluation.operating import best_operating, f_measure, partial_average_precision
from drape.evaluation.protocol_4dor import curve_best_only, match_best_only, protocol, suppressed
from support.evaluation import candidates, random_tracks, tracks

UNIT = (0, 0, 10, 10)
FAR = (50, 50, 60, 60)


def test_a_box_claims_only_the_truth_it_overlaps_most() -> None:
    """Both boxes overlap the first person most; COCO gives the second box to the second person, the rule does not."""
    truth = tracks([(0, 1, 0, 0, 10, 10), (0, 2, 0, 3, 10, 13)])
    found = candidates([(0, 0.9, 0, 0, 10, 10), (0, 0.8, 0, 1, 10, 11)])
    assert match_best_only(truth, found).tolist() == [0, -1]
    assert curve(truth, found).recall[-1] == 1.0
    assert curve_best_only(truth, found).recall[-1] == 0.5


def test_each_box_looks_at_the_truth_it_overlaps_most() -> None:
    truth = tracks([(0, 1, 0, 0, 10, 10), (0, 2, 0, 4, 10, 14)])
    found = candidates([(0, 0.8, 0, 1, 10, 11), (0, 0.9, 0, 4, 10, 13)])
    assert match_best_only(truth, found).tolist() == [0, 1]


def test_the_better_score_takes_the_truth_whatever_the_order() -> None:
    truth = tracks([(1, 1, *UNIT)])
    found = candidates([(1, 0.3, *UNIT), (0, 0.99, *UNIT), (1, 0.6, 0, 0, 10, 9)])
    assert match_best_only(truth, found).tolist() == [2]


def test_suppression_keeps_to_its_frame() -> None:
    found = candidates([(0, 0.4, *UNIT), (0, 0.9, 0, 0, 10, 9), (1, 0.3, *UNIT), (0, 0.2, 0, 0, 10, 6)])
    assert suppressed(found).column("score").to_pylist() == pytest.approx([0.9, 0.3, 0.2])


def test_protocol_by_hand() -> None:
    """Four truths; found right, wrong, right, and a double of the first."""
    truth = tracks([(0, 1, *UNIT), (1, 1, *UNIT), (2, 1, *UNIT), (3, 1, *UNIT)])
    truth = truth.append_column("hard", pa.array([False, True, True, False]))
    found = candidates([(0, 0.9, *UNIT), (0, 0.8, *FAR), (1, 0.7, *UNIT), (0, 0.6, 0, 0, 10, 9)])
    result = protocol(truth, found)
    assert (result.recall, result.precision, result.hard_recall) == pytest.approx((0.5, 2 / 3, 0.5))
    assert result.ap == pytest.approx((3 + 3 * 2 / 3) / 11)
    assert result.partial_ap == 0.0
    assert result.f2.score == pytest.approx(0.7)
    assert result.f2.f == pytest.approx(5 * 2 / (4 * 4 + 3))
    assert result.hard_recall_f2 == result.hard_recall_f3 == 0.5
    easy = protocol(truth.set_column(6, "hard", pa.array([False] * 4)), found)
    assert np.isnan(easy.hard_recall)


def test_hard_recall_falls_with_the_threshold() -> None:
    truth = tracks([(f, 1, *UNIT) for f in range(6)])
    truth = truth.append_column("hard", pa.array([False] * 5 + [True]))
    right = [(f, 0.9 - f / 100, *UNIT) for f in range(5)]
    ghosts = [(f, 0.5 - f / 100, *FAR) for f in range(30)]
    result = protocol(truth, candidates([*right, *ghosts, (5, 0.1, *UNIT)]))
    assert (result.hard_recall, result.hard_recall_f2, result.f2.recall) == (1.0, 0.0, pytest.approx(5 / 6))


def test_nothing_to_find_is_refused_and_nothing_found_is_zero() -> None:
    hard = pa.array([], pa.bool_())
    with pytest.raises(EvaluationError):
        protocol(tracks([]).append_column("hard", hard), candidates([]))
    result = protocol(tracks([(0, 1, *UNIT)]).append_column("hard", pa.array([True])), candidates([]))
    assert (result.ap, result.recall, result.hard_recall, result.f2.f) == (0, 0, 0, 0)


def test_f_measures() -> None:
    assert f_measure(0.5, 1.0, 1) == pytest.approx(2 / 3)
    assert f_measure(0.9, 0.3, 3) > f_measure(0.3, 0.9, 3)
    assert f_measure(0.0, 0.0, 2) == 0.0


def test_the_best_point_of_a_curve() -> None:
    points = Curve(np.array([0.9, 0.5, 0.2]), np.array([0.5, 0.8, 0.9]), np.array([1.0, 0.8, 0.3]))
    assert best_operating(points, 1).score == 0.5
    assert best_operating(points, 0.1).score == 0.9
    assert best_operating(points, 10).score == 0.2
    flat = Curve(np.array([0.9, 0.5]), np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    assert best_operating(flat, 2).score == 0.5
    assert best_operating(Curve(*(np.zeros(0) for _ in range(3))), 2).recall == 0.0


def test_partial_precision_sees_only_the_high_recalls() -> None:
    points = Curve(np.array([0.9, 0.5, 0.2]), np.array([0.85, 0.95, 1.0]), np.array([1.0, 0.4, 0.6]))
    assert partial_average_precision(points) == pytest.approx(0.6)
    assert partial_average_precision(points, 0.8) == pytest.approx((0.05 * 1 + 0.15 * 0.6) / 0.2)
    assert partial_average_precision(Curve(np.ones(1), np.full(1, 0.85), np.ones(1))) == 0.0


def test_recall_and_precision_at_coverage() -> None:
    """The first box hides its person although it is far too large; the second fits well and leaves a rim."""
    truth = tracks([(0, 1, 10, 10, 20, 30), (0, 2, 50, 10, 60, 30)])
    found = tracks([(0, 1, 0, 0, 40, 40), (0, 2, 50, 11, 60, 28)])
    assert detection(truth, found).matches == 1
    assert hits(truth, found).tolist() == [False, True]
    at_coverage = detection(truth, found, 0.95, coverage)
    assert (at_coverage.recall, at_coverage.precision) == (0.5, 0.5)
    assert hits(truth, found, 0.95, coverage).tolist() == [True, False]


@pytest.mark.parametrize("seed", range(3))
def test_hits_are_the_matches(seed: int) -> None:
    truth, found = random_tracks(seed), random_tracks(seed, jitter=2.0, drop=0.3)
    assert hits(truth, found).sum() == detection(truth, found).matches
