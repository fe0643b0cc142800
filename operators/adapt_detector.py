"""Operator: the detector learns a site from its own recordings, without labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.adaptation import AdaptationConfig
from drape.config import parts_of
from drape.detection import DetectionConfig
from drape.fiftyone_io import learning
from drape.pipeline import PipelineConfig

from . import site, targets
from .base import DrapeOperator, Result, Steps
from .forms import Problems, config_from, config_problems, config_section, settings, with_parts

SECTION = "adaptation"


class AdaptDetector(DrapeOperator):
    """Finds, agrees, learns and judges, round after round; writes what the best round that was kept found."""

    NAME = "adapt_detector"
    LABEL = "Adapt detector"
    DESCRIPTION = "Adapt the detector to this site without labels; kept only if nothing falls that can be checked"

    def __call__(
        self,
        sample_collection: Any,
        models: Path | str | None = None,
        config: AdaptationConfig | Mapping[str, Any] | None = None,
        detection: DetectionConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Adapt the detector to the site whose recordings a dataset or view holds.

        Args:
            sample_collection: a dataset of recordings of one site, or a view of it.
            models: folder of the site's models; None: beside the workspaces.
            config: settings of the loop, its parts ``labels``, ``tuning`` and ``guard`` among them.
            detection: the base detector.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``recordings``, ``rounds``, ``kept_round``, ``model`` and
            ``reasons``.
        """
        params = settings(SECTION, config) | settings(site.BASE, detection) | site.site_params(models)
        ctx = {"view": sample_collection.view(), "params": params}
        return foo.execute_operator(self.uri, ctx, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        site.site_fields(ctx, inputs, "Adapt the detector to")
        config_section(inputs, ctx.params, SECTION, AdaptationConfig)
        for name, part in parts_of(AdaptationConfig).items():
            config_section(inputs, ctx.params, name, part)

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        found = site.site_problems(ctx) | config_problems(ctx.params, SECTION, AdaptationConfig)
        for name, part in parts_of(AdaptationConfig).items():
            found |= config_problems(ctx.params, name, part)
        return found

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        config = with_parts(ctx.params, SECTION, AdaptationConfig)
        stages = PipelineConfig(detection=config_from(ctx.params, site.BASE, DetectionConfig))
        recordings = targets.recordings(ctx)
        found = learning.adapt(ctx.dataset, recordings, site.models_folder(ctx), config, stages, steps.begin())
        self.reload(ctx)
        return {
            "recordings": len(recordings),
            "rounds": len(found.rounds),
            "kept_round": found.best,
            "model": found.model.name if found.model else "none",
            "reasons": "; ".join(found.reasons) or "none",
        }
