"""The simulator's people as a weak detector sees them, without a picture being drawn."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from drape import tables
from drape.boxes import Boxes, as_boxes, nms
from drape.evaluation.truth import TRACKS
from drape.retrieval import RetrievalView
from drape.simulator import Scene, SceneConfig
from drape.simulator.export_sought import sought
from drape.tracking import track_view
from numpy.typing import NDArray

FPS = 5
SIZE = (640, 360)
SHRUNK = 2
"""The truth is taken from pictures smaller by this, which is twice as fast; boxes are in pixels of ``SIZE``."""
VISIBLE = 0.2
"""Share of a person that must be visible for him to count as missed; who shows less counts neither way."""
SEEN = ((0.75, 1.5, 0.9), (0.5, -0.7, 1.3), (0.3, -1.3, 0.9), (0.05, -1.7, 0.9))
"""Log-odds of a score, mean and deviation, by the visible share from which on they hold: what RTMDet-nano gives to
figures of the simulator, fitted to its recall at .1, .3 and .5."""
LEAST_SCORE = 0.05
NMS_IOU = 0.6

Table = NDArray[np.float64]


@dataclass(frozen=True)
class StandIn:
    """A detector that was never run.

    Attributes:
        shift: log-odds added to the scores of ``SEEN``.
        steady: how much of a score's deviation one frame hands on to the next.
        false_boxes: false boxes per frame that stand in one place; half as many come and go.
        noise: deviation of a box's edges, in shares of its size.
        fragments: mean log-odds of boxes that hold a part of a person, or more than him; two per person.
    """

    shift: float = 0.0
    steady: float = 0.9
    false_boxes: float = 2.0
    noise: float = 0.05
    fragments: float = -2.3


class People(NamedTuple):
    """True people of a recording: per view rows (frame, person, box, visible share), sorted, and how many frames."""

    rows: list[Table]
    frames: int


class Simulated(NamedTuple):
    """Views with tracklets; of each the true persons (``TRACKS``), those barely visible (frame, boxes), and whom each
    candidate shows, -1 for nobody."""

    views: list[RetrievalView]
    truth: list[pa.Table]
    barely: list[tuple[NDArray[np.int64], Boxes]]
    shown: list[NDArray[np.int64]]
    people: People


def people(seed: int, seconds: float = 60, family: str = "source", views: int = 3, count: int = 5) -> People:
    """Walk through a simulated room; the patient and people on screens are left out."""
    width, height = (side // SHRUNK for side in SIZE)
    scene = Scene(
        SceneConfig(
            family=family, seed=seed, seconds=seconds, fps=FPS, views=views, people=count, width=width, height=height
        )
    )
    rows: list[list[tuple[float, ...]]] = [[] for _ in range(views)]
    for k in range(scene.num_frames(0)):
        for v in range(views):
            shot = scene.truth_only(v, k)
            asked = sought(shot)
            for person, box, share in zip(shot.person, asked.boxes, asked.share, strict=True):
                if share > 0:
                    rows[v].append((k, person, *(box * SHRUNK), share))
    tables_ = [np.array(sorted(r), np.float64).reshape(-1, 7) for r in rows]
    return People(tables_, scene.num_frames(0))


def simulated(walk: People, detector: StandIn, seed: int, second: StandIn | None = None) -> Simulated:
    """What a detector, and a second one if given, would say of people."""
    rng = np.random.default_rng(seed)
    times = np.arange(walk.frames) / FPS
    frames = tables.make(tables.FRAMES, frame=np.arange(walk.frames), pts=np.arange(walk.frames), time=times)
    views, truth, barely, shown = [], [], [], []
    for v, rows in enumerate(walk.rows):
        found = detected(rows, walk.frames, detector, rng)
        other = None if second is None else _candidates(detected(rows, walk.frames, second, rng))
        candidates = _candidates(found)
        tracklets = track_view(frames, candidates, SIZE)
        views.append(RetrievalView(f"view{v + 1}", SIZE, frames, candidates, tracklets, second=other))
        clear = rows[:, 6] >= VISIBLE
        ids = {"frame": rows[clear, 0].astype(np.int32), "id": rows[clear, 1].astype(np.int32)}
        truth.append(tables.make(TRACKS, **ids, **tables.box_columns(as_boxes(rows[clear, 2:6]))))
        barely.append((rows[~clear, 0].astype(np.int64), as_boxes(rows[~clear, 2:6])))
        shown.append(found[:, 6].astype(np.int64))
    return Simulated(views, truth, barely, shown, walk)


def detected(rows: Table, frames: int, detector: StandIn, rng: np.random.Generator) -> Table:
    """Rows (frame, box, score, person shown or -1) of a detector's stand-in, sorted by frame, then falling score."""
    parts = [_of_person(rows[rows[:, 1] == p], frames, detector, rng) for p in np.unique(rows[:, 1])]
    out = np.concatenate([*parts, _false(frames, detector, rng)])
    out[:, 5] = 1 / (1 + np.exp(-out[:, 5]))
    out = out[(out[:, 5] >= LEAST_SCORE) & (out[:, 3] > out[:, 1] + 2) & (out[:, 4] > out[:, 2] + 2)]
    out = out[np.lexsort((-out[:, 5], out[:, 0]))]
    edges = np.flatnonzero(np.diff(out[:, 0], prepend=-1, append=frames + 1))
    keep = [a + np.sort(nms(as_boxes(out[a:b, 1:5]), out[a:b, 5], NMS_IOU)) for a, b in pairwise(edges)]
    return out[np.concatenate(keep)]


