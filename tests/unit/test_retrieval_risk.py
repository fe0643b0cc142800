"""Where somebody is likely missed: each reason, merging, intervals, calibration."""

import dataclasses

import numpy as np
import pyarrow.compute as pc
import pytest
from drape import tables
from drape.boxes import as_boxes
from drape.retrieval import RetrievalConfig, RetrievalView, masked, retrieve, teaching_weights
from drape.retrieval.hypotheses import REASON, Calibration, hypotheses, merged, together
from drape.retrieval.intervals import likely_missed
from drape.retrieval.risk import _running_max

SIZE = (640, 480)
FPS = 5.0


def _view(*tracks, count=100, second=None):
    """A view with tracklets ``(frames, boxes, existence)`` that a tracker might have given."""
    frames = tables.make(tables.FRAMES, frame=np.arange(count), pts=np.arange(count), time=np.arange(count) / FPS)
    rows = sorted((f, k, *box, e) for k, (at, boxes, e) in enumerate(tracks) for f, box in zip(at, boxes, strict=True))
    array = np.array(rows, np.float64).reshape(-1, 7)
    frame, boxes = array[:, 0].astype(np.int32), as_boxes(array[:, 2:6])
    within = np.arange(len(frame)) - np.searchsorted(frame, frame)
    common = {"frame": frame, "time": frame / FPS, "score": array[:, 6], **tables.box_columns(boxes)}
    candidates = tables.make(tables.CANDIDATES, **common)
    tracklets = tables.make(
        tables.TRACKLETS,
        **common,
        tracklet=array[:, 1].astype(np.int32),
        existence=array[:, 6],
        source=["detected"] * len(frame),
        candidate=within.astype(np.int32),
    )
    return RetrievalView("view", SIZE, frames, candidates, tracklets, second=second)


def _still(start, stop, x=300.0, y=200.0):
    at = np.arange(start, stop)
    return at, np.tile([x, y, x + 50, y + 130], (len(at), 1))


def _missed(view, **config):
    return retrieve([view], config=RetrievalConfig(**config)).missed["view"]


def _frames(missed, reason):
    return set(missed.filter(pc.equal(missed.column("reason"), reason)).column("frame").to_pylist())


def test_who_is_seen_throughout_is_not_missed():
    assert len(_missed(_view((*_still(0, 100), 0.95)))) == 0


def test_an_interrupted_tracklet_leaves_its_gap_with_the_box_in_between():
    view = _view((*_still(0, 40, 300), 0.95), (*_still(50, 100, 330), 0.95))
    missed = _missed(view)
    assert _frames(missed, "interrupted") == set(range(40, 50))
    middle = missed.filter(pc.equal(missed.column("frame"), 45))
    assert tables.boxes_of(middle)[0, 0] == pytest.approx(300 + 30 * 6 / 11, abs=1)
    assert missed.column("tracklet").to_pylist()[0] == 0


def test_the_better_two_ends_fit_the_more_probable_is_a_gap():
    near = _missed(_view((*_still(0, 40, 300), 0.95), (*_still(45, 100, 305), 0.95)))
    far = _missed(_view((*_still(0, 40, 300), 0.95), (*_still(75, 100, 420), 0.95)), min_risk=0.01)
    assert near.column("probability").to_numpy().min() > far.column("probability").to_numpy().max()


def test_who_vanishes_inside_the_room_may_still_be_there_for_a_while():
    missed = _missed(_view((*_still(0, 40), 0.95), (*_still(0, 100, 100), 0.95)))
    ended = missed.filter(pc.equal(missed.column("reason"), "ended_inside"))
    assert set(ended.column("frame").to_pylist()) <= set(range(40, 51))
    probability = ended.column("probability").to_numpy()
    assert len(probability) > 3 and (np.diff(probability) < 0).all()


def test_who_appears_inside_the_room_may_have_been_there_before():
    missed = _missed(_view((*_still(60, 100), 0.95), (*_still(0, 100, 100), 0.95)))
    began = _frames(missed, "began_inside")
    assert began and began <= set(range(50, 60))


def test_who_leaves_at_the_border_is_not_expected_to_stay():
    missed = _missed(_view((*_still(0, 40, x=595), 0.95), (*_still(0, 100, 100), 0.95)))
    assert not _frames(missed, "ended_inside")


def test_a_place_where_many_leave_is_a_door():
    tracks = [(*_still(12 * k, 12 * k + 8, x=300 + k % 3), 0.95) for k in range(1, 8)]
    missed = _missed(_view(*tracks), max_gap_s=0.5)
    alone = _missed(_view(tracks[3]), max_gap_s=0.5)
    assert not _frames(missed, "ended_inside")
    assert _frames(alone, "ended_inside")


def test_fewer_heads_for_a_while_are_noticed_at_the_border():
    tracks = [(*_still(0, 100, 100), 0.95), (*_still(0, 40, x=595), 0.95), (*_still(50, 100, x=3, y=20), 0.95)]
    missed = _missed(_view(*tracks))
    assert _frames(missed, "fewer_heads") == set(range(40, 50))


