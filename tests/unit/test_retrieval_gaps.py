"""Persons whom one view loses and others see."""

import numpy as np
import pyarrow.compute as pc
import pytest
from drape import tables
from drape.boxes import as_boxes, iou
from drape.retrieval import RetrievalConfig, retrieve
from drape.retrieval.expected import Expected, smooth
from drape.retrieval.motion import FAR, anchors, guess, rehearse
from drape.retrieval.persons import chain
from support.crowd import crowd


def _overlaps(recording, out, view, who, start, stop):
    """Best IoU of accepted boxes with a person's true box, by frame."""
    truth, persons = recording.truth[view], out.persons[view]
    persons = persons.filter(pc.greater_equal(persons.column("existence"), 0.5))
    frames, ids, boxes = (truth.column("frame").to_numpy(), truth.column("id").to_numpy(), tables.boxes_of(truth))
    found, at = tables.boxes_of(persons), persons.column("frame").to_numpy()
    rows = np.flatnonzero((ids == who) & (frames >= start * 5) & (frames < stop * 5))
    return np.array([iou(boxes[r : r + 1], found[at == frames[r]]).max(initial=0.0) for r in rows])


def test_a_gap_is_filled_where_other_views_see_the_person():
    c = crowd(seconds=20, weak=[(0, 1, 8, 11, None)])
    alone, out = retrieve(c.views[:1]), retrieve(c.views, c.pairs, c.identities, c.expected)
    assert (_overlaps(c, alone, "view1", 1, 8.4, 10.6) < 0.5).any(), "the tracker alone must fail for this to show"
    assert (_overlaps(c, out, "view1", 1, 8, 11) >= 0.5).mean() > 0.9
    persons = out.persons["view1"]
    filled = persons.filter(
        pc.greater(persons.column("tracklet"), int(c.views[0].tracklets.column("tracklet").to_numpy().max()))
    )
    assert set(filled.column("source").to_pylist()) <= {"interpolated", "associated"}
    assert set(filled.column("person").to_pylist()) == {1}
    assert filled.column("existence").to_numpy().max() < 1
    inter = filled.filter(pc.equal(filled.column("source"), "interpolated"))
    assert inter.column("candidate").null_count == inter.column("score").null_count == len(inter) > 0


def test_a_weak_candidate_that_others_confirm_is_taken_and_says_so():
    c = crowd(seconds=20, weak=[(0, 1, 0, 20, 0.42)], clutter=4)
    out = retrieve(c.views, c.pairs, c.identities, c.expected)
    persons = out.persons["view1"]
    taken = persons.filter(
        pc.and_(pc.equal(persons.column("source"), "associated"), pc.equal(persons.column("person"), 1))
    )
    strong = taken.filter(pc.greater_equal(taken.column("existence"), 0.5))
    assert len(strong) > 20
    assert len(set(strong.column("tracklet").to_pylist())) < 10, "linked over time"
    assert (strong.column("over_views").to_numpy() > 0).all()
    assert (_overlaps(c, out, "view1", 1, 0, 20) >= 0.5).mean() > 0.4
    assert (_overlaps(c, retrieve(c.views[:1]), "view1", 1, 0, 20) >= 0.5).mean() < 0.2


def test_nobody_is_added_who_is_already_there():
    c = crowd(seconds=15, weak=[(0, 1, 4, 9, 0.11), (0, 2, 5, 8, None)])
    out = retrieve(c.views, c.pairs, c.identities, c.expected)
    persons = out.persons["view1"]
    sure = persons.filter(pc.greater_equal(persons.column("existence"), 0.5))
    fresh = sure.column("tracklet").to_numpy() > c.views[0].tracklets.column("tracklet").to_numpy().max()
    keys = list(zip(sure.column("frame").to_pylist(), sure.column("person").to_pylist(), strict=True))
    added = [key for key, new in zip(keys, fresh, strict=True) if new and key[1] is not None]
    assert len(added) > 5
    assert all(keys.count(key) == 1 for key in added)


