"""Where a person seen in one view should appear in another, learned from the persons that both views showed before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from drape import tables
from drape.association.identities import LONE_SCORE, People
from drape.association.views import Floats, Instants, Ints, ViewBoxes
from drape.boxes import Boxes, as_boxes

NEIGHBOURS = 24
MOST_EXAMPLES = 4000
FEWEST_EXAMPLES = 20
RIDGE = 0.05
LEAST_INSIDE = 0.05
CHUNK = 20_000
USUAL_SEEN = 0.95
"""Quantile of the share seen that counts as wholly inside: even in plain view a person is not always found."""


@dataclass(frozen=True)
class _Sight:
    """Detections of one view that have a person, by instant.

    Attributes:
        row, instant, person: (N,).
        sure: (N,) whether the person is certainly there: seen by several views, or by a sure detector.
    """

    row: Ints
    instant: Ints
    person: Ints
    sure: NDArray[np.bool_]

    def key(self, persons: int) -> Ints:
        return self.instant * persons + self.person


def describe(boxes: Boxes) -> Floats:
    """Boxes as (N, 4): middle and foot in pixels, log height, log width."""
    b = boxes.astype(np.float64)
    width, height = np.maximum(b[:, 2] - b[:, 0], 1), np.maximum(b[:, 3] - b[:, 1], 1)
    return np.stack([(b[:, 0] + b[:, 2]) / 2, b[:, 3], np.log(height), np.log(width)], axis=1)


def undescribe(values: Floats) -> Boxes:
    """The boxes of ``describe``."""
    x, foot, height, width = values[:, 0], values[:, 1], np.exp(values[:, 2]), np.exp(values[:, 3])
    return as_boxes(np.stack([x - width / 2, foot - height, x + width / 2, foot], axis=1))


class Regressor:
    """Local linear regression from boxes of one view to boxes of another, with what it errs and how often it applies.

    Args:
        seen: (N, 4) boxes of the one view (``describe``) at instants at which the other has a frame.
        other: (N, 4) the same person's box in the other view, NaN where it shows none.
        time: (N,) rising; halves of the recording check each other.
    """

    def __init__(self, seen: Floats, other: Floats, time: Floats, extent: tuple[float, float]) -> None:
        long = max(extent)
        self.scale = np.array([0.08 * long, 0.08 * long, 0.3, 0.5])
        both = np.isfinite(other[:, 0])
        self.all = cKDTree(seen / self.scale)
        self.shown = both.astype(np.float64)
        self.x, self.y = seen[both] / self.scale, other[both]
        self.tree = cKDTree(self.x)
        self.error = self._held_out(time[both])
        share = self._share(seen[:MOST_EXAMPLES])
        self.usual = max(float(np.quantile(share, USUAL_SEEN)), 0.05)

    def predict(self, boxes: Floats) -> tuple[Floats, Floats, Floats]:
        """Boxes (M, 4) of the other view, typical error (M,) in box heights, and probability (M,) to be inside."""
        query = boxes / self.scale
        distance, near = self.tree.query(query, min(NEIGHBOURS, len(self.x)))
        typical = np.median(self.error[near], axis=1)
        inside = np.minimum(self._share(boxes) / self.usual, 1.0)
        return _local(query, distance, self.x[near], self.y[near]), typical, inside

    def _share(self, boxes: Floats) -> Floats:
        near = self.all.query(boxes / self.scale, min(NEIGHBOURS, len(self.shown)))[1]
        out: Floats = self.shown[near].mean(axis=1)
        return out

    def _held_out(self, time: Floats) -> Floats:
        """Error (K,) in box heights of each example, predicted from the other half of the recording."""
        late = time > np.median(time)
        error = np.full(len(time), np.nan)
        for known, asked in ((late, ~late), (~late, late)):
            if known.sum() < FEWEST_EXAMPLES // 2 or not asked.any():
                continue
            tree = cKDTree(self.x[known])
            distance, near = tree.query(self.x[asked], min(NEIGHBOURS, int(known.sum())))
            guess = _local(self.x[asked], distance, self.x[known][near], self.y[known][near])
            error[asked] = box_error(guess, self.y[asked])
        return np.where(np.isfinite(error), error, np.nanmedian(error) if np.isfinite(error).any() else 1.0)


def box_error(guess: Floats, true: Floats) -> Floats:
    """Largest displacement of middle, foot and head between boxes (N, 4) of ``describe``, in heights of the true."""
    height = np.exp(true[:, 2])
    head = (guess[:, 1] - np.exp(guess[:, 2])) - (true[:, 1] - height)
    moved = np.stack([np.abs(guess[:, 0] - true[:, 0]), np.abs(guess[:, 1] - true[:, 1]), np.abs(head)], axis=1)
    out: Floats = moved.max(axis=1) / height
    return out


def expect(views: Sequence[ViewBoxes], people: People, instants: Instants) -> pa.Table:
    """``EXPECTED``: for each person seen in a view, the box in every other view that has a frame at that instant.

    Copies (reflections) are not used. A pair of views that shared hardly anybody gives no rows.
    """
    count = 1 + max((int(p.max(initial=-1)) for p in people.person), default=-1)
    shared = _shared(people)
    sights = [_sight(v, views[v], people, shared, instants) for v in range(len(views))]
    parts = []
    for a in range(len(views)):
        for b in range(len(views)):
            if a != b and count:
                parts += _between(views, sights, (a, b), count, instants)
    if not parts:
        return tables.empty(tables.EXPECTED)
    return pa.concat_tables(parts).sort_by([("view", "ascending"), ("frame", "ascending"), ("person", "ascending")])


def _shared(people: People) -> Ints:
    """Persons that more than one view shows, sorted."""
    seen = np.concatenate([np.unique(person[person >= 0]) for person in people.person])
    names, count = np.unique(seen, return_counts=True)
    out: Ints = names[count > 1]
    return out


def _sight(v: int, view: ViewBoxes, people: People, shared: Ints, instants: Instants) -> _Sight:
    low, high = instants.rows[v].T
    count = high - low
    instant = np.repeat(np.arange(len(instants)), count)
    row = np.arange(len(instant)) - np.repeat(np.cumsum(count) - count, count) + low[instant]
    keep = (people.person[v][row] >= 0) & ~people.copy[v][row]
    row, instant = row[keep], instant[keep]
    person = people.person[v][row]
    return _Sight(row, instant, person, np.isin(person, shared) | (view.scores[row] >= LONE_SCORE))


def _between(
    views: Sequence[ViewBoxes], sights: list[_Sight], pair: tuple[int, int], persons: int, instants: Instants
) -> list[pa.Table]:
    a, b = pair
    sight, other = sights[a], sights[b]
    usable = np.flatnonzero(instants.present[sight.instant, b])
    partner = _partners(sight.key(persons)[usable], other.key(persons))
    boxes = describe(views[a].boxes[sight.row[usable]])
    target = np.full((len(usable), 4), np.nan)
    found = partner >= 0
    target[found] = describe(views[b].boxes[other.row[partner[found]]])
    confirmed = sight.sure[usable]
    example = np.flatnonzero(confirmed)
    if found.sum() < FEWEST_EXAMPLES:
        return []
    if len(example) > MOST_EXAMPLES:
        example = example[np.linspace(0, len(example) - 1, MOST_EXAMPLES).astype(np.int64)]
    time = instants.time[sight.instant[usable]]
    if np.isfinite(target[example, 0]).sum() < FEWEST_EXAMPLES:
        return []
    regressor = Regressor(boxes[example], target[example], time[example], views[a].extent())
    out = []
    for low in range(0, len(usable), CHUNK):
        part = slice(low, low + CHUNK)
        guess, error, inside = regressor.predict(boxes[part])
        keep = np.flatnonzero(inside >= LEAST_INSIDE)
        rows, when = sight.row[usable[part]][keep], sight.instant[usable[part]][keep]
        out.append(
            tables.make(
                tables.EXPECTED,
                view=np.full(len(keep), views[b].view, object),
                frame=_frames(views[b], instants, b, when),
                time=instants.time[when],
                **tables.box_columns(undescribe(guess[keep])),
                person=sight.person[usable[part]][keep].astype(np.int32),
                from_view=np.full(len(keep), views[a].view, object),
                from_index=views[a].index[rows].astype(np.int32),
                spread=error[keep].astype(np.float32),
                inside=inside[keep].astype(np.float32),
            )
        )
    return out


def _partners(wanted: Ints, known: Ints) -> Ints:
    """Position of each wanted key among the known ones, -1 where it is not there."""
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], wanted), max(len(known) - 1, 0))
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    out: Ints = np.where(known[order][place] == wanted, order[place], -1).astype(np.int64)
    return out


def _frames(view: ViewBoxes, instants: Instants, number: int, when: Ints) -> NDArray[np.int32]:
    """Frame of the view that meets each instant; of an empty frame, from its place among the view's times."""
    times = view.times()
    known_time, first = np.unique(view.time, return_index=True)
    known_frame = view.frame[first]
    slope, start = np.polyfit(known_time, known_frame, 1) if len(known_time) > 1 else (0.0, float(known_frame[0]))
    near = times[np.clip(np.searchsorted(times, instants.time[when] - view.period() / 2), 0, len(times) - 1)]
    frame = np.rint(slope * near + start)
    low, high = instants.rows[number][when].T
    some = high > low
    frame[some] = view.frame[low[some]]
    return frame.astype(np.int32)


def _local(query: Floats, distance: Floats, x: Floats, y: Floats) -> Floats:
    """Weighted ridge regression around each query: (M, 4) from neighbours (M, K, 4) at distances (M, K)."""
    width = np.maximum(np.median(distance, axis=1, keepdims=True), 1e-3)
    weight = np.exp(-0.5 * (distance / width) ** 2)
    centre = (weight[..., None] * y).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    base = (weight[..., None] * x).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    dx, dy = x - base[:, None], y - centre[:, None]
    weighted = weight[..., None] * dx
    gram = weighted.transpose(0, 2, 1) @ dx + RIDGE * weight.sum(axis=1)[:, None, None] * np.eye(x.shape[2])
    slope = np.linalg.solve(gram, weighted.transpose(0, 2, 1) @ dy)
    step = np.clip(query - base, -1.5, 1.5)
    out: Floats = centre + (step[:, None] @ slope)[:, 0]
    return out
