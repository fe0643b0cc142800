"""One pass of the tracker over a view, in either direction of time.

The association is ByteTrack's (Zhang et al. 2022, algorithm 1): high-score candidates first, then the tracks left over
with low-score ones. Here the Kalman prediction is what is matched, each pass starts with an empty state, tracks age by
time also in frames without candidates, and nothing has to be confirmed: whether a tracklet is a person is decided
later, when all its evidence is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from drape.boxes import Boxes, Floats, iou
from drape.tracking.config import TrackingConfig
from drape.tracking.kalman import Filters, to_centre, to_corners

Ints = NDArray[np.int64]


@dataclass
class Detections:
    """A view's candidates, sorted by frame: ``boxes`` (N, 4), ``scores`` (N,), and where each frame's rows begin.

    ``origin`` (N,) is the row of each within its frame of the ``CANDIDATES`` table, ``times`` (F,) are the frames'
    times in seconds, ``starts`` (F + 1,) row offsets.
    """

    boxes: Boxes
    scores: Floats
    origin: Ints
    times: NDArray[np.float64]
    starts: Ints

    def frame_of(self) -> Ints:
        """Frame position of every row, shape (N,)."""
        return np.repeat(np.arange(len(self.times)), np.diff(self.starts))


@dataclass
class _State:
    filters: Filters = field(default_factory=Filters.none)
    ids: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    seen_at: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    next_id: int = 0


def run_pass(detections: Detections, config: TrackingConfig, pace: float, backward: bool = False) -> Ints:
    """Link candidates over time, in one direction.

    Args:
        detections: the view's candidates.
        config: settings.
        pace: how fast this recording's people move, as a multiple of walking; see ``pace.py``.
        backward: run from the last frame to the first.

    Returns:
        (N,) track number of every candidate, -1 where none took it.
    """
    owner = np.full(len(detections.boxes), -1, np.int64)
    centres = to_centre(detections.boxes)
    state = _State()
    previous: float | None = None
    for frame in _order(len(detections.times), backward):
        time = float(detections.times[frame])
        if previous is not None and len(state.ids):
            state.filters.predict(abs(time - previous), config.agility * pace**1.5)
            alive = np.abs(time - state.seen_at) <= config.max_lost_s
            if not alive.all():
                state = _kept(state, alive)
        previous = time
        rows = slice(int(detections.starts[frame]), int(detections.starts[frame + 1]))
        owner[rows] = _step(state, detections.boxes[rows], detections.scores[rows], centres[rows], time, config, pace)
    return owner


def _order(count: int, backward: bool) -> Iterator[int]:
    return iter(range(count - 1, -1, -1) if backward else range(count))


def _kept(state: _State, alive: NDArray[np.bool_]) -> _State:
    return _State(state.filters.kept(alive), state.ids[alive], state.seen_at[alive], state.next_id)


def _step(
    state: _State,
    boxes: Boxes,
    scores: Floats,
    centres: NDArray[np.float64],
    time: float,
    config: TrackingConfig,
    pace: float,
) -> Ints:
    owner = np.full(len(boxes), -1, np.int64)
    if len(boxes) == 0:
        return owner
    high = scores >= config.high_score
    free = np.ones(len(state.ids), bool)
    if len(state.ids):
        overlap = iou(to_corners(state.filters.position), boxes)
        first = overlap * np.where(high, scores, 0.0)
        _assign(first, config.min_similarity_high, free, owner)
        second = np.where(high | (owner >= 0), 0.0, overlap)
        _assign(second, config.min_iou_low, free, owner)
        rows = np.flatnonzero(owner >= 0)
        tracks = owner[rows]
        state.filters.update(tracks, centres[rows])
        state.seen_at[tracks] = time
        owner[rows] = state.ids[tracks]
    _begin(state, boxes, scores, centres, owner, time, config, pace)
    return owner


def _assign(similarity: Floats, least: float, free: NDArray[np.bool_], owner: Ints) -> None:
    """Match free tracks (rows) to candidates without owner (columns); writes the track's row into ``owner``."""
    tracks = np.flatnonzero(free)
    columns = np.flatnonzero((similarity[tracks] >= least).any(axis=0) & (owner < 0))
    if len(tracks) == 0 or len(columns) == 0:
        return
    allowed = similarity[np.ix_(tracks, columns)]
    allowed = np.where(allowed >= least, allowed, 0.0)
    i, j = linear_sum_assignment(allowed, maximize=True)
    good = allowed[i, j] > 0
    owner[columns[j[good]]] = tracks[i[good]]
    free[tracks[i[good]]] = False


def _begin(
    state: _State,
    boxes: Boxes,
    scores: Floats,
    centres: NDArray[np.float64],
    owner: Ints,
    time: float,
    config: TrackingConfig,
    pace: float,
) -> None:
    """Begin tracks at confident candidates that nothing explains yet."""
    fresh = np.flatnonzero((owner < 0) & (scores >= config.begin_score))
    if len(fresh) == 0:
        return
    taken = np.flatnonzero(owner >= 0)
    chosen: list[int] = []
    order = fresh[np.argsort(-scores[fresh], kind="stable")]
    overlap = iou(boxes[order], boxes)
    for k, row in enumerate(order):
        others = np.concatenate([taken, np.array(chosen, np.int64)]).astype(np.int64)
        if not len(others) or overlap[k, others].max() < config.max_begin_iou:
            chosen.append(int(row))
    rows = np.array(chosen, np.int64)
    if len(rows) == 0:
        return
    ids = state.next_id + np.arange(len(rows))
    owner[rows] = ids
    state.filters = state.filters.joined(Filters.start(centres[rows], config.first_speed * pace))
    state.ids = np.concatenate([state.ids, ids])
    state.seen_at = np.concatenate([state.seen_at, np.full(len(rows), time)])
    state.next_id += len(rows)
