"""COCO's average precision and keypoint similarity by hand; ``bench.metrics`` holds them against pycocotools."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from drape.errors import EvaluationError
from drape.evaluation.coco import coco_boxes
from drape.evaluation.poses import BODY_SIGMAS, WHOLEBODY_SIGMAS, FoundPoses, TruePoses, coco_poses, oks
from support.evaluation import candidates, random_tracks, tracks

UNIT = (0, 0, 10, 10)
FAR = (50, 50, 60, 60)


def test_a_perfect_detector_scores_one() -> None:
    truth = tracks([(0, 1, *UNIT), (0, 2, *FAR), (3, 1, *UNIT)])
    result = coco_boxes(truth, candidates([(0, 0.9, *UNIT), (0, 0.8, *FAR), (3, 0.7, *UNIT)]))
    assert (result.ap, result.ap50, result.ap75, result.ar, result.ap_small) == (1, 1, 1, 1, 1)
    assert np.isnan([result.ap_medium, result.ar_large]).all()


def test_thresholds_are_ten_and_a_threshold_reached_counts() -> None:
    """An IoU of .7 in single precision lies below .7; it passes .5, .55, .6, .65 and .7 of the ten."""
    result = coco_boxes(tracks([(0, 1, 0, 0, 10, 10)]), candidates([(0, 0.5, 0, 0, 10, 7)]))
    assert (result.ap, result.ap50, result.ap75) == (pytest.approx(0.5), 1, 0)
    assert result.ar == pytest.approx(0.5)


def test_false_boxes_lower_precision_from_where_they_stand() -> None:
    truth = tracks([(0, 1, *UNIT), (1, 1, *UNIT)])
    found = candidates([(0, 0.9, *UNIT), (0, 0.8, *FAR), (1, 0.7, *UNIT)])
    assert coco_boxes(truth, found).ap == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_crowd_is_neither_demanded_nor_held_against_what_finds_it() -> None:
    crowd = pa.array([False, True])
    truth = tracks([(0, 1, *UNIT), (0, 2, 40, 40, 90, 90)]).append_column("crowd", crowd)
    found = candidates([(0, 0.9, *FAR), (0, 0.8, 70, 70, 80, 80), (0, 0.7, *UNIT)])
    assert coco_boxes(truth, found).ap == 1.0
    alone = truth.drop_columns("crowd")
    assert coco_boxes(alone, found).ap == pytest.approx(sum(1 / 3 for _ in range(51)) / 101)


def test_an_ignored_truth_is_taken_once() -> None:
    truth = tracks([(0, 1, *UNIT), (0, 2, *FAR)]).append_column("ignore", pa.array([False, True]))
    once = candidates([(0, 0.9, *FAR), (0, 0.5, *UNIT)])
    twice = candidates([(0, 0.9, *FAR), (0, 0.8, *FAR), (0, 0.5, *UNIT)])
    assert (coco_boxes(truth, once).ap, coco_boxes(truth, twice).ap) == (1.0, 0.5)


def test_a_box_prefers_a_demanded_truth_to_a_better_ignored_one() -> None:
    truth = tracks([(0, 1, 0, 0, 10, 10), (0, 2, 0, 0, 10, 8)]).append_column("ignore", pa.array([False, True]))
    assert coco_boxes(truth, candidates([(0, 0.9, 0, 0, 10, 8)])).ap50 == 1.0


def test_only_the_best_boxes_of_a_picture_count() -> None:
    truth = tracks([(0, 1, *UNIT)])
    found = candidates([(0, 0.9, *FAR), (0, 0.5, *UNIT)])
    assert (coco_boxes(truth, found, most=1).ap, coco_boxes(truth, found, most=2).ap) == (0.0, 0.5)


def test_sizes_are_judged_by_area() -> None:
    truth = tracks([(0, 1, *UNIT), (0, 2, 100, 100, 150, 150)])
    result = coco_boxes(truth, candidates([(0, 0.9, 100, 100, 150, 150)]))
    assert (result.ap_small, result.ap_medium, result.ar, result.ar_medium) == (0.0, 1.0, 0.5, 1.0)
    larger = truth.append_column("area", pa.array([2000.0, 2500.0]))
    assert np.isnan(coco_boxes(larger, candidates([])).ap_small)


def test_of_truths_equally_like_the_last_is_taken() -> None:
    """As pycocotools does: the first box could take either truth, the second only the last."""
    truth = tracks([(0, 1, 0, 0, 10, 10), (0, 2, 4, 0, 14, 10)])
    either, last = (0, 0.9, 2, 0, 12, 10), (0, 0.8, 6, 0, 16, 10)
    assert coco_boxes(truth, candidates([either, last])).ar50 == 0.5
    first = (0, 0.8, -2, 0, 8, 10)
    assert coco_boxes(truth, candidates([either, first])).ar50 == 1.0


def test_ghosts_of_other_sizes_are_not_held_against_a_size() -> None:
    truth = tracks([(0, 1, 100, 100, 150, 150)])
    result = coco_boxes(truth, candidates([(0, 0.9, *UNIT), (0, 0.8, 100, 100, 150, 150)]))
    assert (result.ap_medium, result.ap) == (1.0, 0.5)


def test_nothing_found_and_nothing_to_find() -> None:
    assert coco_boxes(random_tracks(0), candidates([])).ap == 0.0
    assert np.isnan(coco_boxes(tracks([]), candidates([(0, 0.5, *UNIT)])).ap)


def _person(points: int, labelled: int, visible: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pose = np.zeros((1, points, 3))
    pose[0, :, :2] = 50
    pose[0, :labelled, 2] = visible
    return pose, np.array([[40.0, 40, 60, 60]]), np.array([300.0])


def test_similarity_by_hand() -> None:
    """The nose is off by d, the left eye is exact, the rest is not labelled."""
    pose, boxes, area = _person(17, 2)
    found = np.full((1, 17, 2), 50.0)
    found[0, 0] += (3, 4)
    expected = (np.exp(-25 / (2 * 300 * (2 * 0.026) ** 2)) + 1) / 2
    assert oks(found, pose, boxes, area)[0, 0] == pytest.approx(expected, rel=1e-12)
    pose[0, 5:, :2] = 1e6
    assert oks(found, pose, boxes, area)[0, 0] == pytest.approx(expected, rel=1e-12)


def test_without_labels_the_place_must_fit() -> None:
    pose, boxes, area = _person(17, 0)
    inside, outside = np.full((1, 17, 2), 79.0), np.full((1, 17, 2), 300.0)
    assert oks(inside, pose, boxes, area)[0, 0] == 1.0
    assert oks(outside, pose, boxes, area)[0, 0] < 1e-6


def test_skeletons_must_agree() -> None:
    pose, boxes, area = _person(17, 17)
    with pytest.raises(EvaluationError, match="numbers of points"):
        oks(np.zeros((1, 17, 2)), pose, boxes, area, WHOLEBODY_SIGMAS)
    assert (len(BODY_SIGMAS), len(WHOLEBODY_SIGMAS)) == (17, 133)
    np.testing.assert_array_equal(WHOLEBODY_SIGMAS[:17], BODY_SIGMAS)
    np.testing.assert_array_equal(WHOLEBODY_SIGMAS[91:112], WHOLEBODY_SIGMAS[112:])


def test_poses_without_a_labelled_point_are_not_demanded() -> None:
    known, boxes, area = _person(17, 17)
    unknown, _, _ = _person(17, 0)
    none = np.zeros(2, bool)
    truth = TruePoses(
        np.zeros(2, np.int32), np.concatenate([known, unknown]), np.repeat(boxes, 2, 0), area[[0, 0]], none
    )
    one = FoundPoses(np.zeros(1, np.int32), known[..., :2], np.ones(1))
    assert coco_poses(truth, one).ap == 1.0
    crowd = TruePoses(truth.picture, np.repeat(known, 2, 0), truth.boxes, truth.area, np.array([False, True]))
    assert coco_poses(crowd, one).ar == 1.0
    nobody = FoundPoses(np.zeros(0, np.int32), np.zeros((0, 17, 2)), np.zeros(0))
    assert coco_poses(truth, nobody).ap == 0.0
    two = FoundPoses(np.zeros(2, np.int32), np.repeat(known[..., :2], 2, 0), np.array([0.5, 1.0]))
    assert coco_poses(truth, two).ap == 1.0, "the second hides behind the person whom nobody labelled"
