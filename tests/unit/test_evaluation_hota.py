"""HOTA against cases worked out by hand, and the tables of several views put together."""

from __future__ import annotations

import numpy as np
import pytest
from drape.boxes import as_boxes, iou
from drape.errors import EvaluationError
from drape.evaluation.detection import detection
from drape.evaluation.hota import hota
from drape.evaluation.matching import exact_iou, stacked
from drape.evaluation.mot import mot
from support.evaluation import random_tracks, tracks

UNIT = (0, 0, 10, 10)
FAR = (50, 50, 60, 60)


def _track(frames: range, identity: int, box: tuple[int, ...] = UNIT) -> list[tuple[int, ...]]:
    return [(f, identity, *box) for f in frames]


def test_a_perfect_tracker_scores_one() -> None:
    result = hota(random_tracks(0), random_tracks(0))
    assert (result.hota, result.detection, result.association, result.localization) == pytest.approx((1, 1, 1, 1))


def test_a_track_broken_in_half() -> None:
    """Each half goes with half of the truth: AssA is 1/2, detection is whole."""
    result = hota(tracks(_track(range(8), 1)), tracks(_track(range(4), 5) + _track(range(4, 8), 6)))
    assert result.detection == 1.0
    assert result.association == pytest.approx(0.5)
    assert (result.association_recall, result.association_precision) == pytest.approx((0.5, 1.0))
    assert result.hota == pytest.approx(np.sqrt(0.5))


def test_half_of_the_frames_missed() -> None:
    result = hota(tracks(_track(range(8), 1)), tracks(_track(range(4), 5)))
    assert (result.detection, result.detection_precision, result.association) == pytest.approx((0.5, 1, 0.5))
    assert result.hota == pytest.approx(0.5)


def test_boxes_fall_out_where_their_overlap_is_too_small() -> None:
    """An IoU of .5 is a match at the ten alphas from .05 to .5, and none at the other nine."""
    result = hota(tracks(_track(range(4), 1)), tracks(_track(range(4), 1, (0, 0, 10, 5))))
    assert result.at_alpha == pytest.approx([1.0] * 10 + [0.0] * 9)
    assert result.hota == pytest.approx(10 / 19)
    assert result.localization == pytest.approx((10 * 0.5 + 9) / 19)


def test_the_identity_of_the_whole_sequence_decides_a_frame() -> None:
    """In frame 0 another identity fits better; the one that stays takes it all the same, but for alpha .95."""
    truth = tracks([(0, 1, *UNIT), *_track(range(1, 6), 1)])
    found = tracks([(0, 8, *UNIT), (0, 7, 0, 0, 10, 9), *_track(range(1, 6), 7)])
    assert hota(truth, found).association_recall == pytest.approx((18 + 5 / 6) / 19)


def test_nothing_found() -> None:
    result = hota(tracks(_track(range(3), 1)), tracks([]))
    assert (result.hota, result.detection, result.association, result.localization) == (0, 0, 0, 1)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no boxes"):
        hota(tracks([]), tracks([]))
    with pytest.raises(EvaluationError, match="twice"):
        hota(tracks([(0, 1, *UNIT)]), tracks([(0, 1, *UNIT), (0, 1, *FAR)]))


def test_identities_must_hold_over_views() -> None:
    truth = {"a": tracks(_track(range(6), 1)), "b": tracks(_track(range(6), 1))}
    same = {"b": tracks(_track(range(6), 4)), "a": tracks(_track(range(6), 4))}
    other = {"a": tracks(_track(range(6), 4)), "b": tracks(_track(range(6), 5))}
    assert hota(*stacked(truth, same)).hota == pytest.approx(1.0)
    assert hota(*stacked(truth, other)).association == pytest.approx(0.5)
    assert (mot(*stacked(truth, same)).idf1, mot(*stacked(truth, other)).idf1) == (1.0, 0.5)


def test_views_do_not_meet_when_they_are_stacked() -> None:
    truth = {"a": tracks(_track(range(3), 1)), "b": tracks(_track(range(5), 1, FAR))}
    found = {"b": tracks(_track(range(9), 1, FAR))}
    whole = detection(*stacked(truth, found))
    assert (whole.truths, whole.found, whole.matches) == (8, 9, 5)
    assert detection(*stacked(truth, {})).recall == 0.0
    for wrong in ({"c": truth["a"]}, {**truth, "c": truth["a"]}):
        with pytest.raises(EvaluationError, match="no truth"):
            stacked(truth, wrong)


def test_overlap_is_exact() -> None:
    a, b = as_boxes([[0, 0, 10, 10]]), as_boxes([[0, 0, 10, 7], [20, 20, 30, 30], [5, 5, 5, 5]])
    assert exact_iou(a, b)[0].tolist() == [0.7, 0.0, 0.0]
    assert float(iou(a, b)[0, 0]) < 0.7
