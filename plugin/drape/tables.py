"""The column schema of every table the stages exchange, and how tables are kept on disk (Parquet).

There is one table of a kind per view unless said otherwise; rows are sorted by ``frame``. Times are seconds of the
recording's clock, boxes are pixels of the upright frame.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.errors import WorkspaceError

_TEXT, _SECONDS = pa.string(), pa.float64()


def _known(**types: pa.DataType) -> list[pa.Field]:
    """Columns that are known in every row."""
    return [pa.field(name, kind, nullable=False) for name, kind in types.items()]


_BOX = [pa.field(name, pa.float32(), nullable=False) for name in ("x1", "y1", "x2", "y2")]
_FRAME = [pa.field("frame", pa.int32(), nullable=False)]
_TIME = [pa.field("time", pa.float64(), nullable=False)]

FRAMES = pa.schema([*_FRAME, pa.field("pts", pa.int64(), nullable=False), *_TIME])
"""Every frame of a view: index in presentation order, presentation time in ticks of the view's time base, time."""

COVERED = pa.schema([*_FRAME, pa.field("known", pa.bool_(), nullable=False), pa.field("reason", pa.string())])
"""What the detector could say of each frame. ``known`` is false where it failed; ``reason`` then says why."""

GLIMPSES = pa.schema([*_FRAME, *_TIME, pa.field("picture", pa.binary(), nullable=False)])
"""Small grey JPEG pictures of a view, a few seconds apart."""

CANDIDATES = pa.schema([*_FRAME, *_TIME, *_BOX, pa.field("score", pa.float32(), nullable=False)])
"""Detector boxes, low scores included."""

