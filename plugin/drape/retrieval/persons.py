"""The persons of a view: its tracklets, weighed with all evidence, and candidates that only other views confirm."""

from __future__ import annotations

import numpy as np

from drape.retrieval.config import RetrievalConfig
from drape.retrieval.fusion import Evidence
from drape.retrieval.identity import Identity, majority
from drape.retrieval.pairing import Floats, Ints, log_odds, logistic
from drape.retrieval.pool import Pool
from drape.retrieval.rows import NOBODY, Rows
from drape.retrieval.suppression import best_of, covered

ACCEPTED = 0.5
DOUBTED = 0.2
"""Least existence that doubt of other views leaves to a box that its own view gave as much: twice what a release masks
from."""
ASSOCIATED = 2
"""Position of the source in ``tables.SOURCES``."""
REPEAT_IOU = 0.6
"""Untracked candidates that overlap a better one more are the same person (as for the tracker's two passes)."""
REPEATED = 0.01
"""Share of its existence that such a candidate keeps, as a person of its own."""
LINK_S = 2.0
"""A person found through other views is one tracklet while its gaps are shorter."""


def weigh(
    rows: Rows, pool: Pool, view: int, evidence: Evidence, identity: Identity, tracked: bool, keep: float
) -> Rows:
    """Tracklets with all evidence. What the tracker holds at least as sure as ``keep`` stays accepted, whatever other
    views do not see."""
    here = pool.part(view)
    behind = np.flatnonzero(pool.row[here] >= 0) + here.start
    candidate = np.full(len(rows), -1, np.int64)
    candidate[pool.row[behind]] = behind
    known = candidate >= 0
    at = candidate[known]
    heard: np.ndarray = np.zeros(len(rows), bool)
    heard[known] = evidence.heard[at]
    place: Floats = np.full(len(rows), np.nan)
    views: Floats = np.full(len(rows), np.nan)
    place[known], views[known] = evidence.place[at], evidence.views[at]
    place[~heard], views[~heard] = np.nan, np.nan
    _between(rows, known, place, views)
    spoken = ~np.isnan(views)
    own = rows.existence.copy()
    base = own.copy()
    base[known] = pool.own[at]
    if tracked:
        # Who walks where nobody else does is still seen by the tracker.
        place = np.where(own >= ACCEPTED, np.maximum(place, 0), place)
    existence = np.where(spoken, logistic(log_odds(base) + np.nan_to_num(place) + np.nan_to_num(views)), own)
    if tracked:
        existence = np.where(own >= keep, np.maximum(existence, ACCEPTED), existence)
        # Doubt of other views may cost a box its acceptance, never its mask.
        existence = np.maximum(existence, np.minimum(own, DOUBTED))
    existence[known] = np.where(pool.reviewed[at], pool.own[at], existence[known])
    person: Ints = np.full(len(rows), NOBODY, np.int64)
    copy = np.zeros(len(rows), bool)
    person[known], copy[known] = identity.person[at], identity.copy[at]
    person = np.where(person == NOBODY, majority(rows.tracklet, person), person)
    scored = np.where(np.isnan(rows.score), 0.0, log_odds(np.nan_to_num(rows.score, nan=0.5)))
    over_time = log_odds(base) - scored + np.nan_to_num(place)
    return rows.with_(
        existence=existence,
        person=person,
        over_time=np.where(spoken, over_time, np.nan),
        over_views=views,
        copy=copy,
    )


def _between(rows: Rows, known: np.ndarray, place: Floats, views: Floats) -> None:
    """Boxes that the tracker filled in take the evidence of their tracklet's nearest boxes in time."""
    if known.all() or not known.any():
        return
    span = float(np.ptp(rows.time)) + 1.0
    key = rows.tracklet * (3 * span) + (rows.time - rows.time[0])
    source = np.flatnonzero(~np.isnan(views))
    source = source[np.argsort(key[source])]
    if len(source) == 0:
        return
    empty = np.flatnonzero(~known)
    for value in (place, views):
        filled = np.interp(key[empty], key[source], value[source])
        near = np.clip(np.searchsorted(key[source], key[empty]), 0, len(source) - 1)
        same = rows.tracklet[source[near]] == rows.tracklet[empty]
        same &= rows.tracklet[source[np.maximum(near - 1, 0)]] == rows.tracklet[empty]
        value[empty] = np.where(same, filled, np.nan)


