"""The retrieval stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.errors import RecordingError
from drape.progress import Progress, silent
from drape.retrieval.chunks import Stretch, association_of, rows_between, sampled, stretches
from drape.retrieval.config import RetrievalConfig
from drape.retrieval.decisions import decided, recalibrated
from drape.retrieval.expected import expected_in
from drape.retrieval.fusion import Learned, fuse, learn
from drape.retrieval.gaps import better_boxes, filled, holes, lost_share, sure_boxes
from drape.retrieval.hypotheses import Hypotheses
from drape.retrieval.identity import identify
from drape.retrieval.intervals import likely_missed
from drape.retrieval.motion import Skill, rehearse
from drape.retrieval.others import links
from drape.retrieval.persons import ACCEPTED, as_many_as, confirmed, weigh, without_repeats
from drape.retrieval.pool import RetrievalView, pool_views
from drape.retrieval.risk import missed_table, risk
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
        decisions: a reviewer's ``DECISIONS``, or None; see ``decisions``.
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
    pool = decided(pool_views(sample.views, config), decisions)
    learned = learn(pool, links(pool, sample.association.pairs), config)
    following = [_next_tracklet(v) for v in views]
    persons: list[list[pa.Table]] = [[] for _ in views]
    missed: list[list[pa.Table]] = [[] for _ in views]
    done, total = 0, sum(len(v.candidates) for v in views)
    for stretch in stretches(views, association, config):
        for v, (rows, guesses) in enumerate(_weigh(stretch, learned, following, decisions, config)):
            following[v] = max(following[v], int(rows.tracklet.max(initial=-1)) + 1)
            persons[v].append(rows_between(rows.table(), *stretch.core[v]))
            missed[v].append(rows_between(missed_table(guesses), *stretch.core[v]))
        done += sum(len(rows_between(v.candidates, *c)) for v, c in zip(stretch.views, stretch.core, strict=True))
        progress(done, total, "candidates")
    risky = recalibrated(_joined(views, missed), "probability", decisions)
    return Retrieved(
        persons=recalibrated(_joined(views, persons), "existence", decisions, config.keep_sure),
        missed=risky,
        intervals=pa.concat_tables([likely_missed(v.id, v.frames, risky[v.id], config) for v in views]),
        learned=learned,
    )


def _weigh(
    stretch: Stretch, learned: Learned, following: list[int], decisions: pa.Table | None, config: RetrievalConfig
) -> Iterator[tuple[Rows, Hypotheses]]:
    """Persons of every view in a stretch, and whom it may miss."""
    pool = decided(pool_views(stretch.views, config), decisions)
    found = links(pool, stretch.association.pairs)
    evidence = fuse(pool, found, learned, config)
    identity = identify(pool, stretch.association.identities, found, evidence.existence)
    plain = [rows_of(view.tracklets) for view in stretch.views]

    def keeping(keep: Sequence[float]) -> list[Rows]:
        return [
            weigh(rows, pool, v, evidence, identity, view.tracked, keep[v])
            for v, (rows, view) in enumerate(zip(plain, stretch.views, strict=True))
        ]

    weighed = keeping([ACCEPTED] * len(plain))
    lost = [
        lost_share(holes(rows, sure_boxes(rows), seen, Skill(), config), seen)
        for rows, seen in (
            (rows, expected_in(v, stretch.association.expected, pool.names, weighed)) for v, rows in enumerate(weighed)
        )
    ]
    weighed = keeping([_kept(np.delete(lost, v), config) for v in range(len(plain))])
    for v, view in enumerate(stretch.views):
        rows = weighed[v]
        expected = expected_in(v, stretch.association.expected, pool.names, weighed)
        if not view.tracked:
            heard = ~np.isnan(rows.over_views)
            rows = without_repeats(as_many_as(rows, heard)) if heard.any() else rows
        known = sure_boxes(rows)
        skill = rehearse(known, expected, config.max_gap_s, config.seed)
        if view.tracked:
            added = confirmed(rows, pool, v, evidence, identity, following[v], config)
            own = np.concatenate([plain[v].existence, np.zeros(len(added))])
            rows = better_boxes(rows.followed_by(added), own, known, expected, skill, view.size).sorted()
        gaps = holes(rows, known, expected, skill, config)
        if view.tracked:
            first = int(rows.tracklet.max(initial=following[v] - 1)) + 1
            rows = rows.followed_by(filled(gaps, skill, first, view.size)).sorted()
        yield rows, risk(view, rows, gaps, expected, skill, config)


def _kept(lost: NDArray[np.float64], config: RetrievalConfig) -> float:
    """From which existence on a view's own boxes stay: all that it accepts, unless other views rarely lose anybody.

    Args:
        lost: shares of persons that the other views lose.
    """
    return config.keep_sure if len(lost) and lost.mean() <= 1 - config.reliable_views else ACCEPTED


def _joined(views: Sequence[RetrievalView], parts: list[list[pa.Table]]) -> dict[str, pa.Table]:
    return {v.id: pa.concat_tables(mine) for v, mine in zip(views, parts, strict=True)}


def _next_tracklet(view: RetrievalView) -> int:
    numbers = view.tracklets.column("tracklet").to_numpy()
    return int(numbers.max(initial=-1)) + 1
