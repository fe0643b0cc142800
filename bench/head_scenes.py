"""Persons and key points of simulated rooms as a detector and a pose estimator would give them, with the true heads.

Boxes are the true ones, jittered. Points are the true ones with errors: each has a difficulty, about 1 where it is seen
and 2.2 where it is hidden, by which its error is larger than that of COCO's annotators and its score smaller; some land
anywhere in the box, and for runs of frames a person's pose is lost altogether.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from drape import tables
from drape.boxes import as_boxes
from drape.evaluation.heads import HeadPixels
from drape.evaluation.poses import WHOLEBODY_SIGMAS
from drape.simulator import FrameTruth, Scene, SceneConfig
from drape.simulator.export_sought import WHOLE_VISIBLE
from drape.simulator.truth import KINDS
from numpy.typing import NDArray

BODY_SHARE = 0.53
"""COCO's persons fill about this share of their boxes."""
LOST, FOUND_AGAIN = 0.015, 0.25
"""How likely a pose is lost, and found again, from one frame to the next."""
WILD = 0.02
"""Share of points that land anywhere."""
COMMON = 0.6
"""Share of the variance of a pose's errors that all its points have in common."""
DOUBTFUL = 0.03
"""Share of persons that the detector gives an existence below what is accepted."""
SMALLEST = 25
"""Pixels of a person that must be seen for a box."""


@dataclass(frozen=True)
class HeadTruth:
    """The true heads of a view: one entry per person that has a box. ``pixels`` are those seen, ``bodies`` the seen
    pixels of whole persons, ``visible`` (N,) the seen share of the head, ``role`` and ``copy`` (N,)."""

    pixels: list[HeadPixels]
    bodies: list[HeadPixels]
    visible: NDArray[np.float64]
    role: list[str]
    copy: NDArray[np.bool_]
    points: NDArray[np.float32]


@dataclass(frozen=True)
class HeadView:
    """One view: its size, its tables, and the truth, row by row of ``persons``."""

    name: str
    size: tuple[int, int]
    frames: pa.Table
    persons: pa.Table
    poses: pa.Table
    truth: HeadTruth


def simulated(
    family: str, seed: int, seconds: float = 20, fps: float = 5, views: int = 3, people: int = 5
) -> tuple[Scene, list[HeadView]]:
    """The views of a simulated room."""
    scene = Scene(SceneConfig(family=family, seed=seed, seconds=seconds, fps=fps, views=views, people=people))
    return scene, [_view(scene, v, np.random.default_rng([seed, v])) for v in range(views)]


def _view(scene: Scene, view: int, rng: np.random.Generator) -> HeadView:
    config = scene.config
    size, count = (config.width, config.height), scene.num_frames(view)
    lost: dict[int, bool] = {}
    rows = []
    for k in range(count):
        truth = scene.truth_only(view, k)
        rows += [_row(truth, k, row, size, lost, rng) for row in np.flatnonzero(_asked(truth))]
    time = np.arange(count) / config.fps
    frames = tables.make(tables.FRAMES, frame=np.arange(count), pts=np.arange(count), time=time)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    frame = np.array(columns["frame"], np.int32)
    index = np.arange(len(frame)) - np.searchsorted(frame, frame)
    truth = HeadTruth(
        columns["head"],
        columns["body"],
        np.array(columns["visible"]),
        columns["role"],
        np.array(columns["copy"]),
        np.array(columns["true"], np.float32),
    )
    return HeadView(
        scene.views[view],
        size,
        frames,
        _persons(columns, frame, time, rng),
        _poses(columns, frame, time, index.astype(np.int32)),
        truth,
    )


def _asked(truth: FrameTruth) -> NDArray[np.bool_]:
    return (truth.kind != KINDS.index("picture")) & (truth.area >= SMALLEST)