def without_repeats(rows: Rows) -> Rows:
    """Untracked candidates: beside a better one at the same place, one is no person of its own."""
    keep = best_of(rows.frame, rows.boxes, rows.existence, REPEAT_IOU)
    # One person behind another overlaps him, too: other views tell them apart.
    known = rows.person != NOBODY
    key = rows.frame * (int(rows.person.max(initial=0)) + 1) + rows.person
    keep |= known & ~rows.copy & ~np.isin(key, key[keep & known])
    existence = np.where(keep, rows.existence, REPEATED * rows.existence)
    return rows.with_(existence=existence)


def as_many_as(rows: Rows, heard: np.ndarray) -> Rows:
    """Odds multiplied so that, where other views spoke, at least as many are accepted as by the score alone.

    A detector's threshold is no probability: with calibrated ones fewer might be masked than without other views.
    """
    once = best_of(rows.frame, rows.boxes, rows.score, REPEAT_IOU)
    wanted = int((heard & once & (rows.score >= ACCEPTED)).sum())
    counted = heard & best_of(rows.frame, rows.boxes, rows.existence, REPEAT_IOU)
    values = np.sort(rows.existence[counted])[::-1]
    wanted = min(wanted, len(values))
    if wanted == 0 or values[wanted - 1] >= ACCEPTED:
        return rows
    shift = -float(log_odds(values[wanted - 1])) + 1e-6
    return rows.with_(existence=np.where(heard, logistic(log_odds(rows.existence) + shift), rows.existence))


def confirmed(
    rows: Rows, pool: Pool, view: int, evidence: Evidence, identity: Identity, first: int, config: RetrievalConfig
) -> Rows:
    """Candidates outside any tracklet whom other views confirm, linked over time into new tracklets.

    Args:
        rows: the view's weighed tracklets.
        pool, evidence, identity: of all candidates.
        view: position of the view.
        first: number of the first new tracklet.
        config: settings.
    """
    here = pool.part(view)
    outside = (pool.row[here] < 0) & evidence.heard[here] & (pool.score[here] >= config.floor_score)
    chosen = np.flatnonzero(outside & (evidence.existence[here] >= config.min_existence_kept)) + here.start
    accepted = rows.take(rows.existence >= ACCEPTED)
    free = ~covered(pool.frame[chosen], pool.boxes[chosen], accepted.frame, accepted.boxes, config.same_person_iou)
    chosen = chosen[free]
    chosen = chosen[_first_of_person(identity.person[chosen], pool.frame[chosen], evidence.existence[chosen], accepted)]
    best = best_of(pool.frame[chosen], pool.boxes[chosen], evidence.existence[chosen], config.same_person_iou)
    chosen = chosen[best]
    own, score = log_odds(pool.own[chosen]), log_odds(pool.score[chosen])
    start = np.searchsorted(pool.frame[here], pool.frame[chosen]) + here.start
    return Rows(
        frame=pool.frame[chosen],
        time=pool.time[chosen],
        boxes=pool.boxes[chosen],
        tracklet=first + chain(identity.person[chosen], pool.time[chosen], LINK_S),
        existence=evidence.existence[chosen],
        source=np.full(len(chosen), ASSOCIATED),
        score=pool.score[chosen],
        candidate=chosen - start,
        person=identity.person[chosen],
        over_time=own - score + evidence.place[chosen],
        over_views=evidence.views[chosen],
        copy=identity.copy[chosen],
    )


def _first_of_person(person: Ints, frame: Ints, existence: Floats, accepted: Rows) -> np.ndarray:
    """(N,) whether a candidate is the best one of its person in its frame, and the person has no accepted box there."""
    base = max(int(person.max(initial=0)), int(accepted.person.max(initial=0))) + 1
    key, taken = frame * base + person, accepted.frame * base + accepted.person
    order = np.lexsort((-existence, key))
    first = np.zeros(len(key), bool)
    first[order[np.append(True, np.diff(key[order]) != 0)[: len(order)]]] = True
    return (person == NOBODY) | (first & ~np.isin(key, taken[accepted.person != NOBODY]))


def chain(person: Ints, time: Floats, gap: float) -> Ints:
    """(N,) numbers from 0: rows of one person share one while they follow each other within ``gap`` seconds; a row
    without a person, and a second row of a person at the same time, has one of its own."""
    out = np.zeros(len(person), np.int64)
    if len(person) == 0:
        return out
    order = np.lexsort((time, person))
    step, same = np.diff(time[order]), np.diff(person[order]) == 0
    joined = same & (person[order][1:] != NOBODY) & (step <= gap) & (step > 0)
    out[order] = np.concatenate([[0], np.cumsum(~joined)])
    first = np.unique(out[np.argsort(time, kind="stable")], return_index=True)[1]
    return np.argsort(np.argsort(first))[out]
