"""Tables to frame labels, in bulk.

Labels are handed to ``set_values`` as the documents FiftyOne would make of its own ``Detection`` objects, because
making two million of those takes longer than detecting them. A test compares both, key by key.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import fiftyone as fo
import numpy as np
import pyarrow as pa
from bson import ObjectId
from numpy.typing import NDArray

from drape import tables
from drape.boxes import Boxes
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.fiftyone_io.ids import instance_ids, object_ids
from drape.pipeline import Workspace
from drape.progress import Progress, silent
from drape.recording import View

CHUNK = 2000
"""Frames per write: memory stays flat, and the overhead of a write is small against its content."""

Document = dict[str, Any]
Columns = Callable[[pa.Table], dict[str, list[Any]]]
"""The attributes, besides box and label, of the rows of a table."""


@database()
def write_candidates(dataset: fo.Dataset, ws: Workspace, progress: Progress = silent) -> None:
    """Write every view's candidates into ``frames.candidates``; what was there is replaced.

    Raises:
        DatasetError: the recording is not in the dataset, or the database cannot be used.
        WorkspaceError: detection has not run.
    """

    def columns(table: pa.Table) -> dict[str, list[Any]]:
        return {"confidence": floats(table, "score")}

    for view in ws.recording.views:
        write_view(dataset, ws, view, schema.CANDIDATES, ws.candidates(view.id), columns, progress)


@database()
def write_persons(
    dataset: fo.Dataset, ws: Workspace, persons: dict[str, pa.Table], progress: Progress = silent
) -> None:
    """Write every view's persons into ``frames.persons``; what was there is replaced.

    Args:
        dataset: of recordings.
        ws: the recording's workspace.
        persons: a ``PERSONS`` table per view id.
        progress: counts frames.

    Raises:
        DatasetError: the recording is not in the dataset, or the database cannot be used.
    """
    for name, table in persons.items():
        write_view(
            dataset,
            ws,
            ws.recording.view(name),
            schema.PERSONS,
            table,
            partial(person_columns, ws.recording.id, name),
            progress,
        )


@database()
def write_missed(dataset: fo.Dataset, ws: Workspace, progress: Progress = silent) -> None:
    """Write where each view's persons are likely missed into ``frames.missed``; what was there is replaced.

    Raises:
        DatasetError: the recording is not in the dataset, or the database cannot be used.
        WorkspaceError: a table is damaged.
    """
    for view in ws.recording.views:
        columns = partial(missed_columns, ws.recording.id, view.id)
        write_view(dataset, ws, view, schema.MISSED, ws.missed(view.id), columns, progress)


def person_columns(recording: str, view: str, table: pa.Table) -> dict[str, list[Any]]:
    """The attributes of each row of a ``PERSONS`` table of a view, as FiftyOne keeps them."""
    return {
        "confidence": floats(table, "existence"),
        **identity_columns(recording, view, table),
        "source": table.column("source").to_pylist(),
        "score": floats(table, "score"),
        "over_time": floats(table, "over_time"),
        "over_views": floats(table, "over_views"),
        "copy": table.column("copy").to_pylist(),
    }


def missed_columns(recording: str, view: str, table: pa.Table) -> dict[str, list[Any]]:
    """The attributes of each row of a ``MISSED`` table of a view, as FiftyOne keeps them."""
    return {
        "confidence": floats(table, "probability"),
        **identity_columns(recording, view, table),
        "reason": table.column("reason").to_pylist(),
    }


def identity_columns(recording: str, view: str, table: pa.Table) -> dict[str, list[Any]]:
    """``index`` and ``instance`` of each row of a table with ``tracklet`` and ``person``."""
    tracklets, persons = table.column("tracklet").to_pylist(), table.column("person").to_pylist()
    instances = instance_ids(recording, view, tracklets, persons)
    return {
        "index": tracklets,
        "instance": [{"_id": one, "_cls": "Instance"} if one is not None else None for one in instances],
    }


def floats(table: pa.Table, name: str) -> list[float | None]:
    """A column as Python floats, None where it is null."""
    values: list[float | None] = table.column(name).cast(pa.float64()).to_pylist()
    return values


def normalised(boxes: Boxes, width: int, height: int) -> NDArray[np.float64]:
    """``x, y, width, height`` as shares of the frame, shape (N, 4) float64, as FiftyOne keeps boxes; not cut."""
    wide = boxes.astype(np.float64)
    scale = np.array([width, height], np.float64)
    return np.concatenate([wide[:, :2] / scale, (wide[:, 2:] - wide[:, :2]) / scale], axis=1)


def documents(ids: list[ObjectId], boxes: NDArray[np.float64], columns: dict[str, list[Any]]) -> list[Document]:
    """One document per box, equal to ``fiftyone.Detection(...).to_dict()``.

    Args:
        ids: N label ids.
        boxes: (N, 4) as of :func:`normalised`.
        columns: further attributes, N values each.
    """
    names = tuple(columns)
    rows = zip(*columns.values(), strict=True)
    return [
        {
            "_id": _id,
            "_cls": "Detection",
            "attributes": {},
            "tags": [],
            "label": schema.PERSON,
            "bounding_box": box,
            **dict(zip(names, row, strict=True)),
        }
        for _id, box, row in zip(ids, boxes.tolist(), rows, strict=True)
    ]


def write_frames(
    collection: fo.DatasetView,
    sample: str,
    field: str,
    frames: NDArray[np.int32],
    labels: list[Document],
    span: tuple[int, int],
    kind: str = "Detections",
) -> None:
    """Replace a label field in a span of frames; frames without a label get an empty list: "looked, none".

    Args:
        collection: flat, holding the sample.
        sample: its id.
        field: ``"frames.…"``.
        frames: the frame index of each label, from 0.
        labels: one document per label.
        span: first frame index and the one after the last.
        kind: the field's class, ``"Detections"``, ``"Keypoints"`` or ``"Polylines"``.
    """
    lists: dict[int, list[Document]] = {frame + 1: [] for frame in range(*span)}
    for frame, label in zip(frames.tolist(), labels, strict=True):
        lists[frame + 1].append(label)
    values = {number: {"_cls": kind, kind.lower(): found} for number, found in lists.items()}
    collection.set_values(field, {sample: values}, key_field="id", validate=False)


def write_view(
    dataset: fo.Dataset, ws: Workspace, view: View, field: str, table: pa.Table, columns: Columns, progress: Progress
) -> None:
    """Replace a Detections field of one view by the rows of a table."""

    def make(part: pa.Table, ids: list[ObjectId], size: tuple[int, int]) -> list[Document]:
        return documents(ids, normalised(tables.boxes_of(part), *size), columns(part))

    write_labels(dataset, ws, view, field, table, make, progress)


def write_labels(
    dataset: fo.Dataset,
    ws: Workspace,
    view: View,
    field: str,
    table: pa.Table,
    make: Callable[[pa.Table, list[ObjectId], tuple[int, int]], list[Document]],
    progress: Progress,
    kind: str = "Detections",
) -> None:
    """Replace a label field of one view.

    Args:
        dataset: of recordings.
        ws: the recording's workspace.
        view: the view.
        field: ``"frames.…"``.
        table: rows sorted by ``frame``, one label each.
        make: the labels of some rows, given their ids and the slice's width and height.
        progress: counts frames.
        kind: the field's class.
    """
    collection, sample = datasets.one(dataset, ws.recording.id, view.id)
    size = sample.metadata.frame_width, sample.metadata.frame_height
    name = field.removeprefix("frames.")
    scope = f"{ws.recording.id}/{view.id}/{name}"
    frames = table.column("frame").to_numpy()
    for start in range(0, view.num_frames, CHUNK):
        stop = min(start + CHUNK, view.num_frames)
        first, last = np.searchsorted(frames, [start, stop])
        part, at = table.slice(first, last - first), frames[first:last]
        within = np.arange(first, last) - np.searchsorted(frames, at)
        ids = object_ids(scope, zip(at.tolist(), within.tolist(), strict=True))
        write_frames(collection, sample.id, field, at, make(part, ids, size), (start, stop), kind)
        progress(stop, view.num_frames, f"write {name} of {view.id}")
