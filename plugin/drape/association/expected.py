"""Where a person seen in one view should appear in another, learned from the persons that both views showed before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.association.identities import LONE_SCORE, People
from drape.association.neighbours import Neighbours
from drape.association.views import Floats, Instants, Ints, ViewBoxes
from drape.boxes import Boxes, as_boxes

NEIGHBOURS = 24
MOST_EXAMPLES = 4000
FEWEST_EXAMPLES = 20
MOST_INSTANTS = 20_000
"""Instants, spread over the recording, among which examples are looked for."""
LEAST_INSIDE = 0.05
CHUNK = 1024
"""Instants worked on at once."""
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
        self.all = Neighbours(seen / self.scale)
        self.shown = both.astype(np.float64)
        self.x, self.y = seen[both] / self.scale, other[both]
        self.tree = Neighbours(self.x)
        self.error = self._held_out(time[both])
        share = self._share(seen[:MOST_EXAMPLES])
        self.usual = max(float(np.quantile(share, USUAL_SEEN)), 0.05)

    def inside(self, boxes: Floats) -> Floats:
        """Probability (M,) that the other view shows who has these boxes (M, 4)."""
        return np.minimum(self._share(boxes) / self.usual, 1.0)

    def predict(self, boxes: Floats) -> tuple[Floats, Floats]:
        """Boxes (M, 4) of the other view, and typical error (M,) in box heights."""
        return self.tree.regress(boxes / self.scale, self.y, self.error, NEIGHBOURS)

    def _share(self, boxes: Floats) -> Floats:
        return self.all.means(boxes / self.scale, self.shown, NEIGHBOURS)

    def _held_out(self, time: Floats) -> Floats:
        """Error (K,) in box heights of each example, predicted from the other half of the recording."""
        late = time > np.median(time)
        error = np.full(len(time), np.nan)
        for known, asked in ((late, ~late), (~late, late)):
            if known.sum() < FEWEST_EXAMPLES // 2 or not asked.any():
                continue
            blank = np.zeros(int(known.sum()))
            guess, _ = Neighbours(self.x[known]).regress(self.x[asked], self.y[known], blank, NEIGHBOURS)
            error[asked] = box_error(guess, self.y[asked])
        return np.where(np.isfinite(error), error, np.nanmedian(error) if np.isfinite(error).any() else 1.0)


def box_error(guess: Floats, true: Floats) -> Floats:
    """Largest displacement of middle, foot and head between boxes (N, 4) of ``describe``, in heights of the true."""
    height = np.exp(true[:, 2])
    head = (guess[:, 1] - np.exp(guess[:, 2])) - (true[:, 1] - height)
    moved = np.stack([np.abs(guess[:, 0] - true[:, 0]), np.abs(guess[:, 1] - true[:, 1]), np.abs(head)], axis=1)
    out: Floats = moved.max(axis=1) / height
    return out


def expect(views: Sequence[ViewBoxes], people: People, instants: Instants) -> Iterator[pa.Table]:
    """``EXPECTED``: for each person seen in a view, the box in every other view that has a frame at that instant.

    Copies (reflections) are not used. A pair of views that shared hardly anybody gives no rows.

    Returns:
        The table in parts, sorted by view, frame and person from part to part; none is empty.
    """
    count = 1 + max((int(p.max(initial=-1)) for p in people.person), default=-1)
    shared = _shared(people)
    known = _regressors(views, people, shared, instants, count) if count else {}
    clocks = [_clock(view) for view in views]
    for b in sorted(range(len(views)), key=lambda k: views[k].view):
        for low in range(0, len(instants), CHUNK):
            span = _part(instants, slice(low, low + CHUNK))
            parts = [
                _between(views, (a, b), _sight(a, views[a], people, shared, span), known[a, b], span, clocks[b])
                for a in range(len(views))
                if (a, b) in known
            ]
            found = pa.concat_tables(parts) if parts else tables.empty(tables.EXPECTED)
            if found.num_rows:
                yield found.sort_by([("frame", "ascending"), ("person", "ascending")])


def _part(instants: Instants, chosen: slice | Ints) -> Instants:
    return Instants(instants.time[chosen], tuple(rows[chosen] for rows in instants.rows), instants.present[chosen])


def _regressors(
    views: Sequence[ViewBoxes], people: People, shared: Ints, instants: Instants, persons: int
) -> dict[tuple[int, int], Regressor]:
    """Where persons of one view are in another, by pair of views (from, to)."""
    if len(instants) > MOST_INSTANTS:
        instants = _part(instants, np.linspace(0, len(instants) - 1, MOST_INSTANTS).astype(np.int64))
    sights = [_sight(v, view, people, shared, instants) for v, view in enumerate(views)]
    pairs = [(a, b) for a in range(len(views)) for b in range(len(views)) if a != b]
    found = {pair: _regressor(views, sights, pair, persons, instants) for pair in pairs}
    return {pair: regressor for pair, regressor in found.items() if regressor is not None}


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


def _regressor(
    views: Sequence[ViewBoxes], sights: list[_Sight], pair: tuple[int, int], persons: int, instants: Instants
) -> Regressor | None:
    a, b = pair
    sight, other = sights[a], sights[b]
    usable = np.flatnonzero(instants.present[sight.instant, b])
    partner = _partners(sight.key(persons)[usable], other.key(persons))
    boxes = describe(views[a].boxes[sight.row[usable]])
    target = np.full((len(usable), 4), np.nan)
    found = partner >= 0
    target[found] = describe(views[b].boxes[other.row[partner[found]]])
    example = np.flatnonzero(sight.sure[usable])
    if found.sum() < FEWEST_EXAMPLES:
        return None
    if len(example) > MOST_EXAMPLES:
        example = example[np.linspace(0, len(example) - 1, MOST_EXAMPLES).astype(np.int64)]
    time = instants.time[sight.instant[usable]]
    if np.isfinite(target[example, 0]).sum() < FEWEST_EXAMPLES:
        return None
    return Regressor(boxes[example], target[example], time[example], views[a].extent())


def _between(
    views: Sequence[ViewBoxes],
    pair: tuple[int, int],
    sight: _Sight,
    regressor: Regressor,
    instants: Instants,
    clock: tuple[float, float],
) -> pa.Table:
    """``EXPECTED`` of some instants from one view in another, by instant."""
    a, b = pair
    usable = np.flatnonzero(instants.present[sight.instant, b])
    inside = regressor.inside(describe(views[a].boxes[sight.row[usable]]))
    keep = inside >= LEAST_INSIDE
    usable, inside = usable[keep], inside[keep]
    row, when = sight.row[usable], sight.instant[usable]
    guess, error = regressor.predict(describe(views[a].boxes[row]))
    return tables.make(
        tables.EXPECTED,
        view=pa.repeat(views[b].view, len(row)),
        frame=_frames(views[b], instants, b, when, clock),
        time=instants.time[when],
        **tables.box_columns(undescribe(guess)),
        person=sight.person[usable].astype(np.int32),
        from_view=pa.repeat(views[a].view, len(row)),
        from_index=views[a].index[row].astype(np.int32),
        spread=error.astype(np.float32),
        inside=inside.astype(np.float32),
    )


def _partners(wanted: Ints, known: Ints) -> Ints:
    """Position of each wanted key among the known ones, -1 where it is not there."""
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], wanted), max(len(known) - 1, 0))
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    out: Ints = np.where(known[order][place] == wanted, order[place], -1).astype(np.int64)
    return out


def _clock(view: ViewBoxes) -> tuple[float, float]:
    """Frames per second of a view, and its frame at time 0, from the frames that show somebody."""
    known_time, first = np.unique(view.time, return_index=True)
    known_frame = view.frame[first]
    if len(known_time) > 1:
        slope, start = np.polyfit(known_time, known_frame, 1)
        return float(slope), float(start)
    return 0.0, float(known_frame[0]) if len(known_frame) else 0.0


def _frames(
    view: ViewBoxes, instants: Instants, number: int, when: Ints, clock: tuple[float, float]
) -> NDArray[np.int32]:
    """Frame of the view that meets each instant; of an empty frame, from its place among the view's times."""
    times = view.times()
    near = times[np.clip(np.searchsorted(times, instants.time[when] - view.period() / 2), 0, len(times) - 1)]
    frame = np.rint(clock[0] * near + clock[1])
    low, high = instants.rows[number][when].T
    some = high > low
    frame[some] = view.frame[low[some]]
    return frame.astype(np.int32)
