"""A real-time detector of a site: a student taught by what the pipeline knows of its recordings, beside its teacher."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import drape
from drape import tables
from drape.adaptation.agreement import Agreement
from drape.adaptation.cards import Card, DetectorPart, Judgement, Lesson, Parent, free_name, load_card, write_model
from drape.adaptation.config import AdaptationConfig
from drape.adaptation.dense import dense_labels
from drape.adaptation.fine_tuning import BaseModel
from drape.adaptation.student import SHIPPED, shipped_base, train_student
from drape.adaptation.student_config import StudentConfig
from drape.detection import DetectionConfig, Detector, build_detector
from drape.errors import AdaptationError
from drape.media import read_frames
from drape.pipeline.adapting_base import base_model, name_of, notice_of
from drape.pipeline.adapting_measures import Examiner, Judged
from drape.pipeline.adapting_rooms import beside
from drape.pipeline.adapting_rounds import all_stages
from drape.pipeline.adapting_teaching import Frames, Split, label, split, teach
from drape.pipeline.config import PipelineConfig
from drape.pipeline.execution import Counts, run_record
from drape.pipeline.records import Stopwatch, digest, public_config
from drape.pipeline.stages import detect
from drape.pipeline.workspace import Workspace
from drape.progress import Progress, silent

FPS = "frames_per_second"
_TIMED = 24
"""Held-out frames on which both detectors are timed."""


class Made(NamedTuple):
    """A student that was made.

    ``model``: its folder. ``verdict``: whether it finds the sure persons as its teacher does. ``teacher``, ``student``:
    the figures of both: those of ``drape.adaptation.agreement`` on held-out stretches, and ``frames_per_second``.
    """

    model: Path
    verdict: Judgement
    teacher: dict[str, float]
    student: dict[str, float]


def train_realtime(
    workspaces: Sequence[Workspace],
    models: Path,
    config: StudentConfig | None = None,
    adaptation: AdaptationConfig | None = None,
    stages: PipelineConfig | None = None,
    progress: Progress = silent,
) -> Made:
    """Make a real-time detector of a site from recordings of it, without labels. The recordings' tables do not change.

    Called again after a crash it goes on where it was; called again after its end it returns what it returned.

    Args:
        workspaces: recordings of one site; stages that have not run are run.
        models: folder of the site's models; the student is put there whatever the verdict, which is on its card.
        config: settings of the student.
        adaptation: settings of pseudo labels and of what is held out.
        stages: settings of the stages; ``stages.detection`` names the teacher.
        progress: counts the steps of each stage.

    Raises:
        AdaptationError: nothing can be learned, the name of the model is taken, or training cannot go on.
        DrapeError: see the stages.
    """
    config, adaptation, stages = config or StudentConfig(), adaptation or AdaptationConfig(), stages or PipelineConfig()
    if not workspaces:
        raise AdaptationError("There is no recording to learn from", "Name at least one workspace")
    models = models.expanduser().resolve()
    for ws in workspaces:
        if ws.record("retrieve") is None:
            detect(ws, stages.detection, progress)
            all_stages(ws, stages, progress)
    with ExitStack() as held:
        for ws in workspaces:
            held.enter_context(ws.locked())
        watch = Stopwatch()
        stamp = _stamp(workspaces, config, adaptation, stages)
        known = free_name(models, config.name, stamp)
        if known is None:
            known = _make(workspaces, models, stamp, config, adaptation, stages, progress)
            for ws in workspaces:
                _write_record(ws, config, stamp, known, watch.seconds)
        return Made(models / config.name, known.verdict, known.before, known.after)


def start_of(config: StudentConfig, teacher: DetectionConfig) -> tuple[BaseModel, str, str]:
    """Where a student's training begins, its name, and what its user must know.

    Raises:
        AdaptationError: the teacher's own network is wanted, and is none of mmdet's.
        ConfigError, WeightsError: see ``drape.detection.build_detector``.
    """
    if config.mmdet_config is not None:
        return shipped_base(config), "own-mmdet", ""
    if config.architecture in SHIPPED:
        return shipped_base(config), config.architecture, ""
    if config.architecture != "teacher":
        teacher = DetectionConfig(preset=config.architecture, weights=config.weights)
    base = base_model(teacher)
    return base._replace(weights=config.weights or base.weights), name_of(teacher), notice_of(teacher)


def _make(
    workspaces: Sequence[Workspace],
    models: Path,
    stamp: str,
    config: StudentConfig,
    adaptation: AdaptationConfig,
    stages: PipelineConfig,
    progress: Progress,
) -> Card:
    folder = workspaces[0].root / "adapt" / f"student-{stamp[:16]}"
    splits = [split(ws, adaptation) for ws in workspaces]
    taught = [_labels(ws, part.learned, config, adaptation) for ws, part in zip(workspaces, splits, strict=True)]
    training = teach(workspaces, taught, folder / "training", progress)
    base, start, notice = start_of(config, stages.detection)
    student = train_student(base, training, config, folder, progress=progress)
    detection = DetectionConfig(preset="onnx", weights=student.exported.path, device=stages.detection.device)
    rooms = [beside(ws, "student") for ws in workspaces]
    for room in rooms:
        detect(room, detection, progress)
    examiner = Examiner(adaptation.guard, stages.association)
    agreements = [
        examiner.agreement(
            [Judged(ws, ws, room, part) for ws, room, part in zip(workspaces, seen, splits, strict=True)]
        )
        for seen in (workspaces, rooms)
    ]
    teacher = build_detector(stages.detection)
    speeds = frames_per_second([teacher, build_detector(detection)], list(_some(workspaces[0], splits[0])))
    before, after = (_figures(one, speed) for one, speed in zip(agreements, speeds, strict=True))
    errors = {"onnx_score_error": student.exported.score_error, "onnx_box_error": student.exported.box_error}
    card = Card(
        name=config.name,
        kind="student",
        version=drape.__version__,
        site=adaptation.site or ", ".join(ws.recording.id for ws in workspaces),
        parent=Parent(name=start, sha256=tables.sha256(base.weights) if base.weights else ""),
        detector=DetectorPart(engine="onnx", weights="model.onnx", notice=notice or notice_of(stages.detection)),
        files={},
        labels=Lesson(digest=training.digest, images=training.images, boxes=training.boxes),
        before=before,
        after={**after, **errors},
        verdict=_verdict(config, before, after),
        rounds=({"teacher": name_of(stages.detection), **teacher.fingerprint},),
        configs={"student": public_config(config), "detection": public_config(stages.detection)},
        run=stamp,
    )
    files = {"model.onnx": student.exported.path, "weights.pth": student.tuned.weights, "config.json": student.config}
    return load_card(write_model(models, card, files))


def _labels(
    ws: Workspace, learned: Frames, config: StudentConfig, adaptation: AdaptationConfig
) -> tuple[pa.Table, pa.Table]:
    """Pseudo labels, and the teacher's own answers on more frames."""
    labels, chosen = label(ws, learned, adaptation)
    views = [view.id for view in ws.recording.views]
    times = {view: ws.frames(view).column("time").to_numpy() for view in views}
    return dense_labels(labels, chosen, {v: ws.candidates(v) for v in views}, times, learned, config.teacher)


