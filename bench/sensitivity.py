"""How much the tracker's result hangs on each of its settings: every one at half and at twice its default.

``python -m bench.sensitivity --workspace WORKSPACE --truth gt.txt --view view1 --frames 400``
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from drape.evaluation.continuity import frame_durations
from drape.evaluation.summary import FINDING, as_markdown, find
from drape.evaluation.truth import accepted, between, read_truth
from drape.pipeline import Workspace
from drape.tracking import TrackingConfig, track_view
from pydantic import ValidationError


def main(
    workspace: Annotated[Path, typer.Option(help="Workspace that was detected.")],
    truth: Annotated[Path, typer.Option(help="Ground truth of the view, MOT text.")],
    view: Annotated[str, typer.Option(help="The view the truth is about.")] = "view1",
    frames: Annotated[int, typer.Option(min=1, help="Frames, from the first, the truth speaks of.")] = 400,
) -> None:
    """Print a table of every setting at half and at twice its default; values out of bounds are left out."""
    ws = Workspace.open(workspace)
    facts = ws.recording.view(view)
    durations = frame_durations(ws.frames(view).column("time").to_numpy())[:frames]
    true = between(read_truth(truth), 0, frames)
    rows = {}
    for name, config in {"default": TrackingConfig(), **variants()}.items():
        persons = track_view(ws.frames(view), ws.candidates(view), (facts.width, facts.height), config)
        rows[name] = find(true, between(accepted(persons), 0, frames), durations)
    print(as_markdown(rows, FINDING))


def variants() -> dict[str, TrackingConfig]:
    """Configurations that differ from the default in one setting, by name."""
    found = {}
    for name, field in TrackingConfig.model_fields.items():
        for factor in (0.5, 2.0):
            try:
                found[f"{name} = {field.default * factor:g}"] = TrackingConfig(**{name: field.default * factor})
            except ValidationError:
                continue
    return found


if __name__ == "__main__":
    typer.run(main)
