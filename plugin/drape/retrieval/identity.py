"""Which person over all views a candidate or a tracklet's box is of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from drape.retrieval.others import Links, view_positions
from drape.retrieval.pairing import Floats, Ints
from drape.retrieval.pool import Pool
from drape.retrieval.rows import NOBODY

BORROWED = 0.5
"""A candidate without identity takes that of the best candidate of another view from this probability on."""


@dataclass(frozen=True)
class Identity:
    """Of every candidate of a pool: its ``person`` (N,), -1 where unknown, and whether it is a second image of that
    person in its view, ``copy`` (N,)."""

    person: Ints
    copy: np.ndarray


def identify(pool: Pool, identities: pa.Table | None, found: Links, existence: Floats) -> Identity:
    """Identities of candidates: as ``IDENTITIES`` say, or else as of the person of another view who supports them.

    Raises:
        WorkspaceError: an identity is of a candidate that is not there.
    """
    person, copy = np.full(len(pool), NOBODY, np.int64), np.zeros(len(pool), bool)
    if identities is None or identities.num_rows == 0:
        return Identity(person, copy)
    view = view_positions(pool.names, identities.column("view"))
    keep = view >= 0
    columns = [identities.column(name).to_numpy().astype(np.int64)[keep] for name in ("frame", "index", "person")]
    rows = pool.rows_of(view[keep], columns[0], columns[1])
    person[rows] = columns[2]
    copy[rows] = identities.column("copy").to_numpy(zero_copy_only=False)[keep]
    known = (person[found.right] != NOBODY) & (person[found.left] == NOBODY) & (found.probability >= BORROWED)
    left, right = found.left[known], found.right[known]
    order = np.argsort(found.probability[known] * existence[right], kind="stable")
    named = person.copy()
    named[left[order]] = person[right[order]]
    return Identity(named, copy)


def majority(tracklet: Ints, person: Ints) -> Ints:
    """The person most rows of each tracklet are of, for every row (N,); -1 where no row of it knows."""
    known = person != NOBODY
    if not known.any():
        return np.full(len(tracklet), NOBODY, np.int64)
    base = int(person.max()) + 1
    keys, counts = np.unique(tracklet[known] * base + person[known], return_counts=True)
    order = np.argsort(counts, kind="stable")
    best = np.full(int(tracklet.max()) + 1, NOBODY, np.int64)
    best[(keys // base)[order]] = (keys % base)[order]
    return best[tracklet]
