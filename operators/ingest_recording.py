"""Operator: videos of one surgery become a group of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.fiftyone_io import stages

from . import sources
from .base import DrapeOperator, Result, Steps
from .forms import Problems


class IngestRecording(DrapeOperator):
    """Reads every view once, strictly, and writes a grouped dataset with a mosaic of all views."""

    NAME = "ingest_recording"
    LABEL = "Ingest recording"
    DESCRIPTION = "Add the synchronized videos of one surgery to a dataset"

    def __call__(
        self,
        source: Path | str,
        dataset_name: str,
        workspace: Path | str | None = None,
        delegate: bool = False,
    ) -> Any:
        """Ingest a recording.

        Example::

            import fiftyone.operators as foo

            ingest = foo.get_operator("@drape/drape/ingest_recording")
            ingest(source="/data/or1/take3", dataset_name="or1")

        Args:
            source: a folder of videos or of image folders, one video, or a recording manifest (YAML).
            dataset_name: a new dataset, or one of recordings; the recording becomes a group of it.
            workspace: folder for tables and copies, outside the source's folder; default ``~/drape/<dataset_name>``.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``dataset``, ``recording``, ``views``, ``frames``.
        """
        params = sources.params(source, dataset_name, workspace)
        return foo.execute_operator(self.uri, {"params": params}, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        sources.source_fields(ctx, inputs)

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        return sources.source_problems(ctx)

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        name, source, root = sources.chosen(ctx)
        dataset, recording = stages.ingest(name, source, root, steps.begin())
        if not ctx.delegated:
            ctx.ops.open_dataset(dataset.name)
        return sources.summary(dataset, recording)
