"""Masks of heads as others make them, and ours, all as rectangles of released frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from drape import tables
from drape.anonymization import ReleaseConfig, plan_view
from drape.boxes import as_boxes
from drape.recording import View
from numpy.typing import NDArray

from bench.head_scenes import HeadView

SQUARES = {"fixed square, 160 px of 2048": 160 / 2048, "fixed square, 40 px of 853": 40 / 853}
"""Side of the square around eyes and chin in the two rooms of arXiv 2602.02850, as a share of the picture's width."""
EYES_AND_CHIN = (1, 2, 31)
SEEN_SCORE = 0.4
"""Its threshold on a point's visibility."""

Heads = dict[str, pa.Table]
Masks = Callable[[HeadView], pa.Table]


def ours(target: str, heads: Heads | None) -> Masks:
    """Regions of a release with this target; heads by view."""

    def masks(view: HeadView) -> pa.Table:
        found = heads[view.name] if heads is not None else None
        return plan_of(view, ReleaseConfig(target=target), found)

    return masks


def plan_of(view: HeadView, config: ReleaseConfig, heads: pa.Table | None) -> pa.Table:
    """The regions of a view's plan."""
    count = view.frames.num_rows
    width, height = view.size
    facts = View(id=view.name, name=view.name, media=Path(view.name), width=width, height=height, num_frames=count)
    covered = tables.make(tables.COVERED, frame=range(count), known=[True] * count, reason=[None] * count)
    return plan_view(facts, view.frames, covered, view.persons, config, heads, view.poses).regions_table()


def upper_third(view: HeadView) -> pa.Table:
    """The upper third of every box."""
    boxes = tables.boxes_of(view.persons)
    boxes[:, 3] = boxes[:, 1] + (boxes[:, 3] - boxes[:, 1]) / 3
    return _table(view, np.arange(len(boxes)), boxes)


def fixed_square(share: float) -> Masks:
    """A square around the middle of whichever of eyes and chin are seen."""

    def masks(view: HeadView) -> pa.Table:
        x, y, score = (_matrix(view.poses, name)[:, EYES_AND_CHIN] for name in ("x", "y", "score"))
        seen = (score >= SEEN_SCORE) & ~_matrix(view.poses, "outside")[:, EYES_AND_CHIN].astype(bool)
        rows = np.flatnonzero(seen.any(axis=1))
        low = np.stack([np.where(seen, p, np.inf).min(axis=1) for p in (x, y)], axis=1)[rows]
        high = np.stack([np.where(seen, p, -np.inf).max(axis=1) for p in (x, y)], axis=1)[rows]
        middle, half = (low + high) / 2, share * view.size[0] / 2
        return _table(view, rows, np.concatenate([middle - half, middle + half], axis=1))

    return masks


def _matrix(poses: pa.Table, name: str) -> NDArray[np.float64]:
    return np.array(poses.column(name).to_pylist(), np.float64).reshape(poses.num_rows, -1)


def _table(view: HeadView, rows: NDArray[np.int64], boxes: NDArray[np.float64]) -> pa.Table:
    frame = view.persons.column("frame").to_numpy()[rows]
    size = np.tile(view.size, 2)
    return pa.table({"frame": frame, **tables.box_columns(as_boxes(np.clip(boxes, 0, size)))})
