"""Which recordings an operator works on: all of the open dataset, or those of the view or selection."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.errors import DrapeError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import stages
from drape.fiftyone_io.private_names import Names

from .forms import Problems


def is_open_dataset_ours(ctx: foo.ExecutionContext) -> bool:
    """Whether the open dataset is one of recordings."""
    return ctx.dataset is not None and not dataset_problems(ctx)


def dataset_problems(ctx: foo.ExecutionContext) -> Problems:
    """What is wrong with the open dataset."""
    if ctx.dataset is None:
        return {"dataset": "No dataset is open. Open one made by ingest_recording"}
    try:
        datasets.check(ctx.dataset)
    except DrapeError as error:
        return {"dataset": str(error)}
    return {}


def target_field(ctx: foo.ExecutionContext, inputs: types.Object, action: str) -> None:
    """Add the choice between dataset, view and selection, and say how many recordings it holds."""
    if not is_open_dataset_ours(ctx):
        return
    inputs.view_target(ctx, action_description=action)
    count = len(recordings(ctx))
    inputs.view("recordings", types.Notice(label=f"{count} recording{'s' if count != 1 else ''}"))


def target_problems(ctx: foo.ExecutionContext) -> Problems:
    """What is wrong with the choice of recordings."""
    found = dataset_problems(ctx)
    if not found and not recordings(ctx):
        found = {"recordings": "The dataset, view or selection holds no recording"}
    return found


def recordings(ctx: foo.ExecutionContext) -> list[str]:
    """Ids of the chosen recordings."""
    return datasets.recordings_of(ctx.target_view())


def totals(records: list[dict[str, Any]], *names: str) -> dict[str, int]:
    """Sums of counts over the views of several run records."""
    views = [view["counts"] for record in records for view in record["views"].values()]
    return {name: sum(int(counts.get(name, 0)) for counts in views) for name in names}


def stage_problems(ctx: foo.ExecutionContext, table: str, operator: str) -> Problems:
    """Which chosen recordings lack a table that another operator makes, or have lost their workspace."""
    for recording in recordings(ctx):
        try:
            if not datasets.workspace(ctx.dataset, recording).has(table):
                return {"recordings": f"{recording} has no {table} yet. Run {operator} first"}
        except DrapeError as error:
            return {"recordings": str(error)}
    return {}


def private_names(ctx: foo.ExecutionContext) -> Names:
    """What must not appear in releases of the chosen recordings."""
    return {text: role for one in recordings(ctx) for text, role in stages.names_of(ctx.dataset, one).items()}
