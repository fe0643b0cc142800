"""Heads over views: how far down in a person's box the head reaches, from the views that see it well."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.pose.head_config import HeadConfig
from drape.tables import boxes_of, make

Floats = NDArray[np.float64]

ELSEWHERE = pa.schema(
    [
        pa.field("person", pa.int32(), nullable=False),
        pa.field("time", pa.float64(), nullable=False),
        pa.field("share", pa.float32(), nullable=False),
    ]
)
"""How far down a person's box its certain head reaches, as a share of the box's height, at a time; sorted by both."""


def seen_elsewhere(views: Iterable[tuple[pa.Table, pa.Table]]) -> pa.Table:
    """What the certain heads of some views say about their persons.

    Args:
        views: ``HEADS`` and ``PERSONS`` of each view; persons without an identity, and second images of somebody, say
            nothing.

    Returns:
        Table ``ELSEWHERE``.
    """
    parts = [ELSEWHERE.empty_table(), *(_said_by(heads, persons) for heads, persons in views)]
    return pa.concat_tables(parts).sort_by([("person", "ascending"), ("time", "ascending")])


def _said_by(heads: pa.Table, persons: pa.Table) -> pa.Table:
    # Heads have one row per person, in the same order.
    boxes = boxes_of(persons).astype(np.float64)
    height = boxes[:, 3] - boxes[:, 1]
    bottom = heads.column("y2").to_numpy().astype(np.float64)
    share = (bottom - boxes[:, 1]) / np.maximum(height, 1e-6)
    certain = pc.and_(pc.equal(heads.column("rule"), "key_points"), pc.is_valid(heads.column("person")))
    certain = pc.and_(certain, pc.invert(persons.column("copy")))
    keep = certain.to_numpy() & (share > 0) & (height > 0)
    return make(
        ELSEWHERE,
        person=heads.column("person").filter(pa.array(keep)),
        time=heads.column("time").to_numpy()[keep],
        share=np.minimum(share[keep], 1.0).astype(np.float32),
    )


def reach_elsewhere(elsewhere: pa.Table, person: NDArray[np.int64], time: Floats, config: HeadConfig) -> Floats:
    """The largest share (N,) that other views give for persons at their instants; NaN where none does.

    Args:
        elsewhere: table ``ELSEWHERE``.
        person: (N,) identities, -1 for unknown.
        time: (N,) seconds.
        config: how close in time an instant is.
    """
    out = np.full(len(person), np.nan)
    who, when, share = (elsewhere.column(name).to_numpy() for name in ELSEWHERE.names)
    for one in np.unique(person[person >= 0]):
        first, last = np.searchsorted(who, [one, one + 1])
        rows = np.flatnonzero(person == one)
        low = np.searchsorted(when[first:last], time[rows] - config.instant_s, side="left") + first
        high = np.searchsorted(when[first:last], time[rows] + config.instant_s, side="right") + first
        for row, a, b in zip(rows[high > low], low[high > low], high[high > low], strict=True):
            out[row] = share[a:b].max()
    return out
