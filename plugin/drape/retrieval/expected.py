"""Where persons seen in other views should appear in a view: one box per person and frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from drape import tables
from drape.boxes import Boxes, as_boxes
from drape.retrieval.others import view_positions
from drape.retrieval.pairing import Floats, Ints
from drape.retrieval.rows import NOBODY, Rows

SMOOTH_S = 0.25
"""Seconds to either side over which expected boxes are averaged: those of single frames shake."""


@dataclass(frozen=True)
class Expected:
    """Persons expected in one view, sorted by person, then frame.

    ``probability`` (N,) that the person exists and the place is in the picture, ``spread`` (N,) the box's typical
    error in heights.
    """

    person: Ints
    frame: Ints
    time: Floats
    boxes: Boxes
    probability: Floats
    spread: Floats

    def __len__(self) -> int:
        return len(self.person)

    def find(self, person: Ints, frame: Ints) -> Ints:
        """Row of each (person, frame), -1 where there is none."""
        if len(self) == 0:
            return np.full(len(person), -1, np.int64)
        base = int(max(self.frame.max(), frame.max(initial=0))) + 1
        key, wanted = self.person * base + self.frame, person * base + frame
        row = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return np.where(key[row] == wanted, row, -1)


def expected_in(view: int, table: pa.Table, names: tuple[str, ...], persons: Sequence[Rows]) -> Expected:
    """Join what several views expect in one.

    Args:
        view: position of the view.
        table: ``EXPECTED``.
        names: the views' ids.
        persons: the weighed persons of every view, which say how surely each person exists where it is seen.
    """
    rows = np.flatnonzero(view_positions(names, table.column("view")) == view)
    source = view_positions(names, table.column("from_view"))[rows]
    person, frame = (table.column(c).to_numpy().astype(np.int64)[rows] for c in ("person", "frame"))
    time, spread, inside = (table.column(c).to_numpy().astype(np.float64)[rows] for c in ("time", "spread", "inside"))
    boxes = tables.boxes_of(table)[rows]
    sure = np.zeros(len(rows))
    for v in range(len(names)):
        mine = source == v
        sure[mine] = _existence(persons[v], person[mine], time[mine])
    order = np.lexsort((spread, frame, person))
    person, frame, time, spread = person[order], frame[order], time[order], spread[order]
    boxes, absent = boxes[order], 1 - np.clip(sure * inside, 0, 1 - 1e-6)[order]
    first = np.flatnonzero(np.append(True, (np.diff(person) != 0) | (np.diff(frame) != 0))[: len(order)])
    together = 1 - np.multiply.reduceat(absent, first) if len(first) else np.zeros(0)
    steady = smooth(person[first], time[first], boxes[first], SMOOTH_S)
    return Expected(person[first], frame[first], time[first], steady, together, spread[first])


def smooth(person: Ints, time: Floats, boxes: Boxes, reach: float) -> Boxes:
    """Means over each person's boxes within ``reach`` seconds, as many before as after, so that nobody lags behind.

    Args:
        person, time: (N,) sorted by person, then time.
        boxes: (N, 4).
        reach: seconds to either side.
    """
    if len(person) == 0:
        return boxes
    span = 2 * float(np.ptp(time)) + 4 * reach + 1
    key = person * span + time - time.min()
    rows = np.arange(len(key))
    before = rows - np.searchsorted(key, key - reach - 1e-9)
    after = np.searchsorted(key, key + reach + 1e-9, "right") - 1 - rows
    width = np.minimum(before, after)
    total = np.concatenate([np.zeros((1, 4)), np.cumsum(boxes.astype(np.float64), axis=0)])
    return as_boxes((total[rows + width + 1] - total[rows - width]) / (2 * width + 1)[:, None])


def _existence(rows: Rows, person: Ints, time: Floats) -> Floats:
    """Existence of each person's box nearest in time; 0 for persons who are not there."""
    known = np.flatnonzero(rows.person != NOBODY)
    if len(known) == 0:
        return np.zeros(len(person))
    start = min(float(rows.time.min()), float(time.min(initial=np.inf)))
    span = 2 * (max(float(rows.time.max()), float(time.max(initial=0))) - start) + 1
    key = rows.person[known] * span + rows.time[known] - start
    known = known[np.argsort(key, kind="stable")]
    key = np.sort(key)
    wanted = person * span + time - start
    after = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    before = np.maximum(after - 1, 0)
    near = np.where(np.abs(key[before] - wanted) <= np.abs(key[after] - wanted), before, after)
    return np.where(rows.person[known[near]] == person, rows.existence[known[near]], 0.0)