def _some(ws: Workspace, part: Split) -> Iterator[NDArray[np.uint8]]:
    """Held-out pictures of the first view, evenly spread."""
    view = ws.recording.views[0]
    frames = part.held[view.id]
    wanted = (
        set(frames[np.unique(np.linspace(0, len(frames) - 1, _TIMED).astype(int))].tolist()) if len(frames) else {0}
    )
    for frame in read_frames(view, min(wanted)):
        if frame.index in wanted:
            yield frame.image
        if frame.index >= max(wanted):
            return


def frames_per_second(detectors: Sequence[Detector], pictures: Sequence[NDArray[np.uint8]]) -> list[float]:
    """Speed of each detector in frames per second, one frame at a time; the detectors take turns at every picture, so
    that whatever else the machine does slows them alike."""
    seconds: list[list[float]] = [[] for _ in detectors]
    for picture in (pictures[0], *pictures):  # the first one twice: it warms up
        for detector, spent in zip(detectors, seconds, strict=True):
            begun = time.perf_counter()
            detector([picture])
            spent.append(time.perf_counter() - begun)
    return [1 / float(np.median(spent[1:])) for spent in seconds]


def _figures(agreement: Agreement, speed: float) -> dict[str, float]:
    named = {name: float(value) for name, value in agreement._asdict().items() if np.isfinite(value)}
    return {**{name: round(value, 5) for name, value in named.items()}, FPS: round(speed, 2)}


def _verdict(config: StudentConfig, before: Mapping[str, float], after: Mapping[str, float]) -> Judgement:
    """Whether the student finds the persons that the pipeline is sure of as its teacher does."""
    known, found = before.get("sure"), after.get("sure")
    if known is None:
        return Judgement(passed=False, reasons=("nobody was seen for sure on the held-out stretches",))
    if found is None or found < known - config.tolerance:
        told = "none" if found is None else f"{found:.3f}"
        return Judgement(
            passed=False,
            reasons=(f"of the sure persons on held-out stretches the teacher finds {known:.3f}, the student {told}",),
        )
    return Judgement(passed=True)


def _stamp(
    workspaces: Sequence[Workspace], config: StudentConfig, adaptation: AdaptationConfig, stages: PipelineConfig
) -> str:
    """What the student depends on."""
    inputs: dict[str, str] = {"detection": digest("detection", stages.detection, {})}
    for number, ws in enumerate(workspaces):
        for view in (v.id for v in ws.recording.views):
            for kind in ("candidates", "persons", "covered", "reviewed"):
                path = ws.path(kind, view)
                inputs[f"{number}/{kind}/{view}"] = tables.sha256(path) if path.is_file() else ""
    chosen = adaptation.model_dump(mode="json", include={"blocks", "held_every", "labels", "site"})
    inputs["adaptation"] = json.dumps(chosen, sort_keys=True)
    return digest("adaptation", config, inputs)


def _write_record(ws: Workspace, config: StudentConfig, stamp: str, card: Card, seconds: float) -> None:
    counts: Counts = {"images": card.labels.images, "labels": card.labels.boxes}
    views: dict[str, Any] = {view.id: {"digest": stamp, "outputs": {}, "counts": counts} for view in ws.recording.views}
    record = run_record("student", None, ws.recording, views, seconds)
    told = {"model": card.name, "teacher": card.before, "student": card.after, "verdict": card.verdict.model_dump()}
    ws.write_record("student", {**record, "config": public_config(config), "digest": stamp, **told})
