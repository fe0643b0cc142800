"""A whole recording: clocks first, then cameras that were moved, then the association of what is in step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from drape.association.learning import History, learn
from drape.association.model import AssociationModel
from drape.association.moves import Alarm, agreement, moved_intervals, suspects, token_keys
from drape.association.refit import fit_camera
from drape.association.stage import Parts, Write, associate
from drape.association.views import ViewBoxes
from drape.errors import RecordingError
from drape.progress import Progress, silent

IN_STEP = 0.75
"""Held-out synchronization accuracy from which a view is in step with the others; .5 is chance."""
PART = "#"
"""What separates a view's id from the number of the place its camera stood at."""


@dataclass(frozen=True)
class Background:
    """Pictures of a view, a few seconds apart: times (K,) in seconds, grey pictures, and the people's boxes in each."""

    times: NDArray[np.float64]
    pictures: Iterable[NDArray[np.uint8]]
    people: Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class AssociatedRecording:
    """What is known of the views of a recording together.

    Attributes:
        pairs, identities, expected, clocks: tables of these names; the first three are empty where they were written in
            parts.
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
    write: Write | None = None,
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
        write: takes the tables of pairs, identities and expected boxes in parts; None: the result holds them.

    Raises:
        WeightsError: the model cannot be read, or does not know a view.
    """
    config = config or AssociationConfig()
    pictures = backgrounds or {}
    clocks = estimate(views, None, progress) if len(views) > 1 else tables.empty(tables.CLOCKS)
    clocks, doubtful = _benefit_of_doubt(clocks)
    seen = {name: camera_moves(b.times, b.pictures, b.people) for name, b in pictures.items()}
    moves = moved_intervals(seen, {})
    told: list[pa.Table] = []
    parts = Parts()
    try:
        known, history = _known(views, clocks, moves, config, train, model, progress)
        unconfirmed = _unconfirmed(doubtful, history)
        if unconfirmed:
            clocks = _out_of_step(clocks, unconfirmed)
            known, history = _known(views, clocks, moves, config, train, model, progress)
        if known is not None and not all(view.view in pictures for view in views):
            together = [_in_step(view, clocks, view.view) for view in views]
            moves = moved_intervals(seen, _without(suspects(agreement(together, known.cell_log_odds)), seen))
        cameras = _cameras(views, clocks, moves)
        if known is not None:
            known, cameras, strangers = _refitted(known, cameras)
            told += [_alone([replace(camera, view=_view_of(camera))], reason) for camera, reason in strangers]
        known = associate(
            cameras, config, None, known, progress=progress, write=_of_views(cameras, write or parts.add)
        ).model
    except RecordingError as error:
        # Too little to learn from is no defect: each view stands alone then, and the curator is told.
        clocks = _out_of_step(clocks, doubtful)
        known, history = None, None
        told.append(_alone(views, str(error)))
    synchrony = pa.concat_tables([unsynchronized(clocks), *told, moves])
    return AssociatedRecording(parts.pairs(), parts.identities(), parts.expected(), clocks, synchrony, known, history)


def _benefit_of_doubt(clocks: pa.Table) -> tuple[pa.Table, set[str]]:
    """Clocks in which views that nothing is known of keep the recording's own, and which views these are.

    People who hardly move say nothing of time, and a recording may be short. Whether such a view is in step shows in
    what can be learned with it.
    """
    rows = clocks.to_pylist()
    known = {row["view"] for row in rows if row["in_sync"]}
    doubtful = {row["view"] for row in rows if row["confidence"] == 0 and not row["in_sync"]} - known
    return _with_step(clocks, doubtful, True), doubtful


def _out_of_step(clocks: pa.Table, views: set[str]) -> pa.Table:
    return _with_step(clocks, views, False)


def _with_step(clocks: pa.Table, views: set[str], in_step: bool) -> pa.Table:
    rows = [{**row, "in_sync": in_step} if row["view"] in views else row for row in clocks.to_pylist()]
    return pa.Table.from_pylist(rows, schema=clocks.schema)


