"""How evidence is learned and weighed: places, other views, copies, doubt."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from drape import tables
from drape.boxes import as_boxes, iou, nms
from drape.evaluation.detection import detection
from drape.evaluation.truth import accepted
from drape.retrieval import RetrievalConfig, retrieve
from drape.retrieval.fusion import fuse, learn
from drape.retrieval.learning import ViewModel, fit_places, fit_views
from drape.retrieval.others import Links, links, support
from drape.retrieval.persons import DOUBTED
from drape.retrieval.places import EXACT, fold_of, survey
from drape.retrieval.pool import pool_views
from drape.retrieval.suppression import best_of
from support.crowd import crowd


@pytest.fixture(scope="module")
def recording():
    return crowd(seconds=20, weak=[(0, 1, 6, 10, None)], mirror=1, posters=1)


@pytest.fixture(scope="module")
def found(recording):
    return retrieve(recording.views, recording.pairs, recording.identities, recording.expected)


def test_pairs_point_at_the_candidates_they_name(recording):
    pool = pool_views(recording.views, RetrievalConfig())
    got = links(pool, recording.pairs)
    count = recording.pairs.num_rows
    assert len(got.left) == 2 * count
    k = count // 2
    row = {name: recording.pairs.column(name)[k].as_py() for name in recording.pairs.column_names}
    view = next(v for v in recording.views if v.id == row["view_a"])
    mine = view.candidates.filter(pc.equal(view.candidates.column("frame"), row["frame_a"]))
    assert np.array_equal(pool.boxes[got.left[k]], tables.boxes_of(mine)[row["index_a"]])


def test_support_is_a_noisy_or_over_views_of_the_best_match_in_each(recording):
    pool = pool_views(recording.views, RetrievalConfig())
    a, b, c = (int(pool.offsets[v]) for v in range(3))
    pair = Links(np.array([a, b, a, c]), np.array([b, a, c, a]), np.array([0.8, 0.8, 0.5, 0.5]))
    existence = np.zeros(len(pool))
    existence[[b, c]] = 0.5, 0.4
    assert support(pool, pair, existence)[a] == pytest.approx(1 - (1 - 0.4) * (1 - 0.2))
    rival = Links(np.array([a, a + 1]), np.array([b, b]), np.array([0.8, 0.4]))
    shared = support(pool, rival, np.ones(len(pool)))
    assert shared[a] == pytest.approx(0.8) and shared[a + 1] == pytest.approx(0.4 * 0.25)


def test_a_person_hidden_for_one_view_is_found_with_the_others(recording, found):
    view = recording.views[0]
    before = detection(recording.truth[view.id], accepted(view.tracklets))
    after = detection(recording.truth[view.id], accepted(found.persons[view.id]))
    assert after.recall > before.recall
    assert after.precision >= before.precision


@pytest.mark.parametrize("seed", range(3))
def test_more_evidence_of_other_views_never_lowers_an_existence(recording, seed):
    rng = np.random.default_rng(seed)
    config = RetrievalConfig()
    pool = pool_views(recording.views, config)
    got = links(pool, recording.pairs)
    learned = learn(pool, got, config)
    matched = np.flatnonzero(np.append(*[recording.pairs.column("matched").to_numpy(zero_copy_only=False)] * 2))
    lower = got.probability.copy()
    some = rng.choice(matched, len(matched) // 3, replace=False)
    some = np.unique(np.concatenate([some, (some + len(lower) // 2) % len(lower)]))
    lower[some] *= rng.uniform(0.3, 1, len(some))
    weak = fuse(pool, Links(got.left, got.right, lower), learned, config)
    strong = fuse(pool, got, learned, config)
    touched = got.left[some]
    assert (strong.existence[touched] >= weak.existence[touched] - 1e-9).all()
    assert (strong.existence[touched] > weak.existence[touched]).any()


def test_reflections_stay_masked_and_are_flagged(recording, found):
    persons = found.persons["view2"]
    copies = persons.filter(persons.column("copy"))
    assert len(copies) > 10
    known = {
        (f, i): p
        for v, f, i, p, c in zip(
            *(recording.identities.column(n).to_pylist() for n in ("view", "frame", "index", "person", "copy")),
            strict=True,
        )
        if c and v == "view2"
    }
    assert known
    for frame, candidate, person in zip(
        *(copies.column(n).to_pylist() for n in ("frame", "candidate", "person")), strict=True
    ):
        assert known[frame, candidate] == person == 0
    view = recording.views[1]
    alone = {
        (f, t)
        for f, t, e in zip(
            *(view.tracklets.column(n).to_pylist() for n in ("frame", "tracklet", "existence")), strict=True
        )
        if e >= RetrievalConfig().keep_sure
    }
    for frame, tracklet, existence in zip(
        *(persons.column(n).to_pylist() for n in ("frame", "tracklet", "existence")), strict=True
    ):
        if (frame, tracklet) in alone:
            assert existence >= 0.5


def test_other_views_doubt_but_never_take_away_what_the_tracker_is_sure_of(recording):
    view = recording.views[0]
    tracklets = view.tracklets
    who = recording.identities.filter(
        pc.and_(
            pc.equal(recording.identities.column("view"), "view1"), pc.equal(recording.identities.column("person"), 2)
        )
    )
    his = set(zip(who.column("frame").to_pylist(), who.column("index").to_pylist(), strict=True))
    pairs = recording.pairs
    keys = zip(*(pairs.column(n).to_pylist() for n in ("view_a", "frame_a", "index_a")), strict=True)
    alone = np.array([a == "view1" and (f, i) in his for a, f, i in keys])
    probability = np.where(alone, 0.0, pairs.column("probability").to_numpy()).astype(np.float32)
    out = retrieve(recording.views, pairs.set_column(7, pairs.schema.field("probability"), pa.array(probability)))
    rows = {(f, t): e for f, t, e in _rows(out.persons["view1"], "frame", "tracklet", "existence")}
    lowered = 0
    for f, t, _, old in _rows(tracklets, "frame", "tracklet", "candidate", "existence"):
        assert rows[f, t] >= min(old, DOUBTED) - 1e-6, "what a release masks stays masked"
    for f, t, c, old in _rows(tracklets, "frame", "tracklet", "candidate", "existence"):
        if (f, c) in his and old >= RetrievalConfig().keep_sure:
            assert rows[f, t] >= 0.5
            lowered += rows[f, t] < old - 0.05
    assert lowered > 5, "nobody else sees him: that must leave a mark"


def _rows(table, *names):
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def test_views_that_never_agree_make_a_doubtful_tracklet_more_doubtful_the_longer_it_lasts():
    model = ViewModel(4.0, 2.0, 0.95)
    doubt = np.array([0.0, -2.0, -8.0])
    values = model.evidence(np.zeros(3), doubt)
    assert (np.diff(values) < 0).all()
    assert values[-1] >= np.log(1 - 0.95) - 1e-9, "whom only one view sees may still be there"


def test_the_weight_of_views_is_recovered_from_soft_labels():
    rng = np.random.default_rng(0)
    person = rng.random(6000) < 0.4
    others = np.where(person & (rng.random(6000) < 0.9), rng.beta(6, 2, 6000), rng.beta(1, 4, 6000))
    teacher = np.where(person, rng.beta(4, 1, 6000), rng.beta(1, 4, 6000))
    model = fit_views(others, teacher, 3.0)
    posterior = 1 / (1 + np.exp(-model.evidence(others)))
    assert model.evidence(np.array([0.9]))[0] > 1.5 and model.evidence(np.array([0.0]))[0] < -1
    assert np.mean(posterior[person]) - np.mean(posterior[~person]) > 0.4
    assert 0.8 < model.seen < 0.99
    assert (np.diff(model.evidence(np.linspace(0, 1, 50))) >= 0).all()
    nothing = fit_views(np.zeros(0), np.zeros(0), 3.0)
    assert nothing.weight == 3.0


def _places(static_score):
    """200 instants: somebody always at one place, a false box always at another, others anywhere."""
    rng = np.random.default_rng(1)
    rows = []
    for t in range(200):
        rows.append((t, 100, 100, 150, 250, static_score, 1))
        rows.append((t, 400, 300, 430, 340, 0.12, 0))
        x, y = rng.uniform(0, 500, 2)
        rows.append((t, x, y, x + rng.uniform(20, 200), y + rng.uniform(20, 200), rng.uniform(0.1, 0.25), 0))
    return np.array(rows)


def test_a_place_where_somebody_always_is_speaks_for_a_weak_candidate():
    rows = _places(0.9)
    weak = np.flatnonzero((rows[:, 6] == 1) & (rows[:, 0] % 7 == 0))
    rows[weak, 5] = 0.2
    boxes, score, time = as_boxes(rows[:, 1:5]), rows[:, 5], rows[:, 0] * 75.0
    fold = fold_of(time, float(np.ptp(time)))
    places = survey(boxes, score, rows[:, 0].astype(np.int64), fold, 4000, 0)
    density = places.densities(boxes, fold)
    model = fit_places(density, score, np.ones(len(score)))
    value = model.evidence(density)
    assert value[weak].min() > 1.5
    assert value[rows[:, 6] == 0].mean() < -1


def test_a_candidate_is_no_evidence_for_itself():
    rows = _places(0.9)
    boxes, score, time = as_boxes(rows[:, 1:5]), rows[:, 5].copy(), rows[:, 0] * 75.0
    fold = fold_of(time, float(np.ptp(time)))
    instant = rows[:, 0].astype(np.int64)
    one = fold == fold[0]
    changed = score.copy()
    changed[one] = 0.01
    a, b = (survey(boxes, s, instant, fold, 4000, 0).densities(boxes, fold) for s in (score, changed))
    assert np.allclose(a[one], b[one])
    assert not np.allclose(a[~one], b[~one])


def test_looking_up_by_cells_is_near_to_looking_up_each_box():
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 600, (2500, 2))
    size = np.exp(rng.uniform(np.log(60), np.log(160), (2500, 1))) * np.array([[0.4, 1.0]])
    boxes = as_boxes(np.concatenate([corner, corner + size], axis=1))
    fold, instant = rng.integers(0, 8, 2500), np.arange(2500)
    exact = survey(boxes, np.full(2500, 0.5), instant, fold, 2500, 0)
    assert exact.answers is None and len(boxes) <= EXACT
    many = survey(np.tile(boxes, (2, 1)), np.full(5000, 0.5), np.arange(5000), np.tile(fold, 2), 2500, 0)
    assert many.answers is not None
    cells = dataclasses.replace(exact, answers=many.answers)
    a, b = exact.densities(boxes, fold), cells.densities(boxes, fold)
    assert np.abs(a - b).mean() < 0.25
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95
    again = cells.densities(boxes[::-1], fold[::-1])
    assert np.allclose(again[::-1], b)


@pytest.mark.parametrize("seed", range(4))
def test_suppression_over_all_frames_is_that_of_each_frame(seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (300, 2))
    boxes = as_boxes(np.concatenate([corner, corner + rng.uniform(20, 60, (300, 2))], axis=1))
    frame, value = np.sort(rng.integers(0, 12, 300)), rng.random(300)
    kept = best_of(frame, boxes, value, 0.4)
    for f in range(12):
        rows = np.flatnonzero(frame == f)
        want = np.sort(rows[nms(boxes[rows], value[rows].astype(np.float32), 0.4)])
        assert np.array_equal(rows[kept[rows]], want)
        assert (iou(boxes[want], boxes[want]) - np.eye(len(want)) <= 0.4 + 1e-6).all()
