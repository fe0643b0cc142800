"""Operator: a detector looks at every frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.detection import DetectionConfig, registered_detectors
from drape.fiftyone_io import stages

from . import targets
from .base import DrapeOperator, Result, Steps
from .forms import Problems, config_from, config_problems, config_section, settings

SECTION = "detection"


class DetectCandidates(DrapeOperator):
    """Writes ``frames.candidates``: every box that the detector finds, low scores included."""

    NAME = "detect_candidates"
    LABEL = "Detect candidates"
    DESCRIPTION = "Find every box that may hold a person, in every frame of every view"

    def __call__(
        self,
        sample_collection: Any,
        config: DetectionConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Detect candidates in the recordings that a dataset or view holds.

        Args:
            sample_collection: a dataset of recordings, or a view of it.
            config: settings; what is left out has its default.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``recordings``, ``frames``, ``candidates``,
            ``unknown_frames``.
        """
        ctx = {"view": sample_collection.view(), "params": settings(SECTION, config)}
        return foo.execute_operator(self.uri, ctx, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        targets.target_field(ctx, inputs, "Detect candidates in")
        config_section(inputs, ctx.params, SECTION, DetectionConfig, {"preset": registered_detectors()})

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        return targets.target_problems(ctx) | config_problems(ctx.params, SECTION, DetectionConfig)

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        config = config_from(ctx.params, SECTION, DetectionConfig)
        recordings = targets.recordings(ctx)
        steps.plan(len(recordings))
        records = [stages.detect(ctx.dataset, recording, config, steps.begin()) for recording in recordings]
        self.reload(ctx)
        return {"recordings": len(records), **targets.totals(records, "frames", "candidates", "unknown_frames")}
