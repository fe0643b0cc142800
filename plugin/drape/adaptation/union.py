"""Candidates of a base detector and of the adapted one together: adaptation may add, and never take away."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.adaptation.frames import by_frame
from drape.boxes import iou


def union(base: pa.Table, adapted: pa.Table, overlap: float) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Every candidate of the base, with the larger score where the adapted detector sees the same, and what it adds.

    An adapted candidate is of the same person as the base's that it overlaps most, if by more than ``overlap``; each
    base candidate takes at most one, the best scored first, keeps its box, and takes the larger of the two scores.
    So every box of the base stays where it is and loses no score, whatever was learned.

    Args:
        base, adapted: ``CANDIDATES`` of the same frames.
        overlap: IoU above which two candidates are of one person, as the detector's own ``nms_iou``.

    Returns:
        ``CANDIDATES``, best score first within a frame, and which rows the adapted detector added, shape (N,).
    """
    frames = np.union1d(base.column("frame").to_numpy(), adapted.column("frame").to_numpy())
    parts = [_frame(_rows(base, a), _rows(adapted, b), overlap) for a, b in by_frame(frames, base, adapted)]
    times = dict(zip(base.column("frame").to_pylist(), base.column("time").to_pylist(), strict=True))
    times |= dict(zip(adapted.column("frame").to_pylist(), adapted.column("time").to_pylist(), strict=True))
    counts = [len(rows) for rows, _ in parts]
    rows = np.concatenate([np.zeros((0, 5), np.float32), *(rows for rows, _ in parts)])
    added = np.concatenate([np.zeros(0, bool), *(new for _, new in parts)])
    table = tables.make(
        tables.CANDIDATES,
        frame=np.repeat(frames, counts).astype(np.int32),
        time=np.repeat([times[int(frame)] for frame in frames], counts).astype(np.float64),
        **tables.box_columns(rows[:, :4]),
        score=np.ascontiguousarray(rows[:, 4]),
    )
    return table, added


def _rows(table: pa.Table, span: slice) -> NDArray[np.float32]:
    part = table.slice(span.start, span.stop - span.start)
    return np.column_stack([tables.boxes_of(part), part.column("score").to_numpy()]).astype(np.float32)


def _frame(
    base: NDArray[np.float32], adapted: NDArray[np.float32], overlap: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    merged = base.copy()
    new: list[NDArray[np.float32]] = []
    same = iou(adapted[:, :4], base[:, :4])
    taken = np.zeros(len(base), bool)
    for k in np.argsort(-adapted[:, 4], kind="stable"):
        free = np.flatnonzero((same[k] > overlap) & ~taken)
        if not len(free):
            new.append(adapted[k])
            continue
        best = free[np.argmax(same[k, free])]
        taken[best] = True
        merged[best, 4] = max(merged[best, 4], adapted[k, 4])
    rows = np.concatenate([merged, np.array(new, np.float32).reshape(-1, 5)])
    added = np.arange(len(rows)) >= len(merged)
    order = np.argsort(-rows[:, 4], kind="stable")
    return rows[order], added[order]
