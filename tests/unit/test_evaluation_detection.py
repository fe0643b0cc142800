"""Matching, recall, precision and average precision against definitions written out by hand."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from drape.evaluation.detection import average_precision, curve, detection, recall_at_precision
from drape.evaluation.exposure import detection_gaps
from drape.evaluation.matching import match, match_boxes
from drape.evaluation.truth import between, read_truth
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.evaluation import candidates, pets_candidates, pets_truth_file, random_tracks, tracks

UNIT = (0, 0, 10, 10)
FAR = (50, 50, 60, 60)


def _best_by_trying_all(overlap: NDArray[np.float32], threshold: float) -> tuple[int, float]:
    if overlap.shape[0] > overlap.shape[1]:
        overlap = overlap.T
    rows = range(overlap.shape[0])
    best = (0, 0.0)
    for columns in permutations(range(overlap.shape[1]), overlap.shape[0]):
        values = [float(overlap[r, c]) for r, c in zip(rows, columns, strict=True) if overlap[r, c] >= threshold]
        best = max(best, (len(values), sum(values)))
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_matching_is_the_best_of_all(n: int, m: int, seed: int) -> None:
    overlap = np.random.default_rng(seed).choice([0, 0.3, 0.5, 0.55, 0.7, 0.9, 1], (n, m)).astype(np.float32)
    rows, columns = match_boxes(overlap, 0.5)
    assert len(set(rows)) == len(rows) and len(set(columns)) == len(columns)
    assert (overlap[rows, columns] >= 0.5).all()
    number, total = _best_by_trying_all(overlap, 0.5)
    assert len(rows) == number
    assert float(overlap[rows, columns].sum()) == pytest.approx(total)


def test_two_pairs_are_better_than_one_perfect_pair() -> None:
    rows, columns = match_boxes(np.array([[1.0, 0.5], [0.5, 0.0]], np.float32), 0.5)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_match_returns_row_numbers_of_unsorted_tables() -> None:
    truth = tracks([(3, 1, *FAR), (1, 1, *UNIT)])
    found = tracks([(1, 9, *UNIT), (2, 9, *UNIT), (3, 8, *UNIT), (3, 9, *FAR)])
    pairs = match(truth, found)
    assert sorted(zip(pairs.truth.tolist(), pairs.found.tolist(), strict=True)) == [(0, 3), (1, 0)]


def test_recall_precision_and_moda_by_hand() -> None:
    truth = tracks([(0, 1, *UNIT), (0, 2, *FAR), (1, 1, *UNIT), (2, 1, *UNIT)])
    found = tracks([(0, 1, *UNIT), (0, 2, *UNIT), (1, 1, 0, 0, 10, 19), (3, 1, *UNIT)])
    result = detection(truth, found)
    assert (result.truths, result.found, result.matches) == (4, 4, 2)
    assert (result.recall, result.precision, result.moda) == (0.5, 0.5, 0.0)


def test_an_iou_of_exactly_the_threshold_counts() -> None:
    truth, found = tracks([(0, 1, 0, 0, 10, 10)]), tracks([(0, 1, 0, 0, 10, 5)])
    assert detection(truth, found).matches == 1
    assert detection(truth, found, 0.51).matches == 0


def test_nothing_to_find_and_nothing_found() -> None:
    nobody, somebody = tracks([]), tracks([(0, 1, *UNIT)])
    assert (detection(nobody, nobody).recall, detection(nobody, nobody).precision) == (1.0, 1.0)
    assert (detection(somebody, nobody).recall, detection(somebody, nobody).precision) == (0.0, 1.0)
    assert detection(nobody, somebody).precision == 0.0


def test_average_precision_by_hand() -> None:
    """Found, wrong, found, and one person never found: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3."""
    truth = tracks([(0, 1, *UNIT), (1, 1, *UNIT), (2, 1, *UNIT)])
    points = curve(truth, candidates([(0, 0.9, *UNIT), (0, 0.8, *UNIT), (1, 0.7, *UNIT)]))
    np.testing.assert_allclose(points.recall, [1 / 3, 1 / 3, 2 / 3])
    np.testing.assert_allclose(points.precision, [1, 1 / 2, 2 / 3])
    assert average_precision(points, None) == pytest.approx(1 / 3 + 2 / 9)
    assert average_precision(points) == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert average_precision(points, 11) == pytest.approx((4 + 3 * 2 / 3) / 11)
    assert recall_at_precision(points, 0.6) == (pytest.approx(2 / 3), pytest.approx(0.7))
    assert recall_at_precision(points, 0.7) == (pytest.approx(1 / 3), pytest.approx(0.9))
    assert recall_at_precision(curve(truth, candidates([(0, 0.9, *FAR)])), 0.1) == (0.0, float("inf"))


def test_equal_scores_enter_together() -> None:
    """The order of a file must not decide between a hit and a miss of equal score."""
    truth = tracks([(0, 1, *UNIT)])
    for rows in ([(0, 0.5, *UNIT), (0, 0.5, *FAR)], [(0, 0.5, *FAR), (0, 0.5, *UNIT)]):
        points = curve(truth, candidates(rows))
        assert (points.recall.tolist(), points.precision.tolist()) == ([1.0], [0.5])


def test_a_curve_without_boxes_has_no_area() -> None:
    points = curve(tracks([(0, 1, *UNIT)]), candidates([]))
    assert average_precision(points) == average_precision(points, None) == 0.0


def _average_precision_by_definition(truth_rows: list, found_rows: list) -> float:
    """COCO's 101 points, written out with loops (distinct scores)."""
    free = [True] * len(truth_rows)
    hits = []
    for frame, _, *box in sorted(found_rows, key=lambda row: -row[1]):
        best, choice = 0.5, None
        for number, (other, _, *target) in enumerate(truth_rows):
            width = min(box[2], target[2]) - max(box[0], target[0])
            height = min(box[3], target[3]) - max(box[1], target[1])
            if frame != other or not free[number] or width <= 0 or height <= 0:
                continue
            areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, target)]
            overlap = width * height / (sum(areas) - width * height)
            if overlap > best:
                best, choice = overlap, number
        if choice is not None:
            free[choice] = False
        hits.append(choice is not None)
    total = 0.0
    for level in range(101):
        reached = [
            sum(hits[: k + 1]) / (k + 1) for k in range(len(hits)) if 100 * sum(hits[: k + 1]) >= level * len(free)
        ]
        total += max(reached, default=0.0)
    return total / 101


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_agrees_with_its_definition(seed: int) -> None:
    truth, found = random_tracks(seed), random_tracks(seed, jitter=2.0, drop=0.2)
    truth_rows = [tuple(row.values()) for row in truth.to_pylist()]
    score = np.random.default_rng(seed).permutation(len(found)) / len(found)
    found_rows = [(row["frame"], s, *list(row.values())[2:]) for row, s in zip(found.to_pylist(), score, strict=True)]
    expected = _average_precision_by_definition(truth_rows, found_rows)
    assert 0.05 < expected < 0.99
    assert average_precision(curve(truth, candidates(found_rows))) == pytest.approx(expected, abs=1e-9)


