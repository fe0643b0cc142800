"""The mosaic as a slice: its video, the persons of all views on it, and what a curator drew there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone as fo
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.boxes import area
from drape.errors import DatasetError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import schema
from drape.fiftyone_io.ids import object_ids
from drape.fiftyone_io.matching import is_known
from drape.fiftyone_io.playback import Playable
from drape.fiftyone_io.read import Labels, read_labels
from drape.fiftyone_io.write import CHUNK, documents, missed_columns, normalised, person_columns, write_frames
from drape.media import NOT_SHOWN, Mosaic, Tile, plan_mosaic, render_mosaic
from drape.pipeline import Workspace
from drape.progress import Progress, silent

_SLIVER = 0.05
"""A box drawn in one tile may touch its neighbour; a view is meant where this share of the box lies in its tile."""


def plan(ws: Workspace) -> Mosaic:
    """The recording's mosaic; the same every time."""
    views = ws.recording.views
    return plan_mosaic(views, {view.id: ws.frames(view.id).column("time").to_numpy() for view in views})


def playable(ws: Workspace, progress: Progress = silent) -> Playable:
    """The mosaic's video, rendered into the workspace if it is not there.

    Raises:
        MediaError: a view cannot be read.
        WorkspaceError: the video cannot be written.
    """
    mosaic = plan(ws)
    path = ws.root / "playback" / _file_name(mosaic)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        render_mosaic(ws.recording.views, mosaic, partial, progress)
        partial.replace(path)
    return Playable(path, float(mosaic.rate), mosaic.width, mosaic.height, mosaic.num_frames)


def write_persons(
    dataset: fo.Dataset, ws: Workspace, persons: dict[str, pa.Table], progress: Progress = silent
) -> None:
    """Copy the persons of all views (``PERSONS`` by view id) onto the mosaic's frames; what was there is replaced.

    A copy has the tracklet and the instance of the original, so that the App shows them as one.

    Raises:
        DatasetError: the recording or its mosaic is not in the dataset.
    """
    _copy(dataset, ws, schema.PERSONS, persons, person_columns, progress)


def write_missed(dataset: fo.Dataset, ws: Workspace, progress: Progress = silent) -> None:
    """Copy where persons are likely missed in the views onto the mosaic's frames; what was there is replaced.

    Raises:
        DatasetError: the recording or its mosaic is not in the dataset.
    """
    missed = {view.id: ws.missed(view.id) for view in ws.recording.views}
    _copy(dataset, ws, schema.MISSED, missed, missed_columns, progress)


def _copy(
    dataset: fo.Dataset,
    ws: Workspace,
    field: str,
    found: dict[str, pa.Table],
    columns: Callable[[str, str, pa.Table], dict[str, list[Any]]],
    progress: Progress,
) -> None:
    kind = field.removeprefix("frames.")
    mosaic, collection, sample = _slice(dataset, ws)
    tables_and_starts = {name: (table, _starts(ws, name, table)) for name, table in found.items()}
    for start in range(0, mosaic.num_frames, CHUNK):
        stop = min(start + CHUNK, mosaic.num_frames)
        frames: list[NDArray[np.int64]] = []
        labels: list[dict[str, Any]] = []
        for tile in mosaic.tiles:
            table, starts = tables_and_starts[tile.view]
            at, rows = _projection(mosaic, tile, starts, start, stop)
            part = table.take(rows)
            scope = f"{ws.recording.id}/mosaic/{tile.view}/{kind}"
            ids = object_ids(scope, zip(at.tolist(), rows.tolist(), strict=True))
            boxes = normalised(tile.to_mosaic(tables.boxes_of(part)), mosaic.width, mosaic.height)
            labels += documents(ids, boxes, columns(ws.recording.id, tile.view, part))
            frames.append(at)
        write_frames(collection, sample.id, field, np.concatenate(frames), labels, (start, stop))
        progress(stop, mosaic.num_frames, f"write {kind} of the mosaic")


