"""Pseudo labels as others make them, to measure against."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.adaptation.config_labels import LabelConfig
from drape.boxes import Boxes, Floats, area, intersection, nms
from drape.tables import LABELS, box_columns, boxes_of, make

_CONTAINED = 0.8
_OVERLAP = 0.5
_LEAST_AREA = 500.0


def rival_labels(view: str, persons: pa.Table, candidates: pa.Table, config: LabelConfig) -> pa.Table:
    """Hard ``LABELS`` of every frame of a view.

    ``accept_all``: every box that tracking or association returned with a score from ``accept_score`` on, larger than
    500 square pixels, after suppression by containment (.8) and by overlap (.5), as arXiv 2602.02850's code does.
    ``threshold``: the detector's own boxes from ``own_score`` on, after suppression by overlap.
    """
    if config.rule == "accept_all":
        seen = persons.filter(pc.and_(pc.is_valid(persons.column("candidate")), pc.invert(persons.column("copy"))))
        table = seen.filter(pc.greater_equal(pc.fill_null(seen.column("score"), 0.0), config.accept_score))
        table = table.filter(pa.array(area(boxes_of(table)) > _LEAST_AREA))
    else:
        table = candidates.filter(pc.greater_equal(candidates.column("score"), config.own_score))
    boxes, scores = boxes_of(table), table.column("score").to_numpy().astype(np.float32)
    keep = _kept(table.column("frame").to_numpy(), boxes, scores, config.rule == "accept_all")
    table, boxes = table.take(pa.array(keep)), boxes[keep]
    count = len(keep)
    return make(
        LABELS,
        view=[view] * count,
        frame=table.column("frame").combine_chunks(),
        time=table.column("time").combine_chunks(),
        weight=np.ones(count, np.float32),
        ignored=np.zeros(count, bool),
        source=["detected"] * count,
        **box_columns(boxes),
    )


def _kept(frames: NDArray[np.int32], boxes: Boxes, scores: Floats, contained: bool) -> NDArray[np.int64]:
    """Rows that suppression leaves, in their order."""
    starts = np.flatnonzero(np.r_[True, np.diff(frames) > 0]) if len(frames) else np.zeros(0, np.int64)
    kept = []
    for start, stop in zip(starts, [*starts[1:], len(frames)], strict=True):
        rows = np.arange(start, stop)
        if contained:
            rows = rows[_not_contained(boxes[rows], scores[rows])]
        kept.append(rows[nms(boxes[rows], scores[rows], _OVERLAP)])
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.int64)


def _not_contained(boxes: Boxes, scores: Floats) -> NDArray[np.int64]:
    """Rows that no better box holds, or is held by, for more than ``_CONTAINED`` of the smaller one's area."""
    areas = np.maximum(area(boxes), 1e-6)
    shared = intersection(boxes, boxes) / np.minimum(areas[:, None], areas[None])
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        if not (shared[row, kept] > _CONTAINED).any():
            kept.append(int(row))
    return np.array(kept, np.int64)
