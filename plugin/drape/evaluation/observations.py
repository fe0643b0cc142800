"""Every sight of a true person in one table, whatever was evaluated, and labels to group the sights by.

What counts as ``covered`` is the caller's choice: found at an IoU (``detection.hits``), or hidden by masks
(``exposure.hidden_share``). ``multiview`` and ``exposure_rates`` are measures of this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from drape.boxes import area
from drape.errors import EvaluationError
from drape.evaluation.coco import SIZES
from drape.evaluation.continuity import frame_durations
from drape.tables import boxes_of, make

OBSERVATIONS = pa.schema(
    [
        pa.field("view", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("instant", pa.int64(), nullable=False),
        pa.field("time", pa.float64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("person", pa.int32(), nullable=False),
        pa.field("area", pa.float64(), nullable=False),
        pa.field("covered", pa.bool_(), nullable=False),
    ]
)
"""One row per person, view and frame in which the person is to be seen. ``instant`` is the same in all views that show
the same moment, ``person`` the same for one person in all views (-1: nobody knows, every sight stands alone);
``seconds`` is for how long the frame is shown, ``area`` that of the box in square pixels. Further columns (role,
visibility) may follow."""


def observe(
    view: str,
    truth: pa.Table,
    covered: ArrayLike,
    times: NDArray[np.float64],
    instants: NDArray[np.int64] | None = None,
    **labels: ArrayLike,
) -> pa.Table:
    """The sights of one view.

    Args:
        view: the view's name.
        truth: table with ``frame``, ``id`` (the person) and box columns, N rows.
        covered: (N,) whether each was found or hidden.
        times: (F,) seconds at which the frames are shown, F >= 2 and > the last frame of the truth.
        instants: (F,) the number of the moment each frame shows; by default the frame's own number.
        labels: further columns, (N,) each.

    Raises:
        EvaluationError: a frame of the truth has no time, or a column has another length.
    """
    frame = truth.column("frame").to_numpy()
    if len(times) < 2 or (len(frame) and frame.max() >= len(times)):
        raise EvaluationError("A frame of the truth has no time", "Cut the truth to the evaluated frames first")
    if any(len(np.asarray(column)) != len(truth) for column in (covered, *labels.values())):
        raise EvaluationError("A column has another length than the truth", "Give one value for each true box")
    table = make(
        OBSERVATIONS,
        view=pa.array([view]).take(pa.array(np.zeros(len(truth), np.int32))),
        frame=frame,
        instant=frame.astype(np.int64) if instants is None else instants[frame],
        time=times[frame],
        seconds=frame_durations(times)[frame],
        person=truth.column("id").to_numpy(),
        area=area(boxes_of(truth)).astype(np.float64),
        covered=np.asarray(covered, bool),
    )
    for name, column in labels.items():
        table = table.append_column(name, pa.array(column))
    return table


def joined(views: Sequence[pa.Table]) -> pa.Table:
    """The sights of several views as one table.

    Raises:
        EvaluationError: the tables have different columns.
    """
    if len({tuple(table.column_names) for table in views}) != 1:
        raise EvaluationError("The views have different columns", "Label all views, or none")
    return pa.concat_tables(views)


def by_edges(values: ArrayLike, edges: Sequence[float]) -> NDArray[np.str_]:
    """Labels such as ``0.25-0.5`` of the bins [edge, next edge) the values lie in; the last bin is closed.

    Args:
        values: (N,), e.g. visibilities; NaN is labelled ``unknown``.
        edges: rising; values beyond them are labelled ``< first`` or ``> last``.
    """
    x, e = np.asarray(values, np.float64), np.asarray(edges, np.float64)
    names = [f"< {e[0]:g}", *(f"{low:g}-{high:g}" for low, high in pairwise(e)), f"> {e[-1]:g}"]
    place = np.searchsorted(e, x, side="right")
    place[x == e[-1]] = len(e) - 1
    return np.where(np.isnan(x), "unknown", np.array(names)[place])


def by_size(observations: pa.Table) -> NDArray[np.str_]:
    """Labels ``small``, ``medium``, ``large`` after COCO's areas."""
    edges = [high for _, high in list(SIZES.values())[:-1]]
    labels: NDArray[np.str_] = np.array(list(SIZES))[
        np.searchsorted(edges, observations.column("area").to_numpy(), side="right")
    ]
    return labels


def by_time(observations: pa.Table, width: float) -> NDArray[np.str_]:
    """Labels such as ``600-1200`` of stretches of ``width`` seconds from time 0."""
    start = np.floor(observations.column("time").to_numpy() / width) * width
    starts, index = np.unique(start, return_inverse=True)
    return np.array([f"{s:g}-{s + width:g}" for s in starts], np.str_)[index]


def by_column(observations: pa.Table, name: str) -> NDArray[np.str_]:
    """The values of a column (``view``, ``role``) as labels; null is labelled ``unknown``."""
    column = observations.column(name).combine_chunks().dictionary_encode()
    names = [*(str(value) for value in column.dictionary.to_pylist()), "unknown"]
    return np.array(names, np.str_)[column.indices.fill_null(len(names) - 1).to_numpy()]
