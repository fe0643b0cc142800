"""Triangle meshes with a normal and a colour per vertex, put together from a few primitives.

Colours are BGR in [0, 1] and may exceed 1 where something shines. Flat parts are cut into small triangles, because lens
distortion is applied to vertices only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drape.simulator.arrays import Array

LONGEST_EDGE = 0.15
"""Metres; longer edges of flat parts are split."""


@dataclass(frozen=True)
class Solid:
    """A named mesh: ``vertices``, ``normals``, ``colours`` (V, 3), ``faces`` (F, 3)."""

    name: str
    vertices: Array
    faces: NDArray[np.int32]
    normals: Array
    colours: NDArray[np.float32]


def colour(code: str) -> Array:
    """BGR in [0, 1] of ``rrggbb``."""
    return np.array([int(code[i : i + 2], 16) for i in (4, 2, 0)]) / 255.0


def turn(angle: float) -> Array:
    """Rotation about z, (3, 3)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def grid_faces(rows: int, columns: int, wrap: bool = False) -> NDArray[np.int64]:
    """Two triangles per cell of a grid of vertices in row order; ``wrap`` joins the last column to the first."""
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, axis=1) if wrap else index[:, 1:]
    left = index if wrap else index[:, :-1]
    a, b, c, d = left[:-1], right[:-1], left[1:], right[1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])


def unit(vectors: Array) -> Array:
    """Vectors (..., 3) of length 1."""
    scaled: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return scaled


def grid_normals(points: Array) -> Array:
    """Normals of a grid of points (R, C, 3)."""
    return unit(np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1)))


class Mesh:
    """A mesh that grows; every method returns the mesh itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._parts: list[tuple[Array, NDArray[np.int64], Array, Array]] = []
        self._count = 0

    def add(self, vertices: ArrayLike, faces: NDArray[np.int64], colours: ArrayLike, normals: ArrayLike) -> Mesh:
        """Add vertices (V, 3), faces (F, 3) that count from these, colours and normals that broadcast to (V, 3)."""
        points = np.asarray(vertices, float)
        shade = np.broadcast_to(np.asarray(colours, float), points.shape)
        self._parts.append(
            (points, faces + self._count, shade, np.broadcast_to(np.asarray(normals, float), points.shape))
        )
        self._count += len(points)
        return self

    def solid(self, x: float = 0.0, y: float = 0.0, yaw: float = 0.0) -> Solid:
        """What was put together, turned by ``yaw`` and moved to ``x, y``."""
        rotation = turn(yaw)
        vertices, faces, colours, normals = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return Solid(
            self.name,
            vertices @ rotation.T + [x, y, 0],
            faces.astype(np.int32),
            normals @ rotation.T,
            colours.astype(np.float32),
        )

    def quad(
        self,
        corner: ArrayLike,
        along: ArrayLike,
        up: ArrayLike,
        tint: ArrayLike,
        mottle: float = 0.0,
        rng: np.random.Generator | None = None,
        edge: float = LONGEST_EDGE,
    ) -> Mesh:
        """A parallelogram seen from the side to which ``along x up`` points; ``mottle`` varies its brightness."""
        p, u, v = (np.asarray(value, float) for value in (corner, along, up))
        counts = [max(1, int(np.ceil(np.linalg.norm(side) / edge))) for side in (u, v)]
        s, t = np.meshgrid(np.linspace(0, 1, counts[0] + 1), np.linspace(0, 1, counts[1] + 1), indexing="ij")
        points = (p + s[..., None] * u + t[..., None] * v).reshape(-1, 3)
        shade = np.broadcast_to(np.asarray(tint, float), points.shape)
        if rng is not None:
            shade = shade * (1 + mottle * rng.standard_normal((len(points), 1)))
        return self.add(points, grid_faces(counts[0] + 1, counts[1] + 1), shade, unit(np.cross(u, v)))

    def box(self, centre: ArrayLike, size: ArrayLike, tint: ArrayLike, yaw: float = 0.0) -> Mesh:
        """A box."""
        middle, half, rotation = np.asarray(centre, float), np.asarray(size, float) / 2, turn(yaw)
        axes = np.eye(3)
        for axis in range(3):
            for sign in (-1, 1):
                u, v = axes[(axis + 1) % 3] * half, axes[(axis + 2) % 3] * half
                if sign < 0:
                    u, v = v, u
                corner = axes[axis] * sign * half - u - v
                self.quad(middle + rotation @ corner, rotation @ (2 * u), rotation @ (2 * v), tint)
        return self

    def tube(self, path: ArrayLike, radius: ArrayLike, tint: ArrayLike, sides: int = 12, cap: bool = True) -> Mesh:
        """A circle swept along a polyline (N, 3); ``radius`` is one number or one per point."""
        points = np.asarray(path, float)
        radii = np.broadcast_to(np.asarray(radius, float), (len(points),))
        tangent = unit(np.gradient(points, axis=0))
        u = unit(np.cross(tangent, _reference(tangent)))
        w = np.cross(tangent, u)
        lengthwise = np.zeros_like(tangent)
        if cap:
            points, u, w = (np.concatenate([a[:1], a, a[-1:]]) for a in (points, u, w))
            radii = np.concatenate([[0.0], radii, [0.0]])
            lengthwise = np.concatenate([-tangent[:1], lengthwise, tangent[-1:]])
        angle = np.arange(sides) * 2 * np.pi / sides
        around = np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * w[:, None]
        vertices = points[:, None] + radii[:, None, None] * around
        normals = unit(around + 2 * lengthwise[:, None])
        return self.add(vertices.reshape(-1, 3), grid_faces(len(points), sides, True), tint, normals.reshape(-1, 3))

    def sheet(self, points: Array, tint: ArrayLike, mottle: float, rng: np.random.Generator) -> Mesh:
        """A cloth through a grid of points (R, C, 3)."""
        flat = points.reshape(-1, 3)
        shade = np.asarray(tint, float) * (1 + mottle * rng.standard_normal((len(flat), 1)))
        return self.add(flat, grid_faces(points.shape[0], points.shape[1]), shade, grid_normals(points).reshape(-1, 3))

    def field(
        self,
        xs: tuple[float, float, int],
        ys: tuple[float, float, int],
        height: Callable[[Array, Array], Array],
        tint: ArrayLike,
        mottle: float,
        rng: np.random.Generator,
    ) -> Mesh:
        """A cloth over a height field ``height(x, y)``; ``xs`` and ``ys`` are first, last, count."""
        x, y = np.meshgrid(np.linspace(*xs), np.linspace(*ys), indexing="ij")
        return self.sheet(np.stack([x, y, height(x, y)], axis=-1), tint, mottle, rng)


def _reference(tangent: Array) -> Array:
    """A direction for each tangent that is not parallel to it, the same along the path where possible."""
    steep = np.abs(tangent).max(axis=0)
    axis = int(np.argmin(steep))
    return np.broadcast_to(np.eye(3)[axis], tangent.shape)
