"""A first guess at the geometry: how the floors of the views lie to each other, by votes of what is seen at one time.

Two floors differ by a turn and a shift. Every two persons seen at one time vote for the shifts that would bring them
together; persons seen at different times tell how many votes come by chance. Standing clutter votes alike at any time
and cancels, whatever there is of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from drape.association.cells import meetings
from drape.association.views import Floats, Instants, Ints

CELL = 0.3
"""Side of a cell of shifts, in person heights."""
REACH = 24.0
"""Longest shift considered, in person heights."""
FAR = 12.0
"""People farther from the camera than this are placed too badly to vote, in person heights."""
TURNS = 90
BLUR = 1.2
"""Width of a vote, in cells."""
MOST_PAIRS = 60_000
SHIFTS = 3
PEAKS = 12


@dataclass(frozen=True)
class Pose:
    """A turn (radians) and a shift (2,) in person heights: here = shift + turn(there); votes in standard deviations."""

    turn: float
    shift: Floats
    votes: float

    def matrix(self) -> Floats:
        """As (3, 3) homogeneous matrix."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        return np.array([[c, -s, self.shift[0]], [s, c, self.shift[1]], [0, 0, 1]])


def from_matrix(matrix: Floats, votes: float = 0.0) -> Pose:
    """The turn and shift of a rigid (3, 3) matrix."""
    return Pose(float(np.arctan2(matrix[1, 0], matrix[0, 0])), matrix[:2, 2].copy(), votes)


@dataclass(frozen=True)
class Together:
    """Rows of two views that are seen at one time, and rows that are not.

    Attributes:
        sync: (P, 2) rows of the one and the other view.
        apart: (Q, 2) rows of different times.
    """

    sync: Ints
    apart: Ints

    def factor(self) -> float:
        """Chance pairs to be expected per pair of different times."""
        return len(self.sync) / max(len(self.apart), 1)


def together(instants: Instants, a: int, b: int, usable: list[Ints], gap: float, rng: np.random.Generator) -> Together:
    """Rows of views a and b at the same and at shifted instants.

    Args:
        usable: per view a (N,) array, 1 for rows that may vote.
        gap: seconds by which different times must differ.
    """
    count = len(instants)
    sync = _rows(instants, a, b, usable, np.arange(count), np.arange(count))
    parts = []
    for share in np.linspace(0.15, 0.85, 2 * SHIFTS):
        other = (np.arange(count) + int(share * count)) % count
        far = np.abs(instants.time[other] - instants.time) >= gap
        parts.append(_rows(instants, a, b, usable, np.flatnonzero(far), other[far]))
    apart = np.concatenate(parts) if parts else np.zeros((0, 2), np.int64)
    return Together(_some(sync, MOST_PAIRS, rng), _some(apart, SHIFTS * MOST_PAIRS, rng))


def _rows(instants: Instants, a: int, b: int, usable: list[Ints], at_a: Ints, at_b: Ints) -> Ints:
    """All pairs of usable rows of view a at instants ``at_a`` and of view b at ``at_b``, (P, 2)."""
    cells = meetings(instants.rows[a][at_a], instants.rows[b][at_b])
    keep = (usable[a][cells.i] > 0) & (usable[b][cells.j] > 0)
    return np.stack([cells.i[keep], cells.j[keep]], axis=1)


def _some(rows: Ints, most: int, rng: np.random.Generator) -> Ints:
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]


def poses(xa: Floats, xb: Floats, rows: Together) -> list[Pose]:
    """The likeliest ways in which floor b lies to floor a, best first; at most ``PEAKS``.

    Args:
        xa, xb: floor coordinates (N, 2) of the rows of the two views.
        rows: which rows meet.
    """
    if not len(rows.sync) or not len(rows.apart):
        return []
    here = xa[rows.sync[:, 0]].astype(np.float32), xb[rows.sync[:, 1]].astype(np.float32)
    chance = xa[rows.apart[:, 0]].astype(np.float32), xb[rows.apart[:, 1]].astype(np.float32)
    found = []
    for k in range(TURNS):
        turn = 2 * np.pi * k / TURNS
        votes = _histogram(*here, turn)
        expected = _histogram(*chance, turn) * rows.factor()
        z = (votes - expected) / np.sqrt(expected + 0.5)
        top = np.flatnonzero((z == maximum_filter(z, 5)) & (z > 3))
        top = top[np.argsort(-z.flat[top])][:PEAKS]
        cell = np.stack(np.unravel_index(top, z.shape), axis=1)
        found += [Pose(turn, (c + 0.5) * CELL - REACH, float(z.flat[i])) for i, c in zip(top, cell, strict=True)]
    return _distinct(sorted(found, key=lambda pose: -pose.votes))


