"""Key points and head regions to frame labels, in bulk."""

from __future__ import annotations

from functools import partial

import fiftyone as fo
import numpy as np
import pyarrow as pa
from bson import ObjectId
from numpy.typing import NDArray

from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.fiftyone_io.write import Document, floats, identity_columns, write_labels
from drape.pipeline import Workspace
from drape.pose.skeleton import CHAINS, NAMES
from drape.progress import Progress, silent

HEAD = "head"


def whole_body_skeleton() -> fo.KeypointSkeleton:
    """The 133 points of COCO-WholeBody (Jin et al., 2020): body, feet, face, left hand, right hand."""
    return fo.KeypointSkeleton(labels=list(NAMES), edges=[list(chain) for chain in CHAINS])


@database()
def write_poses(dataset: fo.Dataset, ws: Workspace, progress: Progress = silent) -> None:
    """Write every view's key points into ``frames.poses``; what was there is replaced.

    Raises:
        DatasetError: the recording is not in the dataset, or the database cannot be used.
        WorkspaceError: a table is missing or damaged.
    """
    schema.declare_poses(dataset, whole_body_skeleton())
    for view in ws.recording.views:
        make = partial(_keypoints, ws.recording.id, view.id)
        write_labels(dataset, ws, view, schema.POSES, ws.read("poses", view.id), make, progress, "Keypoints")


@database()
def write_heads(dataset: fo.Dataset, ws: Workspace, progress: Progress = silent) -> None:
    """Write every view's head regions into ``frames.heads``; what was there is replaced.

    Raises:
        DatasetError: the recording is not in the dataset, or the database cannot be used.
        WorkspaceError: a table is missing or damaged.
    """
    for view in ws.recording.views:
        make = partial(_polylines, ws.recording.id, view.id)
        write_labels(dataset, ws, view, schema.HEADS, ws.read("heads", view.id), make, progress, "Polylines")


def _keypoints(
    recording: str, view: str, table: pa.Table, ids: list[ObjectId], size: tuple[int, int]
) -> list[Document]:
    shares = _shares(table, size)
    columns = {
        "confidence": table.column("score").to_pylist(),
        **identity_columns(recording, view, table),
        "outside": table.column("outside").to_pylist(),
    }
    base = {"_cls": "Keypoint", "attributes": {}, "tags": [], "label": schema.PERSON}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [{"_id": i, **base, "points": points, **row} for i, points, row in zip(ids, shares, rows, strict=True)]


def _polylines(
    recording: str, view: str, table: pa.Table, ids: list[ObjectId], size: tuple[int, int]
) -> list[Document]:
    columns = {
        "confidence": floats(table, "confidence"),
        **identity_columns(recording, view, table),
        "rule": table.column("rule").to_pylist(),
    }
    base = {"_cls": "Polyline", "attributes": {}, "tags": [], "label": HEAD, "closed": True, "filled": False}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    shares = _shares(table, size)
    return [{"_id": i, **base, "points": [points], **row} for i, points, row in zip(ids, shares, rows, strict=True)]


def _shares(table: pa.Table, size: tuple[int, int]) -> list[list[list[float]]]:
    """The points of each row as shares of the frame."""
    sides = [_split(table, name, length) for name, length in zip("xy", size, strict=True)]
    return [np.stack(pair, axis=1).tolist() for pair in zip(*sides, strict=True)]


def _split(table: pa.Table, name: str, length: int) -> list[NDArray[np.float64]]:
    column = table.column(name).combine_chunks()
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float64) / length
    ends = np.cumsum(column.value_lengths().to_numpy(zero_copy_only=False)) if len(column) else np.zeros(0, int)
    return np.split(values, ends[:-1]) if len(column) else []
