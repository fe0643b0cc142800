"""The tracking stage for one view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.boxes import as_boxes, clip
from drape.errors import WorkspaceError
from drape.tracking.config import TrackingConfig
from drape.tracking.existence import existence
from drape.tracking.pace import measure_pace
from drape.tracking.passes import Detections, Ints, run_pass
from drape.tracking.smoothing import fill, smooth
from drape.tracking.union import unite

PACE_FRAMES = 3000
"""Frames on which the pace is measured."""


def track_view(
    frames: pa.Table, candidates: pa.Table, size: tuple[int, int] | None = None, config: TrackingConfig | None = None
) -> pa.Table:
    """Turn a view's candidates into persons.

    Args:
        frames: the view's ``FRAMES`` table.
        candidates: the view's ``CANDIDATES`` table.
        size: width and height of the upright frame, in pixels; boxes are cut at its edges. None leaves them whole.
        config: settings.

    Returns:
        ``TRACKLETS``, sorted by frame, then tracklet; tracklets are numbered by their first frame.

    Raises:
        WorkspaceError: a candidate lies on a frame that the view does not have.
    """
    config = config or TrackingConfig()
    detections = arrange(frames, candidates, config.floor_score)
    confident = _head(detections, config.high_score)
    pace = measure_pace(confident, run_pass(confident, config, 1.0))
    forward = run_pass(detections, config, pace)
    backward = run_pass(detections, config, pace, backward=True)
    owner = unite(detections, forward, backward)
    return _persons(detections, owner, pace, size, config, frames)


def arrange(frames: pa.Table, candidates: pa.Table, floor: float = 0.0) -> Detections:
    """Candidates of at least ``floor`` as arrays, sorted by frame and falling score, with each frame's time.

    Raises:
        WorkspaceError: a candidate lies on a frame that the view does not have.
    """
    index = frames.column("frame").to_numpy()
    frame = candidates.column("frame").to_numpy()
    score = candidates.column("score").to_numpy()
    position = np.searchsorted(index, frame)
    if len(frame) and (position.max() >= len(index) or not np.array_equal(index[position], frame)):
        raise WorkspaceError("Candidates lie on frames that the view does not have", "Run detection again")
    within = np.arange(len(frame)) - np.searchsorted(frame, frame)
    keep = np.flatnonzero(score >= floor)
    keep = keep[np.lexsort((-score[keep], position[keep]))]
    boxes = tables.boxes_of(candidates)[keep]
    starts = np.searchsorted(position[keep], np.arange(len(index) + 1))
    return Detections(boxes, score[keep], within[keep], frames.column("time").to_numpy(), starts.astype(np.int64))


def _head(detections: Detections, least_score: float) -> Detections:
    """The confident candidates of the first frames."""
    count = min(PACE_FRAMES, len(detections.times))
    keep = detections.scores[: detections.starts[count]] >= least_score
    starts = np.concatenate([[0], np.cumsum(keep)])[detections.starts[: count + 1]]
    rows = np.flatnonzero(keep)
    return Detections(
        detections.boxes[rows], detections.scores[rows], detections.origin[rows], detections.times[:count], starts
    )


def _persons(
    detections: Detections,
    owner: Ints,
    pace: float,
    size: tuple[int, int] | None,
    config: TrackingConfig,
    frames: pa.Table,
) -> pa.Table:
    at = detections.frame_of()
    parts = [_dense(detections, at, rows, config.max_gap_s) for rows in _tracklets(at, owner)]
    pieces = [piece for part in parts for piece in part]
    pieces.sort(key=lambda piece: (int(piece.frame[0]), int(piece.boxes[0, 0])))
    if not pieces:
        return tables.empty(tables.TRACKLETS)
    frame = np.concatenate([p.frame for p in pieces])
    score = np.concatenate([p.score for p in pieces])
    origin = np.concatenate([p.origin for p in pieces])
    tracklet = np.repeat(np.arange(len(pieces)), [len(p.frame) for p in pieces])
    time = detections.times[frame]
    exists = np.concatenate([existence(detections.times[p.frame], p.score, pace) for p in pieces])
    raw = np.concatenate([p.boxes for p in pieces])
    boxes = as_boxes(smooth(time, raw, score, tracklet, config.smoothing_s / pace))
    if size:
        boxes = clip(boxes, *size)
    source = np.where(np.isnan(score), "interpolated", np.where(score >= config.high_score, "detected", "tracked"))
    inside = (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
    keep = np.flatnonzero(inside & (exists >= config.min_existence_kept))
    keep = keep[np.lexsort((tracklet[keep], frame[keep]))]
    return tables.make(
        tables.TRACKLETS,
        frame=frames.column("frame").to_numpy()[frame[keep]],
        time=time[keep],
        tracklet=tracklet[keep].astype(np.int32),
        existence=exists[keep].astype(np.float32),
        source=source[keep],
        score=score[keep].astype(np.float32),
        candidate=pa.array(origin[keep].astype(np.int32), mask=origin[keep] < 0),
        **tables.box_columns(boxes[keep]),
    )


def _tracklets(frame: Ints, owner: Ints) -> list[Ints]:
    """Rows of every tracklet in order of time."""
    rows = np.flatnonzero(owner >= 0)
    rows = rows[np.lexsort((frame[rows], owner[rows]))]
    return [part for part in np.split(rows, np.flatnonzero(np.diff(owner[rows])) + 1) if len(part)]


@dataclass
class _Piece:
    """A tracklet without holes: frame positions (K,), boxes (K, 4), scores (K,) and candidates' rows (K,).

    Where a frame was filled in, the score is NaN and the row -1.
    """

    frame: Ints
    boxes: NDArray[np.float64]
    score: NDArray[np.float64]
    origin: Ints


def _dense(detections: Detections, at: Ints, rows: Ints, max_gap: float) -> list[_Piece]:
    """A tracklet as pieces without holes, cut at gaps that are too long."""
    frame = at[rows]
    times = detections.times[frame]
    pieces = []
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(times) > max_gap) + 1):
        known = frame[part]
        wanted: Ints = np.arange(known[0], known[-1] + 1, dtype=np.int64)
        score: NDArray[np.float64] = np.full(len(wanted), np.nan)
        origin: Ints = np.full(len(wanted), -1, np.int64)
        score[known - known[0]] = detections.scores[rows[part]]
        origin[known - known[0]] = detections.origin[rows[part]]
        boxes = fill(known, detections.boxes[rows[part]].astype(np.float64), wanted)
        pieces.append(_Piece(wanted, boxes, score, origin))
    return pieces
