"""Identity metrics against published results and known answers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from drape.errors import EvaluationError
from drape.evaluation.detection import detection
from drape.evaluation.mot import mot
from drape.evaluation.truth import read_tracks, read_truth
from support.evaluation import random_tracks, tracks

LEFT, RIGHT = (0, 0, 10, 20), (50, 0, 60, 20)


@pytest.mark.parametrize(("name", "idf1", "mota"), [("Campus", 0.558, 0.526), ("Stadtmitte", 0.645, 0.564)])
def test_published_results_of_tud(shared: Path, name: str, idf1: float, mota: float) -> None:
    folder = shared / "data/tud" / f"TUD-{name}"
    truth, result = read_truth(folder / "gt.txt"), read_tracks(folder / "test.txt")
    metrics = mot(truth, result)
    assert (metrics.idf1, metrics.mota) == pytest.approx((idf1, mota), abs=5.1e-4)
    counts = detection(truth, result)
    assert (metrics.recall, metrics.precision) == pytest.approx((counts.recall, counts.precision))
    assert (metrics.num_objects, metrics.num_predictions) == (counts.truths, counts.found)


def test_a_perfect_result() -> None:
    truth = random_tracks(1, persons=3)
    metrics = mot(truth, truth)
    assert (metrics.mota, metrics.idf1, metrics.num_switches, metrics.num_unique_objects) == (1.0, 1.0, 0, 3)


def test_two_exchanged_identities() -> None:
    """Two persons, ten frames; the identities are exchanged after six: two switches, 12 of 20 boxes rightly named."""
    truth = tracks([(f, i, *box) for f in range(10) for i, box in ((1, LEFT), (2, RIGHT))])
    found = tracks([(f, i if f < 6 else 3 - i, *box) for f in range(10) for i, box in ((1, LEFT), (2, RIGHT))])
    metrics = mot(truth, found)
    assert metrics.num_switches == 2
    assert metrics.mota == pytest.approx(1 - 2 / 20)
    assert metrics.idf1 == pytest.approx(12 / 20)
    assert (metrics.recall, metrics.precision) == (1.0, 1.0)


def test_misses_false_positives_and_fragments() -> None:
    truth = tracks([(f, 1, *LEFT) for f in range(10)])
    found = tracks([(f, 1, *LEFT) for f in (0, 1, 2, 5, 6, 7, 8, 9)] + [(4, 2, *RIGHT)])
    metrics = mot(truth, found)
    assert (metrics.num_misses, metrics.num_false_positives, metrics.num_fragmentations) == (2, 1, 1)
    assert metrics.mota == pytest.approx(1 - 3 / 10)
    assert metrics.idf1 == pytest.approx(2 * 8 / (10 + 9))


@pytest.mark.parametrize("seed", range(3))
def test_recall_and_precision_are_never_above_the_best_matching(seed: int) -> None:
    truth, found = random_tracks(seed), random_tracks(seed, jitter=1.5, drop=0.1)
    metrics, counts = mot(truth, found), detection(truth, found)
    assert metrics.num_objects - metrics.num_misses <= counts.matches
    assert metrics.recall == pytest.approx(counts.recall, abs=2 / len(truth))


def test_a_tracker_that_finds_nobody() -> None:
    metrics = mot(tracks([(0, 1, *LEFT), (1, 1, *LEFT)]), tracks([]))
    assert (metrics.mota, metrics.idf1, metrics.recall, metrics.num_misses) == (0.0, 0.0, 0.0, 2)
    assert math.isnan(metrics.precision)


def test_a_truth_without_persons_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no boxes"):
        mot(tracks([]), tracks([(0, 1, *LEFT)]))
