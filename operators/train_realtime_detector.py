"""Operator: a real-time detector of a site, taught by what is known of its recordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.adaptation.student_config import StudentConfig
from drape.config import parts_of
from drape.detection import DetectionConfig
from drape.fiftyone_io import learning
from drape.pipeline import PipelineConfig

from . import site, targets
from .base import DrapeOperator, Result, Steps
from .forms import Problems, config_from, config_problems, config_section, settings, with_parts

SECTION = "student"


class TrainRealtimeDetector(DrapeOperator):
    """Trains a small network on a site's pseudo labels and its teacher's answers, and exports it to ONNX."""

    NAME = "train_realtime_detector"
    LABEL = "Train real-time detector"
    DESCRIPTION = "Make a fast detector of what is known of this site's recordings, as a model of its own"

    def __call__(
        self,
        sample_collection: Any,
        models: Path | str | None = None,
        config: StudentConfig | Mapping[str, Any] | None = None,
        detection: DetectionConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Make a real-time detector of the site whose recordings a dataset or view holds.

        Args:
            sample_collection: a dataset of recordings of one site, or a view of it.
            models: folder of the site's models; None: beside the workspaces.
            config: settings of the student, its parts ``teacher`` and ``tuning`` among them.
            detection: the teacher.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``recordings``, ``model``, and whether the student is as
            good as its teacher and how many times as fast.
        """
        params = settings(SECTION, config) | settings(site.BASE, detection) | site.site_params(models)
        ctx = {"view": sample_collection.view(), "params": params}
        return foo.execute_operator(self.uri, ctx, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        site.site_fields(ctx, inputs, "Make a real-time detector of")
        config_section(inputs, ctx.params, SECTION, StudentConfig)
        for name, part in parts_of(StudentConfig).items():
            config_section(inputs, ctx.params, name, part)

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        found = site.site_problems(ctx) | config_problems(ctx.params, SECTION, StudentConfig)
        for name, part in parts_of(StudentConfig).items():
            found |= config_problems(ctx.params, name, part)
        return found

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        config = with_parts(ctx.params, SECTION, StudentConfig)
        stages = PipelineConfig(detection=config_from(ctx.params, site.BASE, DetectionConfig))
        recordings = targets.recordings(ctx)
        made = learning.train_realtime(ctx.dataset, recordings, site.models_folder(ctx), config, stages, steps.begin())
        told = {
            f"{name} (student, teacher)": f"{made.student.get(name, 0):.3f}, {value:.3f}"
            for name, value in made.teacher.items()
        }
        return {
            "recordings": len(recordings),
            "model": made.model.name,
            "as_good_as_its_teacher": "yes" if made.verdict.passed else "; ".join(made.verdict.reasons),
            **told,
        }
