"""Two maps of the plane that carry feet to feet and heads to heads between two views, found from unmatched paths.

People stand on one floor, and their heads are about equally high, so that each of the two is a homography (Hartley and
Zisserman, Multiple View Geometry, 13.1). Which path of one view is which of the other is not known: one or two pairs of
paths make a guess (RANSAC), and the guess that explains most of all paths, one to one, is refined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.association.clock_signals import Floats, Path, sample

TRIM = 0.08
"""Distance, in units of the picture's longer side, from which a path explains nothing of another."""
NARROW = 0.04
"""The same once the map is refined."""
TRIALS = 80
"""Times, spread over the stretch, at which guesses are tried."""
MOST = 24
"""Paths of each view that guesses are made of and tried on: those that move most."""
GUESSES = 300
"""Guesses of two pairs; guesses of one pair are tried all, up to as many."""
EDGE = 0.004
"""Feet or heads nearer to the picture's edge than this are cut off."""


@dataclass(frozen=True)
class Marks:
    """Points of paths at common times: (2, T, P, 2), feet first, then heads; NaN where a path shows none."""

    points: Floats

    def some(self, every: int, which: NDArray[np.int64]) -> Marks:
        """Every n-th time of some of the paths."""
        return Marks(self.points[:, ::every][:, :, which])

    def backwards(self, share: float) -> Marks:
        """The same played backwards, beginning at a share of its length."""
        return Marks(np.roll(self.points[:, ::-1], int(share * self.points.shape[1]), axis=1))


@dataclass(frozen=True)
class Planes:
    """Maps (2, 3, 3) of feet and heads from one view to another, and the pairs of paths (K, 2) that they explain."""

    maps: Floats
    pairs: NDArray[np.int64]
    gain: float


def marks(found: list[Path], times: Floats, extent: tuple[float, float]) -> Marks:
    """Feet and heads of paths at times (T,); ``extent``: width and height of the picture in its longer side."""
    out = np.full((2, len(times), len(found), 2), np.nan)
    for p, path in enumerate(found):
        low, high = np.searchsorted(times, [path.times[0], path.times[-1] + 1e-9])
        box = sample(path, times[low:high])
        middle = (box[:, 0] + box[:, 2]) / 2
        cut = (box[:, 0] < EDGE) | (box[:, 2] > extent[0] - EDGE)
        foot, head = np.stack([middle, box[:, 3]], axis=1), np.stack([middle, box[:, 1]], axis=1)
        foot[cut | (box[:, 3] > extent[1] - EDGE)] = np.nan
        head[cut | (box[:, 1] < EDGE)] = np.nan
        out[0, low:high, p], out[1, low:high, p] = foot, head
    return Marks(out)


def carry(homography: Floats, points: Floats) -> Floats:
    """Points (..., 2) through a homography (3, 3)."""
    image = points @ homography[:, :2].T + homography[:, 2]
    depth = image[..., 2:]
    return np.asarray(image[..., :2] / np.where(np.abs(depth) < 1e-9, 1e-9, depth))


def homography(p: Floats, q: Floats, weights: Floats) -> Floats:
    """The map (3, 3) of p (N, 2) to q (N, 2) by the direct linear transform, both centred and scaled first."""
    (p, from_p), (q, from_q) = _normal(p), _normal(q)
    x, y, u, v = p[:, 0], p[:, 1], q[:, 0], q[:, 1]
    zero, one = np.zeros(len(p)), np.ones(len(p))
    rows = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u], axis=1) * weights[:, None],
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v], axis=1) * weights[:, None],
        ]
    )
    _, vectors = np.linalg.eigh(rows.T @ rows)
    found = np.linalg.inv(from_q) @ vectors[:, 0].reshape(3, 3) @ from_p
    return np.asarray(found / (np.linalg.norm(found) * (np.sign(found[2, 2]) or 1.0)))


def _normal(points: Floats) -> tuple[Floats, Floats]:
    centre = points.mean(axis=0)
    scale = 1 / max(float(np.sqrt(((points - centre) ** 2).sum(axis=1).mean())), 1e-9)
    return (points - centre) * scale, np.array(
        [[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]]
    )


def find(a: Marks, b: Marks, rate: float, seed: int) -> Planes | None:
    """The maps from a to b.

    Args:
        a, b: marks at the same times.
        rate: times per second.
        seed: seed of the guesses.

    Returns:
        None where no guess can be made: too few paths, or nobody moves.
    """
    busy_a, busy_b = _busiest(a), _busiest(b)
    every = max(int(a.points.shape[1] / TRIALS), 1)
    small_a, small_b = a.some(every, busy_a), b.some(every, busy_b)
    clash_a, clash_b = _clash(small_a), _clash(small_b)
    best: Planes | None = None
    for maps in _guesses(a.some(1, busy_a), b.some(1, busy_b), 2 * rate, seed):
        guess = _assign(maps, small_a, small_b, clash_a, clash_b, TRIM)
        if best is None or guess.gain > best.gain:
            best = guess
    return None if best is None else refine(best.maps, a, b)


