"""The rules by which boxes on 4D-OR are judged in the literature, for figures that can be put beside published ones.

They differ from COCO's in one place that matters: a found box looks only at the true box it overlaps most, and is wrong
if that one is taken, however well it would fit another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import iou, nms
from drape.errors import EvaluationError
from drape.evaluation.coco import groups
from drape.evaluation.detection import Curve, average_precision
from drape.evaluation.operating import Operating, best_operating, partial_average_precision
from drape.tables import boxes_of

SUPPRESSION = 0.7
OVERLAP = 0.5
LEVELS = 11


@dataclass(frozen=True)
class Protocol:
    """Figures of one table of boxes, views and frames together.

    Attributes:
        ap: average precision over 11 recall levels.
        partial_ap: the same over recalls above .9 (every level, not 11).
        recall, precision, hard_recall: of all boxes; ``hard_recall`` is of the truths marked hard, NaN without any.
        f2, f3: the operating points of the highest F2 and F3.
        hard_recall_f2, hard_recall_f3: recall of the hard truths there.
    """

    ap: float
    partial_ap: float
    recall: float
    precision: float
    hard_recall: float
    f2: Operating
    f3: Operating
    hard_recall_f2: float
    hard_recall_f3: float


def protocol(truth: pa.Table, found: pa.Table) -> Protocol:
    """The protocol's figures.

    Args:
        truth: table with ``frame`` and box columns, and a boolean column ``hard``.
        found: table with ``frame``, box columns and ``score``, suppression not yet applied. Frames of different views
            must have different numbers (``matching.concatenated``).

    Raises:
        EvaluationError: the truth has no rows.
    """
    if not len(truth):
        raise EvaluationError("The truth has no boxes", "Choose frames that the truth speaks of")
    kept = suppressed(found)
    taker = match_best_only(truth, kept)
    points = curve_best_only(truth, kept)
    hard = truth.column("hard").to_numpy(zero_copy_only=False)
    score = kept.column("score").to_numpy()
    f2, f3 = best_operating(points, 2), best_operating(points, 3)
    at = [_hard_recall(taker, score, hard, least) for least in (-np.inf, f2.score, f3.score)]
    hits = int((taker >= 0).sum())
    return Protocol(
        average_precision(points, LEVELS),
        partial_average_precision(points),
        hits / len(truth),
        hits / len(kept) if len(kept) else 1.0,
        at[0],
        f2,
        f3,
        at[1],
        at[2],
    )


def suppressed(found: pa.Table, threshold: float = SUPPRESSION) -> pa.Table:
    """The boxes that non-maximum suppression leaves, frame by frame; rows keep their order."""
    boxes, score = boxes_of(found), found.column("score").to_numpy()
    frame = found.column("frame").to_numpy()
    keep = np.zeros(len(found), bool)
    for _, rows in groups(frame[:0], frame, score.astype(np.float64)):
        keep[rows[nms(boxes[rows], score[rows], threshold)]] = True
    return found.filter(pa.array(keep))


def match_best_only(truth: pa.Table, found: pa.Table, threshold: float = OVERLAP) -> NDArray[np.int64]:
    """Which found box takes each true one: in the order of score, each claims only the true box it overlaps most.

    Args:
        truth: table with ``frame`` and box columns.
        found: likewise, with ``score``.
        threshold: least IoU of a match.

    Returns:
        (N,) row of the found box that takes each true one, -1 for none.
    """
    a, b = boxes_of(truth), boxes_of(found)
    score = found.column("score").to_numpy().astype(np.float64)
    taker = np.full(len(truth), -1, np.int64)
    for i, j in groups(truth.column("frame").to_numpy(), found.column("frame").to_numpy(), score):
        if not len(i):
            continue
        overlap = iou(a[i], b[j])
        best = np.argmax(overlap, axis=0)
        good = np.flatnonzero(overlap[best, np.arange(len(j))] >= threshold)
        claimed, first = np.unique(best[good], return_index=True)
        taker[i[claimed]] = j[good[first]]
    return taker


def curve_best_only(truth: pa.Table, found: pa.Table, threshold: float = OVERLAP) -> Curve:
    """Recall-precision curve under ``match_best_only``; equal scores enter together."""
    score = found.column("score").to_numpy().astype(np.float64)
    taker = match_best_only(truth, found, threshold)
    hit = np.zeros(len(found), bool)
    hit[taker[taker >= 0]] = True
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)[: len(order)])
    hits = np.cumsum(hit[order])[last]
    return Curve(score[order][last], hits / max(len(truth), 1), hits / (last + 1))


def _hard_recall(taker: NDArray[np.int64], score: NDArray[np.float32], hard: NDArray[np.bool_], least: float) -> float:
    if not hard.any():
        return float("nan")
    found = taker[hard]
    return float(np.mean((found >= 0) & (np.append(score, -np.inf)[found] >= least)))
