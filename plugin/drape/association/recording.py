"""A whole recording: clocks first, then cameras that were moved, then the association of what is in step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape import tables
from drape.association.background import Move, camera_moves
from drape.association.clocks import apply, estimate, unsynchronized
from drape.association.config import AssociationConfig
from drape.association.learning import History
from drape.association.model import AssociationModel
from drape.association.stage import Association, associate
from drape.association.views import ViewBoxes
from drape.errors import RecordingError
from drape.progress import Progress, silent

PART = "#"
"""What separates a view's id from the number of the place its camera stood at."""


@dataclass(frozen=True)
class Background:
    """Pictures of a view, a few seconds apart: times (K,) in seconds, grey pictures, and the people's boxes in each."""

    times: NDArray[np.float64]
    pictures: Iterator[NDArray[np.uint8]]
    people: Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class AssociatedRecording:
    """What is known of the views of a recording together.

    Attributes:
        pairs, identities, expected, clocks: tables of these names.
        synchrony: ``INTERVALS`` with the labels ``unsynchronized`` and ``camera_moved``.
        model: what was learned; None with fewer than two views in step.
        history: how learning went; None where nothing was learned.
    """

    pairs: pa.Table
    identities: pa.Table
    expected: pa.Table
    clocks: pa.Table
    synchrony: pa.Table
    model: AssociationModel | None
    history: History | None


def associate_recording(
    views: Sequence[ViewBoxes],
    config: AssociationConfig | None = None,
    train: Sequence[ViewBoxes] | None = None,
    model: Path | None = None,
    backgrounds: Mapping[str, Background] | None = None,
    progress: Progress = silent,
) -> AssociatedRecording:
    """Associate the views of a recording whose clocks and cameras may not be what they should.

    A view is left out where its clock is not known. A view whose camera was moved is another camera from then on.

    Args:
        views: detections of all views, times as the recording knows them.
        config: settings.
        train: unlabelled detections to learn from, where others than ``views``.
        model: file of a model to use instead of learning.
        backgrounds: pictures of the views by which a moved camera is noticed.
        progress: counts pairs of views, then steps, then instants.

    Raises:
        WeightsError: the model cannot be read, or does not know a view.
    """
    config = config or AssociationConfig()
    clocks = estimate(views, None, progress) if len(views) > 1 else tables.empty(tables.CLOCKS)
    moves = {name: camera_moves(b.times, b.pictures, b.people) for name, b in (backgrounds or {}).items()}
    cameras = [part for view in views for part in _parts(_in_step(view, clocks), moves.get(view.view, []))]
    known = AssociationModel.load(model) if model is not None else None
    synchrony = [unsynchronized(clocks), _moved(views, moves)]
    try:
        found = associate(cameras, config, train, known, progress=progress)
    except RecordingError as error:
        # Too little to learn from is no defect: each view stands alone then, and the curator is told.
        nothing = [tables.empty(schema) for schema in (tables.PAIRS, tables.IDENTITIES, tables.EXPECTED)]
        found = Association(nothing[0], nothing[1], nothing[2], None, None)
        synchrony.append(_alone(views, str(error)))
    pairs, identities, expected = _of_views(found, cameras)
    told = pa.concat_tables(synchrony)
    return AssociatedRecording(pairs, identities, expected, clocks, told, found.model, found.history)


def _in_step(view: ViewBoxes, clocks: pa.Table) -> ViewBoxes:
    """The view at corrected times, without what is not in step."""
    instants = apply(clocks, view.view, view.times())
    times = apply(clocks, view.view, view.time)
    kept = view.at_times(times, np.unique(instants[np.isfinite(instants)]))
    return kept.select(np.isfinite(times))


def _parts(view: ViewBoxes, moves: Sequence[Move]) -> list[ViewBoxes]:
    """The view cut where its camera was moved; what was seen while it moved is left out."""
    if not moves:
        return [view]
    starts = [-np.inf, *(move.after for move in moves)]
    stops = [*(move.before for move in moves), np.inf]
    parts = []
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        known = view.times()
        part = view.select((view.time >= start) & (view.time <= stop))
        part = part.at_times(part.time, known[(known >= start) & (known <= stop)])
        parts.append(replace(part, view=f"{view.view}{PART}{number}" if number else view.view))
    return parts


def _moved(views: Sequence[ViewBoxes], moves: Mapping[str, Sequence[Move]]) -> pa.Table:
    order = {view.view: k for k, view in enumerate(views)}
    rows = [(name, move) for name in sorted(moves, key=lambda n: order.get(n, -1)) for move in moves[name]]
    return tables.make(
        tables.INTERVALS,
        view=[name for name, _ in rows],
        start=[move.before for _, move in rows],
        stop=[move.noticed for _, move in rows],
        label=["camera_moved"] * len(rows),
        confidence=[move.confidence for _, move in rows],
        reason=[_size_of(move) for _, move in rows],
    )


def _alone(views: Sequence[ViewBoxes], reason: str) -> pa.Table:
    """Intervals that say of every view that it is compared with no other."""
    shown = [view for view in views if len(view.times())]
    return tables.make(
        tables.INTERVALS,
        view=[view.view for view in shown],
        start=[float(view.times().min()) for view in shown],
        stop=[float(view.times().max()) for view in shown],
        label=["unsynchronized"] * len(shown),
        confidence=[1.0] * len(shown),
        reason=[reason] * len(shown),
    )


def _size_of(move: Move) -> str:
    if np.isnan(move.shift):
        return "The camera was moved: nothing of the earlier picture is seen any more"
    return f"The camera was moved: the room shifted by {move.shift:.1%} of the picture's width"


def _of_views(found: Association, cameras: Sequence[ViewBoxes]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The tables of cameras as tables of views; nobody is expected in a camera while it stood elsewhere."""
    expected = _while_there(found.expected, cameras)
    pairs, identities = found.pairs, found.identities
    for name in ("view_a", "view_b"):
        pairs = _renamed(pairs, name)
    for name in ("view", "from_view"):
        expected = _renamed(expected, name)
    return pairs, _renamed(identities, "view"), expected


def _renamed(table: pa.Table, column: str) -> pa.Table:
    names = pc.replace_substring_regex(table.column(column), f"{PART}\\d+$", "")
    return table.set_column(table.schema.get_field_index(column), table.schema.field(column), names)


def _while_there(expected: pa.Table, cameras: Sequence[ViewBoxes]) -> pa.Table:
    spans = {c.view: (c.times().min(), c.times().max()) for c in cameras if len(c.times())}
    if not any(PART in name for name in spans):
        return expected
    time = expected.column("time").to_numpy()
    names = expected.column("view").to_numpy(zero_copy_only=False)
    low, high = (np.array([spans.get(n, (np.inf, -np.inf))[k] for n in names]) for k in (0, 1))
    return expected.filter(pa.array((time >= low) & (time <= high)))
