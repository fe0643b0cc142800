"""What one person does over time, written down ten times a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drape.simulator.arrays import Array

RATE = 10
"""Samples per second of every timeline; in between it is interpolated."""


@dataclass
class Handover:
    """Samples [start, stop) in which person ``giver`` hands something to ``taker``."""

    start: int
    stop: int
    giver: int
    taker: int


class Actor:
    """One person's timeline of ``count`` samples, filled from its beginning.

    Attributes:
        xy: (count, 2) metres.
        look: (count, 2) what the person faces; NaN: where it walks.
        work, sit, stoop: (count,) in [0, 1].
        present: (count,) whether the person is in the room.
        filled: samples written so far.
    """

    def __init__(self, count: int, place: Array) -> None:
        self.xy = np.zeros((count, 2))
        self.look = np.full((count, 2), np.nan)
        self.work, self.sit, self.stoop = np.zeros((3, count))
        self.present = np.ones(count, bool)
        self.filled = 0
        self.place = np.asarray(place, float)

    @property
    def done(self) -> bool:
        """Whether the timeline is full."""
        return self.filled >= len(self.xy)

    def stay(
        self,
        seconds: float,
        look: Array | None = None,
        work: float = 0.0,
        sit: float = 0.0,
        stoop: float = 0.0,
        present: bool = True,
    ) -> slice:
        """Stand, or sit, where the person is; returns the samples."""
        rows = slice(self.filled, min(len(self.xy), self.filled + max(1, round(seconds * RATE))))
        self.xy[rows] = self.place
        if look is not None:
            self.look[rows] = look
        self.work[rows], self.sit[rows], self.stoop[rows], self.present[rows] = work, sit, stoop, present
        self.filled = rows.stop
        return rows

    def walk(self, points: Array, speed: float) -> None:
        """Walk along points (N, 2) at ``speed`` metres per second."""
        lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        steps = max(1, round(lengths[-1] / speed * RATE))
        at = np.linspace(0, lengths[-1], steps + 1)[1:]
        rows = slice(self.filled, min(len(self.xy), self.filled + steps))
        for axis in range(2):
            self.xy[rows, axis] = np.interp(at, lengths, points[:, axis])[: rows.stop - rows.start]
        self.filled = rows.stop
        self.place = np.asarray(points[-1], float)