def _unconfirmed(doubtful: set[str], history: History | None) -> set[str]:
    """Doubtful views that a model learned with them does not find in step."""
    if history is None:
        return set()
    return {view for view in doubtful if history.views.get(view, 0.0) < IN_STEP}


def _known(
    views: Sequence[ViewBoxes],
    clocks: pa.Table,
    moves: pa.Table,
    config: AssociationConfig,
    train: Sequence[ViewBoxes] | None,
    model: Path | None,
    progress: Progress,
) -> tuple[AssociationModel | None, History | None]:
    """The model that is given, or one learned from every camera at its first place; None for fewer than two views."""
    if model is not None:
        return AssociationModel.load(model), None
    if train is not None:
        return learn(train, config, progress)
    first = [camera for camera in _cameras(views, clocks, moves) if PART not in camera.view and len(camera)]
    return learn(first, config, progress) if len(first) > 1 else (None, None)


def _refitted(
    model: AssociationModel, cameras: Sequence[ViewBoxes]
) -> tuple[AssociationModel, list[ViewBoxes], list[tuple[ViewBoxes, str]]]:
    """The model with every camera's later places, the cameras it knows then, and those it does not, with the reason.

    A place that shows too few people to be learned is left out: its view stands alone there.
    """
    kept = [camera for camera in cameras if camera.view in model.cameras]
    left: list[tuple[ViewBoxes, str]] = []
    for camera in cameras:
        if camera.view in model.cameras or PART not in camera.view:
            continue
        view, _, number = camera.view.partition(PART)
        like = f"{view}{PART}{int(number) - 1}" if int(number) > 1 else view
        others = [other for other in kept if other.view.partition(PART)[0] != view]
        if like not in model.cameras or not len(camera):
            continue
        span = [_between(other, camera) for other in others]
        try:
            model = fit_camera(model, [*(o for o in span if len(o)), camera], camera.view, like)
        except RecordingError as error:
            left.append((camera, str(error)))
            continue
        kept.append(camera)
    return model, kept, left


def _view_of(camera: ViewBoxes) -> str:
    return camera.view.partition(PART)[0]


def _between(view: ViewBoxes, span: ViewBoxes) -> ViewBoxes:
    """What a view shows while another does."""
    low, high = span.times().min(), span.times().max()
    known = view.times()
    part = view.select((view.time >= low) & (view.time <= high))
    return part.at_times(part.time, known[(known >= low) & (known <= high)])


def _without(found: Mapping[str, Sequence[Alarm]], seen: Mapping[str, Sequence[Move]]) -> dict[str, Sequence[Alarm]]:
    """Alarms of views of which there are no pictures."""
    return {view: alarms for view, alarms in found.items() if view not in seen}


def _cameras(views: Sequence[ViewBoxes], clocks: pa.Table, moves: pa.Table) -> list[ViewBoxes]:
    """Every view at corrected times, cut into the places where its camera stood, without what is not in step."""
    out = []
    for view in views:
        known = view.times()
        at, rows = token_keys(moves, view.view, known), token_keys(moves, view.view, view.time)
        for key in dict.fromkeys(at.tolist()):
            part = view.select(rows == key)
            part = replace(part.at_times(part.time, known[at == key]), view=key)
            out.append(_in_step(part, clocks, view.view))
    return out


def _in_step(part: ViewBoxes, clocks: pa.Table, view: str) -> ViewBoxes:
    """A part of a view at corrected times, without what is not in step."""
    instants = apply(clocks, view, part.times())
    times = apply(clocks, view, part.time)
    kept = part.at_times(times, np.unique(instants[np.isfinite(instants)]))
    return kept.select(np.isfinite(times))


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


def _of_views(cameras: Sequence[ViewBoxes], write: Write) -> Write:
    """Writes tables of cameras as tables of views; nobody is expected in a camera while it stood elsewhere."""

    def renamed(kind: str, part: pa.Table) -> None:
        if kind == "expected":
            part = _while_there(part, cameras)
        for name in ("view", "from_view", "view_a", "view_b"):
            part = _renamed(part, name) if name in part.column_names else part
        write(kind, part)

    return renamed if any(PART in camera.view for camera in cameras) else write


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
