"""What the operators share that learn from several recordings of one site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.detection import DetectionConfig, registered_detectors
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import learning

from . import targets
from .forms import Choices, Problems, config_problems, config_section, file_param, folder_field, path_as_choice

BASE = "detection"


def site_fields(ctx: foo.ExecutionContext, inputs: types.Object, action: str) -> None:
    """Add the choice of recordings, the folder of models, and the detector to begin with."""
    targets.target_field(ctx, inputs, action)
    path_as_choice(ctx.params, "models")
    folder_field(
        inputs,
        "models",
        "Folder of models",
        "On the server; the new model is put there. Empty: beside the workspaces",
        required=False,
    )
    config_section(inputs, ctx.params, BASE, DetectionConfig, detector_choices(ctx))


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


def site_problems(ctx: foo.ExecutionContext) -> Problems:
    """What is wrong with them."""
    found = targets.target_problems(ctx)
    folder = file_param(ctx.params, "models")
    if folder is not None and folder.exists() and not folder.is_dir():
        found["models"] = "This is a file. Choose a folder"
    return found | config_problems(ctx.params, BASE, DetectionConfig)


def models_folder(ctx: foo.ExecutionContext) -> Path:
    """The folder of models that was chosen, or the one beside the workspaces."""
    return file_param(ctx.params, "models") or learning.models_folder(ctx.dataset, targets.recordings(ctx))


def site_params(models: Any) -> dict[str, Any]:
    """The parameters as the form would give them."""
    return {"models": str(models)} if models else {}