_ORIGIN = [
    pa.field("tracklet", pa.int32(), nullable=False),
    pa.field("existence", pa.float32(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("score", pa.float32()),
    pa.field("candidate", pa.int32()),
]

TRACKLETS = pa.schema([*_FRAME, *_TIME, *_BOX, *_ORIGIN])
"""Persons as one view alone knows them over time: existence probability in [0, 1] (>= .5 is accepted), ``source`` as in
``SOURCES``. ``score`` is the detector's own and ``candidate`` the row of the candidate within its frame (the order of
``CANDIDATES``); both are null where no candidate stands behind the box."""

PERSONS = pa.schema(
    [
        *TRACKLETS,
        pa.field("person", pa.int32()),
        pa.field("over_time", pa.float32()),
        pa.field("over_views", pa.float32()),
        pa.field("copy", pa.bool_(), nullable=False),
    ]
)
"""Persons with all evidence used. ``person`` is the identity over time and views (null: unknown), ``over_time`` and
``over_views`` are the log-odds that the tracklet and the other views add to ``existence`` (null: nothing to say), and
``copy`` marks a second image of the same person in one view (a reflection): masked, but not counted."""

MISSED = pa.schema(
    [
        *_FRAME,
        *_TIME,
        *_BOX,
        pa.field("probability", pa.float32(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("tracklet", pa.int32()),
        pa.field("person", pa.int32()),
    ]
)
"""Where a person is expected and nothing was accepted: the expected box, the probability that somebody is missed there,
and why (``REASONS``). ``tracklet`` and ``person`` name whom it would be, where that is known."""

REASONS = (
    "interrupted",
    "began_inside",
    "ended_inside",
    "seen_elsewhere",
    "fewer_heads",
    "low_score",
    "detectors_differ",
)

PAIRS = pa.schema(
    [
        *_TIME,
        *_known(view_a=_TEXT, frame_a=pa.int32(), index_a=pa.int32()),
        *_known(view_b=_TEXT, frame_b=pa.int32(), index_b=pa.int32()),
        *_known(probability=pa.float32(), matched=pa.bool_()),
    ]
)
"""Detections of two views at one instant: the probability that they are of one person, and whether the assignment took
them. ``index`` is the row of the detection within its view and frame. One table per recording, sorted by time."""

IDENTITIES = pa.schema([*_known(view=_TEXT), *_FRAME, *_known(index=pa.int32(), person=pa.int32(), copy=pa.bool_())])
"""Which person each detection is of; ``index`` as in ``PAIRS``, ``copy`` as in ``PERSONS``. One table per recording."""

EXPECTED = pa.schema(
    [
        pa.field("view", pa.string(), nullable=False),
        *_FRAME,
        *_TIME,
        *_BOX,
        pa.field("person", pa.int32(), nullable=False),
        pa.field("from_view", pa.string(), nullable=False),
        pa.field("from_index", pa.int32(), nullable=False),
        pa.field("spread", pa.float32(), nullable=False),
        pa.field("inside", pa.float32(), nullable=False),
    ]
)
"""Where a person seen in ``from_view`` should appear in ``view``: the expected box, its typical error in box heights
(``spread``), and the probability that the place lies in what this view shows (``inside``). One table per recording."""

INTERVALS = pa.schema(
    _known(view=_TEXT, start=_SECONDS, stop=_SECONDS, label=_TEXT, confidence=pa.float32(), reason=_TEXT)
)
"""Stretches of a view, in seconds of the recording, that a curator should know of: ``likely_missed``,
``unsynchronized``, ``camera_moved``. One table per recording."""

CLOCKS = pa.schema(
    [
        *_known(view=_TEXT, start=_SECONDS, stop=_SECONDS, offset=_SECONDS, drift=pa.float64()),
        *_known(confidence=pa.float32(), in_sync=pa.bool_()),
    ]
)
"""Clocks estimated from the detections: within [start, stop) of the view's own recording time, corrected time = offset
+ (1 + drift) * time. Where ``in_sync`` is false nothing is known, and the view is associated with no other."""

LABELS = pa.schema(
    [
        pa.field("view", pa.string(), nullable=False),
        *_FRAME,
        *_TIME,
        *_BOX,
        pa.field("weight", pa.float32(), nullable=False),
        pa.field("ignored", pa.bool_(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)
"""Pseudo labels: persons to learn from with their ``weight`` in (0, 1], and, where ``ignored``, regions of which
nothing is to be learned (weight 0). One table per recording; frames chosen as background have no row here."""

CHOSEN = pa.schema([pa.field("view", pa.string(), nullable=False), *_FRAME, *_TIME, pa.field("reason", pa.string())])
"""Frames chosen for training, background frames included, and why. One table per recording."""

POSES = pa.schema(
    [
        *_FRAME,
        *_TIME,
        pa.field("index", pa.int32(), nullable=False),
        pa.field("tracklet", pa.int32(), nullable=False),
        pa.field("person", pa.int32()),
        *(pa.field(name, pa.list_(pa.float32()), nullable=False) for name in ("x", "y", "score")),
        pa.field("outside", pa.list_(pa.bool_()), nullable=False),
    ]
)
"""Key points of persons, one row per person and frame: ``index`` is the row of the person within its frame, of
``PERSONS`` and then those a curator added. 133 points in the order of COCO-WholeBody, or the first 17 of them; pixels
of the upright frame (NaN: unknown), scores in [0, 1], and ``outside``: the point is unknown or outside the box."""

HEAD_RULES = ("key_points", "over_time", "over_views", "upper_box", "whole_box")

HEADS = pa.schema(
    [
        *_FRAME,
        *_TIME,
        pa.field("index", pa.int32(), nullable=False),
        pa.field("tracklet", pa.int32(), nullable=False),
        pa.field("person", pa.int32()),
        *_BOX,
        *(pa.field(name, pa.list_(pa.float32()), nullable=False) for name in ("x", "y")),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),
    ]
)
"""The region of every person's head: a convex polygon (``x``, ``y``) and the box around it, and by which of
``HEAD_RULES`` it was made. ``index`` as in ``POSES``."""

SOURCES = ("detected", "tracked", "associated", "interpolated", "reviewed")

REGIONS = pa.schema(
    [
        *_FRAME,
        *(pa.field(name, pa.int32(), nullable=False) for name in ("x1", "y1", "x2", "y2")),
        pa.field("fill", pa.int32(), nullable=False),
    ]
)
"""Masked rectangles of a released view, in whole pixels, half-open, on even coordinates; ``fill`` indexes ``FILLS``.
Later rows of a frame lie over earlier ones."""

FILLS = pa.schema(
    [
        pa.field("fill", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("rows", pa.int32(), nullable=False),
        pa.field("cols", pa.int32(), nullable=False),
        pa.field("y", pa.list_(pa.uint8()), nullable=False),
        pa.field("u", pa.list_(pa.uint8()), nullable=False),
        pa.field("v", pa.list_(pa.uint8()), nullable=False),
    ]
)
"""What stands inside masked rectangles: a grid of ``rows`` x ``cols`` cells per plane (1 x 1 for a solid fill)."""

STATES = pa.schema([*_FRAME, pa.field("state", pa.string(), nullable=False)])
"""The decision about each frame of a released view: ``detected``, ``verified_empty`` or ``unknown``."""


def boxes_of(table: pa.Table) -> Boxes:
    """The box columns of a table, shape (N, 4) float32."""
    columns = [table.column(name).to_numpy() for name in ("x1", "y1", "x2", "y2")]
    return np.ascontiguousarray(np.stack(columns, axis=1).astype(np.float32)) if len(table) else np.zeros((0, 4), "f4")


def box_columns(boxes: Boxes) -> dict[str, NDArray[np.float32]]:
    """Columns ``x1, y1, x2, y2`` of an (N, 4) array."""
    return {name: np.ascontiguousarray(boxes[:, i]) for i, name in enumerate(("x1", "y1", "x2", "y2"))}


def make(schema: pa.Schema, **columns: object) -> pa.Table:
    """A table of ``schema`` from arrays or lists, one per field.

    Raises:
        KeyError: a field is missing.
        ValueError: a value that must be known is null.
    """
    arrays = [pa.array(columns[f.name], type=f.type, from_pandas=f.nullable) for f in schema]
    for field, array in zip(schema, arrays, strict=True):
        if array.null_count and not field.nullable:
            raise ValueError(f"the column {field.name} must be known in every row")
    return pa.Table.from_arrays(arrays, schema=schema)


def unconfirmed(tracklets: pa.Table) -> pa.Table:
    """``TRACKLETS`` as ``PERSONS`` of which only their own view has been heard."""
    count = tracklets.num_rows
    return make(
        PERSONS,
        **{name: tracklets.column(name).combine_chunks() for name in TRACKLETS.names},
        person=pa.nulls(count, pa.int32()),
        over_time=pa.nulls(count, pa.float32()),
        over_views=pa.nulls(count, pa.float32()),
        copy=np.zeros(count, bool),
    )


def empty(schema: pa.Schema) -> pa.Table:
    """A table of ``schema`` without rows."""
    return schema.empty_table()


def write(table: pa.Table, path: Path) -> str:
    """Write a table so that the file is either whole or absent.

    Returns:
        sha256 of the file.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        pq.write_table(table, partial, compression="zstd")
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        digest = sha256(partial)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise WorkspaceError(
            f"A table could not be written ({error.strerror})", "Free disk space, then run again"
        ) from error
    return digest


def read(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table and check its schema.

    Raises:
        WorkspaceError: the file is missing, damaged, or of another schema.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise WorkspaceError(
            f"The table {path.parent.name}/{path.name} is missing", "Run the stage that makes it"
        ) from error
    except (pa.ArrowInvalid, OSError) as error:
        raise WorkspaceError(
            f"The table {path.parent.name}/{path.name} is damaged", "Delete it and run the stage again"
        ) from error
    if not table.schema.equals(schema, check_metadata=False):
        raise WorkspaceError(
            f"The table {path.parent.name}/{path.name} has other columns", "It was made by another version: run again"
        )
    return table


def join(parts: list[Path], path: Path, schema: pa.Schema) -> None:
    """Join tables of one schema into one file, a row group per part, without holding them all in memory.

    Raises:
        WorkspaceError: a part is damaged, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            for part in parts:
                writer.write_table(read(part, schema))
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise WorkspaceError(
            f"A table could not be written ({error.strerror})", "Free disk space, then run again"
        ) from error


def rows(path: Path) -> int:
    """Number of rows of a table on disk, from its footer."""
    return int(pq.read_metadata(path).num_rows)


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
