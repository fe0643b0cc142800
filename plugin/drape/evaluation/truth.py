"""Boxes with identities: truths and results of trackers, read from MOT text or taken from accepted persons.

The text format is that of the MOT challenge (Milan et al., "MOT16", 2016, section 3): one box a line,
``frame,id,x,y,w,h,conf[,class,visibility]`` or, as in MOT15, ``frame,id,x,y,w,h,conf,X,Y,Z``; frames count from 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.boxes import as_boxes
from drape.errors import EvaluationError
from drape.tables import box_columns, make

TRACKS = pa.schema(
    [
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("id", pa.int32(), nullable=False),
        *(pa.field(name, pa.float32(), nullable=False) for name in ("x1", "y1", "x2", "y2")),
    ]
)
"""Boxes with identities: frame index (from 0), identity, box in pixels; sorted by frame, then identity."""

ACCEPTED = 0.5
"""Existence probability from which on a person is accepted."""

_PEDESTRIAN = 1
_MOT16_COLUMNS = 9


def read_truth(path: Path, minimum_visibility: float = 0.0) -> pa.Table:
    """Read a ground truth in MOT text.

    Rows with conf 0 are marked by the annotators as not to be considered and are left out, and so are, where the
    file has a class column, all classes but pedestrian (1).

    Args:
        path: the text file; frame numbers count from 1.
        minimum_visibility: leave out boxes less visible than this share (files with nine columns only).

    Returns:
        Table ``TRACKS``.

    Raises:
        EvaluationError: the file is missing, malformed, or holds an identity twice in a frame.
    """
    rows = _read_rows(path, "truth")
    rows = rows[rows[:, 6] != 0]
    if rows.shape[1] == _MOT16_COLUMNS:
        rows = rows[(rows[:, 7] == _PEDESTRIAN) & (rows[:, 8] >= minimum_visibility)]
    return _tracks(rows, "truth")


def read_tracks(path: Path) -> pa.Table:
    """Read a tracker's result in MOT text.

    Rows whose conf is a probability below ``ACCEPTED`` are left out; trackers that write no probability write -1.

    Returns:
        Table ``TRACKS``.

    Raises:
        EvaluationError: as for ``read_truth``.
    """
    rows = _read_rows(path, "result")
    return _tracks(rows[(rows[:, 6] < 0) | (rows[:, 6] >= ACCEPTED)], "result")


def accepted(persons: pa.Table, least: float = ACCEPTED) -> pa.Table:
    """The rows of a ``PERSONS`` table with at least this existence as ``TRACKS``; the tracklet is the identity.

    Raises:
        EvaluationError: a tracklet has two boxes in a frame.
    """
    rows = persons.filter(pc.greater_equal(persons.column("existence"), least))
    columns = {name: rows.column(name).to_numpy() for name in ("frame", "x1", "y1", "x2", "y2")}
    return _sorted(make(TRACKS, id=rows.column("tracklet").to_numpy(), **columns), "result")


def between(table: pa.Table, start: int, stop: int) -> pa.Table:
    """The rows of any table with a ``frame`` column whose frame lies in [start, stop)."""
    frame = table.column("frame")
    return table.filter(pc.and_(pc.greater_equal(frame, start), pc.less(frame, stop)))


def _read_rows(path: Path, role: str) -> NDArray[np.float64]:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"The {role} cannot be read", "Name a MOT text file that exists") from error
    if not text.strip():
        return np.zeros((0, _MOT16_COLUMNS))
    try:
        rows = np.loadtxt(text.splitlines(), delimiter=",", ndmin=2)
    except ValueError as error:
        raise EvaluationError(f"The {role} is not MOT text", "Write frame,id,x,y,w,h,conf,… on every line") from error
    if rows.shape[1] < 7 or not np.isfinite(rows[:, :7]).all():
        raise EvaluationError(f"The {role} lacks columns or holds no numbers", "Write frame,id,x,y,w,h,conf,…")
    if (rows[:, 0] < 1).any() or (rows[:, :2] != np.round(rows[:, :2])).any():
        raise EvaluationError(f"The {role} has a frame below 1 or a broken identity", "Count frames from 1")
    if (rows[:, 4:6] <= 0).any():
        raise EvaluationError(f"The {role} has a box without width or height", "Leave such boxes out")
    return rows


def _tracks(rows: NDArray[np.float64], role: str) -> pa.Table:
    boxes = as_boxes(np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1))
    frame = rows[:, 0].astype(np.int32) - 1
    return _sorted(make(TRACKS, frame=frame, id=rows[:, 1].astype(np.int32), **box_columns(boxes)), role)


def _sorted(tracks: pa.Table, role: str) -> pa.Table:
    frame, identity = tracks.column("frame").to_numpy(), tracks.column("id").to_numpy()
    order = np.lexsort((identity, frame))
    frame, identity = frame[order], identity[order]
    if ((np.diff(frame) == 0) & (np.diff(identity) == 0)).any():
        raise EvaluationError(f"The {role} has an identity twice in a frame", "Give each box its own identity")
    return tracks.take(order)
