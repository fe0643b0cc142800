"""Whether probabilities mean what they say: reliability by bins, expected calibration error, Brier score."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from drape.errors import EvaluationError
from drape.tables import make

RELIABILITY = pa.schema(
    [
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("predicted", pa.float64()),
        pa.field("observed", pa.float64()),
    ]
)
"""One row per bin of probabilities [low, high), the last one closed: how many fell into it, their mean probability, and
the share of them that came true; the latter two are null in an empty bin."""


def reliability(probabilities: ArrayLike, outcomes: ArrayLike, bins: int | ArrayLike = 10) -> pa.Table:
    """Mean probability and frequency by bins of probability (Murphy and Winkler, 1977).

    Args:
        probabilities: (N,) in [0, 1].
        outcomes: (N,) whether each came true.
        bins: number of bins of equal width, or (B + 1,) increasing edges from 0 to 1 (see ``equal_counts``).

    Returns:
        Table ``RELIABILITY`` of B rows.

    Raises:
        EvaluationError: the arrays do not fit each other, a probability is not in [0, 1], or the edges are unusable.
    """
    p, y = _checked(probabilities, outcomes)
    edges = _edges(bins)
    place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(place, minlength=len(edges) - 1)
    sums = np.stack([np.bincount(place, values, len(edges) - 1) for values in (p, y)])
    predicted, observed = np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)
    return make(RELIABILITY, low=edges[:-1], high=edges[1:], count=count, predicted=predicted, observed=observed)


def equal_counts(probabilities: ArrayLike, bins: int = 10) -> NDArray[np.float64]:
    """Edges of bins that hold about equally many of the probabilities; fewer bins where many are equal."""
    p, _ = _checked(probabilities, np.zeros(np.shape(probabilities)))
    inner = np.quantile(p, np.linspace(0, 1, _number(bins) + 1)[1:-1]) if len(p) else np.zeros(0)
    edges: NDArray[np.float64] = np.unique(np.concatenate([[0.0], inner, [1.0]]))
    return edges


def expected_calibration_error(table: pa.Table) -> float:
    """Mean over all predictions of the distance between their bin's probability and frequency (Naeini et al., 2015).

    Args:
        table: ``RELIABILITY``.

    Returns:
        The error in [0, 1]; NaN without predictions.
    """
    count, distance = _distances(table)
    return float(np.average(distance, weights=count)) if len(count) else float("nan")


def maximum_calibration_error(table: pa.Table) -> float:
    """Largest distance between a bin's probability and its frequency; NaN without predictions."""
    _, distance = _distances(table)
    return float(distance.max()) if len(distance) else float("nan")


def brier(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Mean squared distance between probability and outcome (Brier, 1950); NaN without predictions.

    Args:
        probabilities: (N,) in [0, 1].
        outcomes: (N,) whether each came true.

    Raises:
        EvaluationError: the arrays do not fit each other, or a probability is not in [0, 1].
    """
    p, y = _checked(probabilities, outcomes)
    return float(np.mean((p - y) ** 2)) if len(p) else float("nan")


def _distances(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count and distance of the bins that are not empty."""
    rows = table.filter(table.column("predicted").is_valid())
    predicted, observed = rows.column("predicted").to_numpy(), rows.column("observed").to_numpy()
    distance: NDArray[np.float64] = np.abs(predicted - observed)
    return rows.column("count").to_numpy(), distance


def _checked(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, y = np.asarray(probabilities, np.float64), np.asarray(outcomes, np.float64)
    if p.ndim != 1 or p.shape != y.shape:
        raise EvaluationError("Probabilities and outcomes differ in number", "Give one outcome for each probability")
    if not ((p >= 0) & (p <= 1)).all() or not np.isin(y, (0, 1)).all():
        raise EvaluationError("A probability is not in [0, 1] or an outcome is not 0 or 1", "Check what was passed")
    return p, y


def _number(bins: int) -> int:
    if bins < 1:
        raise EvaluationError("There are no bins", "Ask for at least one")
    return int(bins)


def _edges(bins: int | ArrayLike) -> NDArray[np.float64]:
    if isinstance(bins, int):
        return np.linspace(0, 1, _number(bins) + 1, dtype=np.float64)
    edges: NDArray[np.float64] = np.asarray(bins, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or not (np.diff(edges) > 0).all():
        raise EvaluationError("The edges of the bins are unusable", "Let them increase from 0 to 1")
    return edges
