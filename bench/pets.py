"""The main job on PETS 2009 S2L1, beside other trackers on the same candidates.

``python -m bench.pets --workspace WORKSPACE --release RELEASE --truth gt.txt --view view1 --frames 400 --markdown``
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from drape.boxes import expand
from drape.errors import DrapeError
from drape.evaluation.continuity import frame_durations
from drape.evaluation.exposure import exposure
from drape.evaluation.summary import COVERING, FINDING, Column, Row, as_markdown, as_table, cover, find
from drape.evaluation.truth import accepted, between, read_tracks, read_truth
from drape.pipeline import Workspace
from drape.tables import REGIONS, box_columns, boxes_of, read
from numpy.typing import NDArray
from rich.console import Console

from bench import peers

MARGINS = (0.0, 0.1, 0.2)
CURVE_MARGINS = tuple(np.round(np.arange(0, 0.41, 0.05), 2))
OURS = "Drape"
STRICT = 0.9
"""Existence at which our precision passes that of every peer."""
RELEASE = "Drape, the release's masks"


@dataclass(frozen=True)
class Case:
    """What is compared: frames 0 to len(durations) - 1 of one view.

    Attributes:
        truth: table ``TRACKS``.
        results: tables of boxes by method, ours last.
        regions: the release's masks, or None without a release.
        durations: seconds for which each frame is shown.
        size: width and height of the frame in pixels.
    """

    truth: pa.Table
    results: Mapping[str, pa.Table]
    regions: pa.Table | None
    durations: NDArray[np.float64]
    size: tuple[int, int]


def load(
    workspace: Path, truth: Path, view: str, num_frames: int, release: Path | None, tracks: Mapping[str, Path]
) -> Case:
    """Read what is compared, and run the peers that can be run.

    Args:
        workspace: workspace whose view has frames, candidates and persons.
        truth: MOT text of the view.
        view: the view's id.
        num_frames: frames from frame 0 that the truth speaks of.
        release: folder of the release, if there is one.
        tracks: results of further trackers by name, as MOT text.

    Raises:
        DrapeError: something is missing or damaged.
    """
    ws = Workspace.open(workspace)
    facts = ws.recording.view(view)
    durations = frame_durations(ws.frames(view).column("time").to_numpy())[:num_frames]
    candidates = between(ws.candidates(view), 0, num_frames)
    results = dict(peers.live(candidates, num_frames))
    results |= {name: read_tracks(path) for name, path in tracks.items()}
    persons = ws.persons(view)
    results[f"{OURS}, existence ≥ {STRICT}"] = accepted(persons, STRICT)
    results[OURS] = accepted(persons)
    regions = None if release is None else read(release / f"{facts.id}.regions.parquet", REGIONS)
    return Case(
        truth=between(read_truth(truth), 0, num_frames),
        results={name: between(table, 0, num_frames) for name, table in results.items()},
        regions=None if regions is None else between(regions, 0, num_frames),
        durations=durations,
        size=(facts.width, facts.height),
    )


def finding(case: Case) -> dict[str, Row]:
    """The figures ``FINDING`` of every method."""
    return {name: find(case.truth, table, case.durations) for name, table in case.results.items()}


def covering(case: Case, margins: Iterable[float] = MARGINS) -> dict[str, Row]:
    """The figures ``COVERING`` of every method's boxes with each margin, and of the release's masks."""
    masks = {
        f"{name}, +{margin:.0%}" if margin else f"{name}, raw boxes": with_margin(table, margin)
        for name, table in case.results.items()
        for margin in margins
    }
    if case.regions is not None:
        masks[RELEASE] = case.regions
    return {name: cover(case.truth, table, case.durations, case.size) for name, table in masks.items()}


def with_margin(boxes: pa.Table, margin: float) -> pa.Table:
    """Boxes grown on each side by a share of their own size, as masks (``frame`` and box columns)."""
    return pa.table({"frame": boxes.column("frame"), **box_columns(expand(boxes_of(boxes), margin, margin))})


def plot(case: Case, folder: Path) -> None:
    """Write ``trade_off.png`` and ``uncovered_runs.png`` into ``folder``."""
    from bench.plots import gap_histogram, trade_off

    folder.mkdir(parents=True, exist_ok=True)
    curves = {}
    for name, table in case.results.items():
        rows = [cover(case.truth, with_margin(table, m), case.durations, case.size) for m in CURVE_MARGINS]
        curves[f"{name}, margin 0-{CURVE_MARGINS[-1]:.0%}"] = [(row["outside"], row["covered"]) for row in rows]
    masks = {f"{name}, +{MARGINS[-1]:.0%}": with_margin(table, MARGINS[-1]) for name, table in case.results.items()}
    points = {}
    if case.regions is not None:
        row = cover(case.truth, case.regions, case.durations, case.size)
        points[RELEASE] = (row["outside"], row["covered"])
        masks[RELEASE] = case.regions
    trade_off(curves, points, folder / "trade_off.png")
    runs = {name: exposure(case.truth, table, case.durations, case.size).longest for name, table in masks.items()}
    gap_histogram(runs, folder / "uncovered_runs.png")


def show(title: str, rows: Mapping[str, Row], columns: tuple[Column, ...], markdown: bool) -> None:
    """Print rows as a table."""
    if markdown:
        print(f"**{title}**\n\n{as_markdown(rows, columns)}\n")
    else:
        Console().print(as_table(rows, columns, title))


def main(
    workspace: Annotated[Path, typer.Option(help="Workspace of the recording.")],
    truth: Annotated[Path, typer.Option(help="Ground truth of the view, MOT text.")],
    release: Annotated[Path | None, typer.Option(help="Folder of the release whose masks are measured.")] = None,
    view: Annotated[str, typer.Option(help="The view the truth is about.")] = "view1",
    frames: Annotated[int, typer.Option(min=1, help="Number of frames, from the first, the truth speaks of.")] = 400,
    tracks: Annotated[list[str] | None, typer.Option(help="NAME=FILE: another tracker's result, MOT text.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder to write plots to.")] = None,
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
) -> None:
    """Measure a workspace and its release on one view with a truth, beside other trackers."""
    named = dict(item.split("=", 1) for item in tracks or [] if "=" in item)
    if len(named) != len(tracks or []):
        raise typer.BadParameter("write NAME=FILE, each name once", param_hint="--tracks")
    try:
        case = load(workspace, truth, view, frames, release, {name: Path(path) for name, path in named.items()})
        area = f"{view}, frames 1-{frames}, {len(case.truth)} boxes of persons"
        show(f"Found at IoU .5: {area}", finding(case), FINDING, markdown)
        elsewhere = f"Measured elsewhere on the same candidates: {peers.MEASURED_ELSEWHERE_ON}"
        show(elsewhere, peers.MEASURED_ELSEWHERE, FINDING, markdown)
        show(f"Covered to 90 % by masks: {area}", covering(case), COVERING, markdown)
        if plots is not None:
            plot(case, plots)
    except DrapeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
