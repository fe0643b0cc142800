"""A long recording in stretches of bounded size, each with a margin of its neighbours around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from drape import tables
from drape.retrieval.config import RetrievalConfig
from drape.retrieval.others import view_positions
from drape.retrieval.pool import RetrievalView


@dataclass(frozen=True)
class Association:
    """What association says: ``PAIRS``, ``IDENTITIES`` and ``EXPECTED``; without rows where it says nothing."""

    pairs: pa.Table
    identities: pa.Table
    expected: pa.Table


@dataclass(frozen=True)
class Stretch:
    """A part of a recording: its views' and association's rows, and the frames of each view that are its own
    (first, one after the last); other frames are margin."""

    views: list[RetrievalView]
    association: Association
    core: list[tuple[int, int]]


def association_of(pairs: pa.Table | None, identities: pa.Table | None, expected: pa.Table | None) -> Association:
    """Tables without rows in place of None."""
    return Association(
        tables.empty(tables.PAIRS) if pairs is None else pairs,
        tables.empty(tables.IDENTITIES) if identities is None else identities,
        tables.empty(tables.EXPECTED) if expected is None else expected,
    )


def stretches(views: Sequence[RetrievalView], association: Association, config: RetrievalConfig) -> Iterator[Stretch]:
    """Cut a recording in time so that no stretch has many more candidates than ``config.chunk``."""
    total = sum(len(v.candidates) for v in views)
    count = max(1, -(-total // config.chunk))
    if count == 1:
        yield Stretch(list(views), association, [(0, 1 << 31)] * len(views))
        return
    cuts = _cuts(views, count)
    margin = config.max_gap_s + config.reach_s + config.support_s
    lookup = _Lookup(views, association)
    for start, stop in zip([-np.inf, *cuts], [*cuts, np.inf], strict=True):
        core = [_frames(v, start, stop) for v in views]
        wide = [_frames(v, start - margin, stop + margin) for v in views]
        yield Stretch([_cut(v, *w) for v, w in zip(views, wide, strict=True)], lookup.between(wide), core)


def sampled(views: Sequence[RetrievalView], association: Association, config: RetrievalConfig) -> Stretch:
    """A part of a recording to learn from: of a long one, some of its stretches, spread evenly, as one."""
    total = sum(len(v.candidates) for v in views)
    if total <= config.chunk:
        return Stretch(list(views), association, [(0, 1 << 31)] * len(views))
    pieces = 20
    cuts = _cuts(views, pieces * max(1, round(total / config.chunk)))
    edges = [-np.inf, *cuts, np.inf]
    picks = np.linspace(0, len(edges) - 2, pieces).astype(int)
    spans = [[_frames(v, edges[k], edges[k + 1]) for v in views] for k in np.unique(picks)]
    lookup = _Lookup(views, association)
    parts = [([_cut(v, *s) for v, s in zip(views, span, strict=True)], lookup.between(span)) for span in spans]
    joined = [
        replace(
            view,
            candidates=pa.concat_tables([part[0][k].candidates for part in parts]),
            tracklets=pa.concat_tables([part[0][k].tracklets for part in parts]),
        )
        for k, view in enumerate(views)
    ]
    found = Association(
        *(pa.concat_tables([getattr(p[1], n) for p in parts]) for n in ("pairs", "identities", "expected"))
    )
    return Stretch(joined, found, [(0, 1 << 31)] * len(views))


class _Lookup:
    """Rows of the association's tables by frames of views."""

    def __init__(self, views: Sequence[RetrievalView], association: Association) -> None:
        names = tuple(v.id for v in views)
        self._association = association
        pairs, identities, expected = association.pairs, association.identities, association.expected
        self._pairs = [
            (view_positions(names, pairs.column(f"view_{s}")), pairs.column(f"frame_{s}").to_numpy()) for s in "ab"
        ]
        self._identities = (view_positions(names, identities.column("view")), identities.column("frame").to_numpy())
        self._expected = (view_positions(names, expected.column("view")), expected.column("frame").to_numpy())

    def between(self, spans: Sequence[tuple[int, int]]) -> Association:
        """The rows whose frames lie in ``spans``, one per view."""
        low, high = (np.array([span[k] for span in spans], np.int64) for k in (0, 1))

        def inside(view: np.ndarray, frame: np.ndarray) -> np.ndarray:
            return (view >= 0) & (frame >= low[view]) & (frame < high[view])

        pairs = inside(*self._pairs[0]) & inside(*self._pairs[1])
        a = self._association
        return Association(
            a.pairs.filter(pa.array(pairs)),
            a.identities.filter(pa.array(inside(*self._identities))),
            a.expected.filter(pa.array(inside(*self._expected))),
        )


def _cuts(views: Sequence[RetrievalView], count: int) -> list[float]:
    """Times that divide the candidates of all views into ``count`` parts."""
    times = np.sort(np.concatenate([v.candidates.column("time").to_numpy()[::16] for v in views]))
    return [float(t) for t in np.unique(np.quantile(times, np.arange(1, count) / count))]


def _frames(view: RetrievalView, start: float, stop: float) -> tuple[int, int]:
    """First frame of a view at or after ``start``, and at or after ``stop``."""
    time, frame = view.frames.column("time").to_numpy(), view.frames.column("frame").to_numpy()
    low, high = np.searchsorted(time, [start, stop])
    last = int(frame[-1]) + 1 if len(frame) else 0
    return (int(frame[low]) if low < len(frame) else last), (int(frame[high]) if high < len(frame) else last)


def _cut(view: RetrievalView, start: int, stop: int) -> RetrievalView:
    return replace(
        view,
        frames=rows_between(view.frames, start, stop),
        candidates=rows_between(view.candidates, start, stop),
        tracklets=rows_between(view.tracklets, start, stop),
        second=None if view.second is None else rows_between(view.second, start, stop),
    )


def rows_between(table: pa.Table, start: int, stop: int) -> pa.Table:
    """Rows of a table sorted by frame with ``start <= frame < stop``, without a copy."""
    low, high = np.searchsorted(table.column("frame").to_numpy(), [start, stop])
    return table.slice(low, high - low)
