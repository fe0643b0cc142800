"""The fields by which a recording's source, its dataset and its workspace are chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.errors import DrapeError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import stages
from drape.recording import load_recording

from .forms import Problems, file_param, folder_field, path_as_choice
from .targets import is_open_dataset_ours

HOME = "~/drape"


def params(source: Path | str, dataset_name: str, workspace: Path | str | None) -> dict[str, Any]:
    """The parameters as the form would give them."""
    given = {"source": str(source), "dataset_name": dataset_name}
    return given | ({"workspace": str(workspace)} if workspace is not None else {})


def source_fields(ctx: foo.ExecutionContext, inputs: types.Object) -> None:
    """Add fields for the source, the dataset's name and the workspace."""
    for name in ("source", "workspace"):
        path_as_choice(ctx.params, name)
    folder_field(
        inputs,
        "source",
        "Source",
        "On the server: a folder with one video (or folder of images) per view, one video, or a recording manifest",
    )
    inputs.str(
        "dataset_name",
        label="Dataset",
        description="A new dataset, or an existing one of recordings, to which the recording is added",
        default=ctx.dataset.name if is_open_dataset_ours(ctx) else None,
    )
    folder_field(
        inputs,
        "workspace",
        "Workspace",
        f"Folder for tables and copies, outside the source's folder; empty: {HOME}/<dataset>",
    )
    source = _source(ctx)
    if source is not None and "source" not in source_problems(ctx):
        views = load_recording(source).views
        inputs.view("found", types.Notice(label=f"{len(views)} view{'s' if len(views) != 1 else ''} found"))


def source_problems(ctx: foo.ExecutionContext) -> Problems:
    """What is wrong with the source, the dataset's name or the workspace."""
    name = str(ctx.params.get("dataset_name") or "").strip()
    source = _source(ctx)
    found: Problems = {}
    if source is None:
        found["source"] = "Choose the source's folder, or enter its path"
    else:
        found |= _try("source", lambda: load_recording(source))
    problem = datasets.name_problem(name)
    if problem is not None:
        found["dataset_name"] = str(problem)
    if source is not None and not found:
        found |= _try("workspace", lambda: stages.check_root(_root(ctx, name), source))
    return found


def chosen(ctx: foo.ExecutionContext) -> tuple[str, Path, Path]:
    """Dataset name, source and folder of workspaces; only where there are no problems."""
    name = str(ctx.params["dataset_name"]).strip()
    source = _source(ctx)
    if source is None:
        raise ValueError("the source was not checked")
    return name, source, _root(ctx, name)


def summary(dataset: fo.Dataset, recording: str) -> dict[str, Any]:
    """What was ingested, for the operator's output."""
    frames = datasets.flat(dataset, recording).values("num_frames")
    return {"dataset": dataset.name, "recording": recording, "views": len(frames), "frames": sum(frames)}


def _source(ctx: foo.ExecutionContext) -> Path | None:
    return file_param(ctx.params, "source")


def _root(ctx: foo.ExecutionContext, name: str) -> Path:
    return file_param(ctx.params, "workspace") or Path(HOME).expanduser() / name


def _try(parameter: str, check: Any) -> Problems:
    try:
        check()
    except DrapeError as error:
        return {parameter: str(error)}
    return {}
