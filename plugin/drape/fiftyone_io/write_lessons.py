"""What a detector learned from, as frame labels: on the chosen frames alone."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.fiftyone_io.ids import object_ids
from drape.fiftyone_io.write import CHUNK, documents, floats, normalised
from drape.pipeline import Workspace
from drape.progress import Progress, silent
from drape.recording import View
from drape.tables import boxes_of


@database()
def write_lessons(dataset: fo.Dataset, ws: Workspace, progress: Progress = silent) -> None:
    """Write the pseudo labels of an adapted recording into ``frames.labels``; what was there is replaced.

    A chosen frame has a list, empty if it is background; every other frame has none.

    Raises:
        DatasetError: the recording is not in the dataset, or the database cannot be used.
        WorkspaceError: a table is damaged.
    """
    schema.declare_label(dataset, schema.LABELS, fo.Detections)
    schema.declare_fields(dataset, schema.LABEL_ATTRIBUTES)
    labels, chosen = ws.whole("labels"), ws.whole("chosen")
    for view in ws.recording.views:
        mine = labels.filter(pc.equal(labels.column("view"), view.id)).sort_by("frame")
        frames = chosen.filter(pc.equal(chosen.column("view"), view.id)).column("frame").to_numpy()
        _write(dataset, ws, view, mine, frames, progress)


def _write(dataset: fo.Dataset, ws: Workspace, view: View, labels: pa.Table, chosen: Any, progress: Progress) -> None:
    collection, sample = datasets.one(dataset, ws.recording.id, view.id)
    size = sample.metadata.frame_width, sample.metadata.frame_height
    at = labels.column("frame").to_numpy()
    within = np.arange(len(at)) - np.searchsorted(at, at)
    ids = object_ids(f"{ws.recording.id}/{view.id}/labels", zip(at.tolist(), within.tolist(), strict=True))
    columns = {
        "confidence": floats(labels, "weight"),
        "ignored": labels.column("ignored").to_pylist(),
        "source": labels.column("source").to_pylist(),
    }
    found: dict[int, list[Any]] = {int(frame): [] for frame in chosen}
    for frame, document in zip(at.tolist(), documents(ids, normalised(boxes_of(labels), *size), columns), strict=True):
        found[frame].append(document)
    for start in range(0, view.num_frames, CHUNK):
        stop = min(start + CHUNK, view.num_frames)
        values = {f + 1: _detections(found[f]) if f in found else None for f in range(start, stop)}
        collection.set_values(schema.LABELS, {sample.id: values}, key_field="id", validate=False)
        progress(stop, view.num_frames, f"write labels of {view.id}")


def _detections(documents: list[Any]) -> dict[str, Any]:
    return {"_cls": "Detections", "detections": documents}
