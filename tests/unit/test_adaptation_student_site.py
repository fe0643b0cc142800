"""A real-time detector of a site, from a recording to its model folder, by the real stages and a few real steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drape.adaptation.config import AdaptationConfig
from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.student_config import DenseConfig, StudentConfig
from drape.association import AssociationConfig
from drape.detection import PRESETS, DetectionConfig, build_detector
from drape.errors import AdaptationError
from drape.pipeline import PipelineConfig, Workspace, ingest
from drape.pipeline.adapting_student import Made, start_of, train_realtime
from support import blobs
from support.models import one_thread

LESSON = AdaptationConfig(labels=LabelConfig(images=6, least_gap_s=0.1), blocks=10, site="a room")


def _stages() -> PipelineConfig:
    blobs.register()
    return PipelineConfig(
        detection=DetectionConfig(preset="blobs", segment_frames=16, batch_size=8, device="cpu"),
        association=AssociationConfig(steps=20, floor_steps=20, seeds=1),
    )


def _student(**more: object) -> StudentConfig:
    tuning = {"steps": 2, "batch": 2, "rate": 1e-5, "device": "cpu", "rehearsal": 0.0}
    teacher = DenseConfig(frames=6)
    settings = {"name": "quick", "architecture": "example", "size": 224, "tuning": tuning, "teacher": teacher}
    return StudentConfig.model_validate({**settings, **more})


@pytest.fixture(scope="module", autouse=True)
def _one_core() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, one_thread():
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path, Made]:
    """A student of blobs: taught for two steps, so it finds none of them."""
    root = tmp_path_factory.mktemp("site")
    blobs.make_recording(root / "videos", views=2, frames=30)
    ws = ingest(root / "videos", root / "work")
    return ws, root / "models", train_realtime([ws], root / "models", _student(), LESSON, _stages())


def test_the_model_folder_tells_the_student_beside_its_teacher(made: tuple[Workspace, Path, Made]) -> None:
    ws, models, student = made
    assert student.model == models / "quick"
    assert student.teacher["sure"] > 0.9
    assert student.student["frames_per_second"] > 0
    assert student.student["onnx_score_error"] <= 1e-3
    assert not student.verdict.passed
    assert "the teacher finds" in student.verdict.reasons[0]
    detector = build_detector(DetectionConfig(model=student.model, device="cpu"))
    assert detector.name == "quick"
    assert "rendered rooms" in detector.fingerprint["notice"]
    record = ws.record("student")
    assert record is not None
    assert record["model"] == "quick"


def test_a_second_call_makes_nothing_anew(made: tuple[Workspace, Path, Made]) -> None:
    ws, models, student = made
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*")}
    assert train_realtime([ws], models, _student(), LESSON, _stages()) == student
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*")} == before


def test_the_name_of_another_model_is_not_taken(made: tuple[Workspace, Path, Made]) -> None:
    ws, models, _ = made
    with pytest.raises(AdaptationError, match="another model"):
        train_realtime([ws], models, _student(size=256), LESSON, _stages())


def test_a_student_starts_from_what_is_asked_for() -> None:
    teacher = DetectionConfig(preset="example", device="cpu")
    base, name, notice = start_of(StudentConfig(architecture="teacher"), teacher)
    assert (base.weights, name) == (PRESETS["example"].weights(), "example")
    assert "rendered rooms" in notice
    base, name, notice = start_of(StudentConfig(architecture="rtmdet-tiny"), teacher)
    assert (base.weights, name, notice) == (None, "rtmdet-tiny", "")
    with pytest.raises(AdaptationError, match="mmdet"):
        start_of(StudentConfig(architecture="teacher"), _stages().detection)
