"""Operator: candidates become tracklets."""

from __future__ import annotations

from typing import Any

from drape.fiftyone_io import stages
from drape.progress import Progress
from drape.tracking import TrackingConfig

from . import targets
from .stage import Record, StageOperator


class TrackPersons(StageOperator):
    """Writes ``frames.persons``: everybody in every frame, without gaps. What a curator drew there stays."""

    NAME = "track_persons"
    LABEL = "Track persons"
    DESCRIPTION = "Join candidates into persons over time and fill the gaps between them"
    SECTION = "tracking"
    ACTION = "Track persons in"
    NEEDS = ("candidates", "detect_candidates")
    MODEL = TrackingConfig

    def run(self, dataset: Any, recording: str, config: TrackingConfig, progress: Progress) -> Record:
        return stages.track(dataset, recording, config, progress)

    def counts(self, records: list[Record]) -> dict[str, int]:
        return targets.totals(records, "persons", "tracklets")
