"""What the demo's table says: how well persons are found, and what a release would show of them, after every stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from drape import tables
from drape.anonymization.config import ReleaseConfig
from drape.anonymization.policy import plan_view
from drape.evaluation.continuity import frame_durations
from drape.evaluation.detection import detection
from drape.evaluation.exposure import exposure, masking
from drape.pipeline import Workspace
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One stage's figures over all views.

    ``exposed`` is the share of person-time in which less than 90 % of what is seen of a person would be masked,
    ``longest`` the longest such time in seconds, ``masked`` the masked share of the pictures.
    """

    name: str
    recall: float
    precision: float
    exposed: float
    longest: float
    masked: float


Persons = Callable[[str], pa.Table]
"""A view's persons (``PERSONS``) by its id."""


def measure(name: str, workspace: Workspace, wanted: Persons, persons: Persons, config: ReleaseConfig) -> Row:
    """Compare persons with the truth: accepted boxes for recall and precision, the release's masks for exposure.

    Args:
        name: of the row.
        workspace: frames and sizes.
        wanted: a view's true boxes (``TRACKS``) by its id.
        persons: what was found.
        config: how a release would mask it.
    """
    truths = found = matches = 0
    exposed = seconds = longest = masked = 0.0
    for view in workspace.recording.views:
        true, rows, frames = wanted(view.id), persons(view.id), workspace.frames(view.id)
        accepted = rows.filter(pc.greater_equal(rows.column("existence"), 0.5))
        counts = detection(true, accepted)
        truths, found, matches = truths + counts.truths, found + counts.found, matches + counts.matches
        plan = plan_view(view, frames, workspace.covered(view.id), rows, config)
        durations, size = frame_durations(frames.column("time").to_numpy()), (view.width, view.height)
        seen = exposure(true, plan.regions_table(), durations, size)
        exposed, seconds = exposed + seen.exposed_seconds, seconds + seen.person_seconds
        longest = max(longest, seen.longest_seconds_max)
        masked += masking(true, plan.regions_table(), size, len(frames)).masked / len(workspace.recording.views)
    shares = (matches / max(truths, 1), matches / max(found, 1), exposed / max(seconds, 1e-9))
    return Row(name, *shares, longest, masked)


def detections_as_persons(workspace: Workspace) -> Persons:
    """Candidates as persons whose existence is their score: what a release would be made of without Drape's loop."""

    def persons(view: str) -> pa.Table:
        candidates = workspace.candidates(view)
        count = candidates.num_rows
        score = candidates.column("score").to_numpy()
        tracklets = tables.make(
            tables.TRACKLETS,
            frame=candidates.column("frame"),
            time=candidates.column("time"),
            **tables.box_columns(tables.boxes_of(candidates)),
            tracklet=np.arange(count, dtype=np.int32),
            existence=score,
            source=["detected"] * count,
            score=score,
            candidate=pa.nulls(count, pa.int32()),
        )
        return tables.unconfirmed(tracklets)

    return persons


def as_table(rows: list[Row]) -> Table:
    """The rows for the terminal; each figure of a later stage beside that of the stage before it."""
    table = Table(
        title="Against the simulator's truth, all views",
        caption="exposed: share of people's time in view when a release would hide less than 90 % of them",
    )
    for column in ("after", "recall", "precision", "exposed", "longest (s)", "masked"):
        table.add_column(column, justify="left" if column == "after" else "right")
    before = rows[0]
    for row in rows:
        pairs = ((getattr(before, name), getattr(row, name), form) for name, form in _FORMS.items())
        table.add_row(row.name, *(_step(*pair, first=row is rows[0]) for pair in pairs))
        before = row
    return table


_FORMS = {"recall": "{:.2f}", "precision": "{:.2f}", "exposed": "{:.0%}", "longest": "{:.1f}", "masked": "{:.0%}"}


def _step(before: float, after: float, form: str, first: bool) -> str:
    return form.format(after) if first else f"{form.format(before)}→{form.format(after)}"
