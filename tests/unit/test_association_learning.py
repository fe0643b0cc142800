"""Learning the geometry of made-up scenes, and what follows from it: matches, identities, expected boxes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from drape import tables
from drape.association import Association, AssociationConfig, AssociationModel, ViewBoxes, associate, fit_camera, learn
from drape.association.floor import fit_floor
from drape.association.learning import History
from drape.association.placing import place_views
from drape.association.sets import gather, staying
from drape.association.training import sync_accuracy
from drape.association.views import meet
from drape.errors import RecordingError, WeightsError
from drape.evaluation.association import score
from support import ground

SMALL = AssociationConfig(token=32, seeds=1, steps=120, floor_steps=200)


@cache
def scene() -> ground.Scene:
    return ground.scene(views=3, people=6, seconds=150, fps=2, clutter=0.5, miss=0.1, posters=1, seed=1)


@cache
def learned() -> tuple[AssociationModel, History]:
    torch.set_num_threads(1)
    return learn(scene().views, SMALL)


@cache
def found() -> Association:
    return associate(scene().views, SMALL, model=learned()[0])


def truth(made: ground.Scene) -> pa.Table:
    parts = [
        tables.make(
            tables.IDENTITIES,
            view=np.full(len(view), view.view, object),
            frame=view.frame.astype(np.int32),
            index=view.index.astype(np.int32),
            person=np.where(person >= 0, person, -1).astype(np.int32),
            copy=np.zeros(len(view), bool),
        )
        for view, person in zip(made.views, made.truth, strict=True)
    ]
    return pa.concat_tables(parts)


def person_of(table: pa.Table, view: ViewBoxes) -> np.ndarray:
    """Person of each row of a view, -1 where the table names none."""
    own = table.filter(pa.compute.equal(table.column("view"), view.view))
    out = np.full(len(view), -1, np.int64)
    start = np.searchsorted(view.frame, own.column("frame").to_numpy())
    out[start + own.column("index").to_numpy()] = own.column("person").to_numpy()
    return out


def test_heights_tell_the_horizon() -> None:
    made = scene()
    for view, camera in zip(made.views, made.cameras, strict=True):
        floor = fit_floor(view, np.random.default_rng(0))
        assert floor is not None
        assert floor.fit > 0.5
        centre = -camera.r.T @ camera.t
        above = 1.75 / float(np.hypot(floor.slope[0], floor.slope[1])) if floor else 0.0
        assert above == pytest.approx(centre[2], rel=0.35)


def test_floors_are_brought_together_without_labels() -> None:
    made = scene()
    placing = place_views(made.views, meet(made.views), 5.0, np.random.default_rng(0))
    assert len(placing.matrices) == 3
    where = {}
    for v, matrix in placing.matrices.items():
        view = made.views[v]
        unit = view.boxes.astype(np.float64) / max(view.extent())
        x = np.stack([(unit[:, 0] + unit[:, 2]) / 2, unit[:, 3], np.ones(len(unit))], axis=1) @ matrix.T
        keys = zip(view.frame.tolist(), made.truth[v].tolist(), strict=True)
        where[v] = {key: place for key, place in zip(keys, x[:, :2] / x[:, 2:], strict=True) if key[1] >= 0}
    for a, b in ((0, 1), (0, 2), (1, 2)):
        both = where[a].keys() & where[b].keys()
        apart = np.array([np.linalg.norm(where[a][k] - where[b][k]) for k in both])
        assert np.median(apart) < 1.2  # in person heights, on a floor of 4 x 4


def test_posters_stay_and_walkers_do_not() -> None:
    made = ground.scene(views=2, people=3, seconds=60, posters=2, seed=3)
    share = staying(made.views[0], 5.0, np.random.default_rng(0))
    assert share[made.truth[0] == -1].min() > 0.9
    assert np.median(share[made.truth[0] >= 0]) < 0.3


def test_training_is_noticed_by_held_out_accuracy() -> None:
    model, history = learned()
    assert history.accuracy[0] > 0.85
    sets = gather(scene().views, meet(scene().views), [np.ones(len(v), np.float32) for v in scene().views])
    other = AssociationModel.load.__self__  # the class: an untrained network of it must be at chance
    assert other is AssociationModel
    torch.manual_seed(0)
    blank = type(model.networks[0])(3, SMALL.token)
    assert sync_accuracy(blank, sets, np.arange(40), 5.0) < 0.7


def test_matches_are_right() -> None:
    s = score(found().pairs, truth(scene()))
    assert s.precision > 0.9
    assert s.recall > 0.85
    assert s.accuracy > 0.85
    assert s.ap > 0.9


def test_probabilities_mean_what_they_say() -> None:
    made = scene()
    pairs = found().pairs.to_pandas()
    person = {view.view: p for view, p in zip(made.views, made.truth, strict=True)}
    start = {view.view: view for view in made.views}
    ends = []
    for side in "ab":
        rows = [
            person[v][np.searchsorted(start[v].frame, f) + i]
            for v, f, i in zip(pairs[f"view_{side}"], pairs[f"frame_{side}"], pairs[f"index_{side}"], strict=True)
        ]
        ends.append(np.array(rows))
    same = (ends[0] == ends[1]) & (ends[0] >= 0)
    p = pairs["probability"].to_numpy()
    error = 0.0
    for low in np.arange(0, 1, 0.1):
        some = (p >= low) & (p < low + 0.1 + 1e-6)
        if some.any():
            error += some.mean() * abs(p[some].mean() - same[some].mean())
    assert error < 0.06


def test_persons_keep_one_identity_over_views() -> None:
    made = scene()
    named = [person_of(found().identities, view) for view in made.views]
    agree = []
    for p in range(6):
        ids = np.concatenate([n[(t == p) & (n >= 0)] for n, t in zip(named, made.truth, strict=True)])
        agree.append(np.bincount(ids).max() / len(ids))
    assert np.mean(agree) > 0.75


def test_expected_boxes_lie_where_the_person_is() -> None:
    made = scene()
    expected = found().expected.to_pandas()
    of = {view.view: (view, t) for view, t in zip(made.views, made.truth, strict=True)}
    errors, spread = [], []
    for row in expected.sample(600, random_state=0).itertuples():
        view, person = of[row.view]
        origin, origin_person = of[row.from_view]
        who = origin_person[np.searchsorted(origin.frame, row.frame) + row.from_index]
        there = np.flatnonzero((view.frame == row.frame) & (person == who))
        if who >= 0 and len(there):
            box = view.boxes[there[0]]
            foot = np.array([(box[0] + box[2]) / 2, box[3]])
            errors.append(np.linalg.norm(foot - [(row.x1 + row.x2) / 2, row.y2]) / (box[3] - box[1]))
            spread.append(row.spread)
    assert len(errors) > 100
    assert np.median(errors) < 0.35
    assert 0.3 < np.median(spread) / np.median(errors) < 4
    assert set(expected["view"]) == {"view1", "view2", "view3"}


def test_a_model_is_the_same_after_a_round_trip(tmp_path: Path) -> None:
    model, _ = learned()
    model.save(tmp_path / "model.safetensors")
    back = AssociationModel.load(tmp_path / "model.safetensors")
    again = associate(scene().views, SMALL, model=back)
    assert again.pairs.equals(found().pairs)
    assert again.identities.equals(found().identities)


def test_tables_in_parts_are_the_tables_in_one() -> None:
    parts: dict[str, list[pa.Table]] = {}
    empty = associate(
        scene().views, SMALL, model=learned()[0], write=lambda kind, part: parts.setdefault(kind, []).append(part)
    )
    for kind in ("pairs", "identities", "expected"):
        assert pa.concat_tables(parts[kind]).equals(getattr(found(), kind))
        assert getattr(empty, kind).num_rows == 0
    assert len(parts["pairs"]) > 1
    order = found().expected.sort_by([(name, "ascending") for name in ("view", "frame", "person")])
    assert order.column("person").equals(found().expected.column("person"))


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="cannot be read"):
        AssociationModel.load(path)


def test_an_unknown_view_is_refused() -> None:
    strange = [replace(view, view=f"other{k}") for k, view in enumerate(scene().views)]
    with pytest.raises(WeightsError, match="does not know"):
        associate(strange, SMALL, model=learned()[0])


def test_equal_seeds_give_equal_results() -> None:
    made = ground.scene(views=2, people=3, seconds=40, seed=5)
    tiny = AssociationConfig(token=16, seeds=1, steps=10, floor_steps=10)
    first, second = (associate(made.views, tiny) for _ in range(2))
    assert first.pairs.equals(second.pairs)


def test_one_view_keeps_its_tracklets() -> None:
    view = scene().views[0]
    alone = associate([view])
    assert alone.pairs.num_rows == alone.expected.num_rows == 0
    assert alone.model is None
    named = person_of(alone.identities, view)
    for k in np.unique(view.tracklet[view.tracklet >= 0]):
        assert len(np.unique(named[view.tracklet == k])) == 1


def test_views_that_never_meet_cannot_be_learned() -> None:
    a, b = scene().views[:2]
    late = b.at_times(b.time + 1e5, b.times() + 1e5)
    with pytest.raises(RecordingError, match="nothing can be learned"):
        learn([a, late], SMALL)


def test_a_view_may_be_absent_for_a_while() -> None:
    made = ground.scene(views=3, people=6, seconds=150, fps=2, absent=(2, 30.0, 100.0), seed=1)
    result = associate(made.views, SMALL, model=learned()[0])
    gone = result.pairs.filter(
        pa.compute.and_(
            pa.compute.greater(result.pairs.column("time"), 31.0), pa.compute.less(result.pairs.column("time"), 99.0)
        )
    )
    assert gone.num_rows > 0
    assert set(gone.column("view_b").to_pylist()) == {"view2"}
    assert score(result.pairs, truth(made)).accuracy > 0.85


def test_a_moved_camera_is_learned_again_from_a_minute() -> None:
    made = ground.scene(views=3, people=6, seconds=150, fps=2, clutter=0.5, miss=0.1, turn=(0, 0.0, 5.0), seed=1)
    views = [made.views[0], *made.views[1:]]
    before = score(associate(views, SMALL, model=learned()[0]).pairs, truth(made))
    moved = [replace(views[0], view="view1#1"), *views[1:]]
    some = [v.select(v.time < 60) for v in moved]
    some = [replace(v, instants=v.times()[v.times() < 60]) for v in some]
    model = fit_camera(learned()[0], some, "view1#1", "view1")
    named = replace(made, views=moved)
    after = score(associate(moved, SMALL, model=model).pairs, truth(named))
    assert after.accuracy > before.accuracy + 0.02
    assert after.accuracy > 0.93
    assert model.cameras == ("view1", "view2", "view3", "view1#1")


def test_appearance_helps_where_geometry_is_unsure() -> None:
    made = scene()
    rng = np.random.default_rng(0)
    faces = rng.normal(0, 1, (7, 16)).astype(np.float32)
    looks = {
        view.view: faces[np.maximum(person, -1)] + rng.normal(0, 0.3, (len(view), 16)).astype(np.float32)
        for view, person in zip(made.views, made.truth, strict=True)
    }
    config = SMALL.model_copy(update={"appearance_weight": 0.3})
    with_looks = score(associate(made.views, config, model=learned()[0], appearance=looks).pairs, truth(made))
    plain_score = score(found().pairs, truth(made))
    assert with_looks.accuracy > plain_score.accuracy


def test_a_mirrored_person_is_not_mixed_up_with_others() -> None:
    made = ground.scene(views=3, people=4, seconds=150, fps=2, mirror=0, seed=1)
    result = associate(made.views, SMALL, model=learned()[0])
    named = person_of(result.identities, made.views[0])
    mirrored = np.unique(named[made.truth[0] == -2])
    assert len(mirrored) == 1
    assert not np.isin(mirrored, named[made.truth[0] >= 1]).any()
