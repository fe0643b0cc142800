"""Made-up recordings for benchmarks of retrieval: the simulator's people as a weak detector sees them; long ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from drape import tables
from drape.boxes import as_boxes
from drape.evaluation.truth import TRACKS
from drape.retrieval import RetrievalView
from drape.simulator import Scene, SceneConfig
from drape.simulator.export_sought import sought
from drape.tracking import track_view
from numpy.typing import NDArray

FPS = 5
VISIBLE = 0.2
"""Share of a person that must be visible for him to count as missed."""
SEEN = ((0.75, 1.5, 0.9), (0.5, -0.7, 1.3), (0.3, -1.3, 0.9), (0.05, -1.7, 0.9))
"""Log-odds of a score, mean and deviation, by the visible share from which on they hold: what RTMDet-nano gives to
figures of the simulator, fitted to its recall at .1, .3 and .5."""
STEADY = 0.9
"""How much of a score's deviation one frame hands on to the next."""
FALSE_BOXES = 2.0
"""False boxes per frame; half of them stand in one place."""


def simulated(seed: int, seconds: float = 60, family: str = "source") -> tuple[list[RetrievalView], list[pa.Table]]:
    """Three views of five persons and a patient in a room: views with tracklets, and the truth of each (``TRACKS``)."""
    config = SceneConfig(family=family, seed=seed, seconds=seconds, fps=FPS, views=3, people=5)
    scene = Scene(config)
    rng = np.random.default_rng(seed)
    views, truth = [], []
    for v, name in enumerate(scene.views):
        count = scene.num_frames(v)
        true, found = _seen(scene, v, count, (config.width, config.height), rng)
        frames = tables.make(tables.FRAMES, frame=np.arange(count), pts=np.arange(count), time=np.arange(count) / FPS)
        candidates = _candidates(found)
        size = (config.width, config.height)
        views.append(RetrievalView(name, size, frames, candidates, track_view(frames, candidates, size)))
        columns = tables.box_columns(as_boxes(true[:, 2:]))
        truth.append(tables.make(TRACKS, frame=true[:, 0].astype(np.int32), id=true[:, 1].astype(np.int32), **columns))
    return views, truth


def _seen(
    scene: Scene, view: int, count: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows (frame, person, box) of the truth, and (frame, box, score) of the detector's stand-in."""
    mood: dict[int, float] = {}
    still = _anywhere(rng, int(FALSE_BOXES), size)
    true, found = [], []
    for k in range(count):
        shot = scene.truth_only(view, k)
        asked = sought(shot)
        for person, box, share in zip(shot.person, asked.boxes, asked.share, strict=True):
            if share >= VISIBLE:
                true.append((k, person, *box))
            if share >= SEEN[-1][0]:
                fresh = rng.normal()
                mood[person] = STEADY * mood.get(person, fresh) + np.sqrt(1 - STEADY**2) * fresh
                mean, spread = next((m, s) for least, m, s in SEEN if share >= least)
                wide = np.tile(box[2:] - box[:2], 2)
                found.append((k, *(box + rng.normal(0, 0.05, 4) * wide), _score(mean + spread * mood[person])))
        for box in [*still[rng.random(len(still)) < 0.5], *_anywhere(rng, rng.poisson(FALSE_BOXES / 2), size)]:
            found.append((k, *(box + rng.normal(0, 1, 4)), _score(rng.normal(-2.0, 0.8))))
    return np.array(true, np.float64).reshape(-1, 6), np.array(found, np.float64).reshape(-1, 6)


def _score(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))


def _anywhere(rng: np.random.Generator, count: int, size: tuple[int, int]) -> NDArray[np.float64]:
    height = rng.uniform(0.15, 0.6, count) * size[1]
    width = height * rng.uniform(0.3, 0.6, count)
    left, top = rng.uniform(0, size[0] - width), rng.uniform(0, size[1] - height)
    return np.stack([left, top, left + width, top + height], axis=1)


def _candidates(rows: NDArray[np.float64]) -> pa.Table:
    rows = rows[(rows[:, 5] >= 0.05) & (rows[:, 3] > rows[:, 1] + 2) & (rows[:, 4] > rows[:, 2] + 2)]
    columns = tables.box_columns(as_boxes(rows[:, 1:5]))
    return tables.make(
        tables.CANDIDATES, frame=rows[:, 0].astype(np.int32), time=rows[:, 0] / FPS, score=rows[:, 5], **columns
    )


def long_recording(
    hours: float, views: int = 4, people: int = 10, fps: float = 15.0
) -> tuple[list[RetrievalView], pa.Table]:
    """People who stroll on circles, each seen in every view, and ``PAIRS`` of who is whom."""
    count = round(hours * 3600 * fps)
    rng = np.random.default_rng(0)
    frame = np.repeat(np.arange(count, dtype=np.int32), people)
    person = np.tile(np.arange(people, dtype=np.int32), count)
    phase = rng.uniform(0, 6, people)[person] + frame / fps * rng.uniform(0.05, 0.2, people)[person]
    made = []
    for v in range(views):
        x = 640 + 450 * np.cos(phase + v) + rng.normal(0, 2, len(frame))
        y = 300 + 150 * np.sin(phase + v) + rng.normal(0, 2, len(frame))
        columns = tables.box_columns(as_boxes(np.stack([x, y, x + 60, y + 160], axis=1)))
        score = np.clip(rng.normal(0.7, 0.15, len(frame)), 0.1, 0.99)
        common = {"frame": frame, "time": frame / fps, "score": score, **columns}
        candidates = tables.make(tables.CANDIDATES, **common)
        index = np.arange(count, dtype=np.int32)
        source = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(frame), np.int32)), ["detected"]).cast(
            pa.string()
        )
        tracklets = tables.make(
            tables.TRACKLETS, **common, tracklet=person, existence=np.sqrt(score), source=source, candidate=person
        )
        frames = tables.make(tables.FRAMES, frame=index, pts=index, time=index / fps)
        made.append(RetrievalView(f"view{v + 1}", (1280, 720), frames, candidates, tracklets))
    return made, _same(frame, person, views, fps)


def _same(frame: NDArray[np.int32], person: NDArray[np.int32], views: int, fps: float) -> pa.Table:
    parts = []
    for a in range(views):
        for b in range(a + 1, views):
            names = [
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(frame), np.int32)), [f"view{k + 1}"]).cast(
                    "string"
                )
                for k in (a, b)
            ]
            parts.append(
                tables.make(
                    tables.PAIRS,
                    time=frame / fps,
                    view_a=names[0],
                    frame_a=frame,
                    index_a=person,
                    view_b=names[1],
                    frame_b=frame,
                    index_b=person,
                    probability=np.full(len(frame), 0.9, np.float32),
                    matched=np.ones(len(frame), bool),
                )
            )
    return pa.concat_tables(parts)
