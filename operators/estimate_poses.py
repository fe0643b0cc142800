"""Operator: key points and head regions of everybody who will be masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.fiftyone_io import learning
from drape.pose import PoseConfig, registered_estimators
from drape.pose.head_config import HeadConfig

from . import targets
from .base import DrapeOperator, Result, Steps
from .forms import Problems, config_from, config_problems, config_section, settings

POSE, HEADS = "pose", "heads"


class EstimatePoses(DrapeOperator):
    """Writes ``frames.poses`` (key points) and ``frames.heads`` (the region of each head, and by which rule)."""

    NAME = "estimate_poses"
    LABEL = "Estimate poses"
    DESCRIPTION = "Find every person's key points, and from them the region of the head"

    def __call__(
        self,
        sample_collection: Any,
        pose: PoseConfig | Mapping[str, Any] | None = None,
        heads: HeadConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Estimate the poses of the persons in the recordings that a dataset or view holds.

        Args:
            sample_collection: a dataset of recordings with persons, or a view of it.
            pose: settings of the pose model.
            heads: settings of the head regions.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``recordings``, ``persons`` and ``unknown``: persons of
            whom the model could say nothing.
        """
        ctx = {"view": sample_collection.view(), "params": settings(POSE, pose) | settings(HEADS, heads)}
        return foo.execute_operator(self.uri, ctx, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        targets.target_field(ctx, inputs, "Estimate poses in")
        config_section(inputs, ctx.params, POSE, PoseConfig, {"preset": registered_estimators()})
        config_section(inputs, ctx.params, HEADS, HeadConfig)

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        found = targets.target_problems(ctx) or targets.stage_problems(ctx, "tracklets", "track_persons")
        found |= config_problems(ctx.params, POSE, PoseConfig)
        return found | config_problems(ctx.params, HEADS, HeadConfig)

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        pose, heads = config_from(ctx.params, POSE, PoseConfig), config_from(ctx.params, HEADS, HeadConfig)
        recordings = targets.recordings(ctx)
        steps.plan(len(recordings))
        records = [learning.estimate_poses(ctx.dataset, one, pose, heads, steps.begin()) for one in recordings]
        self.reload(ctx)
        return {"recordings": len(records), **targets.totals(records, "persons", "unknown")}
