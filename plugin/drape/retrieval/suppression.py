"""Which of several overlapping boxes of a frame stand for a person, and which only repeat one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.retrieval.pairing import Floats, Ints, across_groups, paired_iou, within_groups

Bools = NDArray[np.bool_]


def best_of(group: Ints, boxes: Boxes, value: Floats, least_iou: float) -> Bools:
    """Rows (N,) that no kept row of their group with higher value overlaps more than ``least_iou``.

    This is greedy non-maximum suppression over all frames at once; ties go to the first row. ``group`` is sorted.
    """
    i, j = within_groups(group)
    ahead = (value[j] > value[i]) | ((value[j] == value[i]) & (j < i))
    i, j = i[ahead], j[ahead]
    near = paired_iou(boxes[i], boxes[j]) > least_iou
    i, j = i[near], j[near]
    dropped = np.zeros(len(boxes), bool)
    settled = np.ones(len(boxes), bool)
    settled[i] = False
    while not settled.all():
        # A row is settled once all rows ahead of it are, or one of them is kept.
        beaten = np.zeros(len(boxes), bool)
        beaten[i[settled[j] & ~dropped[j]]] = True
        waiting = np.zeros(len(boxes), bool)
        waiting[i[~settled[j]]] = True
        fresh = ~settled & (beaten | ~waiting)
        dropped[fresh & beaten] = True
        settled |= fresh
    return ~dropped


def covered(group: Ints, boxes: Boxes, other_group: Ints, others: Boxes, least_iou: float) -> Bools:
    """Rows (N,) that some box of ``others`` in the same group overlaps more than ``least_iou``; groups sorted."""
    i, j = across_groups(group, other_group)
    out = np.zeros(len(boxes), bool)
    out[i[paired_iou(boxes[i], others[j]) > least_iou]] = True
    return out
