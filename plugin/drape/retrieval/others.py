"""What the other views say of a candidate: whether persons they see would appear where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from drape.retrieval.pairing import Floats, Ints
from drape.retrieval.pool import Pool


@dataclass(frozen=True)
class Links:
    """Candidates of different views that may be one person: rows ``left`` of the pool, rows ``right``, and the
    probability; every pair in both directions, (L,) each."""

    left: Ints
    right: Ints
    probability: Floats


def links(pool: Pool, pairs: pa.Table | None) -> Links:
    """``PAIRS`` as rows of the pool; pairs of views that are not here are left out.

    Raises:
        WorkspaceError: a pair speaks of a candidate that is not there.
    """
    if pairs is None or pairs.num_rows == 0:
        return Links(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    sides = [_side(pool, pairs, side) for side in ("a", "b")]
    keep = (sides[0][0] >= 0) & (sides[1][0] >= 0)
    a, b = (pool.rows_of(view[keep], frame[keep], index[keep]) for view, frame, index in sides)
    p = pairs.column("probability").to_numpy().astype(np.float64)[keep]
    return Links(np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([p, p]))


def _side(pool: Pool, pairs: pa.Table, side: str) -> tuple[Ints, Ints, Ints]:
    return (
        view_positions(pool.names, pairs.column(f"view_{side}")),
        pairs.column(f"frame_{side}").to_numpy().astype(np.int64),
        pairs.column(f"index_{side}").to_numpy().astype(np.int64),
    )


def view_positions(names: tuple[str, ...], column: pa.ChunkedArray) -> Ints:
    """Position in ``names`` of every view named in a column, -1 for others."""
    encoded = column.combine_chunks().dictionary_encode()
    known = {name: position for position, name in enumerate(names)}
    lookup = np.array([known.get(name, -1) for name in encoded.dictionary.to_pylist()] or [-1], np.int64)
    return lookup[encoded.indices.to_numpy()]


def support(pool: Pool, found: Links, existence: Floats) -> Floats:
    """How surely persons of other views explain each candidate: a noisy-OR over views (method of Pearl 1988, 4.3.2).

    A person of another view supports one candidate: among the candidates of a view that it may be, those less probable
    than the best get the square of their share. The candidates' own scores have no part in it, so that it stays
    independent of them.

    Args:
        pool: the candidates.
        found: pairs.
        existence: (N,) existence of each candidate, as far as known.

    Returns:
        (N,) probabilities in [0, 1].
    """
    count = len(pool.names)
    if len(found.left) == 0:
        return np.zeros(len(pool))
    best = np.zeros(len(pool) * count)
    slot = found.right * count + pool.view[found.left]
    np.maximum.at(best, slot, found.probability)
    share = found.probability / np.maximum(best[slot], 1e-9)
    each = np.zeros(len(pool) * count)
    gain = found.probability * existence[found.right] * share**2
    np.maximum.at(each, found.left * count + pool.view[found.right], gain)
    return np.asarray(1 - np.prod(1 - each.reshape(-1, count), axis=1))
