"""Where the centre of each head is, from whichever points are known, and how sure that is.

The points of a head turn with it: over all ways to hold it, their offsets from its centre have a mean and a covariance
(``head_template``). Together with the error of each point that makes the centre's best linear unbiased estimate and its
variance (generalized least squares; Rao, Linear Statistical Inference and its Applications, 1973, 4a). Two ears give it
almost exactly, a nose alone to half a head, the shoulders alone to about as much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.pose.head_points import SHARED, Points, Stance
from drape.pose.head_template import IDS, MEAN, SPREAD

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_NOTHING = 1e3
"""Deviation in metres that stands for a point that is not known."""

BIAS = 0.015
"""Deviation in metres that no number of sure points takes away: caps and people differ from the template."""

LYING = 2.0
"""Factor on the deviation of heads of those who lie or bend: estimators learned from people who stand."""

_STRANGE = 3.5
"""A point further than this many deviations from where the others expect it is an error."""

_ROUNDS = 3
"""At most so many points of a head are taken for errors."""


class Centres(NamedTuple):
    """Of N heads: ``xy`` (N, 2) pixels, ``sigma`` (N,) metres, infinite where nothing is known, ``used`` (N, 133), and
    the ``strain`` (N,), about 1 where the points lie as those of a head do."""

    xy: Floats
    sigma: Floats
    used: Bools
    strain: Floats


def centres(points: Points, scale: Floats, stance: Stance) -> Centres:
    """Centres of heads.

    Args:
        points: of N persons.
        scale: (N,) pixels per metre.
        stance: of the bodies.
    """
    known, up = points.known[:, IDS].copy(), stance.up
    origin = _middle(points.xy[:, IDS], known)
    # Into metres, turned so that the body stands upright: x along ``right``, y down.
    right = np.stack([-up[:, 1], up[:, 0]], axis=1)
    away = (points.xy[:, IDS] - origin[:, None]) / np.maximum(scale, 1e-9)[:, None, None]
    turned = np.stack([np.einsum("npk,nk->np", away, right), -np.einsum("npk,nk->np", away, up)], axis=2)
    sigma = points.sigma[:, IDS]
    centre, variance, strange, strain = _solve(turned, known, sigma)
    for _ in range(_ROUNDS):
        worst = strange.argmax(axis=1)
        bad = (strange.max(axis=1, initial=0) > _STRANGE) & (known.sum(axis=1) > 2)
        if not bad.any():
            break
        known[bad, worst[bad]] = False
        centre, variance, strange, strain = _solve(turned, known, sigma)
    xy = origin + (centre[:, :1] * right - centre[:, 1:] * up) * scale[:, None]
    used = np.zeros_like(points.known)
    used[:, IDS] = known
    some = known.any(axis=1)
    deviation = np.sqrt(variance.max(axis=1) * np.maximum(strain, 1.0) + BIAS**2) * np.where(stance.lying, LYING, 1.0)
    return Centres(xy, np.where(some, deviation, np.inf), used, strain)


def _middle(xy: Floats, known: Bools) -> Floats:
    weight = known / np.maximum(known.sum(axis=1), 1)[:, None]
    return np.einsum("npk,np->nk", xy, weight)


def _solve(turned: Floats, known: Bools, sigma: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Centre (N, 2) and its variance (N, 2), of each point how many deviations it lies off what the others say (N, P),
    and the strain (N,): the sum of squares that is left, by its degrees of freedom."""
    noise = np.where(known, (1 - SHARED) * sigma**2, _NOTHING**2)
    common = np.sqrt(SHARED) * np.where(known, sigma, 0.0)
    shared = common[:, :, None] * common[:, None, :]
    centre, variance = np.empty((len(turned), 2)), np.empty((len(turned), 2))
    strange, strain = np.zeros(known.shape), np.zeros(len(turned))
    for axis in range(2):
        covariance = SPREAD[axis][None] + noise[:, :, None] * np.eye(len(IDS)) + shared
        inverse = np.linalg.inv(covariance)
        offset = turned[:, :, axis] - MEAN[:, axis]
        total = inverse.sum(axis=(1, 2))
        centre[:, axis] = np.einsum("npq,nq->n", inverse, offset) / total
        variance[:, axis] = 1 / total
        # Leave-one-out residuals of least squares: with Q = inverse minus its part along the mean,
        # residual / deviation = (Q offset)_p / sqrt(Q_pp).
        along = inverse.sum(axis=2)
        reduced = inverse - along[:, :, None] * along[:, None, :] / total[:, None, None]
        pull = np.einsum("npq,nq->np", reduced, offset)
        spread = np.sqrt(np.maximum(np.einsum("npp->np", reduced), 1e-12))
        strange = np.maximum(strange, np.where(known, np.abs(pull) / spread, 0.0))
        strain += (pull * offset).sum(axis=1)
    freedom = 2 * np.maximum(known.sum(axis=1) - 1, 1)
    return centre, variance, strange, strain / freedom
