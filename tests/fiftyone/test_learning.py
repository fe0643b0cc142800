"""Poses, and detectors that learn a site, in the dataset: operators with real models and real training steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fiftyone.operators as foo
import numpy as np
import pytest
from drape import tables
from drape.anonymization import read_manifest
from support.models import one_thread
from support.theatre import QUICK, Theatre

EXAMPLE = {"preset": "example", "size": 192, "device": "cpu"}
POSE = {"preset": "example", "device": "cpu"}
LEARN = {
    "rounds": 1,
    "blocks": 5,
    "labels": {"images": 6, "label_existence": 0.5, "least_gap_s": 0.2},
    "tuning": {"steps": 2, "batch": 2, "size": 128, "device": "cpu"},
    "guard": {"canary_sites": 1},
}


@pytest.fixture
def operation(theatre: Theatre, tmp_path: Path) -> Iterator[Theatre]:
    """A simulated operation of two views, three seconds long, ingested and retrieved with the example detector."""
    from drape.simulator import Scene, SceneConfig
    from drape.simulator.export import write_recording

    folder = tmp_path / "operation"
    config = SceneConfig(views=2, width=320, height=180, seconds=3, fps=8, people=3, family="gowned", seed=4)
    write_recording(Scene(config), folder)
    theatre.source = folder / "recording.yaml"
    with one_thread():
        theatre.operator("ingest_recording")(theatre.source, theatre.name, workspace=theatre.work)
        theatre.operator("detect_candidates")(theatre.dataset, config=EXAMPLE)
        theatre.operator("track_persons")(theatre.dataset)
        theatre.operator("associate_views")(theatre.dataset, QUICK)
        theatre.operator("retrieve_missed")(theatre.dataset)
        yield theatre


@pytest.mark.slow
def test_poses_are_written_and_a_release_masks_heads(operation: Theatre, tmp_path: Path) -> None:
    run = operation.operator("estimate_poses")(operation.dataset, POSE)
    ws = operation.workspace
    rows = sum(ws.read("poses", view.id).num_rows for view in ws.recording.views)
    assert run.result["persons"] == rows > 0
    for view in ws.recording.views:
        poses = ws.read("poses", view.id)
        labels = operation.slice(view.id).values("frames.poses.keypoints.index", unwind=2)
        assert labels == poses.column("tracklet").to_pylist()
        rules = operation.slice(view.id).values("frames.heads.polylines.rule", unwind=2)
        assert rules == ws.read("heads", view.id).column("rule").to_pylist()
    assert "Heads by fallback rule" in operation.dataset.list_saved_views()
    config = {"target": "head"}
    operation.operator("export_release")(operation.dataset, tmp_path / "out", config=config)
    manifest = read_manifest(tmp_path / "out" / operation.recording)
    assert sum(view["targets"]["head"] for view in manifest["views"]) > 0


@pytest.mark.slow
def test_a_detector_learns_and_its_lessons_are_labels(operation: Theatre, tmp_path: Path) -> None:
    models = tmp_path / "models"
    run = operation.operator("adapt_detector")(operation.dataset, models, LEARN, EXAMPLE)
    ws = operation.workspace
    assert run.result["rounds"] == 1
    chosen, labels = ws.whole("chosen"), ws.whole("labels")
    if run.result["kept_round"]:
        assert (models / run.result["model"] / "model.json").is_file()
        found = operation.dataset.load_saved_view("Pseudo labels")
        assert found.count("frames") == chosen.num_rows > 0
        assert found.count("frames.labels.detections") == labels.num_rows
    else:
        assert run.result["reasons"] != "none"
        assert not models.exists() or not any(models.iterdir())
    assert {run_["stage"] for run_ in ws.records()} >= {"detect", "track", "associate", "retrieve", "adapt"}
    for view in ws.recording.views:
        shown = operation.slice(view.id).values("frames.persons.detections.confidence", unwind=2)
        np.testing.assert_allclose(shown, ws.persons(view.id).column("existence").to_numpy())


def test_the_form_offers_the_sites_models(theatre: Theatre, tmp_path: Path) -> None:
    from drape.adaptation.cards import Card, DetectorPart, Judgement, Lesson, Parent, write_model
    from drape.fiftyone_io import learning

    theatre.ingested()
    weights = tmp_path / "weights.onnx"
    weights.write_bytes(b"not a model, but a file")
    card = Card(
        name="room-3",
        kind="student",
        version="0",
        site="room 3",
        parent=Parent(name="example", sha256=""),
        detector=DetectorPart(engine="onnx", weights="model.onnx"),
        files={},
        labels=Lesson(digest="", images=1, boxes=2),
        before={},
        after={},
        verdict=Judgement(passed=True),
        rounds=(),
        configs={},
        run="",
    )
    folder = learning.models_folder(theatre.dataset, [theatre.recording])
    write_model(folder, card, {"model.onnx": weights})
    assert learning.model_names(folder) == {"room-3": "student, from example"}
    operator = theatre.operator("detect_candidates")
    context = foo.ExecutionContext({"dataset_name": theatre.name, "params": {"change_detection": True}})
    fields = operator.resolve_input(context).type.to_json()["properties"]["detection"]["type"]["properties"]
    assert fields["model"]["type"]["values"] == [str(folder / "room-3")]


def test_lessons_are_on_the_chosen_frames_alone(theatre: Theatre) -> None:
    from drape.fiftyone_io.write_lessons import write_lessons

    ws, dataset = theatre.tracked().workspace, theatre.dataset
    about = {"view": ["view1"] * 2, "frame": [3, 3], "time": [0.1, 0.1]}
    boxes = tables.box_columns(np.array([[10, 20, 30, 60], [50, 20, 80, 90]], np.float32))
    rest = {"weight": [0.9, 0.0], "ignored": [False, True], "source": ["tracked", "detected"]}
    tables.write(tables.make(tables.LABELS, **about, **boxes, **rest), ws.whole_path("labels"))
    picked = {"view": ["view1", "view1"], "frame": [3, 7], "time": [0.1, 0.2], "reason": ["hard", "background"]}
    tables.write(tables.make(tables.CHOSEN, **picked), ws.whole_path("chosen"))
    write_lessons(dataset, ws)
    frames = theatre.slice("view1").first().frames
    assert [(d.confidence, d.ignored, d.source) for d in frames[4].labels.detections] == [
        (pytest.approx(0.9), False, "tracked"),
        (0.0, True, "detected"),
    ]
    assert frames[8].labels.detections == []
    assert [number for number, frame in frames.items() if frame.labels is not None] == [4, 8]