def test_a_gap_longer_than_allowed_stays_open_and_is_reported():
    c = crowd(seconds=30, weak=[(0, 1, 8, 20, None)])
    config = RetrievalConfig(max_gap_s=3, reach_s=1)
    out = retrieve(c.views, c.pairs, c.identities, c.expected, config)
    assert (_overlaps(c, out, "view1", 1, 11, 17) < 0.5).mean() > 0.9
    missed = out.missed["view1"]
    inside = missed.filter(pc.and_(pc.greater(missed.column("time"), 8.5), pc.less(missed.column("time"), 19.5)))
    assert "seen_elsewhere" in set(inside.column("reason").to_pylist())
    assert 1 in set(inside.column("person").to_pylist())


NOBODY = Expected(*(np.zeros(0, np.int64),) * 2, np.zeros(0), np.zeros((0, 4), np.float32), *(np.zeros(0),) * 2)


def _walk(count=60, speed=10.0):
    time = np.arange(count) / 5
    x = 50 + speed * time
    boxes = as_boxes(np.stack([x, np.full(count, 80), x + 40, np.full(count, 200)], axis=1))
    return time, boxes


def test_a_guess_lies_on_the_line_between_sure_boxes():
    time, boxes = _walk()
    known = anchors(np.zeros(2, np.int64), np.array([0, 20]), time[[0, 20]], boxes[[0, 20]])
    at = np.arange(1, 20)
    out = guess(known, np.zeros(19, np.int64), at, time[at], NOBODY, rehearse(known, NOBODY, 5, 0))
    assert np.allclose(out.boxes, boxes[at], atol=1e-3)
    assert out.error[9] > out.error[0], "the middle is least sure"
    assert out.before[0] == pytest.approx(0.2) and out.after[0] == pytest.approx(3.8)
    stranger = guess(known, np.full(1, 7), np.array([5]), time[[5]], NOBODY, rehearse(known, NOBODY, 5, 0))
    assert stranger.error[0] == FAR and stranger.nearest[0] == -1


def test_expected_boxes_are_corrected_by_their_error_at_sure_boxes():
    time, boxes = _walk()
    off = boxes + np.array([15, -5, 15, -5], np.float32)
    frame = np.arange(60)
    expected = Expected(np.zeros(60, np.int64), frame, time, off, np.ones(60), np.full(60, 0.05))
    ends = np.array([0, 59])
    known = anchors(np.zeros(2, np.int64), frame[ends], time[ends], boxes[ends])
    at = np.array([30])
    out = guess(known, np.zeros(1, np.int64), at, time[at], expected, rehearse(known, expected, 5, 0))
    assert np.abs(out.boxes - boxes[at]).max() < 1


def test_hiding_sure_boxes_teaches_how_well_guesses_do():
    rng = np.random.default_rng(0)
    time = np.arange(600) / 5
    steady = as_boxes(np.tile([100, 80, 140, 200], (600, 1)))
    jump = np.cumsum(rng.normal(0, 12, 600))[:, None] * np.array([1, 0, 1, 0])
    person, frame = np.zeros(600, np.int64), np.arange(600)
    calm = rehearse(anchors(person, frame, time, steady), NOBODY, 5, 0)
    wild = rehearse(anchors(person, frame, time, as_boxes(steady + jump)), NOBODY, 5, 0)
    assert calm.drift < wild.drift
    error = np.array([0.1])
    assert calm.probability(error)[0] > 0.5
    assert (np.diff(wild.probability(np.linspace(0, 1, 20))) <= 0).all()


def test_averaging_expected_boxes_does_not_lag_and_does_not_mix_persons():
    time, boxes = _walk()
    person = np.repeat([0, 1], 30)
    shaken = as_boxes(boxes + np.random.default_rng(0).normal(0, 3, boxes.shape))
    out = smooth(person, time, shaken, 0.6)
    assert np.abs(smooth(person, time, boxes, 0.6) - boxes).max() < 1e-3
    assert np.abs(out - boxes).mean() < 0.75 * np.abs(shaken - boxes).mean()
    assert np.allclose(out[30], shaken[30])


def test_rows_of_a_person_chain_until_a_gap():
    person = np.array([3, 3, 3, 5, -1, -1, 3])
    time = np.array([0.0, 1.0, 2.0, 1.0, 1.0, 2.0, 9.0])
    out = chain(person, time, 2.0)
    assert out[0] == out[1] == out[2]
    assert len(set(out.tolist())) == 5
    assert out[0] == 0 and sorted(set(out.tolist())) == list(range(5))
