"""What the command line prints: tables of what was found, errors."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from drape.pipeline import Workspace

out = Console()
err = Console(stderr=True)


def show_recording(ws: Workspace) -> None:
    """The views of a recording."""
    table = Table(title=f"{ws.recording.name} ({ws.recording.id})")
    for column in ("view", "name", "size", "frames", "seconds", "clock offset"):
        table.add_column(column)
    for view in ws.recording.views:
        time = ws.frames(view.id).column("time")
        span = time[-1].as_py() - time[0].as_py() if len(time) else 0.0
        size = f"{view.width}x{view.height}"
        row = (view.id, escape(view.name), size, str(view.num_frames), f"{span:.2f}", f"{view.clock.offset:+.3f} s")
        table.add_row(*row)
    out.print(table)


def show_counts(title: str, record: dict[str, Any]) -> None:
    """The counts of a run record, a row per view."""
    table = Table(title=title)
    names = sorted({name for view in record["views"].values() for name in view["counts"]})
    for column in ("view", *names):
        table.add_column(column.replace("_", " "), justify="left" if column == "view" else "right")
    for view, entry in record["views"].items():
        table.add_row(view, *(str(entry["counts"].get(name, "")) for name in names))
    out.print(table)


def show_manifest(manifest: dict[str, Any]) -> None:
    """What a release decided about the frames of each view."""
    table = Table(title=f"Release {manifest['release']}: verified")
    for column in ("view", "frames", "detected", "verified empty", "unknown", "masked share"):
        table.add_column(column, justify="left" if column == "view" else "right")
    for view in manifest["views"]:
        states = view["states"]
        counts = [str(states.get(s, 0)) for s in ("detected", "verified_empty", "unknown")]
        share = manifest["verdict"]["views"][view["id"]]["masked_share"]
        table.add_row(view["id"], str(view["frames"]), *counts, f"{share:.1%}")
    out.print(table)