def refine(maps: Floats, a: Marks, b: Marks) -> Planes:
    """Fit the maps to all paths that they explain, in turns with the pairs."""
    clash_a, clash_b = _clash(a), _clash(b)
    trim = TRIM
    found = _assign(maps, a, b, clash_a, clash_b, trim)
    for turn in range(8):
        maps = np.stack([_fit(found.maps[plane], *together(a, b, found.pairs, plane), trim) for plane in (0, 1)])
        trim = NARROW if turn >= 3 else TRIM
        again = _assign(maps, a, b, clash_a, clash_b, trim)
        done = np.array_equal(again.pairs, found.pairs) and turn > 4
        found = again
        if done:
            break
    return found


def together(a: Marks, b: Marks, pairs: NDArray[np.int64], plane: int) -> tuple[Floats, Floats]:
    """Marks of matched paths at the times when both show them, (N, 2) each."""
    p, q = a.points[plane][:, pairs[:, 0]], b.points[plane][:, pairs[:, 1]]
    both = np.isfinite(p[..., 0]) & np.isfinite(q[..., 0])
    return p[both], q[both]


def _fit(start: Floats, p: Floats, q: Floats, trim: float) -> Floats:
    if len(p) < 4:
        return start
    distance = np.linalg.norm(carry(start, p) - q, axis=1)
    return homography(p, q, 1 / (1 + (2 * distance / trim) ** 2))


def _busiest(a: Marks) -> NDArray[np.int64]:
    """The paths that get about most."""
    middle = a.points[0] + a.points[1]
    seen = np.isfinite(middle[..., 0])
    steps = np.where(seen[1:, :, None] & seen[:-1, :, None], np.diff(middle, axis=0), 0.0)
    order = np.argsort(-np.abs(steps).sum(axis=(0, 2)), kind="stable")
    return np.sort(order[:MOST])


def _clash(a: Marks) -> NDArray[np.bool_]:
    """Which paths are there at the same time (P, P); no two of them may be one path of the other view."""
    seen = np.asarray(np.isfinite(a.points[..., 0]).any(axis=0), np.float64)
    return np.asarray(seen.T @ seen > 0)


def _guesses(a: Marks, b: Marks, least: float, seed: int) -> list[Floats]:
    """Maps (2, 3, 3) from one pair of paths each, and from two."""
    seen = [np.asarray(np.isfinite(m.points[..., 0]).all(axis=0), np.float64) for m in (a, b)]
    overlap = seen[0].T @ seen[1]
    pairs = np.argwhere(overlap >= least)
    if not len(pairs):
        return []
    rng = np.random.default_rng(seed)
    weight = overlap[tuple(pairs.T)]
    chosen = [pairs[[i]] for i in rng.permutation(len(pairs))[:GUESSES]]
    if len(pairs) > 1:
        draws = rng.choice(len(pairs), (GUESSES, 2), p=weight / weight.sum())
        chosen += [pairs[draw] for draw in draws if (pairs[draw[0]] != pairs[draw[1]]).all()]
    out = []
    for some in chosen:
        sets = [together(a, b, some, plane) for plane in (0, 1)]
        if min(len(p) for p, _ in sets) >= 4:
            out.append(np.stack([homography(p, q, np.ones(len(p))) for p, q in sets]))
    return out


def _assign(
    maps: Floats, a: Marks, b: Marks, clash_a: NDArray[np.bool_], clash_b: NDArray[np.bool_], trim: float
) -> Planes:
    """The pairs of paths that the maps explain, the best first, each path with no two that are there at one time."""
    gains = np.zeros((a.points.shape[2], b.points.shape[2]))
    shared = np.zeros_like(gains)
    for plane in (0, 1):
        image = carry(maps[plane], a.points[plane])
        for i in range(image.shape[1]):
            here = np.flatnonzero(np.isfinite(image[:, i, 0]))
            distance = np.linalg.norm(image[here, i, None] - b.points[plane][here], axis=-1) / trim
            shared[i] += np.isfinite(distance).sum(axis=0)
            gains[i] += np.nansum(np.maximum(1 - distance, -1), axis=0)
    taken: list[tuple[int, int]] = []
    value = 0.0
    order = np.argsort(-gains, axis=None, kind="stable")
    for i, j in zip(*np.unravel_index(order, gains.shape), strict=True):
        if gains[i, j] <= 0.3 * shared[i, j] or gains[i, j] <= 0:
            if gains[i, j] <= 0:
                break
            continue
        if not any((i == k and clash_b[j, m]) or (j == m and clash_a[i, k]) for k, m in taken):
            taken.append((int(i), int(j)))
            value += float(gains[i, j])
    return Planes(maps, np.array(taken, np.int64).reshape(-1, 2), value)
