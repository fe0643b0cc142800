"""``PERSONS`` of one view as arrays while they are being worked on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from drape import tables
from drape.boxes import Boxes
from drape.retrieval.pairing import Floats, Ints

NOBODY = -1
"""Person of rows whose identity is unknown, and candidate of rows that none stands behind."""


@dataclass(frozen=True)
class Rows:
    """Persons of one view, (N,) each; see ``tables.PERSONS``. Where unknown, ``person`` and ``candidate`` are -1 and
    ``score``, ``over_time`` and ``over_views`` NaN; ``source`` indexes ``tables.SOURCES``."""

    frame: Ints
    time: Floats
    boxes: Boxes
    tracklet: Ints
    existence: Floats
    source: Ints
    score: Floats
    candidate: Ints
    person: Ints
    over_time: Floats
    over_views: Floats
    copy: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> Rows:
        """These rows, by number or mask."""
        return Rows(*(getattr(self, f.name)[rows] for f in fields(self)))

    def with_(self, **columns: Any) -> Rows:
        """These rows with other columns."""
        return replace(self, **columns)

    def followed_by(self, other: Rows) -> Rows:
        """These rows and then those of ``other``."""
        return Rows(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))

    def sorted(self) -> Rows:
        """These rows by frame, then tracklet."""
        return self.take(np.lexsort((self.tracklet, self.frame)))

    def table(self) -> pa.Table:
        """As ``PERSONS``."""
        return tables.make(
            tables.PERSONS,
            frame=self.frame.astype(np.int32),
            time=self.time,
            tracklet=self.tracklet.astype(np.int32),
            existence=self.existence.astype(np.float32),
            source=pa.DictionaryArray.from_arrays(pa.array(self.source, pa.int32()), list(tables.SOURCES)).cast(
                pa.string()
            ),
            score=_maybe(self.score),
            candidate=_known(self.candidate),
            person=_known(self.person),
            over_time=_maybe(self.over_time),
            over_views=_maybe(self.over_views),
            copy=self.copy,
            **tables.box_columns(self.boxes),
        )


def rows_of(tracklets: pa.Table) -> Rows:
    """``TRACKLETS`` as rows of which only the own view has been heard."""
    count = tracklets.num_rows
    names = tracklets.column("source").combine_chunks().dictionary_encode()
    lookup = np.array([tables.SOURCES.index(name) for name in names.dictionary.to_pylist()] or [0], np.int64)
    return Rows(
        frame=tracklets.column("frame").to_numpy().astype(np.int64),
        time=tracklets.column("time").to_numpy(),
        boxes=tables.boxes_of(tracklets),
        tracklet=tracklets.column("tracklet").to_numpy().astype(np.int64),
        existence=tracklets.column("existence").to_numpy().astype(np.float64),
        source=lookup[names.indices.to_numpy()],
        score=tracklets.column("score").to_numpy().astype(np.float64),
        candidate=tracklets.column("candidate").combine_chunks().fill_null(NOBODY).to_numpy().astype(np.int64),
        person=np.full(count, NOBODY, np.int64),
        over_time=np.full(count, np.nan),
        over_views=np.full(count, np.nan),
        copy=np.zeros(count, bool),
    )


def _maybe(values: Floats) -> pa.Array:
    return pa.array(values.astype(np.float32), mask=np.isnan(values))


def _known(values: Ints) -> pa.Array:
    return pa.array(values.astype(np.int32), mask=values < 0)
