"""Which frames a detector learns from: spread over views and time, all different, the hard ones before the easy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.difference import Looks
from drape.adaptation.marking import Marks
from drape.boxes import Boxes, area

Bools = NDArray[np.bool_]
Floats64 = NDArray[np.float64]
Ints = NDArray[np.int64]

BACKGROUND, REVIEWED, RETRIEVED, CROWDED, LOW_SCORE, PERSONS, EVENLY = (
    "background",
    "reviewed",
    "retrieved",
    "crowded",
    "low_score",
    "persons",
    "evenly",
)
POOL = 8
"""Frames that are looked at for each one that is chosen, at most."""
CELLS = 3
"""Frames that are looked at in the least time between two chosen ones."""
LOW = 0.5
"""Detector's score below which a person counts as hard."""
TOUCH = 0.2
"""Share of the smaller box that two persons share where it is crowded."""
CROWD = 12
"""Persons of a frame among whom crowding is looked for: so many rows before and behind."""
FIRST = 10.0
"""What a curator has looked at is worth so much more."""
APART = 0.5
"""Difference from which on frames count as wholly different."""


class Seen(NamedTuple):
    """What is known of one view.

    Attributes:
        frames: (F,) the frames of which the detector could say something, ascending.
        times: (F,) their times in seconds.
        marks: what its boxes are.
        reviewed: frames that a curator has decided about.
        glimpses: ``GLIMPSES``.
        size: width and height.
    """

    frames: NDArray[np.int32]
    times: Floats64
    marks: Marks
    reviewed: NDArray[np.int32]
    glimpses: pa.Table
    size: tuple[int, int]


class Choice(NamedTuple):
    """A chosen frame: its view, index, time, and why it was taken."""

    view: str
    frame: int
    time: float
    reason: str


def choose(views: Mapping[str, Seen], config: LabelConfig) -> list[Choice]:
    """Choose frames to learn from, and a share in which surely nobody is.

    Views take turns, so that each gives as many as any other as long as it has different ones. Frames in which
    something is only ignored teach nothing and are not taken.

    Returns:
        In the order of views and frames.
    """
    worth = {name: frame_worth(seen) for name, seen in views.items()}
    spare = min(round(config.images * config.background), sum(int(w.empty.sum()) for w in worth.values()))
    most = max(1, config.images - spare)
    taught = _by_turns(views, {name: np.where(w.empty, 0.0, w.value) for name, w in worth.items()}, most, config)
    persons = sum(len(rows) for rows in taught.values())
    if persons == 0:
        return []
    share = min(round(persons * config.background / (1 - config.background)), config.images - persons)
    empty = _by_turns(views, {name: np.where(w.empty, w.value, 0.0) for name, w in worth.items()}, share, config)
    chosen = []
    for name, seen in views.items():
        rows = np.sort(np.concatenate([taught[name], empty[name]]).astype(np.int64))
        chosen += [
            Choice(name, int(seen.frames[k]), float(seen.times[k]), str(worth[name].reason[k])) for k in rows.tolist()
        ]
    return chosen


def choose_evenly(views: Mapping[str, Seen], config: LabelConfig) -> list[Choice]:
    """Frames evenly in time, whatever is in them, as many of each view as of any other."""
    counts = _shared({name: len(seen.frames) for name, seen in views.items()}, config.images)
    chosen = []
    for name, seen in views.items():
        even = np.linspace(0, max(len(seen.times) - 1, 0), counts[name]).round().astype(np.int64)
        chosen += [Choice(name, int(seen.frames[k]), float(seen.times[k]), EVENLY) for k in even.tolist()]
    return chosen


class Worth(NamedTuple):
    """(F,) per frame of a view: what it is worth to learn from (0: nothing), whether nobody is there for sure, and
    what it is chosen for."""

    value: Floats64
    empty: Bools
    reason: NDArray[np.str_]


def frame_worth(seen: Seen) -> Worth:
    """How much there is to learn in each frame: many persons, hard ones doubly, little that must be ignored."""
    count = len(seen.frames)
    marks = seen.marks.take(np.isin(seen.marks.frame, seen.frames))
    row = np.searchsorted(seen.frames, marks.frame)
    taught = marks.weight > 0
    crowded, low = _crowded(marks, taught), taught & (marks.score < LOW)
    hardness = marks.hard.astype(np.float64) + 0.5 * crowded + 0.5 * low

    def total(values: NDArray[np.generic], where: Bools = taught) -> Floats64:
        sums = np.bincount(row[where], values[where].astype(np.float64), minlength=count)
        return np.asarray(sums, np.float64)

    ignored = np.bincount(row[~taught], minlength=count)
    persons = total(marks.weight * (1 + hardness))
    value = np.sqrt(persons / (1.0 + 0.25 * ignored))
    empty = np.bincount(row, minlength=count) == 0
    reviewed = np.isin(seen.frames, seen.reviewed)
    value = np.where(empty, 1.0, value) * np.where(reviewed, FIRST, 1.0)
    kinds = [empty, reviewed, total(marks.hard) > 0, total(crowded) > 0, total(low) > 0]
    reason = np.select(kinds, [BACKGROUND, REVIEWED, RETRIEVED, CROWDED, LOW_SCORE], PERSONS)
    return Worth(value, empty, reason)