def test_boxes_that_were_not_accepted_are_risks_below_their_existence():
    missed = _missed(_view((*_still(0, 100, 100), 0.95), (*_still(20, 60, 400), 0.3)))
    assert _frames(missed, "low_score") == set(range(20, 60))
    probability = missed.column("probability").to_numpy()
    assert np.ptp(probability) < 1e-6 and 0.1 < probability[0] <= 0.3


def test_another_detector_that_sees_somebody_is_heard():
    second = _view((*_still(10, 20, 450), 0.9), (*_still(10, 20, 100), 0.9), (*_still(30, 40, 450), 0.2)).candidates
    missed = _missed(_view((*_still(0, 100, 100), 0.95), second=second))
    assert _frames(missed, "detectors_differ") == set(range(10, 20))
    assert set(tables.boxes_of(missed)[:, 0]) == {450.0}


def test_nothing_is_reported_where_somebody_is_accepted():
    view = _view((*_still(0, 100), 0.95), (*_still(20, 60, 305), 0.3))
    assert len(_missed(view)) == 0


def test_guesses_about_one_person_merge_into_a_more_probable_one():
    box = np.array([[10, 10, 60, 140]], np.float32)
    one = hypotheses("low_score", np.array([3]), np.array([0.6]), box, np.array([0.4]))
    two = hypotheses("interrupted", np.array([3]), np.array([0.6]), box + 3, np.array([0.3]))
    other = hypotheses("low_score", np.array([3]), np.array([0.6]), box + 200, np.array([0.2]))
    out = merged(together([one, two, other]))
    assert out.probability[out.boxes[:, 0] < 100] == pytest.approx(1 - 0.6 * (1 - 0.15))
    assert out.probability[out.boxes[:, 0] > 100] == pytest.approx(0.2)
    assert out.reason[np.argmax(out.probability)] == REASON["low_score"]


def test_calibration_keeps_order_within_a_reason():
    p = np.linspace(0.05, 0.95, 10)
    boxes = np.tile(np.array([[0, 0, 9, 9]], np.float32), (10, 1))
    out = Calibration.of(interrupted=(0.7, -1.0))(hypotheses("interrupted", np.arange(10), np.arange(10.0), boxes, p))
    assert (np.diff(out.probability) > 0).all() and (out.probability < p).all()


def test_intervals_join_near_stretches_and_tell_the_main_reason():
    frames = tables.make(tables.FRAMES, frame=np.arange(100), pts=np.arange(100), time=np.arange(100) / FPS)
    at = np.array([10, 11, 12, 15, 40])
    box = np.tile(np.array([[0, 0, 9, 9]], np.float32), (5, 1))
    missed = tables.make(
        tables.MISSED,
        frame=at,
        time=at / FPS,
        probability=[0.6, 0.9, 0.4, 0.7, 0.8],
        reason=["interrupted", "interrupted", "low_score", "low_score", "seen_elsewhere"],
        tracklet=[None] * 5,
        person=[None] * 5,
        **tables.box_columns(box),
    )
    out = likely_missed("view", frames, missed, RetrievalConfig())
    assert out.column("start").to_pylist() == pytest.approx([2.0, 8.0])
    assert out.column("stop").to_pylist() == pytest.approx([3.2, 8.2])
    assert out.column("confidence").to_pylist() == pytest.approx([0.9, 0.8])
    assert out.column("reason").to_pylist() == ["interrupted", "seen_elsewhere"]


@pytest.mark.parametrize("reach", [1, 2, 3, 7, 50])
def test_running_maximum(reach):
    values = np.random.default_rng(reach).integers(0, 9, 40)
    want = [values[max(0, k - reach) : k + 1].max() for k in range(40)]
    assert _running_max(values, reach).tolist() == want


def test_more_existence_never_makes_a_leftover_less_risky():
    risks = []
    for existence in (0.15, 0.25, 0.35, 0.45):
        missed = _missed(_view((*_still(20, 60, 400), existence)))
        risks.append(missed.column("probability").to_numpy().mean())
    assert (np.diff(risks) > 0).all()


def test_untracked_views_have_no_ends_and_beginnings():
    view = dataclasses.replace(_view((*_still(0, 40), 0.95)), tracked=False)
    assert not {"ended_inside", "interrupted"} & set(_missed(view).column("reason").to_pylist())


def test_masks_are_generous_and_labels_strict():
    tracks = [
        (*_still(0, 3, 100), 0.95),
        (*_still(0, 3, 300), 0.6),
        (*_still(0, 3, 450), 0.3),
        (*_still(0, 3, 20), 0.05),
    ]
    persons = tables.unconfirmed(_view(*tracks).tracklets)
    assert set(masked(persons).column("tracklet").to_pylist()) == {0, 1}
    weight = dict(zip(persons.column("tracklet").to_pylist(), teaching_weights(persons).tolist(), strict=True))
    assert weight[0] == pytest.approx(0.95) and weight[1] == weight[2] == 0 and np.isnan(weight[3])
    guessed = persons.set_column(8, persons.schema.field("source"), [["interpolated"] * len(persons)])
    assert not (teaching_weights(guessed) > 0).any()
    looser = RetrievalConfig(mask_existence=0.2, label_existence=0.55)
    assert set(masked(persons, looser).column("tracklet").to_pylist()) == {0, 1, 2}
    assert (teaching_weights(persons, looser) > 0).sum() == 6
