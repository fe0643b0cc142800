"""Views whose instants are too far apart for tracking: every candidate is a tracklet of its own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from drape import tables
from drape.boxes import Boxes, as_boxes
from drape.retrieval.pairing import paired_iou, within_groups

VOTE_IOU = 0.5
"""Candidates that overlap a box more than this have a say in where it lies."""

ACCEPTED = 0.5


def untracked(candidates: pa.Table, high_score: float = ACCEPTED) -> pa.Table:
    """Candidates as ``TRACKLETS`` without tracking: the existence is the score, tracklets are numbered by row.

    A box is moved to the mean of the candidates around it, weighted by score and overlap (box voting, Gidaris and
    Komodakis 2015, section 3.3.2): a single box of a detector is a poor guess of where a person ends.

    Args:
        candidates: the view's ``CANDIDATES``.
        high_score: candidates of at least this score have the source ``detected``, others ``tracked``.
    """
    frame = candidates.column("frame").to_numpy()
    score = candidates.column("score").to_numpy()
    within = np.arange(len(frame)) - np.searchsorted(frame, frame)
    return tables.make(
        tables.TRACKLETS,
        frame=frame,
        time=candidates.column("time").to_numpy(),
        tracklet=np.arange(len(frame), dtype=np.int32),
        existence=score,
        source=np.where(score >= high_score, "detected", "tracked"),
        score=score,
        candidate=within.astype(np.int32),
        **tables.box_columns(vote(tables.boxes_of(candidates), score, frame)),
    )


def vote(boxes: Boxes, scores: np.ndarray, frame: np.ndarray) -> Boxes:
    """Boxes (N, 4) moved to the mean of those around them in their frame; rows sorted by frame."""
    if len(boxes) == 0:
        return boxes
    i, j = within_groups(frame)
    overlap = paired_iou(boxes[i], boxes[j])
    near = overlap >= VOTE_IOU
    i, j, weight = i[near], j[near], (overlap[near] * np.maximum(scores[j[near]], 1e-3)).astype(np.float64)
    total = np.bincount(i, weight, len(boxes))
    columns = [np.bincount(i, weight * boxes[j, k], len(boxes)) / total for k in range(4)]
    return as_boxes(np.stack(columns, axis=1))
