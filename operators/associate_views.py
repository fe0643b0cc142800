"""Operator: who is who in the views of a recording."""

from __future__ import annotations

from typing import Any

from drape.association import AssociationConfig
from drape.fiftyone_io import stages
from drape.progress import Progress

from . import targets
from .stage import Record, StageOperator


class AssociateViews(StageOperator):
    """Learns from a recording's own detections which persons of its views are the same, and makes each one instance."""

    NAME = "associate_views"
    LABEL = "Associate views"
    DESCRIPTION = "Learn, without labels or calibration, which persons of different views are the same"
    SECTION = "association"
    ACTION = "Associate the views of"
    NEEDS = ("tracklets", "track_persons")
    MODEL = AssociationConfig

    def run(self, dataset: Any, recording: str, config: AssociationConfig, progress: Progress) -> Record:
        return stages.associate(dataset, recording, config, progress)

    def counts(self, records: list[Record]) -> dict[str, int]:
        return targets.totals(records, "matched", "identified")
