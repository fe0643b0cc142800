"""How much of people the masks cover, against how much else they cover, for margins, padding and operating points.

``python -m bench.masking --workspace WORKSPACE --truth gt.txt --view view1 --frames 400 --plots DIR``
``python -m bench.masking --mot persons.txt --fps 7 --size 768x576 --truth gt.txt --frames 400``
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from drape.anonymization import ReleaseConfig, plan_view
from drape.errors import DrapeError
from drape.evaluation.continuity import frame_durations
from drape.evaluation.summary import COVERING, Row, as_markdown, as_table, cover
from drape.evaluation.truth import between, read_truth
from drape.pipeline import Workspace
from drape.recording import View
from drape.tables import COVERED, FRAMES, PERSONS, box_columns, make
from rich.console import Console

MARGINS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
PADDINGS = (0.0, 0.1, 0.2, 0.3)
EXISTENCES = (0.5, 0.3, 0.1)


@dataclass(frozen=True)
class Case:
    """Tables of one view and its truth, frames 0 to ``count`` - 1 of which are measured."""

    view: View
    frames: pa.Table
    covered: pa.Table
    persons: pa.Table
    truth: pa.Table
    count: int


def from_workspace(workspace: Path, view: str, truth: Path, count: int) -> Case:
    """The persons of a tracked view.

    Raises:
        DrapeError: the workspace or the truth cannot be read.
    """
    ws = Workspace.open(workspace)
    facts = ws.recording.view(view)
    tables = (ws.frames(facts.id), ws.covered(facts.id), ws.persons(facts.id))
    return Case(facts, *tables, between(read_truth(truth), 0, count), count)


def from_mot(mot: Path, fps: float, size: tuple[int, int], truth: Path, count: int) -> Case:
    """Persons of a MOT text (conf = existence), in frames of a fixed rate, all of which were looked at.

    Raises:
        DrapeError: the truth cannot be read.
    """
    rows = np.loadtxt(mot, delimiter=",", ndmin=2)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    frame = rows[:, 0].astype(np.int32) - 1
    num = max(count, int(frame.max(initial=0)) + 1)
    times = np.arange(num) / fps
    boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1).astype(np.float32)
    persons = make(
        PERSONS,
        frame=frame,
        time=times[frame],
        tracklet=rows[:, 1].astype(np.int32),
        existence=rows[:, 6].astype(np.float32),
        source=["tracked"] * len(frame),
        score=[None] * len(frame),
        **box_columns(boxes),
    )
    frames = make(FRAMES, frame=range(num), pts=range(num), time=times)
    covered = make(COVERED, frame=range(num), known=[True] * num, reason=[None] * num)
    view = View(id="view1", name="view1", media=mot, width=size[0], height=size[1], num_frames=num)
    return Case(view, frames, covered, persons, between(read_truth(truth), 0, count), count)


def measure(case: Case, config: ReleaseConfig) -> Row:
    """Coverage and over-masking of one setting."""
    plan = plan_view(case.view, case.frames, case.covered, case.persons, config)
    masks = between(plan.regions_table(), 0, case.count)
    durations = frame_durations(case.frames.column("time").to_numpy())[: case.count]
    return cover(case.truth, masks, durations, (case.view.width, case.view.height))


def settings() -> dict[str, ReleaseConfig]:
    """The settings that are compared, by name: margins alone, then padding, then operating points at the default."""
    base = ReleaseConfig()
    found = {"default": base}
    for x, y in itertools.product(MARGINS, MARGINS):
        plain = {"margin_x": x, "margin_top": y, "margin_bottom": y, "min_margin_px": 0, "temporal_padding_s": 0.0}
        found[f"margin {x:.2f} x {y:.2f}"] = base.model_copy(update=plain)
    for padding in PADDINGS:
        found[f"default, padding {padding:.1f} s"] = base.model_copy(update={"temporal_padding_s": padding})
    for existence in EXISTENCES:
        found[f"default, existence >= {existence:.1f}"] = base.model_copy(update={"min_existence": existence})
    return found


def plot(rows: dict[str, Row], path: Path) -> None:
    """Write the trade-off: one curve per margin at the sides, over margins at top and bottom; the others as points."""
    from bench.plots import trade_off

    curves = {
        f"{x:.0%} at the sides, 0-{MARGINS[-1]:.0%} at top and bottom": [
            (rows[f"margin {x:.2f} x {y:.2f}"]["outside"], rows[f"margin {x:.2f} x {y:.2f}"]["covered"])
            for y in MARGINS
        ]
        for x in MARGINS
    }
    points = {name: (row["outside"], row["covered"]) for name, row in rows.items() if name.startswith("default")}
    path.parent.mkdir(parents=True, exist_ok=True)
    trade_off(curves, points, path)


def main(
    truth: Annotated[Path, typer.Option(help="Ground truth of the view, MOT text.")],
    workspace: Annotated[Path | None, typer.Option(help="Workspace whose persons are masked.")] = None,
    view: Annotated[str, typer.Option(help="The view the truth is about.")] = "view1",
    mot: Annotated[Path | None, typer.Option(help="Persons as MOT text, instead of a workspace.")] = None,
    fps: Annotated[float, typer.Option(help="Frames per second of --mot.")] = 25.0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the frames of --mot.")] = "1920x1080",
    frames: Annotated[int, typer.Option(min=1, help="Number of frames, from the first, the truth speaks of.")] = 400,
    plots: Annotated[Path | None, typer.Option(help="Folder to write masking.png to.")] = None,
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
) -> None:
    """Measure masks of many settings on one view with a truth."""
    if (workspace is None) == (mot is None):
        raise typer.BadParameter("give either --workspace or --mot")
    try:
        if workspace is not None:
            case = from_workspace(workspace, view, truth, frames)
        else:
            width, height = (int(part) for part in size.split("x"))
            case = from_mot(mot, fps, (width, height), truth, frames)
        rows = {name: measure(case, config) for name, config in settings().items()}
    except DrapeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    print(as_markdown(rows, COVERING)) if markdown else Console().print(as_table(rows, COVERING, "Masks"))
    if plots is not None:
        plot(rows, plots / "masking.png")


if __name__ == "__main__":
    typer.run(main)