def _of_person(rows: Table, frames: int, detector: StandIn, rng: np.random.Generator) -> Table:
    """Boxes of one person and of parts of him; scores and shapes change slowly."""
    rows = rows[rows[:, 6] >= SEEN[-1][0]]
    frame = rows[:, 0].astype(np.int64)
    mood, shape = _wander(rng, frames, 3, detector.steady), _wander(rng, frames, 8, 0.97)
    level = np.argmax(rows[:, 6:7] >= np.array([[least for least, _, _ in SEEN]]), axis=1)
    mean, spread = (np.array([s[k] for s in SEEN])[level] for k in (1, 2))
    odds = mean + detector.shift + spread * mood[frame, 0]
    wide = np.tile(rows[:, 4:6] - rows[:, 2:4], 2)

    def boxes(shift: Table | float) -> Table:
        return rows[:, 2:6] + (shift + rng.normal(0, detector.noise, (len(rows), 4))) * wide

    parts = [np.column_stack([frame, boxes(0.0), odds, rows[:, 1]])]
    for k in (1, 2):
        a, left, right, _ = shape[frame, 4 * k - 4 : 4 * k].T
        cut = np.minimum(0.55 * np.abs(a), 0.7)
        edges = np.stack(
            [0.25 * left, np.where(a > 0, cut, -0.1 * np.abs(a)), 0.25 * right, np.where(a > 0, 0.0, -cut)], axis=1
        )
        score = detector.fragments + 0.25 * (odds - 1) + 0.9 * mood[frame, k]
        parts.append(np.column_stack([frame, boxes(edges), score, np.full(len(frame), -1)]))
    return np.concatenate(parts)


def _false(frames: int, detector: StandIn, rng: np.random.Generator) -> Table:
    """Boxes of nobody: some stand in one place, others come and go."""
    count = int(np.ceil(detector.false_boxes))
    still, mean, mood = _anywhere(rng, count), rng.normal(-1.9, 0.9, count), _wander(rng, frames, count, 0.9)
    parts = []
    for k in range(frames):
        on = np.flatnonzero(rng.random(count) < 0.7)
        fresh = _anywhere(rng, rng.poisson(detector.false_boxes / 2))
        boxes = np.concatenate([still[on] + rng.normal(0, 1, (len(on), 4)), fresh])
        score = np.concatenate([mean[on] + 0.6 * mood[k, on], rng.normal(-2.2, 0.8, len(fresh))])
        parts.append(np.column_stack([np.full(len(boxes), k), boxes, score, np.full(len(boxes), -1)]))
    return np.concatenate(parts)


def _wander(rng: np.random.Generator, frames: int, count: int, steady: float) -> Table:
    """(F, count) standard normal values of which each frame keeps a share of the last."""
    fresh = rng.normal(size=(frames, count))
    out = fresh.copy()
    for k in range(1, frames):
        out[k] = steady * out[k - 1] + np.sqrt(1 - steady**2) * fresh[k]
    return out


def _anywhere(rng: np.random.Generator, count: int) -> Table:
    height = rng.uniform(0.15, 0.6, count) * SIZE[1]
    width = height * rng.uniform(0.3, 0.6, count)
    left, top = rng.uniform(0, SIZE[0] - width), rng.uniform(0, SIZE[1] - height)
    return np.stack([left, top, left + width, top + height], axis=1)


def _candidates(rows: Table) -> pa.Table:
    columns = tables.box_columns(as_boxes(rows[:, 1:5]))
    return tables.make(
        tables.CANDIDATES, frame=rows[:, 0].astype(np.int32), time=rows[:, 0] / FPS, score=rows[:, 5], **columns
    )