def _histogram(a: NDArray[np.float32], b: NDArray[np.float32], turn: float) -> Floats:
    """Blurred votes for shifts, (2 REACH / CELL,) * 2."""
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    side = round(2 * REACH / CELL)
    x = ((a[:, 0] - c * b[:, 0] + s * b[:, 1] + np.float32(REACH)) / np.float32(CELL)).astype(np.int32)
    y = ((a[:, 1] - s * b[:, 0] - c * b[:, 1] + np.float32(REACH)) / np.float32(CELL)).astype(np.int32)
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    count = np.bincount(x[inside] * side + y[inside], minlength=side * side).reshape(side, side)
    blurred: Floats = gaussian_filter(count.astype(np.float64), BLUR)
    return blurred


def _distinct(found: list[Pose]) -> list[Pose]:
    kept: list[Pose] = []
    for pose in found:
        near = any(
            abs((pose.turn - k.turn + np.pi) % (2 * np.pi) - np.pi) < 0.35 and np.linalg.norm(pose.shift - k.shift) < 2
            for k in kept
        )
        if not near:
            kept.append(pose)
        if len(kept) == PEAKS:
            break
    return kept


def support(xa: Floats, xb: Floats, rows: Together, pose: Pose, width: float = 0.5) -> float:
    """How far the meetings under a pose exceed chance, in standard deviations."""
    turned = xb @ pose.matrix()[:2, :2].T + pose.shift

    def near(pairs: Ints) -> float:
        gap = xa[pairs[:, 0]] - turned[pairs[:, 1]]
        return float(np.exp(-(gap**2).sum(axis=1) / (2 * width**2)).sum())

    expected = near(rows.apart) * rows.factor()
    return (near(rows.sync) - expected) / float(np.sqrt(expected + 1.0))


def arrange(coordinates: dict[int, Floats], rows: dict[tuple[int, int], Together]) -> dict[int, Pose]:
    """Bring all floors together, the surest pair first; a view is placed where all placed views support it most.

    Args:
        coordinates: floor coordinates (N, 2) by view number.
        rows: which rows meet, by pair (a < b).

    Returns:
        Pose of each view's floor in the common one, by view number; views that nothing supports are left out.
    """
    found = {(a, b): poses(coordinates[a], coordinates[b], together) for (a, b), together in rows.items()}
    sure = sorted((pair for pair in found if found[pair]), key=lambda pair: -found[pair][0].votes)
    if not sure:
        return {}
    first = sure[0][0]
    placed = {first: Pose(0.0, np.zeros(2), 0.0)}
    while True:
        best: tuple[float, int, Pose] | None = None
        for view in coordinates.keys() - placed.keys():
            for pose in _proposals(view, placed, found):
                total = sum(_agreement(view, pose, other, placed[other], coordinates, rows) for other in placed)
                if best is None or total > best[0]:
                    best = (total, view, pose)
        if best is None or best[0] < 4:
            return placed
        placed[best[1]] = Pose(best[2].turn, best[2].shift, best[0])


def _proposals(view: int, placed: dict[int, Pose], found: dict[tuple[int, int], list[Pose]]) -> list[Pose]:
    """Places of a view in the common floor, as each placed view proposes them."""
    out = []
    for other, pose in placed.items():
        pair = (min(view, other), max(view, other))
        for peak in found.get(pair, []):
            relative = peak.matrix() if pair[0] == other else np.linalg.inv(peak.matrix())
            out.append(from_matrix(pose.matrix() @ relative, peak.votes))
    return out


def _agreement(
    view: int,
    pose: Pose,
    other: int,
    other_pose: Pose,
    coordinates: dict[int, Floats],
    rows: dict[tuple[int, int], Together],
) -> float:
    a, b = min(view, other), max(view, other)
    if (a, b) not in rows:
        return 0.0
    of = {view: pose, other: other_pose}
    relative = from_matrix(np.linalg.inv(of[a].matrix()) @ of[b].matrix())
    return support(coordinates[a], coordinates[b], rows[(a, b)], relative)
