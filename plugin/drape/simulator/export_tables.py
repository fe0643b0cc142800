"""The truth of a simulated view as tables: their columns, and how a frame's truth becomes rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drape.simulator.export_rle import encode, run_lengths
from drape.simulator.keypoints import COUNT
from drape.simulator.truth import KINDS, FrameTruth
from drape.tables import box_columns, make

_KEY = [
    pa.field("frame", pa.int32(), nullable=False),
    pa.field("person", pa.int32(), nullable=False),
    pa.field("kind", pa.string(), nullable=False),
]


def _numbers(*names: str, nullable: bool = False) -> list[pa.Field]:
    return [pa.field(name, pa.float32(), nullable=nullable) for name in names]


FRAMES = pa.schema(
    [
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("time", pa.float64(), nullable=False),
        pa.field("world_time", pa.float64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("pose", pa.int32(), nullable=False),
    ]
)
"""Frames of a view: seconds they are stamped with, seconds of the world at which what they show happened, what the view
suffers ("", "frozen", "dark", "black"), and which of the view's calibrations holds."""

PERSONS = pa.schema(
    [
        *_KEY,
        pa.field("role", pa.string(), nullable=False),
        *_numbers("x1", "y1", "x2", "y2"),
        *_numbers("visible_x1", "visible_y1", "visible_x2", "visible_y2", nullable=True),
        *_numbers("visible", "in_frame", "area", "depth", "position_x", "position_y", "position_z"),
    ]
)
"""Who is in a frame. ``person`` is the identity in all views and frames, ``kind`` as in ``simulator.KINDS``. The first
box is of the whole body inside the frame, the second of what is seen (null: nothing). ``visible`` is the seen share of
the silhouette inside the frame, ``in_frame`` the share of the whole body's box that lies in it, ``area`` seen pixels,
``depth`` metres from the camera, the position that of the pelvis in the world in metres."""

HEADS = pa.schema(
    [
        *_KEY,
        *_numbers("centre_x", "centre_y", "axis_1", "axis_2", "angle", nullable=True),
        *_numbers("visible", "area"),
        pa.field("outline", pa.list_(pa.float32()), nullable=False),
    ]
)
"""Heads: the ellipse in pixels (full axes, turn in degrees as OpenCV has it; null: unknown), the seen share and the
pixels of the silhouette inside the frame, and the convex outline as x, y, x, y, ..., hidden parts included."""

KEYPOINTS = pa.schema([*_KEY, pa.field("points", pa.list_(pa.float32(), 3 * COUNT), nullable=False)])
"""Key points in the order of COCO-WholeBody, x, y, v: v is 2 seen, 1 hidden, 0 outside or not labelled (x = y = 0)."""

MASKS = pa.schema([*_KEY, pa.field("counts", pa.string(), nullable=False)])
"""Seen pixels of everybody of whom there are any, as COCO's compressed run lengths (see ``simulator.export_rle``)."""

SCHEMAS = {"frames": FRAMES, "persons": PERSONS, "heads": HEADS, "keypoints": KEYPOINTS, "masks": MASKS}

_FLUSH = 200
"""Frames whose rows are held before they are written."""


def present(truth: FrameTruth) -> NDArray[np.int64]:
    """Rows of a truth of whom anything, seen or hidden, lies inside the frame."""
    size = truth.boxes[:, 2:] - truth.boxes[:, :2]
    return np.flatnonzero((size > 0).all(axis=1))


def masks_of(truth: FrameTruth) -> dict[int, str]:
    """Compressed run lengths of the seen pixels, by row of the truth; rows of which nothing is seen are left out."""
    height, width = truth.instances.shape
    found: dict[int, str] = {}
    for row in np.flatnonzero(truth.area > 0).tolist():
        x1, y1 = np.maximum(np.floor(truth.visible_boxes[row, :2]).astype(int) - 1, 0)
        x2, y2 = np.ceil(truth.visible_boxes[row, 2:]).astype(int) + 1
        mask = truth.instances[y1:y2, x1:x2] == row + 1
        if mask.any():
            found[row] = encode(run_lengths(mask, (int(x1), int(y1)), (width, height)))
    return found