PUBLISHED = {0.2: (0.942, 0.550), 0.3: (0.922, 0.771), 0.4: (0.904, 0.911), 0.5: (0.880, 0.939), 0.6: (0.811, 0.967)}
"""Recall and precision of RTMDet-nano's candidates above a score, as measured by another implementation."""


def test_published_figures_of_the_detector_on_pets(shared: Path) -> None:
    truth = read_truth(pets_truth_file(shared))
    found = between(pets_candidates(shared), 0, 400)
    points = curve(truth, found)
    assert average_precision(points) == pytest.approx(0.913, abs=5e-4)
    assert points.recall[-1] == pytest.approx(0.979, abs=5e-4)
    for threshold, figures in PUBLISHED.items():
        above = found.filter(found.column("score").to_numpy() > threshold)
        result = detection(truth, above)
        assert (result.recall, result.precision) == pytest.approx(figures, abs=5.1e-4)


@pytest.mark.parametrize(("threshold", "mean", "longest", "often"), [(0.5, 17.0, 109, 0.40), (0.3, 9.4, 52, 0.60)])
def test_published_gaps_of_the_detector_on_pets(
    shared: Path, threshold: float, mean: float, longest: int, often: float
) -> None:
    truth = read_truth(pets_truth_file(shared))
    found = between(pets_candidates(shared), 0, 400)
    above = found.filter(found.column("score").to_numpy() > threshold)
    gaps = detection_gaps(truth, above, np.full(400, 1 / 7))
    assert gaps.longest_mean == pytest.approx(mean)
    assert (gaps.longest_max, gaps.often_covered) == (longest, pytest.approx(often))
    assert gaps.longest_seconds_max == pytest.approx(longest / 7)
