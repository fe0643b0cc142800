"""The guard: what an adapted detector may not lose, judged on tables; the union that never takes anything away."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.adaptation import cards, guard
from drape.adaptation.agreement import Agreement, count, summed
from drape.adaptation.config_guard import GuardConfig
from drape.adaptation.frames import held_out
from drape.adaptation.sight import LabelledPicture, Sight, look
from drape.adaptation.stopping import no_longer_improves
from drape.adaptation.union import union
from drape.boxes import iou
from drape.detection import DetectionConfig
from drape.detection.model_folder import read_model_folder
from drape.errors import AdaptationError, WeightsError
from hypothesis import given, settings
from hypothesis import strategies as st

FRAMES = np.arange(40, dtype=np.int32)
CONFIG = GuardConfig()
LAMP = (300.0, 10.0, 340.0, 90.0)


def walker(person: int, frame: int) -> tuple[float, ...]:
    x = 20.0 + 60 * person + 1.5 * frame
    return (x, 100.0, x + 30, 190.0)


def candidates(rows: list[tuple[int, tuple[float, ...], float]]) -> pa.Table:
    rows = sorted(rows, key=lambda row: (row[0], -row[2]))
    boxes = np.array([box for _, box, _ in rows], np.float32).reshape(-1, 4)
    frame = np.array([f for f, _, _ in rows], np.int32)
    score = np.array([s for _, _, s in rows], np.float32)
    return tables.make(tables.CANDIDATES, frame=frame, time=frame / 10, **tables.box_columns(boxes), score=score)


def persons(count: int = 3, existence: float = 0.97) -> pa.Table:
    rows = [(int(f), walker(p, int(f)), p) for f in FRAMES for p in range(count)]
    boxes = np.array([box for _, box, _ in rows], np.float32)
    n = len(rows)
    tracklets = tables.make(
        tables.TRACKLETS,
        frame=[f for f, _, _ in rows],
        time=[f / 10 for f, _, _ in rows],
        **tables.box_columns(boxes),
        tracklet=[p for _, _, p in rows],
        existence=np.full(n, existence, np.float32),
        source=["detected"] * n,
        score=np.full(n, 0.8, np.float32),
        candidate=[p for _, _, p in rows],
    )
    return tables.unconfirmed(tracklets)


def seen(people: range, score: float = 0.8, lamp: bool = False) -> pa.Table:
    rows = [(int(f), walker(p, int(f)), score) for f in FRAMES for p in people]
    return candidates(rows + [(int(f), LAMP, 0.9) for f in FRAMES if lamp])


SEEING = Sight(0.9, 4.0, 100)


def measured(table: pa.Table, canary: Sight = SEEING) -> guard.Measures:
    return guard.Measures(summed([count(table, persons(), FRAMES, None, CONFIG)]), canary)


BASE = measured(seen(range(2)))


def test_a_detector_that_finds_more_of_the_sure_persons_passes() -> None:
    better = measured(seen(range(3)))
    assert BASE.agreement.sure == pytest.approx(2 / 3)
    assert better.agreement.sure == 1
    verdict = guard.judge(BASE, better, CONFIG)
    assert verdict.passed
    assert verdict.reasons == ()
    assert verdict.figures["agreement.sure.before"] == pytest.approx(2 / 3)
    assert verdict.figures["agreement.sure.after"] == 1


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (candidates([]), "nothing is left"),
        (seen(range(2), score=0.3), "sure persons"),
        (seen(range(1)), "fell from 0.667 to 0.333"),
        (seen(range(2), lamp=True), "a thing is taken for a person all the time at 1 new place"),
    ],
    ids=["empty", "weak", "one person fewer", "lamp"],
)
def test_what_falls_is_taken_back_and_said(table: pa.Table, words: str) -> None:
    verdict = guard.judge(BASE, measured(table), CONFIG)
    assert not verdict.passed
    assert words in " / ".join(verdict.reasons)


def test_what_cannot_be_judged_is_not_kept() -> None:
    nobody = BASE._replace(agreement=summed([count(seen(range(2)), persons(1, 0.6), FRAMES, None, CONFIG)]))
    verdict = guard.judge(nobody, nobody, CONFIG)
    assert not verdict.passed
    assert "hold 0 sure persons" in verdict.reasons[0]


def test_boxes_that_flicker_or_that_nobody_vouches_for_are_noticed() -> None:
    every_other = [(int(f), walker(p, int(f)), 0.8) for f in FRAMES for p in range(3) if (f + p) % 3]
    steady = summed([count(candidates(every_other), persons(), FRAMES, None, CONFIG)]).steady
    assert steady < 0.7 < BASE.agreement.steady == 1
    rng = np.random.default_rng(0)
    stray = [(int(f), (x, 20.0, x + 25, 80.0), 0.7) for f in FRAMES for x in rng.uniform(0, 300, 2)]
    rows = [(int(f), walker(p, int(f)), 0.8) for f in FRAMES for p in range(2)]
    strays = candidates(rows + stray)
    alone = summed([count(strays, persons(), FRAMES, None, CONFIG)])
    assert alone.unsupported == pytest.approx(0.5)
    assert alone.standing == 0
    assert "nothing supports" in " ".join(guard.judge(BASE, measured(strays), CONFIG).reasons)
    vouched = count(strays, persons(), FRAMES, np.ones(len(strays), np.int8), CONFIG)
    assert summed([vouched]).unsupported == 0


def test_only_held_out_frames_and_compared_boxes_count() -> None:
    some = FRAMES[10:20]
    table = seen(range(3))
    matched = np.full(len(table), -1, np.int8)
    matched[30:45], matched[45:60] = 1, 0
    found = count(table, persons(), some, matched, CONFIG)
    assert (found.frames, found.boxes, found.accepted) == (10, 30, 30)
    assert (found.comparable, found.matched) == (30, 15)


def test_canary_and_labels_have_their_say() -> None:
    blind = guard.judge(BASE, measured(seen(range(2)), Sight(0.7, 3.0, 100)), CONFIG)
    assert "canary pictures found: fell from 0.900 to 0.700" in " ".join(blind.reasons)
    everywhere = guard.judge(BASE, measured(seen(range(2)), Sight(0.95, 40.0, 100)), CONFIG)
    assert "boxes all over" in " ".join(everywhere.reasons)
    labelled = guard.judge(
        BASE._replace(labelled=guard.Labelled(0.9, 0.9)), BASE._replace(labelled=guard.Labelled(0.85, 0.9)), CONFIG
    )
    assert "average precision on the labels: fell from 0.900 to 0.850" in " ".join(labelled.reasons)


def test_sight_counts_found_persons_and_boxes() -> None:
    people = np.array([[0, 0, 10, 30], [50, 0, 60, 30]], np.float32)
    picture = LabelledPicture(np.zeros((40, 80, 3), np.uint8), people)
    answer = (np.array([[0, 0, 10, 29], [50, 0, 60, 30]], np.float32), np.array([0.9, 0.2], np.float32))
    assert look(lambda images: [answer for _ in images], [picture], 0.5) == Sight(0.5, 1.0, 2)
    assert math.isnan(look(lambda images: [answer for _ in images], [], 0.5).recall)


def test_a_round_that_gains_nothing_ends_the_loop() -> None:
    figures = Agreement(0.9, 0.8, 0.9, 0.7, 0.95, 0.05, 0, 4.0, 100)
    assert no_longer_improves(figures, figures._replace(sure=0.93, accepted=0.85), 0.002) is None
    why = no_longer_improves(figures, figures, 0.002)
    assert why is not None
    assert "+0.0000" in why
    unknown = figures._replace(matched=float("nan"), synchrony=float("nan"))
    assert no_longer_improves(unknown, unknown._replace(accepted=0.9), 0.002) is None


def test_held_out_stretches_are_spread_and_a_fifth() -> None:
    times = np.arange(1000) / 10
    held = held_out(times, 0, times[-1], 25, 5)
    assert 0.15 < held.mean() < 0.25
    assert len(np.flatnonzero(np.diff(held.astype(int)) == 1)) == 5


BOX = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(4, 40), st.integers(4, 40), st.integers(5, 99))
SCENE = st.lists(st.tuples(st.integers(0, 2), BOX), max_size=12)


@settings(max_examples=60, deadline=None)
@given(base=SCENE, adapted=SCENE)
def test_the_union_keeps_every_base_candidate_and_every_adapted_one(base: list, adapted: list) -> None:
    first, second = (
        candidates([(f, (x, y, x + w, y + h), s / 100) for f, (x, y, w, h, s) in rows]) for rows in (base, adapted)
    )
    table, added = union(first, second, 0.65)
    kept = table.filter(pa.array(~added))
    order = [("frame", "ascending"), *((name, "ascending") for name in ("x1", "y1", "x2", "y2"))]
    for name in ("frame", "x1", "y1", "x2", "y2"):
        assert kept.sort_by(order).column(name).to_pylist() == first.sort_by(order).column(name).to_pylist()
    assert all(
        a >= b
        for a, b in zip(
            sorted(kept.column("score").to_pylist()), sorted(first.column("score").to_pylist()), strict=True
        )
    )
    assert table.num_rows <= first.num_rows + second.num_rows
    where = table.column("frame").to_numpy()
    for frame, box, score in zip(
        second.column("frame").to_pylist(), tables.boxes_of(second), second.column("score").to_pylist(), strict=True
    ):
        here = where == frame
        like = iou(box[None], tables.boxes_of(table)[here])[0]
        assert (like > 0.65).any()
        assert table.column("score").to_numpy()[here][like > 0.65].max() >= np.float32(score) - 1e-6
    assert (np.diff(where) >= 0).all()


def a_card(name: str = "room-1", run: str = "r") -> cards.Card:
    return cards.Card(
        name=name,
        kind="adapted",
        version="0",
        site="theatre 3",
        parent=cards.Parent(name="example", sha256="a" * 64),
        detector=cards.DetectorPart(engine="mmdet", weights="weights.pth", config="config.json", size=320),
        files={},
        labels=cards.Lesson(digest="b" * 64, images=7, boxes=20),
        before={"agreement.sure": 0.8},
        after={"agreement.sure": 0.9},
        verdict=cards.Judgement(passed=True),
        run=run,
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "w").write_bytes(b"weights")
    (tmp_path / "c").write_text("{}")
    return cards.write_model(
        tmp_path / "models", a_card(), {"weights.pth": tmp_path / "w", "config.json": tmp_path / "c"}
    )


def test_a_model_folder_holds_what_its_card_says(model: Path) -> None:
    card = cards.load_card(model)
    assert card.files["weights.pth"] == tables.sha256(model / "weights.pth")
    assert cards.list_models(model.parent) == [card]
    assert "| agreement.sure | 0.8 | 0.9 |" in (model / "CARD.md").read_text()
    found = read_model_folder(model)
    assert (found.engine, found.weights, found.size, found.person_class) == ("mmdet", "weights.pth", 320, 0)
    config = DetectionConfig(model=model)
    assert config.model == model / "model.json"
    with pytest.raises(ValueError, match="its folder holds both"):
        DetectionConfig(model=model, weights=model / "weights.pth")


def test_a_changed_or_escaping_model_is_refused(model: Path, tmp_path: Path) -> None:
    content = json.loads((model / "model.json").read_text())
    for change in ({"files": {"../w": "a" * 64}}, {"name": "../up"}):
        (model / "model.json").write_text(json.dumps({**content, **change}))
        for read in (cards.load_card, read_model_folder):
            with pytest.raises(WeightsError, match="damaged"):
                read(model)
    (model / "model.json").write_text(json.dumps(content))
    (model / "weights.pth").write_bytes(b"weightz")
    for read in (cards.load_card, read_model_folder):
        with pytest.raises(WeightsError, match="changed"):
            read(model)
    assert cards.list_models(model.parent) == []
    (model / "weights.pth").unlink()
    (model / "weights.pth").symlink_to(tmp_path / "w")
    with pytest.raises(WeightsError, match="missing"):
        cards.load_card(model)


def test_a_name_is_taken_once(model: Path, tmp_path: Path) -> None:
    models = model.parent
    files = {"weights.pth": tmp_path / "w", "config.json": tmp_path / "c"}
    assert cards.write_model(models, a_card(), files) == model
    with pytest.raises(AdaptationError, match="another model 'room-1'"):
        cards.write_model(models, a_card(run="other"), files)
    with pytest.raises(ValueError, match="letters, digits"):
        cards.checked_name("../x")