class ViewTables:
    """Writes the tables of one view while its frames come, in order.

    Args:
        folder: the table ``kind`` of the view becomes ``folder / kind / VIEW.parquet``.
        view: id of the view.
    """

    def __init__(self, folder: Path, view: str) -> None:
        self._writers: dict[str, pq.ParquetWriter] = {}
        for kind, schema in SCHEMAS.items():
            (folder / kind).mkdir(parents=True, exist_ok=True)
            self._writers[kind] = pq.ParquetWriter(folder / kind / f"{view}.parquet", schema, compression="zstd")
        self._held: dict[str, list[pa.Table]] = {kind: [] for kind in SCHEMAS}

    def add(self, truth: FrameTruth, pose: int, masks: dict[int, str]) -> None:
        """Append a frame.

        Args:
            truth: of the frame.
            pose: number of the calibration that holds.
            masks: from ``masks_of``.
        """
        rows = present(truth)
        tables = {
            "frames": _frame(truth, pose),
            "persons": _persons(truth, rows),
            "heads": _heads(truth, rows),
            "keypoints": _keypoints(truth, rows),
            "masks": make(MASKS, **_key(truth, np.array([*masks], np.int64)), counts=list(masks.values())),
        }
        for kind, table in tables.items():
            self._held[kind].append(table)
        if len(self._held["frames"]) >= _FLUSH:
            self._flush()

    def close(self) -> None:
        """Write what is held and finish the files."""
        self._flush()
        for writer in self._writers.values():
            writer.close()

    def _flush(self) -> None:
        for kind, held in self._held.items():
            if held:
                self._writers[kind].write_table(pa.concat_tables(held))
                held.clear()


def _key(truth: FrameTruth, rows: NDArray[np.int64]) -> dict[str, object]:
    frame = np.full(len(rows), truth.frame, np.int32)
    return {"frame": frame, "person": truth.person[rows], "kind": [KINDS[k] for k in truth.kind[rows]]}


def _frame(truth: FrameTruth, pose: int) -> pa.Table:
    times = {"time": [truth.time], "world_time": [truth.world_time]}
    return make(FRAMES, frame=[truth.frame], **times, state=[truth.state], pose=[pose])


def _persons(truth: FrameTruth, rows: NDArray[np.int64]) -> pa.Table:
    seen = np.where(truth.area[rows, None] > 0, truth.visible_boxes[rows], np.nan)
    position = {f"position_{axis}": truth.position[rows, i] for i, axis in enumerate("xyz")}
    plain = {name: getattr(truth, name)[rows] for name in ("visible", "in_frame", "area", "depth")}
    return make(
        PERSONS,
        **_key(truth, rows),
        role=truth.role[rows].tolist(),
        **box_columns(truth.boxes[rows]),
        **{f"visible_{name}": column for name, column in box_columns(seen).items()},
        **plain,
        **position,
    )


def _heads(truth: FrameTruth, rows: NDArray[np.int64]) -> pa.Table:
    ellipse = dict(zip(HEADS.names[3:8], np.ascontiguousarray(truth.head_ellipses[rows].T), strict=True))
    outlines = [np.asarray(truth.head_polygons[row], np.float32).ravel() for row in rows]
    shares = {"visible": truth.head_visible[rows], "area": truth.head_area[rows]}
    return make(HEADS, **_key(truth, rows), **ellipse, **shares, outline=outlines)


def _keypoints(truth: FrameTruth, rows: NDArray[np.int64]) -> pa.Table:
    points = np.ascontiguousarray(truth.keypoints[rows], np.float32).reshape(len(rows), -1)
    return make(KEYPOINTS, **_key(truth, rows), points=list(points))
