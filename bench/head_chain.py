"""Simulated rooms, drawn, with the key points of a real pose model; and how its errors go with its scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from drape import tables
from drape.pose import PoseConfig, build_estimator
from drape.pose.head_config import HeadConfig
from drape.pose.head_points import sigma_of
from drape.pose.head_template import IDS
from drape.simulator import Scene
from numpy.typing import NDArray

from bench.head_scenes import HeadView, simulated

TUNING = (("source", 21), ("dim", 22), ("steep", 23), ("gowned", 24), ("hazy", 25), ("compressed", 26))
HEAD_METRES = 0.25
"""Length of a head with cap in the simulator: what turns pixels into metres of the person."""


def estimated(family: str, seed: int, seconds: float, fps: float, preset: str) -> list[HeadView]:
    """Views whose poses are those of a model on the jittered boxes; smoothing over time is not applied."""
    scene, views = simulated(family, seed, seconds, fps)
    estimator = build_estimator(PoseConfig(preset=preset))
    return [replace(view, poses=_poses(scene, number, view, estimator)) for number, view in enumerate(views)]


def _poses(scene: Scene, number: int, view: HeadView, estimator: object) -> pa.Table:
    boxes, frame = tables.boxes_of(view.persons), view.persons.column("frame").to_numpy()
    points, scores = [], []
    for k in np.unique(frame):
        found = estimator([scene.frame(number, int(k)).image], [boxes[frame == k]])[0]  # type: ignore[operator]
        points.append(found[0])
        scores.append(found[1])
    xy, score = np.concatenate(points), np.concatenate(scores)
    outside = ((xy < boxes[:, None, :2]) | (xy > boxes[:, None, 2:])).any(axis=2)
    kept = {name: view.poses.column(name) for name in ("frame", "time", "index", "tracklet", "person")}
    columns = {"x": list(xy[..., 0]), "y": list(xy[..., 1]), "score": list(score), "outside": list(outside)}
    return tables.make(tables.POSES, **kept, **columns)


def errors_by_score(preset: str, seconds: float) -> Iterator[tuple[float, float, int, float, float, float]]:
    """Of head points and shoulders by tenths of score: bounds, count, error on an axis in metres that 68 % and 95 % / 2
    keep, and what ``HeadConfig`` assumes."""
    scores: list[NDArray[np.float64]] = []
    errors: list[NDArray[np.float64]] = []
    for family, seed in TUNING:
        for view in estimated(family, seed, seconds, 2, preset):
            found = np.stack([np.array(view.poses.column(n).to_pylist()) for n in ("x", "y")], axis=2)[:, IDS]
            true = view.truth.points[:, IDS]
            size = np.array([max(head.mask.shape) if head.mask.size else 0 for head in view.truth.pixels])
            outside = np.array(view.poses.column("outside").to_pylist())[:, IDS]
            keep = (true[..., 2] > 0) & (view.truth.visible > 0.9)[:, None] & (size > 0)[:, None] & ~outside
            off = np.abs(found - true[..., :2]) / np.maximum(size, 1)[:, None, None] * HEAD_METRES
            errors.append(off.mean(axis=2)[keep])
            scores.append(np.array(view.poses.column("score").to_pylist())[:, IDS][keep])
    score, error = np.concatenate(scores), np.concatenate(errors)
    for low in np.arange(0, 1, 0.1):
        here = error[(score >= low) & (score <= low + 0.1)]
        if len(here) >= 20:
            assumed = float(sigma_of(np.array([low + 0.05]), HeadConfig())[0])
            middle, far = np.quantile(here, [0.68, 0.95])
            yield float(low), float(low + 0.1), len(here), float(middle), float(far), assumed
