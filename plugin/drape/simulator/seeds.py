"""Random numbers that depend on a seed and a purpose only, so that one part's draws never shift another's."""

from __future__ import annotations

import zlib

import numpy as np

from drape.simulator.arrays import Array


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator of its own for every (seed, purpose)."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    return np.random.default_rng([seed, *words])


class Wander:
    """Smooth noise as a function of time: a sum of four sinusoids around a period, for many channels at once.

    Args:
        rng: where phases and frequencies come from.
        shape: of the value.
        period: in seconds.
        amplitude: about the largest value.
    """

    def __init__(self, rng: np.random.Generator, shape: tuple[int, ...], period: float, amplitude: float) -> None:
        self._frequency = 2 * np.pi * rng.uniform(0.4, 1.6, (4, *shape)) / period
        self._phase = rng.uniform(0, 2 * np.pi, (4, *shape))
        self._weight = rng.uniform(0.3, 1.0, (4, *shape)) * amplitude / 2

    def at(self, time: float) -> Array:
        """The value at ``time`` seconds, of the shape given at first."""
        value: Array = (self._weight * np.sin(self._frequency * time + self._phase)).sum(axis=0)
        return value
