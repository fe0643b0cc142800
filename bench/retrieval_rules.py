"""The accept-all rule of the paper's code (arXiv 2602.02850), on single instants, written from its description."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from drape.boxes import area, coverage, nms
from drape.retrieval import RetrievalView
from drape.tables import boxes_of
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

CONFIDENT = 0.6
"""Candidates of at least this score are what tracking would have given."""
UNION_IOU, CONTAINED, FINAL_IOU, LEAST_AREA = 0.9, 0.8, 0.5, 500.0
"""Its suppressions: of what was found twice; of contained boxes, overlapping boxes and small boxes in the end."""


def accept_all(views: Sequence[RetrievalView], pairs: pa.Table) -> list[NDArray[np.int64]]:
    """Rows of every view's candidates that the rule accepts.

    Every confident box of another view takes its best partner among all candidates, whatever the evidence; confident
    boxes of the own view are accepted by themselves.

    Args:
        views: the views.
        pairs: ``PAIRS``: the evidence that assignments are made on; absent pairs count 0.
    """
    index = {view.id: k for k, view in enumerate(views)}
    frames = [v.candidates.column("frame").to_numpy() for v in views]
    scores = [v.candidates.column("score").to_numpy() for v in views]
    chosen = [s >= CONFIDENT for s in scores]
    columns = [
        pairs.column(n).to_pylist() for n in ("view_a", "frame_a", "index_a", "view_b", "index_b", "probability")
    ]
    evidence: dict[tuple[int, int, int], list[tuple[int, int, float]]] = {}
    for a, frame, i, b, j, p in zip(*columns, strict=True):
        evidence.setdefault((frame, index[a], index[b]), []).append((i, j, p))
    for (frame, a, b), cells in evidence.items():
        spans = [tuple(np.searchsorted(frames[v], [frame, frame + 1])) for v in (a, b)]
        matrix = np.zeros((spans[0][1] - spans[0][0], spans[1][1] - spans[1][0]))
        for i, j, p in cells:
            matrix[i, j] = p
        _take(matrix, scores[a][slice(*spans[0])], chosen[b][slice(*spans[1])])
        _take(matrix.T, scores[b][slice(*spans[1])], chosen[a][slice(*spans[0])])
    return [_filtered(view, np.flatnonzero(taken)) for view, taken in zip(views, chosen, strict=True)]


def _take(matrix: NDArray[np.float64], score: NDArray[np.float32], taken: NDArray[np.bool_]) -> None:
    anchors = np.flatnonzero(score >= CONFIDENT)
    _, partners = linear_sum_assignment(matrix[anchors], maximize=True)
    taken[partners] = True


def _filtered(view: RetrievalView, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    boxes, frame = boxes_of(view.candidates), view.candidates.column("frame").to_numpy()
    score = view.candidates.column("score").to_numpy()
    rows = rows[area(boxes[rows]) > LEAST_AREA]
    out = [np.zeros(0, np.int64)]
    for f in np.unique(frame[rows]):
        mine = rows[frame[rows] == f]
        mine = mine[nms(boxes[mine], score[mine], UNION_IOU)]
        inside = coverage(boxes[mine], boxes[mine])
        inside = np.maximum(inside, inside.T)
        keep: list[int] = []
        for k in range(len(mine)):
            if not keep or inside[k, keep].max() <= CONTAINED:
                keep.append(k)
        mine = mine[keep]
        out.append(mine[nms(boxes[mine], score[mine], FINAL_IOU)])
    return np.sort(np.concatenate(out))
