"""Sparse recordings without tracking, and what reviewers' decisions change."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from drape import tables
from drape.boxes import as_boxes, iou
from drape.evaluation.detection import detection
from drape.evaluation.truth import accepted
from drape.retrieval import DECISIONS, RetrievalView, retrieve, untracked
from drape.retrieval.decisions import recalibrated
from drape.retrieval.pairing import log_odds
from support.crowd import crowd


def _candidates(rows):
    array = np.array(rows, np.float64)
    columns = tables.box_columns(as_boxes(array[:, 1:5]))
    return tables.make(
        tables.CANDIDATES, frame=array[:, 0].astype(np.int32), time=array[:, 0], score=array[:, 5], **columns
    )


def test_candidates_vote_where_a_box_lies():
    rows = [
        (0, 100, 100, 140, 200, 0.9),
        (0, 104, 100, 144, 200, 0.9),
        (0, 300, 100, 340, 200, 0.5),
        (1, 100, 100, 140, 200, 0.2),
    ]
    out = untracked(_candidates(rows))
    assert out.schema.equals(tables.TRACKLETS)
    boxes = tables.boxes_of(out)
    assert 100 < boxes[0, 0] < 102 < boxes[1, 0] < 104
    assert boxes[2, 0] == 300 and boxes[3, 0] == 100, "other persons and other frames have no say"
    assert out.column("existence").to_pylist() == pytest.approx([0.9, 0.9, 0.5, 0.2])
    assert out.column("candidate").to_pylist() == [0, 1, 2, 0]
    assert len(set(out.column("tracklet").to_pylist())) == 4


@pytest.fixture(scope="module")
def sparse():
    """An untracked recording in which person 1 always has a low score in one view, and boxes come in pairs."""
    c = crowd(seconds=40, fps=5, weak=[(0, 1, 0, 40, 0.15)], clutter=3, seed=2)
    views = []
    for v in c.views:
        views.append(RetrievalView(v.id, v.size, v.frames, v.candidates, untracked(v.candidates), tracked=False))
    return c, views


def test_alone_they_are_exactly_the_candidates(sparse):
    _, views = sparse
    out = retrieve(views[:1])
    assert out.persons["view1"].equals(tables.unconfirmed(views[0].tracklets))


def test_with_other_views_the_ranking_is_better_and_as_many_are_masked(sparse):
    c, views = sparse
    out = retrieve(views, c.pairs, c.identities, c.expected)
    for view in views:
        persons, truth = out.persons[view.id], c.truth[view.id]
        assert len(persons) == len(view.candidates)
        new, old = persons.column("existence").to_numpy(), view.candidates.column("score").to_numpy()
        assert (new >= 0.5).sum() >= 0.95 * (old >= 0.5).sum(), "repeats apart, as many are masked"
        # The score is all but perfect here, and a person behind another may be taken for a repeat of him.
        alone = detection(truth, accepted(view.tracklets)).recall
        assert detection(truth, accepted(persons)).recall >= alone - 0.03
    first = out.persons["view1"]
    real = _real(first, c.truth["view1"])
    assert _auc(first.column("existence").to_numpy(), real) > _auc(views[0].candidates.column("score").to_numpy(), real)
    weak = np.isclose(views[0].candidates.column("score").to_numpy(), 0.15, atol=1e-6) & real
    clutter = (views[0].candidates.column("score").to_numpy() < 0.3) & ~real
    assert weak.sum() > 50
    existence = first.column("existence").to_numpy()
    assert np.median(existence[weak]) > np.quantile(existence[clutter], 0.9)


def test_a_repeat_of_a_person_is_kept_but_counts_little():
    c = crowd(seconds=40, clutter=3, seed=3)
    view = c.views[0]
    boxes, score = tables.boxes_of(view.candidates), view.candidates.column("score").to_numpy()
    frame = view.candidates.column("frame").to_numpy()
    strong = np.flatnonzero(score > 0.5)[:100]
    order = np.argsort(np.concatenate([frame, frame[strong]]), kind="stable")
    doubled = pa.concat_tables([view.candidates, view.candidates.take(pa.array(strong))]).take(pa.array(order))
    repeats = np.flatnonzero(order >= len(frame))
    views = [RetrievalView(view.id, view.size, view.frames, doubled, untracked(doubled), tracked=False)]
    views += [
        RetrievalView(v.id, v.size, v.frames, v.candidates, untracked(v.candidates), tracked=False) for v in c.views[1:]
    ]
    out = retrieve(views, c.pairs)
    existence = out.persons["view1"].column("existence").to_numpy()
    assert len(existence) == len(doubled) == len(boxes) + 100
    assert existence[repeats].max() < 0.1


def _real(persons, truth):
    boxes, frame = tables.boxes_of(persons), persons.column("frame").to_numpy()
    true, at = tables.boxes_of(truth), truth.column("frame").to_numpy()
    return np.array([iou(boxes[k : k + 1], true[at == frame[k]]).max(initial=0.0) >= 0.5 for k in range(len(boxes))])


def _auc(value, real):
    return (value[real][:, None] > value[~real][None]).mean() + 0.5 * (
        value[real][:, None] == value[~real][None]
    ).mean()


def _decisions(view, frames, boxes, person):
    columns = tables.box_columns(as_boxes(boxes))
    return tables.make(DECISIONS, view=[view] * len(frames), frame=frames, person=person, **columns)


def test_a_decision_settles_its_own_box_in_both_directions(sparse):
    c, views = sparse
    candidates = views[0].candidates
    score, boxes, frame = (
        candidates.column("score").to_numpy(),
        tables.boxes_of(candidates),
        candidates.column("frame").to_numpy(),
    )
    no, yes = int(np.flatnonzero(score > 0.7)[5]), int(np.flatnonzero(np.isclose(score, 0.15, atol=1e-6))[5])
    decisions = _decisions("view1", frame[[no, yes]], boxes[[no, yes]], [False, True])
    out = retrieve(views, c.pairs, c.identities, c.expected, decisions=decisions)
    existence = out.persons["view1"].column("existence").to_numpy()
    assert existence[no] < 0.1 and existence[yes] > 0.9


def test_decisions_move_probabilities_towards_what_reviewers_find_and_keep_order():
    rng = np.random.default_rng(0)
    count = 400
    p = rng.uniform(0.05, 0.95, count).astype(np.float32)
    corner = np.stack([np.arange(count) * 50.0, np.zeros(count)], axis=1)
    boxes = as_boxes(np.concatenate([corner, corner + 40], axis=1))
    columns = {"frame": np.zeros(count, np.int32), "time": np.zeros(count), **tables.box_columns(boxes)}
    table = tables.make(
        tables.MISSED,
        **columns,
        probability=p,
        reason=["low_score"] * count,
        tracklet=[None] * count,
        person=[None] * count,
    )
    true = rng.random(count) < 1 / (1 + np.exp(-(log_odds(p) - 1.5)))
    decisions = _decisions("v", np.zeros(count, np.int32), boxes, true)
    some = decisions.slice(0, 200)
    new = recalibrated({"v": table}, "probability", some)["v"].column("probability").to_numpy()
    rest = slice(200, None)
    assert abs(new[rest].mean() - true[rest].mean()) < abs(p[rest].mean() - true[rest].mean()) / 3
    assert np.array_equal(np.argsort(new, kind="stable"), np.argsort(p, kind="stable"))
    few = recalibrated({"v": table}, "probability", decisions.slice(0, 1))["v"].column("probability").to_numpy()
    assert np.abs(few - p).max() < 0.1, "one decision must not turn everything"
    assert recalibrated({"v": table}, "probability", None)["v"] is table
    kept = recalibrated({"v": table}, "probability", some, least=0.9)["v"].column("probability").to_numpy()
    assert (kept[p >= 0.9] >= 0.5).all()
    assert pc.min(table.column("probability")).as_py() > 0
