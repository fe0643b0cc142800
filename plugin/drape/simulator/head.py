"""The head: its shape, what it wears, and where the points of the face lie on it.

The head is a loft of horizontal rings; ``HEIGHTS`` runs from 1 (crown) to -1 (chin), angle pi / 2 is the front.
"""

from __future__ import annotations

import numpy as np

from drape.simulator.arrays import Array, Mask
from drape.simulator.clothing import Person, column

RINGS, SIDES = 24, 28
HEIGHTS = np.cos(np.linspace(0, np.pi, RINGS))
_ANGLE = np.arange(SIDES) * 2 * np.pi / SIDES
_Z = np.repeat(HEIGHTS[:, None], SIDES, axis=1)
_FRONT = np.repeat(np.sin(_ANGLE)[None], RINGS, axis=0)
_ASIDE = np.repeat(np.abs(np.cos(_ANGLE))[None], RINGS, axis=0)

_HAIRLINE = np.where(_FRONT > 0.25, 0.42, np.where(_FRONT > -0.2, 0.1, -0.35))
_ABOVE = _Z > _HAIRLINE
_NAPE = (_Z <= _HAIRLINE) & (_Z > _HAIRLINE - 0.28) & (_FRONT < 0.15)
_MASKED = (_FRONT > 0.12) & (_Z < -0.02) & (_Z > -0.92)
_EYES = (_FRONT > 0.7) & (np.abs(_Z - 0.14) < 0.08) & (_ASIDE > 0.12) & (_ASIDE < 0.62)
_BROWS = (_FRONT > 0.6) & (np.abs(_Z - 0.29) < 0.06) & (_ASIDE > 0.1)
_FRAMES = (_FRONT > 0.35) & (np.abs(_Z - 0.14) < 0.15) & ~_EYES & (np.abs(_Z - 0.14) > 0.06)
_TEMPLES = (np.abs(_FRONT - 0.15) < 0.35) & (np.abs(_Z - 0.16) < 0.06)
_BEARD = (_FRONT > 0.05) & (_Z < -0.30)
_LIPS = (_FRONT > 0.88) & (np.abs(_Z + 0.50) < 0.09)
_NOSE = (_FRONT > 0.95) & (_Z < 0.1) & (_Z > -0.25)


def head_profile() -> Array:
    """Radius of each ring as a share of the widest, (R,)."""
    shape = np.sin(np.linspace(0, np.pi, RINGS)) ** 0.85
    tapered: Array = shape * np.where(HEIGHTS < 0, 1 - 0.22 * HEIGHTS**2, 1.0)
    return tapered


def _wears(people: list[Person], *kinds: str) -> Mask:
    return np.array([person.headgear in kinds for person in people])


def head_swell(people: list[Person]) -> Array:
    """Factor on the radius, (P, R, S): headgear, hair, mask, nose."""
    swell = np.ones((len(people), RINGS, SIDES))
    swell[:, _NOSE] *= 1.08
    swell[:, _ABOVE] *= 1.05
    rows = _wears(people, "cap")
    swell[rows] = np.where(_ABOVE, swell[rows] * 1.06, swell[rows])
    puff = 1.10 + 0.035 * np.sin(9 * _ANGLE)[None] * (1 - _Z**2)
    rows = _wears(people, "bouffant")
    swell[rows] = np.where(_ABOVE, swell[rows] * puff, swell[rows])
    rows = column(people, "mask") > 0
    swell[rows] = np.where(_MASKED, np.maximum(swell[rows], 1.0) * 1.08, swell[rows])
    return swell


def head_colours(people: list[Person]) -> Array:
    """Colours (P, R, S, 3)."""

    def tint(name: str) -> Array:
        return column(people, name)[:, None, None, :]

    def where(region: Mask, worn: Mask | Array, value: Array | float, base: Array) -> Array:
        chosen = region[None, :, :, None] & np.asarray(worn, bool)[:, None, None, None]
        painted: Array = np.where(chosen, value, base)
        return painted

    everybody = np.ones(len(people), bool)
    covered = _wears(people, "cap", "bouffant")
    paint = np.broadcast_to(tint("skin"), (len(people), RINGS, SIDES, 3))
    paint = where(_LIPS, everybody, paint * [0.75, 0.72, 0.92], paint)
    paint = where(_BEARD, column(people, "beard"), 0.7 * tint("hair") + 0.3 * paint, paint)
    paint = where(_BROWS, everybody, 0.6 * tint("hair") + 0.4 * paint, paint)
    paint = where(_EYES, everybody, paint * 0.45, paint)
    paint = where(_FRAMES | _TEMPLES, column(people, "glasses"), 0.12, paint)
    paint = where(_NAPE, everybody, tint("hair"), paint)
    paint = where(_ABOVE, ~covered, tint("hair"), paint)
    paint = where(_ABOVE, covered, tint("cap"), paint)
    return where(_MASKED, column(people, "mask"), tint("mask_colour"), paint)
