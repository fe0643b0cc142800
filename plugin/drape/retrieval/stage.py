"""The retrieval stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from drape import tables
from drape.errors import RecordingError
from drape.progress import Progress, silent
from drape.retrieval.chunks import Stretch, association_of, rows_between, sampled, stretches
from drape.retrieval.config import RetrievalConfig
from drape.retrieval.expected import expected_in
from drape.retrieval.fusion import Learned, fuse, learn
from drape.retrieval.gaps import better_boxes, filled, holes, sure_boxes
from drape.retrieval.identity import identify
from drape.retrieval.motion import rehearse
from drape.retrieval.others import links
from drape.retrieval.persons import as_many_as, confirmed, weigh, without_repeats
from drape.retrieval.pool import RetrievalView, pool_views
from drape.retrieval.rows import Rows, rows_of


@dataclass(frozen=True)
class Retrieved:
    """What retrieval found.

    Attributes:
        persons: ``PERSONS`` per view, sorted by frame, then tracklet.
        missed: ``MISSED`` per view, sorted by frame.
        intervals: ``INTERVALS`` with the label ``likely_missed``.
        learned: what the recording taught; see ``fusion``.
    """

    persons: dict[str, pa.Table]
    missed: dict[str, pa.Table]
    intervals: pa.Table
    learned: Learned


def retrieve(
    views: Sequence[RetrievalView],
    pairs: pa.Table | None = None,
    identities: pa.Table | None = None,
    expected: pa.Table | None = None,
    config: RetrievalConfig | None = None,
    decisions: pa.Table | None = None,
    progress: Progress = silent,
) -> Retrieved:
    """Weigh all evidence on every candidate, find persons whom one view alone misses, and say where some may be missed.

    Where the association says nothing (one view, an interval out of sync), persons are exactly the tracklets.

    Args:
        views: all views of the recording.
        pairs, identities, expected: what association says, or None.
        config: settings.
        decisions: a reviewer's decisions.
        progress: told of candidates done.

    Raises:
        RecordingError: two views have the same id.
        WorkspaceError: the tables do not belong together.
    """
    config = config or RetrievalConfig()
    if len({v.id for v in views}) != len(views):
        raise RecordingError("Two views have the same id", "Give each view an id of its own")
    association = association_of(pairs, identities, expected)
    sample = sampled(views, association, config)
    pool = pool_views(sample.views, config)
    learned = learn(pool, links(pool, sample.association.pairs), config)
    following = [_next_tracklet(v) for v in views]
    persons: list[list[pa.Table]] = [[] for _ in views]
    done, total = 0, sum(len(v.candidates) for v in views)
    for stretch in stretches(views, association, config):
        for v, rows in enumerate(_persons(stretch, learned, following, config)):
            following[v] = max(following[v], int(rows.tracklet.max(initial=-1)) + 1)
            persons[v].append(rows_between(rows.table(), *stretch.core[v]))
        done += sum(len(rows_between(v.candidates, *c)) for v, c in zip(stretch.views, stretch.core, strict=True))
        progress(done, total, "candidates")
    return Retrieved(
        persons={v.id: pa.concat_tables(parts) for v, parts in zip(views, persons, strict=True)},
        missed={v.id: tables.empty(tables.MISSED) for v in views},
        intervals=tables.empty(tables.INTERVALS),
        learned=learned,
    )


def _persons(stretch: Stretch, learned: Learned, following: list[int], config: RetrievalConfig) -> list[Rows]:
    """Persons of a stretch, per view."""
    pool = pool_views(stretch.views, config)
    found = links(pool, stretch.association.pairs)
    evidence = fuse(pool, found, learned, config)
    identity = identify(pool, stretch.association.identities, found, evidence.existence)
    plain = [rows_of(view.tracklets) for view in stretch.views]
    weighed = [
        weigh(rows, pool, v, evidence, identity, view.tracked, config)
        for v, (rows, view) in enumerate(zip(plain, stretch.views, strict=True))
    ]
    out = []
    for v, view in enumerate(stretch.views):
        rows = weighed[v]
        if not view.tracked:
            heard = ~np.isnan(rows.over_views)
            out.append(as_many_as(without_repeats(rows), heard) if heard.any() else rows)
            continue
        expected = expected_in(v, stretch.association.expected, pool.names, weighed)
        known = sure_boxes(rows)
        skill = rehearse(known, expected, config.max_gap_s, config.seed)
        added = confirmed(rows, pool, v, evidence, identity, following[v], config)
        own = np.concatenate([plain[v].existence, np.zeros(len(added))])
        rows = better_boxes(rows.followed_by(added), own, known, expected, skill, view.size).sorted()
        gaps = holes(rows, known, expected, skill, config)
        new = filled(gaps, skill, following[v] + len(added), view.size, config)
        out.append(rows.followed_by(new).sorted())
    return out


def _next_tracklet(view: RetrievalView) -> int:
    numbers = view.tracklets.column("tracklet").to_numpy()
    return int(numbers.max(initial=-1)) + 1
