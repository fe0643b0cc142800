"""Constant-velocity Kalman filters for all tracks at once.

A box is ``(cx, cy, w, h)``. Its four coordinates are independent ``(position, velocity)`` states, so a covariance is
three numbers per coordinate and a step is a few array operations whatever the number of tracks. Velocities are per
second and noise is proportional to the box's height, as in SORT (Bewley et al. 2016, section 3.1), but it grows with
the elapsed time (white-noise acceleration; Bar-Shalom et al. 2001, section 6.2.2), so that frame rates may vary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes

Array = NDArray[np.float64]

MEASURE = np.array([0.03, 0.03, 0.06, 0.06])
"""Measurement standard deviation of cx, cy, w, h in heights: what a detector's boxes jitter by."""

SHAPE_SHARE = np.array([1.0, 1.0, 0.25, 0.25])
"""Sizes change more slowly than places."""


def to_centre(boxes: Boxes) -> Array:
    """``x1, y1, x2, y2`` to ``cx, cy, w, h``, shape (N, 4)."""
    size = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2] + size / 2, size], axis=1).astype(np.float64)


def to_corners(state: Array) -> Boxes:
    """``cx, cy, w, h`` to ``x1, y1, x2, y2``, shape (N, 4); sizes below one pixel become one pixel."""
    half = np.maximum(state[:, 2:], 1.0) / 2
    return np.concatenate([state[:, :2] - half, state[:, :2] + half], axis=1).astype(np.float32)


@dataclass
class Filters:
    """Filters of T tracks: ``position`` and ``velocity`` (T, 4), covariances ``pp``, ``pv``, ``vv`` (T, 4)."""

    position: Array
    velocity: Array
    pp: Array
    pv: Array
    vv: Array

    @classmethod
    def start(cls, centres: Array, speed: float) -> Filters:
        """New filters at rest at the measurements ``centres`` (T, 4).

        Args:
            speed: standard deviation of the unknown first velocity, in heights per second.
        """
        height = centres[:, 3:4]
        zero = np.zeros_like(centres)
        pp = (2 * MEASURE * height) ** 2
        vv = (speed * SHAPE_SHARE * height) ** 2
        return cls(centres.copy(), zero.copy(), pp, zero.copy(), vv)

    @classmethod
    def none(cls) -> Filters:
        """No tracks."""
        zero = np.zeros((0, 4))
        return cls(zero, zero.copy(), zero.copy(), zero.copy(), zero.copy())

    def predict(self, dt: float | Array, agility: float) -> None:
        """Move on by ``dt`` seconds (scalar or (T, 1)).

        Args:
            agility: standard deviation of the acceleration, in heights per second squared per root-hertz.
        """
        noise = (agility * SHAPE_SHARE * np.maximum(self.position[:, 3:4], 1.0)) ** 2
        self.position += self.velocity * dt
        self.pp += dt * (2 * self.pv + dt * self.vv) + noise * dt**3 / 3
        self.pv += dt * self.vv + noise * dt**2 / 2
        self.vv += noise * dt

    def update(self, rows: NDArray[np.int64], centres: Array) -> None:
        """Correct the filters ``rows`` by the measurements ``centres`` (len(rows), 4)."""
        noise = (MEASURE * np.maximum(centres[:, 3:4], 1.0)) ** 2
        pp, pv = self.pp[rows], self.pv[rows]
        total = pp + noise
        gain_p, gain_v = pp / total, pv / total
        residual = centres - self.position[rows]
        self.position[rows] += gain_p * residual
        self.velocity[rows] += gain_v * residual
        self.vv[rows] -= gain_v * pv
        self.pv[rows] = pv * (1 - gain_p)
        self.pp[rows] = pp * (1 - gain_p)

    def joined(self, other: Filters) -> Filters:
        """These tracks and then those of ``other``."""
        return Filters(*(np.concatenate(pair) for pair in zip(self._arrays(), other._arrays(), strict=True)))

    def kept(self, mask: NDArray[np.bool_]) -> Filters:
        """The tracks selected by ``mask`` (T,)."""
        return Filters(*(array[mask] for array in self._arrays()))

    def _arrays(self) -> tuple[Array, ...]:
        return (self.position, self.velocity, self.pp, self.pv, self.vv)
