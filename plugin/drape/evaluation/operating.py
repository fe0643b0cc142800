"""Where on its recall-precision curve a detector is best run, when a missed person costs more than a false one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from drape.evaluation.detection import Curve


class Operating(NamedTuple):
    """An operating point: boxes of at least ``score`` are kept, with this recall, precision and F measure."""

    score: float
    recall: float
    precision: float
    f: float


def f_measure(recall: float, precision: float, beta: float) -> float:
    """Weighted harmonic mean in which recall counts ``beta`` times as much as precision (van Rijsbergen, 1979)."""
    weight = beta**2
    below = weight * precision + recall
    return (1 + weight) * precision * recall / below if below else 0.0


def best_operating(points: Curve, beta: float) -> Operating:
    """The point of a curve with the highest F measure; of equals that of the lower score, which finds more.

    Args:
        points: from ``detection.curve`` or ``protocol_4dor.curve_best_only``.
        beta: 2 for F2, 3 for F3.

    Returns:
        The point; of an empty curve score infinity and recall 0.
    """
    if not len(points.score):
        return Operating(float("inf"), 0.0, 0.0, 0.0)
    below = beta**2 * points.precision + points.recall
    above = (1 + beta**2) * points.precision * points.recall
    value = np.divide(above, below, out=np.zeros(len(below)), where=below > 0)
    best = len(value) - 1 - int(np.argmax(value[::-1]))
    return Operating(
        float(points.score[best]), float(points.recall[best]), float(points.precision[best]), float(value[best])
    )


def partial_average_precision(points: Curve, recall: float = 0.9) -> float:
    """Mean over all recall levels in (recall, 1] of the best precision at no lower recall; 0 where none reaches them.

    Args:
        points: as for ``best_operating``.
        recall: where the part begins, in [0, 1).
    """
    envelope = np.maximum.accumulate(points.precision[::-1])[::-1]
    widths = np.diff(np.maximum(points.recall, recall), prepend=recall)
    return float(np.sum(widths * envelope) / (1 - recall))
