"""How well identities are kept: CLEAR MOT and identity metrics, computed by motmetrics.

MOTA, switches, fragmentations: Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance", 2008.
IDF1: Ristani et al., "Performance measures and a data set for multi-target, multi-camera tracking", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_type_hints

import motmetrics
import numpy as np
import pyarrow as pa
from motmetrics import lap

from drape.boxes import iou
from drape.errors import EvaluationError
from drape.evaluation.matching import pairs
from drape.tables import boxes_of


@dataclass(frozen=True)
class Mot:
    """Metrics of one view. Counts are over the whole sequence; motmetrics prefers, unlike ``detection``, the pair of
    the frame before to the best matching, so its recall and precision can be lower by a few boxes."""

    mota: float
    idf1: float
    idp: float
    idr: float
    recall: float
    precision: float
    num_switches: int
    num_fragmentations: int
    num_false_positives: int
    num_misses: int
    num_objects: int
    num_predictions: int
    num_unique_objects: int
    mostly_tracked: int
    mostly_lost: int


def mot(truth: pa.Table, tracks: pa.Table, threshold: float = 0.5) -> Mot:
    """CLEAR MOT and identity metrics.

    Args:
        truth: table ``TRACKS``.
        tracks: table ``TRACKS``; every row counts.
        threshold: least IoU of a match.

    Returns:
        The metrics; those that are undefined (precision without boxes) are NaN.

    Raises:
        EvaluationError: the truth has no rows.
    """
    if not len(truth):
        raise EvaluationError("The truth has no boxes in these frames", "Choose frames that the truth speaks of")
    types = get_type_hints(Mot)
    with lap.set_default_solver("scipy"):
        values = motmetrics.metrics.create().compute(_accumulate(truth, tracks, threshold), metrics=list(types), name=0)
    return Mot(**{name: kind(values[name].iloc[0]) for name, kind in types.items()})


def _accumulate(truth: pa.Table, tracks: pa.Table, threshold: float) -> motmetrics.MOTAccumulator:
    accumulator = motmetrics.MOTAccumulator()
    a, b = boxes_of(truth), boxes_of(tracks)
    ids_a, ids_b = truth.column("id").to_numpy(), tracks.column("id").to_numpy()
    for frame, i, j in pairs(truth, tracks):
        # motmetrics' own distance function calls np.asfarray, which NumPy 2 does not have.
        overlap = iou(a[i], b[j]).astype(np.float64)
        accumulator.update(ids_a[i], ids_b[j], np.where(overlap >= threshold, 1 - overlap, np.nan), frameid=frame)
    return accumulator
