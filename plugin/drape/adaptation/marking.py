"""What each box of a view is to a detector that learns: a label with a weight, a region to ignore, or background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.still import pictures
from drape.boxes import Boxes, Floats, area, clip
from drape.tables import boxes_of

GUESSED = "interpolated"
RETRIEVED = ("tracked", "associated", GUESSED)
REVIEWED = "reviewed"

DOUBTFUL, REFLECTION, PICTURE, UNSOUND, SMALL = "doubtful", "reflection", "picture", "guessed", "small"
LEFTOVER, MISSED = "leftover", "missed"

Bools = NDArray[np.bool_]


class Marks(NamedTuple):
    """What the boxes of a view are, sorted by frame.

    Attributes:
        frame: (N,) index of the frame.
        boxes: (N, 4) pixels, cut at the frame's edges.
        weight: (N,) in (0, 1] for what is learned, 0 for what is ignored.
        source: (N,) where a label comes from, or why a box is ignored.
        score: (N,) detector's score, 0 where there is none.
        hard: (N,) whether the detector's score alone would not have found it.
    """

    frame: NDArray[np.int32]
    boxes: Boxes
    weight: Floats
    source: NDArray[np.str_]
    score: Floats
    hard: Bools

    def take(self, rows: NDArray[np.integer] | Bools) -> Marks:
        """Some of the rows."""
        return Marks(
            self.frame[rows], self.boxes[rows], self.weight[rows], self.source[rows], self.score[rows], self.hard[rows]
        )


def joined(parts: Sequence[Marks]) -> Marks:
    """Marks one after the other."""
    return Marks(
        np.concatenate([part.frame for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.source for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.hard for part in parts]),
    )


def by_frames(parts: Sequence[Marks]) -> Marks:
    """Marks of several kinds, sorted by frame; within a frame in the order given."""
    whole = joined(parts)
    return whole.take(np.argsort(whole.frame, kind="stable"))


def mark_persons(persons: pa.Table, glimpses: pa.Table, size: tuple[int, int], config: LabelConfig) -> Marks:
    """Labels and ignored regions from ``PERSONS`` of a view; what is background is left out.

    A label needs the strict existence, which is its weight, and a detector's box, or a short gap between two sound
    ones. Reflections, pictures on walls and everything doubtful are ignored.

    Args:
        persons: sorted by frame.
        glimpses: ``GLIMPSES`` of the view.
        size: width and height of the view.
        config: settings.
    """
    existence = persons.column("existence").to_numpy().astype(np.float32)
    source = np.array(persons.column("source").to_pylist(), dtype=np.str_)
    seen = persons.column("candidate").is_valid().to_numpy(zero_copy_only=False)
    reviewed = source == REVIEWED
    sure = (existence >= config.label_existence) | reviewed
    weight = np.where(reviewed, np.float32(1), existence)
    why = np.full(len(existence), DOUBTFUL, dtype="U16")
    filled = ~seen & ~reviewed
    sound = sound_gaps(persons, filled, sure & seen, config.longest_gap_s)
    off = filled & ~sound & sure
    why[off] = UNSOUND
    boxes = clip(boxes_of(persons), *size)
    poor = too_small(boxes_of(persons), boxes, config) & ~off
    why[poor & sure] = SMALL
    copy = persons.column("copy").to_numpy(zero_copy_only=False) & ~reviewed
    why[copy] = REFLECTION
    picture = pictures(persons, glimpses, size, sure & ~copy & ~reviewed, config)
    why[picture] = PICTURE
    learned = sure & ~off & ~poor & ~copy & ~picture
    kept = learned | (existence >= config.ignore_existence) | reviewed
    score = persons.column("score").fill_null(0.0).to_numpy().astype(np.float32)
    return Marks(
        persons.column("frame").to_numpy().astype(np.int32),
        boxes,
        np.where(learned, weight, np.float32(0)),
        np.where(learned, source, why).astype(np.str_),
        score,
        np.isin(source, RETRIEVED),
    ).take(np.asarray(kept & (area(boxes) > 0)))


def sound_gaps(persons: pa.Table, filled: Bools, sound: Bools, longest: float) -> Bools:
    """(N,) which filled-in boxes lie between two sound boxes of their tracklet that are at most so far apart."""
    out = np.zeros(len(filled), bool)
    tracklet, time = persons.column("tracklet").to_numpy(), persons.column("time").to_numpy()
    order = np.lexsort((time, tracklet))
    ends = order[~filled[order]]
    if not len(ends):
        return out
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    rows = np.flatnonzero(filled)
    behind = np.searchsorted(position[ends], position[rows])
    inside = (behind > 0) & (behind < len(ends))
    rows, behind = rows[inside], behind[inside]
    first, last = ends[behind - 1], ends[behind]
    good = (tracklet[first] == tracklet[rows]) & (tracklet[last] == tracklet[rows])
    good &= sound[first] & sound[last] & (time[last] - time[first] <= longest + 1e-9)
    out[rows] = good
    return out


def too_small(whole: Boxes, cut: Boxes, config: LabelConfig) -> Bools:
    """(N,) boxes that are too small, or of which too little lies in the picture, for a detector to learn from."""
    low = (cut[:, 2:] - cut[:, :2]).min(axis=1, initial=np.inf) < config.least_side
    outside = area(cut) < config.least_inside * area(whole)
    return np.asarray(low | outside)


def leftovers(candidates: pa.Table, persons: pa.Table, size: tuple[int, int], config: LabelConfig) -> Marks:
    """Ignored regions: candidates of some score about which ``persons`` decides nothing."""
    frame = candidates.column("frame").to_numpy().astype(np.int64)
    index = np.arange(len(frame)) - np.searchsorted(frame, frame, "left")
    decided = persons.filter(pc.is_valid(persons.column("candidate")))
    base = int(max(index.max(initial=0), pc.max(decided.column("candidate")).as_py() or 0)) + 1
    known = decided.column("frame").to_numpy().astype(np.int64) * base + decided.column("candidate").to_numpy()
    score = candidates.column("score").to_numpy().astype(np.float32)
    rows = np.flatnonzero((score >= config.ignore_score) & ~np.isin(frame * base + index, known))
    return ignored(candidates.take(pa.array(rows)), LEFTOVER, size)


def misses(missed: pa.Table, size: tuple[int, int], config: LabelConfig) -> Marks:
    """Ignored regions: where somebody is likely missed."""
    likely = pc.greater_equal(missed.column("probability"), config.missed_probability)
    return ignored(missed.filter(likely), MISSED, size)


def ignored(table: pa.Table, why: str, size: tuple[int, int]) -> Marks:
    """Every box of a table as an ignored region."""
    boxes, count = clip(boxes_of(table), *size), table.num_rows
    scored = "score" in table.column_names
    score = table.column("score").to_numpy() if scored else np.zeros(count)
    frame = table.column("frame").to_numpy().astype(np.int32)
    marks = Marks(
        frame,
        boxes,
        np.zeros(count, np.float32),
        np.full(count, why, dtype="U16"),
        score.astype(np.float32),
        np.zeros(count, bool),
    )
    return marks.take(np.asarray(area(boxes) > 0))
