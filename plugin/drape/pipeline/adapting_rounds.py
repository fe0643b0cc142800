"""One round of adaptation: labels, training from the base weights, detection, and all stages on the union."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from drape import tables
from drape.adaptation.config import AdaptationConfig
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.adaptation.fine_tuning import BaseModel, FineTuned, fine_tune
from drape.adaptation.guard import Measures, Verdict, figures, judge
from drape.adaptation.training_set import TrainingSet
from drape.detection import build_detector
from drape.errors import WeightsError
from drape.pipeline.adapting_base import adapted
from drape.pipeline.adapting_measures import Examiner, Judged
from drape.pipeline.adapting_rooms import beside, unite
from drape.pipeline.adapting_sight import ANNOTATIONS, folder_digest
from drape.pipeline.adapting_teaching import Split, label, teach
from drape.pipeline.agreement import associate, retrieve
from drape.pipeline.config import PipelineConfig
from drape.pipeline.records import digest
from drape.pipeline.stages import detect, track
from drape.pipeline.workspace import Workspace
from drape.progress import Progress


@dataclass(frozen=True)
class Site:
    """What does not change between rounds.

    Attributes:
        homes: the recordings' own workspaces.
        bases: rooms of the base detector, one per recording.
        splits: frames to learn from and to judge by, one per recording.
        model: the base model.
        stages: settings of all other stages.
        config: settings of the adaptation.
        examiner: measures detectors.
        before: what was measured of the base.
    """

    homes: Sequence[Workspace]
    bases: Sequence[Workspace]
    splits: Sequence[Split]
    model: BaseModel
    stages: PipelineConfig
    config: AdaptationConfig
    examiner: Examiner
    before: Measures


@dataclass(frozen=True)
class Round:
    """What a round came to. Without ``measures`` the detector could not even be run."""

    number: int
    training: TrainingSet
    tuned: FineTuned
    verdict: Verdict
    measures: Measures | None
    alone: Sequence[Workspace]
    united: Sequence[Workspace]

    def story(self) -> dict[str, Any]:
        """What a run record and a card tell of the round."""
        return {
            "round": self.number,
            "labels": {"digest": self.training.digest, "images": self.training.images, "boxes": self.training.boxes},
            "weights": self.tuned.sha256,
            "steps": self.tuned.steps,
            "notes": list(self.tuned.notes),
            "passed": self.verdict.passed,
            "reasons": list(self.verdict.reasons),
            "figures": {name: round(value, 5) for name, value in sorted(self.verdict.figures.items())},
        }


def all_stages(room: Workspace, stages: PipelineConfig, progress: Progress) -> None:
    """Track, associate and retrieve a room that has candidates; what has not changed is not done again."""
    track(room, stages.tracking, progress)
    associate(room, stages.association, progress)
    retrieve(room, stages.retrieval, progress)


def run_round(site: Site, number: int, teachers: Sequence[Workspace], progress: Progress) -> Round:
    """Learn from the persons of ``teachers``, and see what it is worth.

    Args:
        site: see ``Site``.
        number: of the round, from 1.
        teachers: rooms whose persons are learned from, one per recording.
        progress: counts the steps of each stage.

    Raises:
        AdaptationError: nothing can be learned, or training cannot go on.
        DrapeError: see the stages.
    """
    config = site.config
    folder = site.homes[0].root / "adapt" / f"round-{number}"
    learned = zip(teachers, site.homes, site.splits, strict=True)
    taught = [label(room, part.learned, config, home) for room, home, part in learned]
    training = teach(site.bases, taught, folder / "training", progress)
    tuning = config.tuning.model_copy(update={"seed": config.tuning.seed + number - 1})
    out = folder / f"tuned-{_stamp(site, training, tuning)[:16]}"
    tuned = fine_tune(site.model, training, tuning, out, _annotations(config.mixed), progress)
    detection = adapted(site.stages.detection, site.model, tuned.weights)
    try:
        detector = build_detector(detection)
    except WeightsError as error:
        before = figures(site.before, "before")
        verdict = Verdict(False, (f"the adapted detector cannot be used: {error.what}",), before)
        return Round(number, training, tuned, verdict, None, (), ())
    alone = [beside(home, f"alone-{number}") for home in site.homes]
    for room in alone:
        detect(room, detection, progress)
    judged = [Judged(*rooms) for rooms in zip(site.bases, site.bases, alone, site.splits, strict=True)]
    measures = site.examiner.measures(detector, judged)
    verdict = judge(site.before, measures, config.guard)
    rooms = list(zip(site.homes, site.bases, alone, taught, strict=True))
    united = [_united(site, number, *room, progress) for room in rooms] if verdict.passed else []
    return Round(number, training, tuned, verdict, measures, alone, united)


def _united(
    site: Site,
    number: int,
    home: Workspace,
    base: Workspace,
    alone: Workspace,
    taught: tuple[pa.Table, pa.Table],
    progress: Progress,
) -> Workspace:
    """The room of both detectors' candidates, all stages run; it keeps the labels that the round learned from."""
    room = beside(home, f"union-{number}")
    unite(base, alone, room, site.stages.detection.nms_iou)
    all_stages(room, site.stages, progress)
    for kind, table in zip(("labels", "chosen"), taught, strict=True):
        tables.write(table, room.whole_path(kind))
    return room


def _stamp(site: Site, training: TrainingSet, tuning: FineTuneConfig) -> str:
    """What a training depends on, so that the folder of another is never gone on with."""
    inputs = {"labels": training.digest, "size": str(site.model.size), "mixed": folder_digest(site.config.mixed)}
    if site.model.weights is not None:
        inputs["base"] = tables.sha256(site.model.weights)
    return digest("adaptation", tuning, inputs)


def _annotations(folder: Path | None) -> Path | None:
    return None if folder is None else folder / ANNOTATIONS
