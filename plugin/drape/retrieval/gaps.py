"""Persons whom other views see and this view lost: their boxes in between, and better boxes where it saw them badly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drape.boxes import as_boxes, clip
from drape.retrieval.config import RetrievalConfig
from drape.retrieval.expected import Expected
from drape.retrieval.motion import FAR, FLOOR, Anchors, Guess, Skill, anchors, guess
from drape.retrieval.pairing import Floats, Ints
from drape.retrieval.persons import ACCEPTED, LINK_S, chain
from drape.retrieval.rows import NOBODY, Rows
from drape.retrieval.suppression import covered

USUAL_LOSS = 0.05
PRIOR_LOSSES = 100.0
"""Share of expected persons that a view usually misses, and so many of them are taken as seen before counting."""
INTERPOLATED = 3
"""Position of the source in ``tables.SOURCES``."""
LOOSE = 0.3
"""Error in heights of a box whose score is 0: it holds a part of a person, or his neighbour."""
BETWEEN = 0.95
HIDDEN_S = 13.0
"""Probability that a person can be seen between two sure boxes, while other views see him, and the seconds of gap over
which it falls: who is lost for long stands behind something."""
BEYOND = 0.6
"""The same at the last of his sure boxes when no other follows; it falls with the seconds since."""
NEVER = 0.2
"""The same of somebody who has not been seen here for long, and may stand where this view cannot see him."""


@dataclass(frozen=True)
class Holes:
    """Persons expected in a view of whom it has no accepted box: rows of ``Expected``, their guessed boxes, the
    probability that other views see the person and the place is in the picture, ``expected``, and that he can be seen
    here now, ``there``."""

    person: Ints
    frame: Ints
    time: Floats
    guess: Guess
    expected: Floats
    there: Floats

    def near(self, skill: Skill) -> Floats:
        """(N,) that a guess hides most of the person: more often than it overlaps him by half."""
        return np.sqrt(skill.probability(self.guess.error))


def sure_boxes(rows: Rows) -> Anchors:
    """The boxes of known persons that are accepted and that a detector has seen well."""
    sure = (rows.existence >= ACCEPTED) & (rows.person != NOBODY) & ~rows.copy & (np.nan_to_num(rows.score) >= ACCEPTED)
    return anchors(rows.person[sure], rows.frame[sure], rows.time[sure], rows.boxes[sure])


def better_boxes(
    rows: Rows, own: Floats, known: Anchors, expected: Expected, skill: Skill, size: tuple[int, int]
) -> Rows:
    """Move the boxes of persons whom the own view alone would not accept to where they must be.

    Args:
        rows: persons of a view.
        own: (N,) existence as the own view knows it.
        known: sure boxes.
        expected: what other views expect here.
        skill: see ``motion``.
        size: of the frame.
    """
    weak = np.flatnonzero((own < ACCEPTED) & (rows.existence >= ACCEPTED) & (rows.person != NOBODY) & ~rows.copy)
    if len(weak) == 0:
        return rows
    found = guess(known, rows.person[weak], rows.frame[weak], rows.time[weak], expected, skill)
    seen = FLOOR + LOOSE * (1 - np.nan_to_num(rows.score[weak]))
    share = np.where(found.error < FAR, seen**2 / (seen**2 + found.error**2), 0.0)[:, None]
    boxes = rows.boxes.copy()
    boxes[weak] = clip(as_boxes((1 - share) * boxes[weak] + share * found.boxes), *size)
    keep = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)
    boxes[~keep] = rows.boxes[~keep]
    return rows.with_(boxes=boxes)


def holes(rows: Rows, known: Anchors, expected: Expected, skill: Skill, config: RetrievalConfig) -> Holes:
    """Persons expected in a view where it has accepted nobody."""
    accepted = rows.take(rows.existence >= ACCEPTED)
    base = int(max(expected.person.max(initial=0), accepted.person.max(initial=0))) + 1
    taken = np.isin(
        expected.frame * base + expected.person, (accepted.frame * base + accepted.person)[accepted.person >= 0]
    )
    open_ = np.flatnonzero(~taken)
    found = guess(known, expected.person[open_], expected.frame[open_], expected.time[open_], expected, skill)
    order = np.argsort(expected.frame[open_], kind="stable")
    open_ = open_[order]
    found = Guess(*(getattr(found, name)[order] for name in ("boxes", "error", "before", "after", "nearest")))
    free = ~covered(expected.frame[open_], found.boxes, accepted.frame, accepted.boxes, config.same_person_iou)
    open_ = open_[free]
    found = Guess(*(getattr(found, name)[free] for name in ("boxes", "error", "before", "after", "nearest")))
    since = np.minimum(found.before, found.after)
    gap = found.before + found.after
    seen = np.where(
        gap <= config.max_gap_s, BETWEEN * np.exp(-gap / HIDDEN_S), BEYOND * np.exp(-since / config.reach_s)
    )
    return Holes(
        expected.person[open_],
        expected.frame[open_],
        expected.time[open_],
        found,
        expected.probability[open_],
        expected.probability[open_] * seen,
    )


def lost_share(gaps: Holes, expected: Expected) -> float:
    """Share of the persons surely expected in a view whom it has not accepted: how much it misses, without a label."""
    sure = expected.probability > 0.5
    lost = gaps.expected > 0.5
    return float((lost.sum() + USUAL_LOSS * PRIOR_LOSSES) / (sure.sum() + PRIOR_LOSSES))


def filled(gaps: Holes, skill: Skill, first: int, size: tuple[int, int]) -> Rows:
    """The holes that are filled: boxes guessed well enough, as new tracklets from number ``first``."""
    existence = gaps.there * gaps.near(skill)
    boxes = clip(gaps.guess.boxes, *size)
    inside = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)
    keep = np.flatnonzero((existence >= ACCEPTED) & inside)
    count = len(keep)
    return Rows(
        frame=gaps.frame[keep],
        time=gaps.time[keep],
        boxes=boxes[keep],
        tracklet=first + chain(gaps.person[keep], gaps.time[keep], LINK_S),
        existence=existence[keep],
        source=np.full(count, INTERPOLATED),
        score=np.full(count, np.nan),
        candidate=np.full(count, -1),
        person=gaps.person[keep],
        over_time=np.full(count, np.nan),
        over_views=np.log(existence[keep] / np.maximum(1 - existence[keep], 1e-4)),
        copy=np.zeros(count, bool),
    )
