"""Operator: a detector looks at every frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fiftyone.operators as foo
from drape.detection import DetectionConfig
from drape.fiftyone_io import stages
from drape.progress import Progress

from . import site, targets
from .forms import Choices
from .stage import Record, StageOperator


class DetectCandidates(StageOperator):
    """Writes ``frames.candidates``: every box that the detector finds, low scores included."""

    NAME = "detect_candidates"
    LABEL = "Detect candidates"
    DESCRIPTION = "Find every box that may hold a person, in every frame of every view"
    SECTION = "detection"
    ACTION = "Detect candidates in"
    MODEL = DetectionConfig

    def run(self, dataset: Any, recording: str, config: DetectionConfig, progress: Progress) -> Record:
        return stages.detect(dataset, recording, config, progress)

    def counts(self, records: list[Record]) -> dict[str, int]:
        return targets.totals(records, "frames", "candidates", "unknown_frames")

    def choices(self, ctx: foo.ExecutionContext) -> Mapping[str, Choices]:
        return site.detector_choices(ctx)
