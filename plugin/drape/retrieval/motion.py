"""Where a person of one view was at a time at which that view did not see him well.

Two guesses are combined by their variance (as in Kalman's update): the line between his nearest sure boxes in time,
and the box that other views expect, corrected by how far their expectations were off at those sure boxes. How wrong
each guess is on average is learned from sure boxes that are hidden for a while and guessed anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drape.boxes import Boxes, as_boxes
from drape.retrieval.expected import Expected
from drape.retrieval.pairing import Floats, Ints, logistic, paired_iou

DRIFT = 0.3
"""Error of the line in heights per second away from the nearest sure box, before anything is learned."""
FLOOR = 0.04
"""Error of any box in heights."""
FAR = 1e3
"""Seconds to a sure box that does not exist."""
RIGHT = (4.0, 6.0)
"""A guess whose error is expected to be ``e`` heights overlaps the person by half with log-odds 4 - 6 log2(1 + 4 e)."""
REHEARSALS = 2000
TRUST = 100.0
"""Rehearsals that weigh as much as the defaults."""


@dataclass(frozen=True)
class Skill:
    """How well guesses do in a view: ``drift`` in heights per second, ``offset`` of expected boxes as a share of
    their spread, and ``right``: log-odds at error 0 that a guess overlaps by half, and their fall."""

    drift: float = DRIFT
    offset: float = 1.0
    right: tuple[float, float] = RIGHT

    def probability(self, error: Floats) -> Floats:
        """(N,) that guesses with these expected errors, in heights, overlap the person by half or more."""
        return logistic(self.right[0] - self.right[1] * np.log2(1 + 4 * error))


@dataclass(frozen=True)
class Anchors:
    """Sure boxes of known persons in one view, sorted by person, then time."""

    person: Ints
    frame: Ints
    time: Floats
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Guess:
    """Guessed ``boxes`` (N, 4), their expected ``error`` (N,) in heights, and seconds since the last and until the
    next sure box, ``before`` and ``after`` (N,), ``FAR`` where there is none; ``nearest`` (N,) is the row of the
    nearest sure box, -1 for none."""

    boxes: Boxes
    error: Floats
    before: Floats
    after: Floats
    nearest: Ints


def anchors(person: Ints, frame: Ints, time: Floats, boxes: Boxes) -> Anchors:
    """Sort sure boxes."""
    order = np.lexsort((time, person))
    return Anchors(person[order], frame[order], time[order], boxes[order])


def guess(
    known: Anchors,
    person: Ints,
    frame: Ints,
    time: Floats,
    expected: Expected,
    skill: Skill,
    hide: Floats | float = 0.0,
) -> Guess:
    """Guess where persons are.

    Args:
        known: sure boxes.
        person, frame, time: (N,) whom and when.
        expected: what other views expect.
        skill: how well guesses do.
        hide: (N,) seconds around each time whose sure boxes are not looked at.
    """
    low, high = _neighbours(known, person, time, np.broadcast_to(np.asarray(hide, np.float64), time.shape))
    before = np.where(low >= 0, time - known.time[low], FAR) if len(known) else np.full(len(time), FAR)
    after = np.where(high >= 0, known.time[high] - time, FAR) if len(known) else np.full(len(time), FAR)
    share = np.where(before + after > 0, before / np.maximum(before + after, 1e-9), 0.0)
    share = np.where(low < 0, 1.0, np.where(high < 0, 0.0, share))[:, None]
    here = expected.find(person, frame)
    boxes = np.zeros((len(time), 4))
    weight = np.zeros(len(time))
    any_known = (low >= 0) | (high >= 0)
    if len(known):
        a, b = known.boxes[np.where(low >= 0, low, high)], known.boxes[np.where(high >= 0, high, low)]
        away = np.where(
            (low >= 0) & (high >= 0), before * after / np.maximum(before + after, 1e-9), np.minimum(before, after)
        )
        error = FLOOR + skill.drift * away
        part = np.where(any_known, 1 / error**2, 0.0)
        boxes += part[:, None] * ((1 - share) * a + share * b)
        weight += part
    if len(expected):
        shift, corrected = _shift(known, expected, low, high, share)
        spread = expected.spread[here] * np.where(corrected, 0.5, 1.0) * skill.offset + FLOOR
        part = np.where(here >= 0, 1 / spread**2, 0.0)
        boxes += part[:, None] * (expected.boxes[here] + np.where((here >= 0)[:, None], shift, 0.0))
        weight += part
    nothing = weight == 0
    boxes[~nothing] /= weight[~nothing, None]
    error = np.where(nothing, FAR, 1 / np.sqrt(np.maximum(weight, 1e-12)))
    nearest = np.where(before <= after, low, high)
    return Guess(as_boxes(boxes), error, before, after, nearest)


def rehearse(known: Anchors, expected: Expected, longest: float, seed: int) -> Skill:
    """Learn how well guesses do, on sure boxes hidden together with their neighbours for up to ``longest`` seconds."""
    rng = np.random.default_rng(seed)
    if len(known) < 20:
        return Skill()
    rows = rng.choice(len(known), min(REHEARSALS, len(known)), replace=False)
    hide = np.exp(rng.uniform(np.log(0.2), np.log(max(longest / 2, 0.3)), len(rows)))
    person, frame, time, true = known.person[rows], known.frame[rows], known.time[rows], known.boxes[rows]
    height = np.maximum(true[:, 3] - true[:, 1], 1.0)
    skill = Skill()
    line = guess(known, person, frame, time, _without(expected), skill, hide)
    both = (line.before < FAR) & (line.after < FAR)
    away = line.before * line.after / (line.before + line.after)
    error = np.abs(line.boxes - true).mean(axis=1) / height
    drift = _blend(np.median(error[both] / away[both]) if both.any() else DRIFT, DRIFT, both.sum())
    others = guess(known, person, frame, time, expected, Skill(drift=1e4), hide)
    seen = (expected.find(person, frame) >= 0) & (others.nearest >= 0)
    off = np.abs(others.boxes - true).mean(axis=1) / height
    ratio = (
        off[seen] / np.maximum(0.5 * expected.spread[expected.find(person, frame)[seen]], 1e-3)
        if seen.any()
        else np.ones(1)
    )
    skill = Skill(drift, float(np.clip(_blend(np.median(ratio), 1.0, seen.sum()), 0.1, 3.0)))
    final = guess(known, person, frame, time, expected, skill, hide)
    usable = final.error < FAR
    hit = paired_iou(final.boxes[usable], true[usable]) >= 0.5
    return Skill(skill.drift, skill.offset, _fit(final.error[usable], hit))


def _blend(measured: Any, default: float, count: int) -> float:
    return float((count * measured + TRUST * default) / (count + TRUST))


def _fit(error: Floats, hit: np.ndarray) -> tuple[float, float]:
    """Logistic regression of hits on the error, with the default as so many observations of its own."""
    x = np.log2(1 + 4 * error)
    grid = np.log2(1 + 4 * np.linspace(0.02, 0.6, 20))
    prior = logistic(RIGHT[0] - RIGHT[1] * grid)
    x, y = np.concatenate([x, grid]), np.concatenate([hit.astype(np.float64), prior])
    weight = np.concatenate([np.ones(len(hit)), np.full(len(grid), TRUST / len(grid))])
    terms = np.stack([np.ones(len(x)), -x], axis=1)
    b = np.array(RIGHT)
    for _ in range(25):
        p = logistic(terms @ b)
        hessian = (terms * (weight * p * (1 - p))[:, None]).T @ terms + 1e-6 * np.eye(2)
        b = b - np.clip(np.linalg.solve(hessian, terms.T @ (weight * (p - y))), -1, 1)
    return float(b[0]), float(max(b[1], 0.0))


def _neighbours(known: Anchors, person: Ints, time: Floats, hide: Floats) -> tuple[Ints, Ints]:
    """Rows of the last sure box at or before ``time - hide`` and the first at or after ``time + hide``, -1 for none."""
    if len(known) == 0:
        return np.full(len(time), -1), np.full(len(time), -1)
    start = min(float(known.time.min()), float((time - hide).min(initial=np.inf)))
    stop = max(float(known.time.max()), float((time + hide).max(initial=-np.inf)))
    span = 2 * (stop - start) + 1
    key = known.person * span + known.time - start
    low = np.searchsorted(key, person * span + time - hide - start, "right") - 1
    high = np.searchsorted(key, person * span + time + hide - start, "left")
    low = np.where((low >= 0) & (known.person[low] == person), low, -1)
    inside = np.minimum(high, len(known) - 1)
    return low, np.where((high < len(known)) & (known.person[inside] == person), high, -1)


def _shift(known: Anchors, expected: Expected, low: Ints, high: Ints, share: Floats) -> tuple[Floats, np.ndarray]:
    """How far expected boxes are off, between both sure boxes; and where that is known."""
    if len(known) == 0:
        return np.zeros((len(low), 4)), np.zeros(len(low), bool)
    found = expected.find(known.person, known.frame)
    off = np.where((found >= 0)[:, None], known.boxes - expected.boxes[found], 0.0)
    a, b = (low >= 0) & (found[low] >= 0), (high >= 0) & (found[high] >= 0)
    wa, wb = np.where(a, 1 - share[:, 0], 0.0), np.where(b, share[:, 0], 0.0)
    wa, wb = np.where(a & ~b, 1.0, wa), np.where(b & ~a, 1.0, wb)
    return wa[:, None] * off[low] + wb[:, None] * off[high], a | b


def _without(expected: Expected) -> Expected:
    none = slice(0, 0)
    return Expected(
        expected.person[none],
        expected.frame[none],
        expected.time[none],
        expected.boxes[none],
        expected.probability[none],
        expected.spread[none],
    )
