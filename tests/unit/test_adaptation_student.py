"""A real-time student: a teacher's answers as labels, a few real steps of training, an export that can be run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from drape import tables
from drape.adaptation.cards import Card, DetectorPart, Judgement, Lesson, Parent, write_model
from drape.adaptation.dense import dense_labels
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.adaptation.fine_tuning import BaseModel
from drape.adaptation.onnx_export import export_onnx, input_shape, padding
from drape.adaptation.student import Student, shipped_base, train_student
from drape.adaptation.student_config import DenseConfig, StudentConfig
from drape.checkpoint import read_checkpoint
from drape.detection import PRESETS, DetectionConfig, build_detector
from drape.detection.canary import PERSONS, canary_image
from drape.errors import AdaptationError, ConfigError, WeightsError
from drape.openmmlab import load_config
from pydantic import ValidationError
from support.models import one_thread

EXAMPLE = PRESETS["example"]
STEPS = 3


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with one_thread():
        yield


class Labelled(NamedTuple):
    """What a training needs of a training set."""

    annotations: Path
    digest: str


def _example() -> BaseModel:
    return BaseModel(load_config(EXAMPLE.configuration()), EXAMPLE.weights(), None, 0)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """Three copies of the canary picture, with the four persons who stand free."""
    root = tmp_path_factory.mktemp("labelled")
    (root / "images").mkdir()
    images, boxes = [], []
    for k in range(3):
        cv2.imwrite(str(root / "images" / f"{k}.png"), canary_image())
        images.append({"id": k, "file_name": f"{k}.png", "width": 960, "height": 540})
        for x1, y1, x2, y2 in PERSONS.tolist():
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "weight": 0.9, "iscrowd": 0}
            boxes.append({"id": len(boxes), "image_id": k, "category_id": 1, **box})
    path = root / "annotations.json"
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "person"}]}))
    return Labelled(path, tables.sha256(path))


def _config(**more: object) -> StudentConfig:
    tuning = FineTuneConfig(steps=STEPS, batch=2, rate=1e-4, device="cpu", checkpoint_every=2)
    return StudentConfig.model_validate({"size": 224, "tuning": tuning, **more})


@pytest.fixture(scope="module")
def student(labelled: Labelled, tmp_path_factory: pytest.TempPathFactory) -> Student:
    """The example detector, taught for a few steps at 224 pixels."""
    with one_thread():
        return train_student(_example(), labelled, _config(), tmp_path_factory.mktemp("student"))  # type: ignore[arg-type]


def test_a_student_is_trained_exported_and_run_from_its_model_folder(student: Student, tmp_path: Path) -> None:
    start = read_checkpoint(EXAMPLE.weights()).state
    learned = read_checkpoint(student.tuned.weights).state
    changed = [name for name in learned if name in start and not learned[name].equal(start[name].float())]
    assert student.tuned.steps == STEPS
    assert len(changed) > 50
    assert (student.exported.height, student.exported.width) == (128, 224)
    assert student.exported.score_error <= 1e-3
    card = Card(
        name="quick",
        kind="student",
        version="0",
        site="a room",
        parent=Parent(name="example", sha256=EXAMPLE.asset.sha256),
        detector=DetectorPart(engine="onnx", weights="model.onnx"),
        files={},
        labels=Lesson(digest="d", images=3, boxes=12),
        before={},
        after={},
        verdict=Judgement(passed=True),
    )
    folder = write_model(tmp_path, card, {"model.onnx": student.exported.path})
    detector = build_detector(DetectionConfig(model=folder, device="cpu"))
    assert detector.name == "quick"
    assert detector.fingerprint["weights"] == student.exported.sha256
    assert detector.fingerprint["parent"] == student.tuned.sha256
    assert detector([np.zeros((90, 160, 3), np.uint8)])[0][0].shape[1] == 4
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(bytes(content))
    with pytest.raises(WeightsError, match="changed"):
        build_detector(DetectionConfig(model=folder, device="cpu"))


def test_the_students_pytorch_weights_run_too(student: Student) -> None:
    config = DetectionConfig(mmdet_config=student.config, weights=student.tuned.weights, device="cpu")
    exported = DetectionConfig(preset="onnx", weights=student.exported.path, device="cpu")
    scores, exported_scores = (build_detector(one)([canary_image()])[0][1] for one in (config, exported))
    assert np.abs(scores[:3] - exported_scores[:3]).max() < 1e-3


def test_a_network_that_differs_from_its_export_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drape.adaptation.onnx_export.BOX_WITHIN", 0.0)
    with pytest.raises(AdaptationError, match="differ"):
        export_onnx(_example(), (96, 160), [canary_image()], tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiples of 32"):
        export_onnx(_example(), (100, 160), [canary_image()], tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match="pictures"):
        export_onnx(_example(), (96, 160), [], tmp_path / "model.onnx")
    with pytest.raises(AdaptationError, match="could not be written"):
        export_onnx(_example(), (96, 160), [canary_image()], tmp_path / "absent" / "model.onnx")


def test_the_input_holds_every_frame_in_multiples_of_32() -> None:
    assert input_shape([(768, 576)], 320) == (256, 320)
    assert input_shape([(1920, 1080)], 640) == (384, 640)
    assert input_shape([(640, 360), (360, 640)], 320) == (320, 320)
    assert padding(load_config(EXAMPLE.configuration())) == (114, 114, 114)


def test_fresh_architectures_know_persons_only() -> None:
    base = shipped_base(StudentConfig(architecture="rtmdet-tiny"))
    assert base.weights is None
    assert base.config.model.bbox_head.num_classes == 1


def _answers(frames: int) -> dict[str, object]:
    frame = np.repeat(np.arange(frames, dtype=np.int32), 3)
    columns = tables.box_columns(np.tile(np.array([[1, 2, 30, 60]], np.float32), (3 * frames, 1)))
    score = np.tile(np.array([0.9, 0.3, 0.06], np.float32), frames)
    return {"frame": frame, "time": frame / 25, **columns, "score": score}


def test_a_teachers_answers_are_believed_as_far_as_their_scores() -> None:
    candidates = {"view1": tables.make(tables.CANDIDATES, **_answers(40))}
    old = tables.make(tables.CHOSEN, view=["view1"], frame=[4], time=[0.16], reason=["hard"])
    labels, chosen = dense_labels(
        tables.empty(tables.LABELS),
        old,
        candidates,
        {"view1": np.arange(40) / 25},
        {"view1": np.arange(20, dtype=np.int32)},
        DenseConfig(frames=10),
    )
    frames = chosen.column("frame").to_pylist()
    assert frames[0] == 4
    assert len(set(frames)) == len(frames) == 11
    assert max(frames) < 20
    assert chosen.column("reason").to_pylist() == ["hard", *["teacher"] * 10]
    assert labels.schema.equals(tables.LABELS)
    assert 4 not in labels.column("frame").to_pylist()
    assert labels.column("weight").to_pylist() == pytest.approx([0.9, 0.0] * 10)
    assert labels.column("ignored").to_pylist() == [False, True] * 10


def test_settings_are_checked() -> None:
    with pytest.raises(ValidationError, match="doubtful"):
        DenseConfig(sure=0.2, doubtful=0.4)
    with pytest.raises(ValidationError, match="name"):
        StudentConfig(name="../elsewhere")
