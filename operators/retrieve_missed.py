"""Operator: persons that agree over time and views are retrieved, and likely misses are pointed out."""

from __future__ import annotations

from typing import Any

from drape.fiftyone_io import stages
from drape.progress import Progress
from drape.retrieval import RetrievalConfig

from . import targets
from .stage import Record, StageOperator


class RetrieveMissed(StageOperator):
    """Writes ``frames.persons`` with all evidence used, and ``frames.missed``: where somebody may still be missed."""

    NAME = "retrieve_missed"
    LABEL = "Retrieve missed persons"
    DESCRIPTION = "Accept what agrees over time and views, and say where persons are likely still missed"
    SECTION = "retrieval"
    ACTION = "Retrieve missed persons in"
    NEEDS = ("tracklets", "track_persons")
    MODEL = RetrievalConfig

    def run(self, dataset: Any, recording: str, config: RetrievalConfig, progress: Progress) -> Record:
        return stages.retrieve(dataset, recording, config, progress)

    def counts(self, records: list[Record]) -> dict[str, int]:
        return targets.totals(records, "persons", "retrieved", "likely_missed")
