"""One-to-one matching of true and found boxes, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from drape.boxes import iou
from drape.tables import boxes_of

Rows = NDArray[np.int64]


class Matching(NamedTuple):
    """Which true row was matched with which found row.

    ``truth`` and ``found`` hold row numbers of the two tables and have the same length.
    """

    truth: Rows
    found: Rows


def pairs(truth: pa.Table, found: pa.Table) -> Iterator[tuple[int, Rows, Rows]]:
    """For every frame that occurs in either table: its index, and its row numbers in each table."""
    frames_a, rows_a = _by_frame(truth)
    frames_b, rows_b = _by_frame(found)
    for frame in np.union1d(frames_a, frames_b):
        yield int(frame), _rows_at(frames_a, rows_a, frame), _rows_at(frames_b, rows_b, frame)


def match_boxes(overlap: NDArray[np.float32], threshold: float) -> tuple[Rows, Rows]:
    """The one-to-one matching with the most pairs at IoU >= threshold and, among those, the largest sum of IoU.

    Args:
        overlap: (N, M) IoU.
        threshold: least IoU of a pair.

    Returns:
        Matched rows and columns.
    """
    valid = overlap >= threshold
    # A pair is worth more than all the IoU that could be gained by giving it up.
    bonus = 1.0 + min(overlap.shape)
    rows, columns = linear_sum_assignment(np.where(valid, bonus + overlap.astype(np.float64), 0.0), maximize=True)
    keep = valid[rows, columns]
    return rows[keep], columns[keep]


def match(truth: pa.Table, found: pa.Table, threshold: float = 0.5) -> Matching:
    """Match two tables with ``frame`` and box columns, each frame by itself (see ``match_boxes``)."""
    a, b = boxes_of(truth), boxes_of(found)
    left: list[Rows] = [np.zeros(0, np.int64)]
    right: list[Rows] = [np.zeros(0, np.int64)]
    for _, i, j in pairs(truth, found):
        rows, columns = match_boxes(iou(a[i], b[j]), threshold)
        left.append(i[rows])
        right.append(j[columns])
    return Matching(np.concatenate(left), np.concatenate(right))


def _by_frame(table: pa.Table) -> tuple[NDArray[np.int32], Rows]:
    frame = table.column("frame").to_numpy()
    order = np.argsort(frame, kind="stable")
    return frame[order], order


def _rows_at(frames: NDArray[np.int32], rows: Rows, frame: int) -> Rows:
    low, high = np.searchsorted(frames, [frame, frame + 1])
    return rows[low:high]
