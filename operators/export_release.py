"""Operator: a masked, verified release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.anonymization import ReleaseConfig, TermsConfig
from drape.fiftyone_io import stages

from . import releases, targets
from .base import DrapeOperator, Result, Steps
from .forms import Problems, config_from, config_problems, config_section, settings

SECTION, TERMS = "release", "terms"


class ExportRelease(DrapeOperator):
    """Masks every person, verifies what was written, and makes a new dataset of it if asked to."""

    NAME = "export_release"
    LABEL = "Export release"
    DESCRIPTION = "Write masked, verified videos without metadata, and a dataset that holds nothing else"

    def __call__(
        self,
        sample_collection: Any,
        target: Path | str,
        release_dataset: str | None = None,
        config: ReleaseConfig | Mapping[str, Any] | None = None,
        terms: TermsConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Export the release of the recordings that a dataset or view holds.

        Args:
            sample_collection: a dataset of recordings with persons, or a view of it.
            target: folder of releases; each recording becomes a folder in it, named by the recording's id.
            release_dataset: name of the dataset to add the releases to; None for none.
            config: settings; what is left out has its default.
            terms: whom the release is for, what is masked in every frame, who signs.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``recordings``, ``frames``, ``masked_frames``,
            ``empty_frames``, ``unknown_frames`` and ``release_dataset``.
        """
        params = settings(SECTION, config) | settings(TERMS, terms) | releases.params(target, release_dataset)
        ctx = {"view": sample_collection.view(), "params": params}
        return foo.execute_operator(self.uri, ctx, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        targets.target_field(ctx, inputs, "Export")
        releases.release_fields(ctx, inputs)
        config_section(inputs, ctx.params, SECTION, ReleaseConfig)
        config_section(inputs, ctx.params, TERMS, TermsConfig)

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        found = targets.target_problems(ctx) or targets.stage_problems(ctx, "tracklets", "track_persons")
        if not found:
            found = releases.release_problems(ctx, targets.private_names(ctx))
        found |= config_problems(ctx.params, SECTION, ReleaseConfig)
        return found | config_problems(ctx.params, TERMS, TermsConfig)

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        config = config_from(ctx.params, SECTION, ReleaseConfig)
        terms = config_from(ctx.params, TERMS, TermsConfig)
        target, name = releases.chosen(ctx)
        recordings = targets.recordings(ctx)
        steps.plan(len(recordings))
        manifests = [stages.export(ctx.dataset, one, config, target, name, steps.begin(), terms) for one in recordings]
        self.reload(ctx)
        return releases.summary(manifests, name)
