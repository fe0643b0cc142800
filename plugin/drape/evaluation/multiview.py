"""Whether persons are found in all views at once: a person who is missed in one view is not anonymous in the others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.evaluation.bootstrap import ratio
from drape.evaluation.observations import by_column
from drape.tables import make

RECALLS = pa.schema(
    [
        pa.field("group", pa.string(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("successes", pa.int64(), nullable=False),
        pa.field("recall", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
    ]
)
"""Per group: how many were demanded and how many succeeded, the share, and its interval (see ``bootstrap``)."""

EVERYTHING = "all"


def recall(observations: pa.Table, labels: NDArray[np.str_] | None = None, seed: int = 0) -> pa.Table:
    """Share of sights that are covered. Intervals resample the tracks (person and view).

    Args:
        observations: ``OBSERVATIONS``, N rows.
        labels: (N,) the group of each sight; a last row ``all`` is added.
        seed: of the resampling.

    Returns:
        Table ``RECALLS``, groups by name.
    """
    view: NDArray[np.int64] = np.unique(by_column(observations, "view"), return_inverse=True)[1]
    sight = np.arange(len(observations))
    return _shares(observations, sight, _numbers(_persons(observations), view), labels, seed)


def multi_view_recall(observations: pa.Table, labels: NDArray[np.str_] | None = None, seed: int = 0) -> pa.Table:
    """Share of persons at instants who are covered in every view that shows them (DisguisOR, Bastian et al., 2023).

    Args:
        observations: ``OBSERVATIONS``.
        labels: (N,) the group of each sight. A person at an instant is judged within a group by the sights of this
            group alone, so labels that differ between the views of an instant (view, size) ask for less.
        seed: of the resampling, which is over persons.

    Returns:
        Table ``RECALLS``.
    """
    person = _persons(observations)
    return _shares(observations, _numbers(person, _instants(observations)), person, labels, seed)


def scene_instant_recall(
    observations: pa.Table, labels: NDArray[np.str_] | None = None, stretch: float = 10.0, seed: int = 0
) -> pa.Table:
    """Share of instants at which nobody is left uncovered in any view; instants without persons are not counted.

    Args:
        observations: ``OBSERVATIONS``.
        labels: as for ``multi_view_recall``.
        stretch: seconds of the stretches of time that are resampled.
        seed: of the resampling.

    Returns:
        Table ``RECALLS``.
    """
    block = np.floor(observations.column("time").to_numpy() / stretch).astype(np.int64)
    return _shares(observations, _instants(observations), block, labels, seed)


def hard_recall(hit: NDArray[np.bool_], hard: NDArray[np.bool_]) -> float:
    """Share found of the truths marked as hard cases; NaN if there are none.

    Args:
        hit: (N,) which truths are found (``detection.hits``).
        hard: (N,) which are hard.
    """
    return float(hit[hard].mean()) if hard.any() else float("nan")


def _shares(
    observations: pa.Table,
    unit: NDArray[np.int64],
    block: NDArray[np.int64],
    labels: NDArray[np.str_] | None,
    seed: int,
) -> pa.Table:
    """Share of units whose every sight is covered, in each group and overall; blocks are resampled."""
    covered: NDArray[np.bool_] = observations.column("covered").to_numpy(zero_copy_only=False)
    groups = [] if labels is None else [(str(name), np.flatnonzero(labels == name)) for name in np.unique(labels)]
    rows = []
    for name, inside in [*groups, (EVERYTHING, np.arange(len(covered)))]:
        _, first, index = np.unique(unit[inside], return_index=True, return_inverse=True)
        success = np.bincount(index, weights=~covered[inside], minlength=len(first)) == 0
        _, of_block = np.unique(block[inside][first], return_inverse=True)
        share = ratio(np.bincount(of_block, weights=success), np.bincount(of_block), seed=seed)
        rows.append((name, len(success), int(success.sum()), *share))
    return make(RECALLS, **dict(zip(RECALLS.names, zip(*rows, strict=True), strict=True)))


def _persons(observations: pa.Table) -> NDArray[np.int64]:
    """The person of each sight; each sight of an unknown person has a number of its own."""
    person = observations.column("person").to_numpy().astype(np.int64)
    return np.where(person < 0, -1 - np.arange(len(person)), person)


def _instants(observations: pa.Table) -> NDArray[np.int64]:
    instants: NDArray[np.int64] = observations.column("instant").to_numpy()
    return instants


def _numbers(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each pair of values."""
    pairs: NDArray[np.int64] = np.unique(np.stack([a, b], axis=1), axis=0, return_inverse=True)[1]
    return pairs.reshape(-1)
