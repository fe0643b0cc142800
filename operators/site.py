"""What the operators share that learn from several recordings of one site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.config import StageConfig, parts_of
from drape.detection import DetectionConfig, registered_detectors
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import learning
from drape.pipeline import PipelineConfig

from . import targets
from .base import DrapeOperator
from .forms import (
    Choices,
    Problems,
    config_from,
    config_problems,
    config_section,
    file_param,
    folder_field,
    path_as_choice,
    settings,
    with_parts,
)

BASE = "detection"


class Order(NamedTuple):
    """What was entered: recordings, the folder of models, the settings and those of the stages."""

    recordings: list[str]
    models: Path
    config: Any
    stages: PipelineConfig


class SiteOperator(DrapeOperator):
    """Learns from all chosen recordings together, as those of one site.

    Subclasses give, besides what every operator gives, ``SECTION`` (the parameter that holds the settings), ``ACTION``
    (what the form says before the choice of recordings), ``MODEL`` (its configuration, whose parts get sections of
    their own) and ``work``.
    """

    SECTION: str
    ACTION: str
    MODEL: type[StageConfig]

    def __call__(
        self,
        sample_collection: Any,
        models: Path | str | None = None,
        config: StageConfig | Mapping[str, Any] | None = None,
        detection: DetectionConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Learn from the recordings that a dataset or view holds.

        Args:
            sample_collection: a dataset of recordings of one site, or a view of it.
            models: folder of the site's models; None: beside the workspaces.
            config: settings, those of its parts among them; what is left out has its default.
            detection: the detector to begin with.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``recordings``, ``model`` and how it was judged.
        """
        params = (
            settings(self.SECTION, config) | settings(BASE, detection) | ({"models": str(models)} if models else {})
        )
        ctx = {"view": sample_collection.view(), "params": params}
        return foo.execute_operator(self.uri, ctx, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        targets.target_field(ctx, inputs, self.ACTION)
        path_as_choice(ctx.params, "models")
        folder_field(
            inputs,
            "models",
            "Folder of models",
            "On the server; the new model is put there. Empty: beside the workspaces",
            required=False,
        )
        config_section(inputs, ctx.params, BASE, DetectionConfig, detector_choices(ctx))
        config_section(inputs, ctx.params, self.SECTION, self.MODEL)
        for name, part in parts_of(self.MODEL).items():
            config_section(inputs, ctx.params, name, part)

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        found = targets.target_problems(ctx)
        folder = file_param(ctx.params, "models")
        if folder is not None and folder.exists() and not folder.is_dir():
            found["models"] = "This is a file. Choose a folder"
        sections = {BASE: DetectionConfig, self.SECTION: self.MODEL, **parts_of(self.MODEL)}
        for name, model in sections.items():
            found |= config_problems(ctx.params, name, model)
        return found

    def order(self, ctx: foo.ExecutionContext) -> Order:
        """What was entered; only where there are no problems."""
        recordings = targets.recordings(ctx)
        models = file_param(ctx.params, "models") or learning.models_folder(ctx.dataset, recordings)
        stages = PipelineConfig(detection=config_from(ctx.params, BASE, DetectionConfig))
        return Order(recordings, models, with_parts(ctx.params, self.SECTION, self.MODEL), stages)


def detector_choices(ctx: foo.ExecutionContext) -> dict[str, Choices]:
    """The detectors to choose from: the presets, and the site's own models where there are any."""
    found: dict[str, Choices] = {"preset": registered_detectors()}
    recordings = datasets.recordings_of(ctx.dataset) if targets.is_open_dataset_ours(ctx) else []
    if recordings:
        folder = file_param(ctx.params, "models") or learning.models_folder(ctx.dataset, recordings)
        models = {str(folder / name): f"{name} ({what})" for name, what in learning.model_names(folder).items()}
        if models:
            found["model"] = models
    return found
