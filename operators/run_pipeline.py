"""Operator: everything, from videos to a verified release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.anonymization import ReleaseConfig, TermsConfig
from drape.association import AssociationConfig
from drape.detection import DetectionConfig
from drape.fiftyone_io import learning, stages
from drape.fiftyone_io.private_names import Names, private_names
from drape.pipeline import PipelineConfig
from drape.pose import PoseConfig, registered_estimators
from drape.pose.head_config import HeadConfig
from drape.recording import load_recording
from drape.retrieval import RetrievalConfig
from drape.tracking import TrackingConfig

from . import releases, site, sources, targets
from .base import DrapeOperator, Result, Steps
from .forms import Problems, config_from, config_problems, config_section, settings

SECTIONS = {
    "detection": DetectionConfig,
    "tracking": TrackingConfig,
    "association": AssociationConfig,
    "retrieval": RetrievalConfig,
    "pose": PoseConfig,
    "heads": HeadConfig,
    "release": ReleaseConfig,
    "terms": TermsConfig,
}
NEW, OPEN = "source", "dataset"


class RunPipeline(DrapeOperator):
    """Ingests a recording, or takes those of the open dataset; detects, tracks, associates, retrieves, exports."""

    NAME = "run_pipeline"
    LABEL = "Run pipeline"
    DESCRIPTION = "Ingest, detect, track, associate, retrieve and export in one go"

    def __call__(
        self,
        source: Any,
        target: Path | str,
        dataset_name: str | None = None,
        workspace: Path | str | None = None,
        release_dataset: str | None = None,
        config: PipelineConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Run every stage.

        Args:
            source: a folder, video or manifest to ingest, or a dataset of recordings, or a view of one.
            target: folder of releases; each recording becomes a folder in it, named by the recording's id.
            dataset_name: where a path is ingested to; a new dataset, or one of recordings.
            workspace: see ``ingest_recording``.
            release_dataset: name of the dataset to add the releases to; None for none.
            config: settings by stage: ``detection``, ``tracking``, ``association``, ``retrieval``, ``pose``, ``heads``,
                ``release``, ``terms``. Poses are estimated where the release's ``target`` needs them.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds what ``export_release`` gives, and ``dataset``.
        """
        ctx: dict[str, Any] = {}
        params = releases.params(target, release_dataset)
        for section in SECTIONS:
            given = config.get(section) if isinstance(config, Mapping) else getattr(config, section, None)
            params |= settings(section, given)
        if isinstance(source, (str, Path)):
            params |= sources.params(source, dataset_name or "", workspace) | {"input": NEW}
        else:
            params["input"] = OPEN
            ctx["view"] = source.view()
        return foo.execute_operator(self.uri, ctx | {"params": params}, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        if targets.is_open_dataset_ours(ctx):
            radio = types.RadioGroup()
            radio.add_choice(OPEN, label="The open dataset's recordings")
            radio.add_choice(NEW, label="A new recording")
            inputs.enum("input", radio.values(), default=OPEN, label="Work on", view=radio)
        if _is_new(ctx):
            sources.source_fields(ctx, inputs)
        else:
            targets.target_field(ctx, inputs, "Run the pipeline on")
        releases.release_fields(ctx, inputs)
        choices = {"detection": site.detector_choices(ctx), "pose": {"preset": registered_estimators()}}
        for section, model in SECTIONS.items():
            config_section(inputs, ctx.params, section, model, choices.get(section))

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        found = sources.source_problems(ctx) if _is_new(ctx) else targets.target_problems(ctx)
        found |= releases.release_problems(ctx, {} if found else _names(ctx))
        for section, model in SECTIONS.items():
            found |= config_problems(ctx.params, section, model)
        return found

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        config = PipelineConfig(**{name: config_from(ctx.params, name, model) for name, model in SECTIONS.items()})
        target, release_dataset = releases.chosen(ctx)
        if _is_new(ctx):
            steps.plan(7)
            name, source, root = sources.chosen(ctx)
            dataset, recording = stages.ingest(name, source, root, steps.begin())
            recordings = [recording]
        else:
            dataset, recordings = ctx.dataset, targets.recordings(ctx)
            steps.plan(6 * len(recordings))
        manifests = []
        for one in recordings:
            stages.detect(dataset, one, config.detection, steps.begin())
            stages.track(dataset, one, config.tracking, steps.begin())
            stages.associate(dataset, one, config.association, steps.begin())
            stages.retrieve(dataset, one, config.retrieval, steps.begin())
            posing = steps.begin()
            if config.release.target != "body":
                learning.estimate_poses(dataset, one, config.pose, config.heads, posing)
            manifests.append(
                stages.export(dataset, one, config.release, target, release_dataset, steps.begin(), config.terms)
            )
        self._show(ctx, dataset.name)
        return {"dataset": dataset.name, **releases.summary(manifests, release_dataset)}

    def _show(self, ctx: foo.ExecutionContext, name: str) -> None:
        if _is_new(ctx) and not ctx.delegated:
            ctx.ops.open_dataset(name)
        else:
            self.reload(ctx)


def _is_new(ctx: foo.ExecutionContext) -> bool:
    default = OPEN if targets.is_open_dataset_ours(ctx) else NEW
    return str(ctx.params.get("input") or default) == NEW


def _names(ctx: foo.ExecutionContext) -> Names:
    """What must not appear in the release: of the open dataset's recordings, or of the source to be ingested."""
    if not _is_new(ctx):
        return targets.private_names(ctx)
    _, source, root = sources.chosen(ctx)
    return private_names(load_recording(source), workspace=stages.workspace_folder(root, source))
