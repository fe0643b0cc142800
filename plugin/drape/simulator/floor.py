"""Where people can walk, and the ways they take: a grid over the free floor and shortest paths on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from drape.simulator.arrays import Array
from drape.simulator.mesh import turn
from drape.simulator.plan import Item

CELL = 0.12
CLEARANCE = 0.30
"""Metres that the middle of a walking person keeps from walls and things."""
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


class Floor:
    """The floor of a room of ``size`` (x, y, ...) metres around the origin with ``items`` on it."""

    def __init__(self, size: tuple[float, float, float], items: list[Item]) -> None:
        counts = [int(np.ceil(side / CELL)) + 2 for side in size[:2]]
        self._origin = -np.array(counts) * CELL / 2
        grid = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1)
        centres = self._origin + (grid + 0.5) * CELL
        solid = np.any(np.abs(centres) > np.array(size[:2]) / 2, axis=-1)
        for item in items:
            local = np.abs((centres - [item.x, item.y]) @ turn(item.yaw)[:2, :2])
            solid |= np.all(local < item.half, axis=-1)
        self._distance = distance_transform_edt(~solid) * CELL
        self._gradient = np.stack(np.gradient(self._distance, CELL), axis=-1)
        self._free = self._distance > CLEARANCE
        self._centres = centres.reshape(-1, 2)
        self._graph = self._edges()
        self._ways: dict[int, NDArray[np.int32]] = {}

    def _edges(self) -> coo_array:
        """Eight-connected cells; ways close to things are longer than they are."""
        rows, columns = self._free.shape
        index = np.arange(rows * columns).reshape(rows, columns)
        parts = []
        for dx, dy in _NEIGHBOURS:
            a = np.s_[: rows - dx, max(0, -dy) : columns - max(0, dy)]
            b = np.s_[dx:, max(0, dy) : columns + min(0, dy)]
            both = self._free[a] & self._free[b]
            near = np.minimum(self._distance[a], self._distance[b])[both]
            weight = np.hypot(dx, dy) * CELL * (1 + 0.6 * np.clip(0.6 - near, 0, 1))
            parts.append((index[a][both], index[b][both], weight))
        i, j, w = (np.concatenate(part) for part in zip(*parts, strict=True))
        count = rows * columns
        return coo_array((np.r_[w, w], (np.r_[i, j], np.r_[j, i])), shape=(count, count)).tocsr()

    def _cell(self, point: Array) -> int:
        """The free cell nearest to a point."""
        distance = ((self._centres - point) ** 2).sum(1) + np.where(self._free.reshape(-1), 0, 1e6)
        return int(np.argmin(distance))

    def way(self, start: Array, end: Array) -> Array:
        """Points (N, 2) from ``start`` to ``end``, both included."""
        a, b = self._cell(start), self._cell(end)
        if b not in self._ways:
            if len(self._ways) > 256:
                self._ways.clear()
            _, before = dijkstra(self._graph, indices=b, return_predecessors=True)
            self._ways[b] = before
        before = self._ways[b]
        cells = [a]
        while cells[-1] != b and before[cells[-1]] >= 0:
            cells.append(int(before[cells[-1]]))
        middle = self._centres[cells[::3]] if len(cells) > 3 else self._centres[cells]
        return np.concatenate([start[None], middle, end[None]])

    def random_places(self, rng: np.random.Generator, count: int, apart: float = 0.7) -> Array:
        """Free places (count, 2) that keep ``apart`` metres from each other where the room allows it."""
        free = self._centres[self._free.reshape(-1)]
        chosen: list[Array] = []
        for _ in range(count):
            tries = free[rng.integers(len(free), size=24)]
            if chosen:
                gaps = np.linalg.norm(tries[:, None] - np.array(chosen)[None], axis=-1).min(axis=1)
                good = np.flatnonzero(gaps > apart)
                chosen.append(tries[good[0]] if len(good) else tries[int(np.argmax(gaps))])
            else:
                chosen.append(tries[0])
        return np.array(chosen).reshape(-1, 2)

    def clearance(self, points: Array) -> Array:
        """Metres from points (..., 2) to the nearest wall or thing."""
        i, j = self._index(points)
        gap: Array = self._distance[i, j]
        return gap

    def pushed_out(self, points: Array, before: Array, least: float = 0.24) -> Array:
        """Points (..., 2) moved away from things, but not further from them than they were in ``before``."""
        moved = points.copy()
        wanted = np.minimum(least, self.clearance(before))
        for _ in range(3):
            i, j = self._index(moved)
            short = np.clip(wanted - self._distance[i, j], 0, 0.2)
            moved += short[..., None] * self._gradient[i, j]
        return moved

    def _index(self, points: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        cell = ((points - self._origin) / CELL).astype(np.int64)
        i = np.clip(cell[..., 0], 0, self._distance.shape[0] - 1)
        j = np.clip(cell[..., 1], 0, self._distance.shape[1] - 1)
        return i, j
