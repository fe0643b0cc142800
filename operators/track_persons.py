"""Operator: candidates become persons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.fiftyone_io import stages
from drape.tracking import TrackingConfig

from . import targets
from .base import DrapeOperator, Result, Steps
from .forms import Problems, config_from, config_problems, config_section, settings

SECTION = "tracking"


class TrackPersons(DrapeOperator):
    """Writes ``frames.persons``: everybody in every frame, without gaps. What a curator drew there stays."""

    NAME = "track_persons"
    LABEL = "Track persons"
    DESCRIPTION = "Join candidates into persons over time and fill the gaps between them"

    def __call__(
        self,
        sample_collection: Any,
        config: TrackingConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Track persons in the recordings that a dataset or view holds.

        Args:
            sample_collection: a dataset of recordings with candidates, or a view of it.
            config: settings; what is left out has its default.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``recordings``, ``persons`` (boxes), ``tracklets``.
        """
        ctx = {"view": sample_collection.view(), "params": settings(SECTION, config)}
        return foo.execute_operator(self.uri, ctx, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        targets.target_field(ctx, inputs, "Track persons in")
        config_section(inputs, ctx.params, SECTION, TrackingConfig)

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        found = targets.target_problems(ctx) or targets.stage_problems(ctx, "candidates", "detect_candidates")
        return found | config_problems(ctx.params, SECTION, TrackingConfig)

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        config = config_from(ctx.params, SECTION, TrackingConfig)
        recordings = targets.recordings(ctx)
        steps.plan(len(recordings))
        records = [stages.track(ctx.dataset, recording, config, steps.begin()) for recording in recordings]
        self.reload(ctx)
        return {"recordings": len(records), **targets.totals(records, "persons", "tracklets")}
