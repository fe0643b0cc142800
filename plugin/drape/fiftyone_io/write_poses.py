"""Key points and head regions to frame labels, in bulk."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import fiftyone as fo
import numpy as np
import pyarrow as pa
from bson import ObjectId
from numpy.typing import NDArray

from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.fiftyone_io.write import Document, floats, identity_columns, write_labels
from drape.pipeline import Workspace
from drape.progress import Progress, silent

HEAD = "head"
_FACE = (range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36))
_FACE_RINGS = (range(36, 42), range(42, 48), range(48, 60), range(60, 68))
_HAND = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (0, 9, 10, 11, 12), (0, 13, 14, 15, 16), (0, 17, 18, 19, 20))
_BODY = (
    *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10)),
    *((1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
)
_FEET = ((15, 17), (15, 18), (15, 19), (16, 20), (16, 21), (16, 22))
_BODY_NAMES = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
    *("right_ankle",),
)
_FOOT_NAMES = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")


def whole_body_skeleton() -> fo.KeypointSkeleton:
    """The 133 points of COCO-WholeBody (Jin et al., 2020): body, feet, face, left hand, right hand."""
    names = [*_BODY_NAMES, *_FOOT_NAMES, *(f"face_{i}" for i in range(68))]
    names += [f"{side}_hand_{i}" for side in ("left", "right") for i in range(21)]
    face = [list(pair) for part in _FACE for pair in pairwise(23 + i for i in part)]
    face += [[23 + a, 23 + b] for ring in _FACE_RINGS for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)]
    hands = [[start + a, start + b] for start in (91, 112) for finger in _HAND for a, b in pairwise(finger)]
    wrists = [[9, 91], [10, 112]]
    return fo.KeypointSkeleton(labels=names, edges=[*map(list, _BODY + _FEET), *face, *hands, *wrists])


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
