"""The nearest of some thousand points to each of very many, and regressions through them (numba)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drape.association.compiled import kernel
from drape.association.views import Floats, Ints

SIZE = 4
"""Coordinates of a point."""
PER_CELL = 4
"""Points of a cell of the grid, about."""
MOST_CELLS = 128
"""Cells of the grid along either of the first two coordinates."""
RIDGE = 0.05
LEAST_WIDTH = 1e-3
FARTHEST_STEP = 1.5
"""A query farther from the middle of its neighbours than this, in any coordinate, is treated as no farther."""


class Neighbours:
    """Points (P, 4), sorted into a grid over their first two coordinates.

    Args:
        points: in units in which all coordinates count alike.
    """

    def __init__(self, points: Floats) -> None:
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        area = float(np.prod(np.maximum(high - low, 1e-6)))
        side = max(float(np.sqrt(area * PER_CELL / len(points))), float((high - low).max()) / MOST_CELLS, 1e-9)
        cells = np.minimum((points[:, :2] - low) / side, MOST_CELLS - 1).astype(np.int64)
        self.shape: Ints = cells.max(axis=0) + 1
        flat = cells[:, 0] * self.shape[1] + cells[:, 1]
        self.order: Ints = np.argsort(flat, kind="stable")
        self.points: Floats = np.ascontiguousarray(points[self.order])
        self.starts: Ints = np.searchsorted(flat[self.order], np.arange(int(np.prod(self.shape)) + 1))
        self.low, self.side = low, side

    def __len__(self) -> int:
        return len(self.points)

    def means(self, queries: Floats, values: Floats, count: int) -> Floats:
        """Mean of the values (P,) of the ``count`` points nearest to each query (M, 4), (M,)."""
        near = min(count, len(self))
        return _means(
            self.points, self.starts, self.shape, self.low, self.side, values[self.order], np.asarray(queries), near
        )

    def regress(self, queries: Floats, targets: Floats, errors: Floats, count: int) -> tuple[Floats, Floats]:
        """Weighted ridge regression through the ``count`` points nearest to each query (M, 4).

        Args:
            targets: (P, 4) values at the points.
            errors: (P,) a figure of each point.

        Returns:
            Values (M, 4) at the queries, and the median (M,) of the neighbours' errors.
        """
        near = min(count, len(self))
        return _regress(
            self.points,
            self.starts,
            self.shape,
            self.low,
            self.side,
            np.ascontiguousarray(targets[self.order]),
            errors[self.order],
            np.asarray(queries),
            near,
        )


@kernel
def _search(
    points: Floats, starts: Ints, shape: Ints, low: Floats, side: float, query: Floats, square: Floats, place: Ints
) -> None:
    """The nearest points, nearest first: squared distances into ``square`` (K,) and places into ``place`` (K,).

    Rings of cells around the query's own; whatever lies beyond ring r is at least r sides away.
    """
    count = len(square)
    square[:] = np.inf
    row = min(max(int((query[0] - low[0]) / side), 0), shape[0] - 1)
    column = min(max(int((query[1] - low[1]) / side), 0), shape[1] - 1)
    last = max(max(row, shape[0] - 1 - row), max(column, shape[1] - 1 - column))
    for ring in range(last + 1):
        if ring > 0 and square[count - 1] <= ((ring - 1) * side) ** 2:
            break
        for i in range(max(row - ring, 0), min(row + ring, shape[0] - 1) + 1):
            step = 1 if i == row - ring or i == row + ring else 2 * ring
            across = max(low[0] + i * side - query[0], query[0] - low[0] - (i + 1) * side, 0.0)
            j = column - ring
            while j <= column + ring:
                along = max(low[1] + j * side - query[1], query[1] - low[1] - (j + 1) * side, 0.0)
                if 0 <= j < shape[1] and across**2 + along**2 < square[count - 1]:
                    cell = i * shape[1] + j
                    for k in range(starts[cell], starts[cell + 1]):
                        apart = 0.0
                        for d in range(SIZE):
                            apart += (points[k, d] - query[d]) ** 2
                        if apart < square[count - 1]:
                            at = count - 1
                            while at > 0 and square[at - 1] > apart:
                                square[at], place[at] = square[at - 1], place[at - 1]
                                at -= 1
                            square[at], place[at] = apart, k
                j += max(step, 1)


@kernel
def _means(
    points: Floats,
    starts: Ints,
    shape: Ints,
    low: Floats,
    side: float,
    values: Floats,
    queries: Floats,
    count: int,
) -> Floats:
    square, place = np.empty(count), np.zeros(count, np.int64)
    out = np.empty(len(queries))
    for q in range(len(queries)):
        _search(points, starts, shape, low, side, queries[q], square, place)
        total = 0.0
        for k in range(count):
            total += values[place[k]]
        out[q] = total / count
    return out


@kernel
def _middle(rising: Floats) -> float:
    half = len(rising) // 2
    return float(rising[half]) if len(rising) % 2 else float((rising[half - 1] + rising[half]) / 2)


@kernel
def _regress(
    points: Floats,
    starts: Ints,
    shape: Ints,
    low: Floats,
    side: float,
    targets: Floats,
    errors: Floats,
    queries: Floats,
    count: int,
) -> tuple[Floats, Floats]:
    square, place = np.empty(count), np.zeros(count, np.int64)
    weight, base, centre = np.empty(count), np.empty(SIZE), np.empty(SIZE)
    gram, cross, solved = np.empty((SIZE, SIZE)), np.empty((SIZE, SIZE)), np.empty(SIZE)
    out, typical = np.empty((len(queries), SIZE)), np.empty(len(queries))
    for q in range(len(queries)):
        _search(points, starts, shape, low, side, queries[q], square, place)
        typical[q] = _middle(np.sort(errors[place]))
        width = max(_middle(np.sqrt(square)), LEAST_WIDTH)
        total = 0.0
        base[:], centre[:] = 0.0, 0.0
        for k in range(count):
            weight[k] = np.exp(-0.5 * square[k] / width**2)
            total += weight[k]
            for d in range(SIZE):
                base[d] += weight[k] * points[place[k], d]
                centre[d] += weight[k] * targets[place[k], d]
        gram[:], cross[:] = 0.0, 0.0
        for d in range(SIZE):
            base[d] /= total
            centre[d] /= total
            gram[d, d] = RIDGE * total
        for k in range(count):
            for d in range(SIZE):
                pull = weight[k] * (points[place[k], d] - base[d])
                for e in range(SIZE):
                    gram[d, e] += pull * (points[place[k], e] - base[e])
                    cross[d, e] += pull * (targets[place[k], e] - centre[e])
        for d in range(SIZE):
            solved[d] = min(max(queries[q, d] - base[d], -FARTHEST_STEP), FARTHEST_STEP)
        _solve(gram, solved)
        for e in range(SIZE):
            out[q, e] = centre[e]
            for d in range(SIZE):
                out[q, e] += solved[d] * cross[d, e]
    return out, typical


@kernel
def _solve(matrix: NDArray[np.float64], right: Floats) -> None:
    """Solve a symmetric positive definite system in place (Cholesky)."""
    for i in range(SIZE):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]
    for i in range(SIZE):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(SIZE - 1, -1, -1):
        for k in range(i + 1, SIZE):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]
