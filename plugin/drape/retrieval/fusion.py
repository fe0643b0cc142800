"""The existence of every candidate, from all evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drape.retrieval.config import RetrievalConfig
from drape.retrieval.learning import PlaceModel, ViewModel, fit_places, fit_views
from drape.retrieval.others import Links, support
from drape.retrieval.pairing import Floats, Ints, log_odds, logistic, paired_iou, within_groups
from drape.retrieval.places import Places, fold_of, survey
from drape.retrieval.pool import Pool

ROUNDS = 2
"""What one kind of evidence learns from the others changes little after this."""
LOOKS = 5
"""So many looks of other views at a tracklet count as independent at most."""
DUPLICATE = 0.1
"""Share of its own existence that a candidate keeps, as a person of its own, beside a better one at the same place."""


@dataclass(frozen=True)
class Learned:
    """What a recording has taught: ``places`` of each view, ``place`` and ``views`` (see ``learning``; None: there was
    too little to learn), and the ``span`` of the recording in seconds, which the folds depend on."""

    places: tuple[Places, ...]
    place: PlaceModel | None
    views: ViewModel
    span: float


@dataclass(frozen=True)
class Evidence:
    """Of every candidate of a pool.

    Attributes:
        heard: (N,) whether other views could speak; elsewhere the rest is as the own view says.
        place, views: (N,) log-odds that the place and the other views add.
        existence: (N,) all evidence together.
    """

    heard: np.ndarray
    place: Floats
    views: Floats
    existence: Floats


def learn(pool: Pool, found: Links, config: RetrievalConfig) -> Learned:
    """Learn what evidence is worth, from a recording or a sample of it."""
    span = float(np.ptp(pool.time)) if len(pool) else 0.0
    fold, usable = fold_of(pool.time, span), pool.score >= config.floor_score
    heard, worse = _heard(pool, found), outdone(pool, usable, config.same_person_iou)
    rows = _some(np.flatnonzero(usable), config.sample * len(pool.names), config.seed)
    existence = pool.own
    learned = Learned((), None, ViewModel(config.views_weight, config.views_weight / 2, 0.8), span)
    for _ in range(ROUNDS):
        places = _survey(pool, existence, fold, usable, config)
        densities = _densities(pool, places, fold, rows)
        teacher = np.where(worse, DUPLICATE, 1.0) * existence
        place = fit_places(densities, teacher[rows], np.ones(len(rows)))
        learned = Learned(places, place, learned.views, span)
        own = log_odds(pool.own)
        if place is not None:
            own[rows] += place.evidence(densities)
        supported = support(pool, found, existence)
        pupil = rows[(heard & ~worse)[rows]]
        views = fit_views(supported[pupil], logistic(own[pupil]), config.views_weight)
        learned = Learned(places, place, views, span)
        existence = logistic(own + np.where(heard, views.evidence(supported), 0.0))
    return learned


def _some(rows: Ints, count: int, seed: int) -> Ints:
    """At most ``count`` of the rows, drawn evenly, in their order."""
    if len(rows) <= count:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))


def fuse(pool: Pool, found: Links, learned: Learned, config: RetrievalConfig) -> Evidence:
    """Weigh the evidence on every candidate.

    Args:
        pool: candidates, of the recording or of a stretch of it.
        found: pairs between them.
        learned: from the recording.
        config: settings.
    """
    usable, heard = pool.score >= config.floor_score, _heard(pool, found)
    place = np.zeros(len(pool))
    if learned.place is not None:
        rows = np.flatnonzero(usable & heard)
        fold = fold_of(pool.time, learned.span)
        place[rows] = learned.place.evidence(_densities(pool, learned.places, fold, rows))
    own = log_odds(pool.own)
    existence = logistic(own + place)
    views: Floats = np.zeros(len(pool))
    runs = _runs(pool, heard)
    for _ in range(ROUNDS):
        alone = support(pool, found, existence)
        supported = runs.raised(alone, config.support_s)
        doubt = runs.doubt(learned.views.tilt(alone), config.support_s)
        views = np.where(heard, learned.views.evidence(supported, doubt), 0.0)
        existence = logistic(own + place + views)
    return Evidence(heard, place, views, np.where(heard, existence, pool.own))


def outdone(pool: Pool, usable: np.ndarray, least_iou: float) -> np.ndarray:
    """(N,) whether a candidate of higher score in the same frame covers the same person."""
    rows = np.flatnonzero(usable)
    i, j = within_groups(pool.group()[rows])
    i, j = rows[i], rows[j]
    better = pool.score[j] > pool.score[i]
    i, j = i[better], j[better]
    out = np.zeros(len(pool), bool)
    out[i[paired_iou(pool.boxes[i], pool.boxes[j]) > least_iou]] = True
    return out


@dataclass(frozen=True)
class _Runs:
    """Candidates of tracklets where other views speak: ``rows`` (M,) sorted by tracklet and time, their ``tracklet``
    numbered from 0 and ``time`` (M,), and how many candidates there are in all."""

    rows: Ints
    tracklet: Ints
    time: Floats
    count: int

    def raised(self, supported: Floats, reach: float) -> Floats:
        """Support, raised to its mean over the tracklet within ``reach`` seconds: other views fail now and then."""
        out = supported.copy()
        if len(self.rows) and reach > 0:
            time = self.time - self.time.min()
            key = self.tracklet * (2 * (float(time.max()) + reach) + 1) + time
            total = np.concatenate([[0.0], np.cumsum(supported[self.rows])])
            low, high = np.searchsorted(key, key - reach), np.searchsorted(key, key + reach, "right")
            out[self.rows] = np.maximum(out[self.rows], (total[high] - total[low]) / (high - low))
        return out

    def doubt(self, tilt: Floats, look: float) -> Floats:
        """(N,) what the rest of a tracklet adds against it: its mean tilt, where negative, for every independent look
        of ``look`` seconds but one, up to ``LOOKS``."""
        out = np.zeros(self.count)
        if len(self.rows) and look > 0:
            first = np.flatnonzero(np.append(True, np.diff(self.tracklet) != 0))
            last = np.append(first[1:], len(self.rows)) - 1
            mean = np.add.reduceat(tilt[self.rows], first) / (last - first + 1)
            looks = np.clip((self.time[last] - self.time[first]) / look, 0, LOOKS - 1)
            out[self.rows] = (np.minimum(mean, 0) * looks)[self.tracklet]
        return out


def _runs(pool: Pool, heard: np.ndarray) -> _Runs:
    rows = np.flatnonzero((pool.tracklet >= 0) & heard)
    track = pool.view[rows] * (int(pool.tracklet.max(initial=0)) + 1) + pool.tracklet[rows]
    order = np.lexsort((pool.time[rows], track))
    rows, track = rows[order], track[order]
    return _Runs(rows, np.unique(track, return_inverse=True)[1], pool.time[rows], len(pool))


def _heard(pool: Pool, found: Links) -> np.ndarray:
    """(N,) whether the association has said anything on the frame of a candidate."""
    group = pool.group()
    return np.isin(group, np.unique(group[found.left]))


def _survey(
    pool: Pool, existence: Floats, fold: Ints, usable: np.ndarray, config: RetrievalConfig
) -> tuple[Places, ...]:
    out = []
    for v in range(len(pool.names)):
        rows = np.arange(*pool.offsets[v : v + 2])
        rows = rows[usable[rows]]
        out.append(survey(pool.boxes[rows], existence[rows], pool.frame[rows], fold[rows], config.sample, config.seed))
    return tuple(out)


def _densities(pool: Pool, places: Sequence[Places], fold: Ints, rows: Ints) -> Floats:
    """Log densities around the candidates ``rows``."""
    parts = []
    for v, known in enumerate(places):
        mine = rows[pool.view[rows] == v]
        parts.append(known.densities(pool.boxes[mine], fold[mine]))
    return np.concatenate(parts)
