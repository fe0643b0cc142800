"""One-to-one matching of true and found boxes, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from drape.boxes import Boxes, iou
from drape.errors import EvaluationError
from drape.tables import boxes_of

Rows = NDArray[np.int64]
Likeness = Callable[[Boxes, Boxes], NDArray[np.float32]]
"""How alike true (N, 4) and found (M, 4) boxes are, (N, M) in [0, 1]: ``boxes.iou``, or ``boxes.coverage``."""


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


def match(truth: pa.Table, found: pa.Table, threshold: float = 0.5, likeness: Likeness = iou) -> Matching:
    """Match two tables with ``frame`` and box columns, each frame by itself (see ``match_boxes``)."""
    a, b = boxes_of(truth), boxes_of(found)
    left: list[Rows] = [np.zeros(0, np.int64)]
    right: list[Rows] = [np.zeros(0, np.int64)]
    for _, i, j in pairs(truth, found):
        rows, columns = match_boxes(likeness(a[i], b[j]), threshold)
        left.append(i[rows])
        right.append(j[columns])
    return Matching(np.concatenate(left), np.concatenate(right))


def exact_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """IoU (N, M) in double precision, for measures with thresholds, such as .7, that single precision cannot hold."""
    shared = exact_intersection(a, b)
    whole = exact_area(a)[:, None] + exact_area(b)[None, :] - shared
    return np.divide(shared, whole, out=np.zeros(shared.shape), where=whole > 0)


def exact_intersection(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Shared areas (N, M) in square pixels, in double precision."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared: NDArray[np.float64] = np.prod(np.maximum(size, 0), axis=2)
    return shared


def exact_area(boxes: Boxes) -> NDArray[np.float64]:
    """Areas (N,) in square pixels, in double precision."""
    corners = boxes.astype(np.float64)
    sizes: NDArray[np.float64] = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    return sizes


def stacked(truths: Mapping[str, pa.Table], founds: Mapping[str, pa.Table]) -> tuple[pa.Table, pa.Table]:
    """The tables of all views as one truth and one result whose frames are numbered on from view to view.

    Matching, average precision, MOTA, IDF1 and HOTA of the pair are those over all views; identities are then compared
    over views too.

    Args:
        truths: tables of one schema by view, with ``frame``.
        founds: likewise; a view that is absent has found nothing.

    Raises:
        EvaluationError: a view has a result but no truth, or there are no views.
    """
    if not truths or set(founds) - set(truths):
        raise EvaluationError("A view has no truth", "Compare the views that the truth speaks of")
    tables = [*truths.values(), *founds.values()]
    stride = 1 + max((int(t.column("frame").to_numpy().max()) for t in tables if len(t)), default=0)
    offset = {view: number * stride for number, view in enumerate(truths)}
    shifted = [[_shifted(table, offset[view]) for view, table in views.items()] for views in (truths, founds)]
    found = shifted[1] or [shifted[0][0].slice(0, 0)]
    return pa.concat_tables(shifted[0]), pa.concat_tables(found)


def _shifted(table: pa.Table, frames: int) -> pa.Table:
    column = pa.array(table.column("frame").to_numpy().astype(np.int32) + np.int32(frames))
    return table.set_column(table.column_names.index("frame"), "frame", column)


def _by_frame(table: pa.Table) -> tuple[NDArray[np.int32], Rows]:
    frame = table.column("frame").to_numpy()
    order = np.argsort(frame, kind="stable")
    return frame[order], order


def _rows_at(frames: NDArray[np.int32], rows: Rows, frame: int) -> Rows:
    low, high = np.searchsorted(frames, [frame, frame + 1])
    return rows[low:high]
