"""Where tracklets begin and end, and which of these places are no borders and no doors."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from drape.boxes import Boxes
from drape.retrieval.pairing import Floats, Ints
from drape.retrieval.persons import ACCEPTED
from drape.retrieval.rows import Rows

BORDER = 0.03
"""A box nearer to the picture's edge than this share of the picture's width or height may be leaving."""
WALKING = 1.0
"""Heights per second that a lost person may have walked."""
NEARBY = 0.5
"""Heights that a person may have moved without walking."""
LEAST_FRAMES = 3
SOLID = 0.7
"""Runs of fewer frames, or of less existence on average, have no beginnings or endings to speak of."""
DOOR_EVENTS = 3
DOOR_SHARE = 0.1
"""A door is a place, a box wide, with so many beginnings and endings besides, and this share of all of them."""


@dataclass(frozen=True)
class Events:
    """Beginnings or endings of runs of accepted boxes, (K,) each: ``row`` of the persons, ``time``, ``boxes``, whom
    they are of, ``person``, and how surely the run is of a person, ``existence``."""

    row: Ints
    time: Floats
    boxes: Boxes
    person: Ints
    existence: Floats

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: np.ndarray) -> Events:
        """These events."""
        return Events(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True)
class Endings:
    """Endings and beginnings of a view that belong together, ``ended`` and ``began`` (L,) with how well they fit,
    ``fit`` (L,) in [0, 1]; and those that are left over inside the room, ``lost`` and ``found``; and those left over
    at borders and doors, ``left``."""

    ended: Events
    began: Events
    fit: Floats
    lost: Events
    found: Events
    left: Events


def endings(rows: Rows, first: float, last: float, size: tuple[int, int], longest: float) -> Endings:
    """Find beginnings and endings of a view's accepted tracklets.

    Args:
        rows: persons of the view.
        first, last: times of the view's first and last frame: what begins and ends with the video says nothing.
        size: of the frame in pixels.
        longest: seconds that a gap between an ending and a beginning may last.
    """
    begins, ends = _runs(rows)
    begins = begins.take(begins.time > first)
    ends = ends.take(ends.time < last)
    e, b, fit = _linked(ends, begins, longest)
    lost = np.setdiff1d(np.arange(len(ends)), e)
    found = np.setdiff1d(np.arange(len(begins)), b)
    ends_left, begins_left = ends.take(lost), begins.take(found)
    out_a, out_b = _outward(ends_left, begins_left, size)
    return Endings(
        ends.take(e), begins.take(b), fit, ends_left.take(~out_a), begins_left.take(~out_b), ends_left.take(out_a)
    )


def _runs(rows: Rows) -> tuple[Events, Events]:
    """First and last row of every run of a tracklet's accepted rows in neighbouring frames of it."""
    accepted = np.flatnonzero(rows.existence >= ACCEPTED)
    order = accepted[np.lexsort((rows.frame[accepted], rows.tracklet[accepted]))]
    steps = np.diff(np.unique(rows.time))
    usual = 1.5 * float(np.median(steps)) if len(steps) else 0.0
    cut = (np.diff(rows.tracklet[order]) != 0) | (np.diff(rows.time[order]) > usual)
    first = np.flatnonzero(np.append(True, cut)[: len(order)])
    last = np.append(first[1:], len(order))[: len(first)] - 1
    mean = np.add.reduceat(rows.existence[order], first) / (last - first + 1) if len(first) else np.zeros(0)
    solid = (last - first >= LEAST_FRAMES - 1) & (mean >= SOLID)
    begins, ends = (
        Events(r, rows.time[r], rows.boxes[r], rows.person[r], mean[solid])
        for r in (order[first[solid]], order[last[solid]])
    )
    return begins, ends


def _linked(ends: Events, begins: Events, longest: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of an ending and a later beginning that one person may have made, best fit first, each used once."""
    order = np.argsort(begins.time, kind="stable")
    later = begins.time[order]
    low, high = np.searchsorted(later, ends.time, "right"), np.searchsorted(later, ends.time + longest, "right")
    e = np.repeat(np.arange(len(ends)), high - low)
    b = order[np.arange(len(e)) - np.repeat(np.cumsum(high - low) - (high - low) - low, high - low)]
    gap = begins.time[b] - ends.time[e]
    old, new = ends.boxes[e], begins.boxes[b]
    height = np.maximum((old[:, 3] - old[:, 1] + new[:, 3] - new[:, 1]) / 2, 1)
    moved = np.hypot(*((new[:, :2] + new[:, 2:] - old[:, :2] - old[:, 2:]) / 2).T) / height
    grown = np.abs(np.log((new[:, 3] - new[:, 1]) / np.maximum(old[:, 3] - old[:, 1], 1)))
    cost = (moved / (NEARBY + WALKING * gap)) ** 2 + (grown / 0.3) ** 2 + gap / longest
    strangers = (ends.person[e] != begins.person[b]) & (ends.person[e] >= 0) & (begins.person[b] >= 0)
    keep = np.flatnonzero((cost < 3) & ~strangers)
    keep = keep[np.argsort(cost[keep], kind="stable")]
    taken_e, taken_b, chosen = set(), set(), []
    for k in keep.tolist():
        if e[k] not in taken_e and b[k] not in taken_b:
            taken_e.add(e[k])
            taken_b.add(b[k])
            chosen.append(k)
    rows = np.array(chosen, np.int64)
    sure = np.minimum(ends.existence[e[rows]], begins.existence[b[rows]])
    return e[rows], b[rows], np.exp(-cost[rows] / 2) * sure


def _outward(ends: Events, begins: Events, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Of every ending and beginning, whether it is at the border or at a door."""
    boxes = np.concatenate([ends.boxes, begins.boxes])
    width, height = size
    edge = (boxes[:, 0] <= BORDER * width) | (boxes[:, 2] >= (1 - BORDER) * width)
    edge |= (boxes[:, 1] <= BORDER * height) | (boxes[:, 3] >= (1 - BORDER) * height)
    door = np.zeros(len(boxes), bool)
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    for start in range(0, len(boxes), 1024):
        part = slice(start, start + 1024)
        reach = np.maximum(boxes[part, 2] - boxes[part, 0], 1)
        away = np.hypot(*(feet[part, None] - feet[None]).transpose(2, 0, 1))
        others = (away < reach[:, None]).sum(axis=1) - 1
        door[part] = others >= max(DOOR_EVENTS, DOOR_SHARE * len(boxes))
    out = edge | door
    return out[: len(ends)], out[len(ends) :]
