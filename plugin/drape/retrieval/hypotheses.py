"""Guesses that somebody is missed: where, when, how probably, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from drape import tables
from drape.boxes import Boxes
from drape.retrieval.pairing import Floats, Ints, log_odds, logistic, paired_iou, within_groups
from drape.retrieval.suppression import best_of

REASON = {name: position for position, name in enumerate(tables.REASONS)}
SAME_IOU = 0.3
"""Guesses of one frame that overlap more are about one person."""
SHARED = 0.5
"""Share of a guess that adds to a better one about the same person: reasons are not independent."""


@dataclass(frozen=True)
class Hypotheses:
    """Guesses in one view, (N,) each: ``reason`` indexes ``tables.REASONS``; ``tracklet`` and ``person`` are -1 where
    unknown."""

    frame: Ints
    time: Floats
    boxes: Boxes
    probability: Floats
    reason: Ints
    tracklet: Ints
    person: Ints

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> Hypotheses:
        """These rows, by number or mask."""
        return Hypotheses(*(getattr(self, f.name)[rows] for f in fields(self)))

    def with_probability(self, probability: Floats) -> Hypotheses:
        """The same guesses with other probabilities."""
        return replace(self, probability=probability)


def hypotheses(
    reason: str,
    frame: Ints,
    time: Floats,
    boxes: Boxes,
    probability: Floats,
    tracklet: Ints | int = -1,
    person: Ints | int = -1,
) -> Hypotheses:
    """Guesses of one reason."""
    count = len(frame)
    return Hypotheses(
        frame,
        time,
        boxes,
        probability,
        np.full(count, REASON[reason]),
        np.broadcast_to(np.asarray(tracklet, np.int64), (count,)),
        np.broadcast_to(np.asarray(person, np.int64), (count,)),
    )


def together(parts: Sequence[Hypotheses]) -> Hypotheses:
    """All guesses, sorted by frame."""
    both = Hypotheses(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Hypotheses)))
    return both.take(np.argsort(both.frame, kind="stable"))


def merged(found: Hypotheses) -> Hypotheses:
    """One guess per person and frame: of those that overlap the most probable, raised by a noisy-OR of the others.

    Args:
        found: sorted by frame.
    """
    best = best_of(found.frame, found.boxes, found.probability, SAME_IOU)
    i, j = within_groups(found.frame)
    other = (i != j) & best[i] & ~best[j]
    i, j = i[other], j[other]
    near = paired_iou(found.boxes[i], found.boxes[j]) > SAME_IOU
    absent = np.log(np.maximum(1 - found.probability, 1e-6))
    absent += np.bincount(i[near], np.log(1 - SHARED * found.probability[j[near]]), len(found))
    return found.with_probability(1 - np.exp(absent)).take(best)


@dataclass(frozen=True)
class Calibration:
    """Log-odds of a guess as they turn out: ``slope * log-odds + bias``, by reason, (R,) each."""

    slope: Floats
    bias: Floats

    @classmethod
    def of(cls, **reasons: tuple[float, float]) -> Calibration:
        """Slope and bias of some reasons; the others are right as they are."""
        slope, bias = np.ones(len(REASON)), np.zeros(len(REASON))
        for name, (a, b) in reasons.items():
            slope[REASON[name]], bias[REASON[name]] = a, b
        return cls(slope, bias)

    def __call__(self, found: Hypotheses) -> Hypotheses:
        """Guesses with calibrated probabilities; the more probable stays the more probable within a reason."""
        raw = log_odds(found.probability)
        return found.with_probability(logistic(self.slope[found.reason] * raw + self.bias[found.reason]))
