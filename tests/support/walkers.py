"""Made-up candidates of people who walk through a view, with clutter, gaps and a known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from drape import tables
from numpy.typing import NDArray


@dataclass
class Scene:
    """``FRAMES`` and ``CANDIDATES`` of a scene, and the true boxes: (persons, frames, 4), NaN where out of view."""

    frames: pa.Table
    candidates: pa.Table
    truth: NDArray[np.float64]


def walk(
    persons: int = 4,
    count: int = 200,
    fps: float = 25.0,
    seed: int = 0,
    hidden: tuple[int, int] | None = None,
    score: float = 0.8,
    clutter: float = 1.0,
    jitter: float = 1.5,
) -> Scene:
    """People of 60 x 160 pixels cross a 1280 x 720 view on lanes of their own.

    Args:
        hidden: frames (start, stop) in which person 0 gives no candidate.
        score: mean score of a visible person.
        clutter: expected number of low-score false candidates per frame.
        jitter: standard deviation of the boxes' noise, in pixels.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(count) / fps
    x = np.linspace(100, 700, persons)[:, None] + rng.uniform(-60, 60, (persons, 1)) * time
    y = np.linspace(120, 420, persons)[:, None] + 0 * time
    truth = np.stack([x, y, x + 60, y + 160], axis=-1)
    rows = []
    for frame in range(count):
        for person in range(persons):
            if person == 0 and hidden and hidden[0] <= frame < hidden[1]:
                continue
            box = truth[person, frame] + rng.normal(0, jitter, 4)
            rows.append((frame, *box, float(np.clip(rng.normal(score, 0.08), 0.06, 0.99))))
        for _ in range(rng.poisson(clutter)):
            left, top = rng.uniform(0, 1180), rng.uniform(0, 500)
            rows.append((frame, left, top, left + 50, top + 150, rng.uniform(0.05, 0.3)))
    return Scene(frame_table(count, fps), candidate_table(rows, fps), truth)


def frame_table(count: int, fps: float) -> pa.Table:
    """``FRAMES`` of a steady view."""
    index = np.arange(count)
    return tables.make(tables.FRAMES, frame=index, pts=index, time=index / fps)


def candidate_table(rows: list[tuple[float, ...]], fps: float) -> pa.Table:
    """``CANDIDATES`` from rows ``(frame, x1, y1, x2, y2, score)``."""
    array = np.array(rows, np.float64).reshape(-1, 6)
    return tables.make(
        tables.CANDIDATES,
        frame=array[:, 0].astype(np.int32),
        time=array[:, 0] / fps,
        score=array[:, 5].astype(np.float32),
        **tables.box_columns(array[:, 1:5].astype(np.float32)),
    )
