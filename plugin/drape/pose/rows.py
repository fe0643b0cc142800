"""Poses as arrays and as table rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import Boxes, Floats
from drape.pose.estimator import Points
from drape.tables import POSES, TRACKLETS

_WHO = ("frame", "time", "index", "tracklet", "person")
_BOX = ("x1", "y1", "x2", "y2")

RAW = pa.schema([*(field for field in POSES if field.name != "outside"), *(TRACKLETS.field(name) for name in _BOX)])
"""Poses as the estimator found them, with the person's box; a finished segment of the stage on disk."""


def raw_table(persons: pa.Table, points: Points, scores: Floats) -> pa.Table:
    """``RAW`` of persons (rows of ``PERSONS`` with an ``index``), points (N, K, 2) and scores (N, K)."""
    return _table(RAW, **_given(persons, *_WHO, *_BOX), **_lists(points, scores))


def poses_table(raw: pa.Table, points: Points, scores: Floats, outside: NDArray[np.bool_]) -> pa.Table:
    """``POSES`` of the rows of ``RAW`` with other points; ``outside`` (N, K)."""
    return _table(POSES, **_given(raw, *_WHO), **_lists(points, scores), outside=_list(outside, pa.bool_()))


def points_of(poses: pa.Table) -> tuple[Points, Floats]:
    """Points (N, K, 2) and scores (N, K) of ``POSES`` or ``RAW``, all rows of which have equally many points."""
    x, y, score = (_values(poses, name) for name in ("x", "y", "score"))
    return np.stack([x, y], axis=-1), score


def outside_of(points: Points, boxes: Boxes) -> NDArray[np.bool_]:
    """Which points (N, K, 2) lie outside their person's box (N, 4); those that are unknown do. Shape (N, K)."""
    inside: NDArray[np.bool_] = (points >= boxes[:, None, :2]) & (points <= boxes[:, None, 2:])
    return np.asarray(~inside.all(axis=-1))


def _table(schema: pa.Schema, **columns: Any) -> pa.Table:
    return pa.Table.from_arrays([columns[field.name] for field in schema], schema=schema)


def _given(table: pa.Table, *names: str) -> dict[str, pa.Array]:
    return {name: table.column(name).combine_chunks() for name in names}


def _lists(points: Points, scores: Floats) -> dict[str, pa.ListArray]:
    parts = {"x": points[..., 0], "y": points[..., 1], "score": scores}
    return {name: _list(values, pa.float32()) for name, values in parts.items()}


def _list(values: NDArray[Any], kind: pa.DataType) -> pa.ListArray:
    rows, count = values.shape
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * count)
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values).reshape(-1), kind))


def _values(poses: pa.Table, name: str) -> Floats:
    flat = poses.column(name).combine_chunks().flatten().to_numpy()
    return flat.reshape(poses.num_rows, -1) if poses.num_rows else np.zeros((0, 0), np.float32)