def _row(
    truth: FrameTruth,
    frame: int,
    row: int,
    size: tuple[int, int],
    lost: dict[int, bool],
    rng: np.random.Generator,
) -> dict[str, object]:
    box = truth.boxes[row] if truth.visible[row] > WHOLE_VISIBLE else truth.visible_boxes[row]
    box = box.astype(np.float64)
    sides = box[2:] - box[:2]
    box = np.clip(box + rng.normal(0, 0.03, 4) * np.tile(sides, 2), 0, np.tile(size, 2))
    box[2:] = np.maximum(box[2:], box[:2] + 1)
    copy = bool(truth.copy[row])
    tracklet = int(truth.person[row]) + 100 * copy
    change = rng.random()
    lost[tracklet] = change > FOUND_AGAIN if lost.get(tracklet) else change < LOST
    points, score = _points(truth.keypoints[row], box, lost[tracklet], rng)
    seen = truth.mask(row)
    return {
        "frame": frame,
        "tracklet": tracklet,
        "person": int(truth.person[row]),
        "copy": copy,
        "box": box,
        "points": points,
        "score": score,
        "head": _pixels(frame, truth.head_mask(row) & seen),
        "body": _pixels(frame, seen),
        "visible": float(truth.head_visible[row]),
        "role": str(truth.role[row]),
        "true": truth.keypoints[row],
    }


def _points(
    true: NDArray[np.float32], box: NDArray[np.float64], lost: bool, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    anywhere = box[:2] + rng.random((len(true), 2)) * (box[2:] - box[:2])
    if lost:
        return anywhere, rng.uniform(0.05, 0.4, len(true))
    difficulty = np.where(true[:, 2] == 2, 1.0, 2.2) * np.exp(rng.normal(0, 0.4, len(true)))
    reach = np.sqrt(BODY_SHARE * np.prod(box[2:] - box[:2]))
    error = np.sqrt(COMMON) * rng.normal(size=2) + np.sqrt(1 - COMMON) * rng.normal(size=(len(true), 2))
    points = true[:, :2] + error * (WHOLEBODY_SIGMAS * difficulty * reach)[:, None]
    score = np.clip(1 / (1 + (difficulty / 1.5) ** 2) + rng.normal(0, 0.08, len(true)), 0, 1)
    absent = true[:, 2] == 0
    wild = absent | (rng.random(len(true)) < WILD)
    score = np.where(absent, rng.uniform(0, 0.35, len(true)), np.where(wild, rng.uniform(0.2, 0.8, len(true)), score))
    return np.where(wild[:, None], anywhere, points), score


def _pixels(frame: int, mask: NDArray[np.bool_]) -> HeadPixels:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return HeadPixels(frame, 0, 0, np.zeros((0, 0), bool))
    x, y = int(columns[0]), int(rows[0])
    return HeadPixels(frame, x, y, mask[y : rows[-1] + 1, x : columns[-1] + 1].copy())


def _persons(
    columns: dict[str, list], frame: NDArray[np.int32], time: NDArray[np.float64], rng: np.random.Generator
) -> pa.Table:
    count = len(frame)
    existence = np.where(rng.random(count) < DOUBTFUL, 0.3, 0.9).astype(np.float32)
    return tables.make(
        tables.PERSONS,
        frame=frame,
        time=time[frame],
        tracklet=np.array(columns["tracklet"], np.int32),
        existence=existence,
        source=["detected"] * count,
        score=existence,
        candidate=pa.nulls(count, pa.int32()),
        person=np.array(columns["person"], np.int32),
        over_time=pa.nulls(count, pa.float32()),
        over_views=pa.nulls(count, pa.float32()),
        copy=np.array(columns["copy"]),
        **tables.box_columns(as_boxes(np.array(columns["box"]))),
    )


def _poses(
    columns: dict[str, list], frame: NDArray[np.int32], time: NDArray[np.float64], index: NDArray[np.int32]
) -> pa.Table:
    points, boxes = np.array(columns["points"]), np.array(columns["box"])[:, None]
    outside = ((points < boxes[..., :2]) | (points > boxes[..., 2:])).any(axis=2)
    return tables.make(
        tables.POSES,
        frame=frame,
        time=time[frame],
        index=index,
        tracklet=np.array(columns["tracklet"], np.int32),
        person=np.array(columns["person"], np.int32),
        x=list(points[..., 0].astype(np.float32)),
        y=list(points[..., 1].astype(np.float32)),
        score=list(np.array(columns["score"], np.float32)),
        outside=list(outside),
    )