def drawn(dataset: fo.Dataset, ws: Workspace, known: dict[str, pa.Table]) -> dict[str, Labels]:
    """Boxes on the mosaic that are not copies of known ones, as boxes of the views they lie in.

    A mosaic frame stands for the view's frame it shows and for those it leaves out before the next one.

    Args:
        dataset: of recordings.
        ws: the recording's workspace.
        known: for each view, the ``PERSONS`` that were copied, or may have been.
    """
    mosaic, _, _ = _slice(dataset, ws)
    labels = read_labels(dataset, ws.recording.id, schema.MOSAIC, schema.PERSONS)
    new = np.ones(len(labels.frames), bool)
    for tile in mosaic.tiles:
        table = known[tile.view].sort_by("frame")
        at, rows = _projection(mosaic, tile, _starts(ws, tile.view, table), 0, mosaic.num_frames)
        copies = tile.to_mosaic(tables.boxes_of(table.take(rows)))
        new &= ~is_known(labels.frames, labels.boxes, at, copies)
    if new.any() and int(labels.frames[new].max()) >= mosaic.num_frames:
        raise DatasetError("A box lies after the last frame of the mosaic", "Delete it in the App")
    mine = Labels(labels.frames[new], labels.boxes[new], labels.tracklets[new])
    return {tile.view: _in_view(mosaic, tile, mine) for tile in mosaic.tiles}


def _in_view(mosaic: Mosaic, tile: Tile, labels: Labels) -> Labels:
    boxes = tile.to_view(labels.boxes)
    scale = (tile.width * tile.height) / (tile.source_width * tile.source_height)
    inside = area(boxes) * scale >= _SLIVER * area(labels.boxes)
    shown = mosaic.shown[tile.view]
    inside &= shown[labels.frames] != NOT_SHOWN
    found: list[tuple[int, int]] = []
    for row in np.flatnonzero(inside).tolist():
        found += [(frame, row) for frame in _stands_for(shown, int(labels.frames[row]))]
    frames = np.array([frame for frame, _ in found], np.int64)
    rows = np.array([row for _, row in found], np.int64)
    return Labels(frames, boxes[rows], labels.tracklets[rows])


def _stands_for(shown: NDArray[np.int32], k: int) -> Iterator[int]:
    first = int(shown[k])
    following = int(shown[k + 1]) if k + 1 < len(shown) else NOT_SHOWN
    yield from range(first, max(first + 1, following))


def _projection(
    mosaic: Mosaic, tile: Tile, starts: NDArray[np.int64], start: int, stop: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which rows of a view's table stand on which mosaic frame of a span.

    Args:
        mosaic: the plan.
        tile: of the view.
        starts: row at which each of the view's frames begins, (N + 1,).
        start: first mosaic frame.
        stop: the one after the last.

    Returns:
        Mosaic frames (R,) and rows (R,).
    """
    frames = np.arange(start, stop)
    shown = mosaic.shown[tile.view][start:stop]
    frames, shown = frames[shown != NOT_SHOWN], shown[shown != NOT_SHOWN]
    counts = starts[shown + 1] - starts[shown]
    first_of_group = np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.repeat(starts[shown], counts) + np.arange(counts.sum()) - first_of_group
    return np.repeat(frames, counts), rows


def _starts(ws: Workspace, view: str, table: pa.Table) -> NDArray[np.int64]:
    """Row at which each frame of a view begins in a table sorted by frame, shape (num_frames + 1,)."""
    frames = table.column("frame").to_numpy()
    starts: NDArray[np.int64] = np.searchsorted(frames, np.arange(ws.recording.view(view).num_frames + 1))
    return starts


def _slice(dataset: fo.Dataset, ws: Workspace) -> tuple[Mosaic, fo.DatasetView, fo.Sample]:
    mosaic = plan(ws)
    collection, sample = datasets.one(dataset, ws.recording.id, schema.MOSAIC)
    if not sample.filepath.endswith(_file_name(mosaic)):
        raise DatasetError("The mosaic was made by another version of Drape", "Ingest the recording again")
    return mosaic, collection, sample


def _file_name(mosaic: Mosaic) -> str:
    return f"mosaic-{mosaic.digest()[:8]}.mp4"
