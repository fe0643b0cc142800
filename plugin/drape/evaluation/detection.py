"""How well persons are found, whoever they are: recall, precision, average precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import iou
from drape.evaluation.matching import Likeness, match, pairs
from drape.tables import boxes_of

_EDGE = 1e-9  # a recall such as 0.3 must reach the grid point 0.3 in spite of rounding


@dataclass(frozen=True)
class Detection:
    """Counts of persons found and missed at one operating point."""

    truths: int
    found: int
    matches: int

    @property
    def recall(self) -> float:
        """Matched share of the true boxes; 1 if there are none."""
        return self.matches / self.truths if self.truths else 1.0

    @property
    def precision(self) -> float:
        """Matched share of the found boxes; 1 if there are none."""
        return self.matches / self.found if self.found else 1.0

    @property
    def moda(self) -> float:
        """MOTA without identities: 1 - (misses + false positives) / true boxes (Bernardin and Stiefelhagen, 2008);
        NaN if there are no true boxes."""
        wrong = self.truths + self.found - 2 * self.matches
        return 1 - wrong / self.truths if self.truths else float("nan")


class Curve(NamedTuple):
    """Recall and precision after each found box, best score first; one entry per distinct score, shape (K,) each."""

    score: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


def detection(truth: pa.Table, found: pa.Table, threshold: float = 0.5, likeness: Likeness = iou) -> Detection:
    """Recall and precision of boxes at an IoU threshold, by the best one-to-one matching of each frame.

    Args:
        truth: table with ``frame`` and box columns.
        found: likewise; every row counts, so cut it at the operating point first.
        threshold: least likeness of a match.
        likeness: ``boxes.iou``; with ``boxes.coverage`` and a threshold of .95 a found box must hide the person.
    """
    return Detection(len(truth), len(found), len(match(truth, found, threshold, likeness).truth))


def hits(truth: pa.Table, found: pa.Table, threshold: float = 0.5, likeness: Likeness = iou) -> NDArray[np.bool_]:
    """Which true boxes are found, (N,); arguments as for ``detection``."""
    hit = np.zeros(len(truth), bool)
    hit[match(truth, found, threshold, likeness).truth] = True
    return hit


def curve(truth: pa.Table, candidates: pa.Table, threshold: float = 0.5) -> Curve:
    """Recall-precision curve of scored boxes.

    Matching is that of COCO (Lin et al., 2014; pycocotools ``evaluateImg``): boxes choose in the order of their score,
    each the free true box of its frame with the highest IoU >= threshold. The number of boxes is not limited.

    Args:
        truth: table with ``frame`` and box columns.
        candidates: likewise, with ``score``.
        threshold: least IoU of a match.
    """
    score = candidates.column("score").to_numpy().astype(np.float64)
    hit = _hits(truth, candidates, score, threshold)
    order = np.argsort(-score, kind="stable")
    true_positives = np.cumsum(hit[order])
    # Boxes of equal score enter together: no operating point lies between them.
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)[: len(order)])
    found = true_positives[last]
    return Curve(score[order][last], found / max(len(truth), 1), found / (last + 1))


def average_precision(points: Curve, interpolation: int | None = 101) -> float:
    """Average precision of a curve, in [0, 1].

    Args:
        points: from ``curve``.
        interpolation: number of recall levels in [0, 1] at which the best precision at no lower recall is averaged
            (101: COCO; 11: PASCAL VOC 2007); ``None``: exact area under that envelope (PASCAL VOC 2010).
    """
    envelope = np.maximum.accumulate(points.precision[::-1])[::-1]
    if interpolation is None:
        return float(np.sum(np.diff(points.recall, prepend=0.0) * envelope))
    levels = np.linspace(0, 1, interpolation)
    index = np.searchsorted(points.recall, levels - _EDGE, side="left")
    return float(np.mean(np.append(envelope, 0.0)[index]))


def recall_at_precision(points: Curve, precision: float) -> tuple[float, float]:
    """Highest recall of a curve at no lower precision, and the score that reaches it; (0, inf) if none does."""
    good = np.flatnonzero(points.precision >= precision)
    if not len(good):
        return 0.0, float("inf")
    return float(points.recall[good[-1]]), float(points.score[good[-1]])


def _hits(truth: pa.Table, candidates: pa.Table, score: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    hit = np.zeros(len(candidates), bool)
    a, b = boxes_of(truth), boxes_of(candidates)
    for _, i, j in pairs(truth, candidates):
        if not len(i):
            continue
        j = j[np.argsort(-score[j], kind="stable")]
        overlap = iou(a[i], b[j])
        overlap[overlap < threshold] = 0
        for k in np.flatnonzero(overlap.any(axis=0)):
            best = int(np.argmax(overlap[:, k]))
            if overlap[best, k] > 0:
                hit[j[k]] = True
                overlap[best] = 0
    return hit
