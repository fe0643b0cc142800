"""From evidence to probability, without labels: frames of different times show how evidence between strangers looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from drape.association.cells import Cells, meetings
from drape.association.views import Floats, Instants, Ints, ViewBoxes
from drape.boxes import Boxes

SHIFTS = 4
STAYING_IOU = 0.3
"""Who overlaps with somebody of the other time by so much may not have moved, and is no example of two strangers."""
BINS = 60
FEWEST_IN_BIN = 30
ROUNDS = 10
MESSAGES = 8
MOST_OVERLAP = 0.97


@dataclass(frozen=True)
class Calibration:
    """How evidence becomes probability.

    Attributes:
        knots, log_ratio: (K,) evidence and log of its density for the same person over that for strangers.
        overlap: by pair of views, the expected share of the smaller set that has a partner in the larger.
    """

    knots: Floats
    log_ratio: Floats
    overlap: dict[tuple[str, str], float]

    def ratio(self, evidence: Floats) -> Floats:
        """Likelihood ratio of same person over strangers."""
        out: Floats = np.exp(np.interp(evidence, self.knots, self.log_ratio))
        return out

    def share(self, a: str, b: str) -> float:
        """Expected overlap of two views; that of all views where the two have not met before."""
        known = self.overlap.get((min(a, b), max(a, b)))
        return float(np.mean(list(self.overlap.values()) or [0.5])) if known is None else known


def strangers(views: tuple[ViewBoxes, ViewBoxes], instants: Instants, pair: tuple[int, int], gap: float) -> Cells:
    """Cells of frames at least ``gap`` seconds apart, without those who may have stood still meanwhile."""
    a, b = pair
    count = len(instants)
    first, second = [], []
    for share in np.linspace(0, 1, SHIFTS + 2)[1:-1]:
        other = (np.arange(count) + max(1, int(share * count))) % count
        far = np.abs(instants.time[other] - instants.time) >= gap
        first.append(np.flatnonzero(far))
        second.append(other[far])
    at, other = np.concatenate(first), np.concatenate(second)
    cells = meetings(instants.rows[a][at], instants.rows[b][other])
    still_a = _still(views[0].boxes, instants.rows[a][at], instants.rows[a][other])
    still_b = _still(views[1].boxes, instants.rows[b][other], instants.rows[b][at])
    place_a = cells.i - instants.rows[a][at][cells.group, 0] + still_a[1][cells.group]
    place_b = cells.j - instants.rows[b][other][cells.group, 0] + still_b[1][cells.group]
    keep = ~still_a[0][place_a] & ~still_b[0][place_b]
    return cells.where(keep)


def _still(boxes: Boxes, here: Ints, there: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """Whether each box of frames ``here`` (G, 2) overlaps one of ``there``, flat; and each frame's first place."""
    cells = meetings(here, there)
    count = here[:, 1] - here[:, 0]
    starts = np.concatenate([[0], np.cumsum(count)])
    a, b = boxes[cells.i], boxes[cells.j]
    size = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    inter = size[:, 0] * size[:, 1]
    area_a, area_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
    near = inter > STAYING_IOU * (area_a + area_b - inter)
    out = np.zeros(starts[-1], bool)
    out[(cells.i - here[cells.group, 0] + starts[cells.group])[near]] = True
    return out, starts[:-1].astype(np.int64)


def fit_ratio(together: Floats, apart: Floats) -> tuple[Floats, Floats] | None:
    """Density ratio of the same person over strangers as a rising curve; None where there is too little to learn from.

    Cells of one instant are a mixture of same persons and strangers, cells of different times are strangers alone. The
    ratio of the two densities is 1 - w + w * (same / strangers); its floor at low evidence gives the share w.

    Args:
        together, apart: evidence of cells of one instant and of different times.

    Returns:
        Evidence (K,) and log-ratio (K,).
    """
    if len(together) < 4 * FEWEST_IN_BIN or len(apart) < 4 * FEWEST_IN_BIN:
        return None
    least = FEWEST_IN_BIN / len(together)
    edges = np.unique(np.quantile(together, 1 - np.geomspace(least, 1, BINS)))
    if len(edges) < 4:
        return None
    edges[0] = -np.inf
    edges = np.append(edges, np.inf)
    place = np.digitize(together, edges) - 1
    here = np.bincount(place, minlength=len(edges) - 1) / len(together)
    chance = (np.histogram(apart, edges)[0] + 0.5) / len(apart)
    rising = isotonic_regression(here / chance, weights=here + 1e-9, increasing=True).x
    middle = np.median(together)
    alone = min(0.99, float((together < middle).mean() / max((apart < middle).mean(), 1e-9)))
    sums = np.bincount(place, weights=np.clip(together, -1e6, 1e6), minlength=len(edges) - 1)
    some = here > 0
    knots = sums[some] / (here[some] * len(together))
    return knots, np.log(np.maximum((rising[some] - alone) / (1 - alone), 1e-3))


def fit_overlap(ratio: Floats, cells: Cells, groups: Ints) -> float:
    """Expected share of the smaller set that has a partner, by expectation maximization over meetings ``groups``."""
    if not len(groups):
        return 0.5
    values, _ = cells.padded(ratio, 0.0, groups)
    shape = cells.shape[groups]
    share = 0.5
    for _ in range(ROUNDS):
        found = marginals(values, prior_odds(share, shape)).sum()
        share = float((found + 2) / (shape.min(axis=1).sum() + 4))
    return min(share, MOST_OVERLAP)


def prior_odds(share: float, shape: Ints) -> Floats:
    """Odds of any cell before evidence, (G,): a share of the smaller set has a partner, each of the larger alike."""
    odds: Floats = share / (1 - share) / np.maximum(shape.max(axis=1), 1)
    return odds


def marginals(ratio: Floats, odds: Floats) -> Floats:
    """Probability of every cell, when each detection has at most one partner, (G, N, M).

    Belief propagation on partial matchings (Huang and Jebara 2009): who has a better partner elsewhere, or is wanted
    more by another, is less likely.

    Args:
        ratio: (G, N, M) likelihood ratios, 0 outside the sets.
        odds: (G,) prior odds of a cell against no partner.
    """
    o = ratio * odds[:, None, None]
    back = np.ones_like(o)
    there = np.ones_like(o)
    for _ in range(MESSAGES):
        x = o * back
        there = 1 / (1 + x.sum(2, keepdims=True) - x)
        y = o * there
        back = 1 / (1 + y.sum(1, keepdims=True) - y)
    z = o * there * back
    out: Floats = z / (1 + z)
    return out