def _crowded(marks: Marks, taught: Bools) -> Bools:
    """(N,) persons who share much of their box with another of the same frame."""
    rows = np.flatnonzero(taught)
    frame, boxes = marks.frame[rows], marks.boxes[rows]
    out = np.zeros(len(taught), bool)
    for step in range(1, min(CROWD, len(rows) - 1) + 1):
        touch = (frame[step:] == frame[:-step]) & (_shared_part(boxes[step:], boxes[:-step]) > TOUCH)
        out[rows[step:][touch]] = out[rows[:-step][touch]] = True
    return out


def _shared_part(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """(N,) intersection of paired boxes over the smaller one."""
    size = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    return np.asarray(size[:, 0] * size[:, 1] / np.maximum(np.minimum(area(a), area(b)), 1e-6), np.float32)


class _Picker:
    """Takes frames of one view one after the other, each the most worth beside those taken before.

    Worth counts by how far a frame is from those taken, in difference and in time. Frames that differ from one taken
    by less than ``least_novelty``, or are nearer than ``least_gap_s``, are never taken.
    """

    def __init__(self, seen: Seen, value: Floats64, share: int, config: LabelConfig, rng: np.random.Generator) -> None:
        self._config = config
        value = np.asarray(value * (1 + 1e-3 * rng.random(len(value))), np.float64)
        span = float(np.ptp(seen.times)) if len(seen.times) else 0.0
        self._rows = _best_of_cells(seen.times, value, max(config.least_gap_s / CELLS, span / (POOL * max(share, 1))))
        self._value: Floats64 = value[self._rows]
        self._times = seen.times[self._rows]
        self._stride = max(span / max(share, 1), 1e-9)
        self._looks = Looks(seen.frames[self._rows], self._times, seen.marks, seen.glimpses, seen.size)
        self._far: Floats64 = np.full(len(self._rows), np.inf)
        self._later: Floats64 = np.full(len(self._rows), np.inf)

    def take(self, count: int) -> list[int]:
        """Up to ``count`` further frames, as rows of the view's frames; fewer if no different ones are left."""
        taken = []
        for _ in range(count):
            score = self._value * (np.minimum(self._far / APART, 1) + np.minimum(self._later / self._stride, 1))
            score[(self._far < self._config.least_novelty) | (self._later < self._config.least_gap_s)] = 0
            best = int(np.argmax(score)) if len(score) else -1
            if best < 0 or score[best] <= 0:
                break
            taken.append(int(self._rows[best]))
            self._value[best] = 0
            self._far = np.minimum(self._far, self._looks.to(best))
            self._later = np.minimum(self._later, np.abs(self._times - self._times[best]))
        return taken


def _by_turns(
    views: Mapping[str, Seen], value: Mapping[str, Floats64], most: int, config: LabelConfig
) -> dict[str, Ints]:
    """Rows of each view's frames, at most ``most`` in all; what a view cannot give, the others do."""
    share = -(-most // max(len(views), 1))
    pickers = {
        name: _Picker(seen, value[name], share, config, np.random.default_rng([config.seed, k]))
        for k, (name, seen) in enumerate(views.items())
    }
    taken: dict[str, list[int]] = {name: [] for name in views}
    active, left = list(views), most
    while active and left > 0:
        turn = [left // len(active) + (k < left % len(active)) for k in range(len(active))]
        going = []
        for name, count in zip(active, turn, strict=True):
            found = pickers[name].take(count)
            taken[name] += found
            left -= len(found)
            if len(found) == count:
                going.append(name)
        active = going
    return {name: np.array(rows, np.int64) for name, rows in taken.items()}


def _best_of_cells(times: Floats64, value: Floats64, length: float) -> Ints:
    """The row of greatest value of each stretch of time, of those that are worth anything; ascending."""
    cell = np.floor(times / length).astype(np.int64) if length > 0 else np.arange(len(times))
    order = np.lexsort((-value, cell))
    first = order[np.unique(cell[order], return_index=True)[1]]
    return np.sort(first[value[first] > 0])


def _shared(there: dict[str, int], total: int) -> dict[str, int]:
    """As many of each as of any other, as far as there are, ``total`` in all."""
    counts = dict.fromkeys(there, 0)
    for before, name in enumerate(sorted(there, key=lambda name: there[name])):
        counts[name] = min(there[name], total // (len(there) - before))
        total -= counts[name]
    return counts
