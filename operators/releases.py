"""The fields by which a release's folder and its dataset are chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.fiftyone_io.private_names import Names, find_private
from drape.fiftyone_io.release import release_name_problem

from .forms import Problems, file_param, folder_field, path_as_choice


def params(target: Path | str, release_dataset: str | None) -> dict[str, Any]:
    """The parameters as the form would give them."""
    return {"target": str(target)} | ({"release_dataset": release_dataset} if release_dataset else {})


def release_fields(ctx: foo.ExecutionContext, inputs: types.Object) -> None:
    """Add fields for the folder and the dataset of releases."""
    path_as_choice(ctx.params, "target")
    folder_field(
        inputs,
        "target",
        "Folder of releases",
        "On the server; made if it does not exist. Each recording becomes a folder in it, named by its pseudonym",
    )
    inputs.str(
        "release_dataset",
        label="Release dataset",
        description="A new dataset, or an existing one of releases, that shows the masked videos; empty: none",
        allow_empty=True,
    )


def release_problems(ctx: foo.ExecutionContext, names: Names) -> Problems:
    """What is wrong with the folder or the dataset's name.

    Args:
        ctx: holds the parameters.
        names: what must not appear in the release dataset.
    """
    target, name = file_param(ctx.params, "target"), _name(ctx)
    found: Problems = {}
    if target is None:
        found["target"] = "Choose a folder"
    elif target.exists() and not target.is_dir():
        found["target"] = "This is a file. Choose a folder"
    if name is None:
        return found
    problem = release_name_problem(name)
    if problem is not None:
        found["release_dataset"] = str(problem)
    elif (role := find_private([name], names)) is not None:
        found["release_dataset"] = f"The name holds {role}. Choose another name"
    role = find_private([str(target.resolve())], names) if target is not None else None
    if role is not None:
        found["target"] = f"The path holds {role}, and the release dataset would tell it. Choose another folder"
    return found


def chosen(ctx: foo.ExecutionContext) -> tuple[Path, str | None]:
    """Folder of releases and name of the release dataset; only where there are no problems."""
    target = file_param(ctx.params, "target")
    if target is None:
        raise ValueError("the folder was not checked")
    return target, _name(ctx)


def summary(manifests: list[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """What was released, for the operator's output."""
    views = [view for manifest in manifests for view in manifest["views"]]
    states = [view["states"] for view in views]
    return {
        "recordings": len(manifests),
        "frames": sum(view["frames"] for view in views),
        "masked_frames": sum(state.get("detected", 0) for state in states),
        "empty_frames": sum(state.get("verified_empty", 0) for state in states),
        "unknown_frames": sum(state.get("unknown", 0) for state in states),
        "release_dataset": name or "none",
    }


def _name(ctx: foo.ExecutionContext) -> str | None:
    return str(ctx.params.get("release_dataset") or "").strip() or None
