"""Lofts: bodies of rings along an axis. Their topology is fixed; their vertices follow the skeleton."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Array
from drape.simulator.mesh import grid_faces, unit


@dataclass(frozen=True)
class Loft:
    """A loft of R rings with S sides, for P people.

    Attributes:
        start: number of its first vertex.
        a: (R,) half axes to the left, in body heights.
        b: (R,) half axes to the front, in body heights.
        swell: (P, R, S) factor on the radius: folds, bulges.
        flat_ends: whether the first and last full rings keep the direction of the side, as a hem does.
    """

    start: int
    a: Array
    b: Array
    swell: Array
    flat_ends: bool = True

    @property
    def rings(self) -> int:
        return int(self.swell.shape[1])

    @property
    def sides(self) -> int:
        return int(self.swell.shape[2])

    @property
    def vertices(self) -> slice:
        """Rows of the loft's vertices."""
        return slice(self.start, self.start + self.rings * self.sides)

    def faces(self) -> NDArray[np.int64]:
        """Triangles, counted from the figure's first vertex."""
        return grid_faces(self.rings, self.sides, True) + self.start

    def place(self, centres: Array, left: Array, front: Array, scale: Array) -> tuple[Array, Array]:
        """Vertices and normals.

        Args:
            centres: (P, R, 3) of the rings.
            left: (P, R, 3) directions of the half axes ``a``.
            front: (P, R, 3) directions of the half axes ``b``.
            scale: (P,) metres per body height.

        Returns:
            (P, R * S, 3) each.
        """
        angle = np.arange(self.sides) * 2 * np.pi / self.sides
        size = scale[:, None, None, None]
        aside = (self.a[None, :, None, None] * size) * left[:, :, None] * np.cos(angle)[None, None, :, None]
        ahead = (self.b[None, :, None, None] * size) * front[:, :, None] * np.sin(angle)[None, None, :, None]
        points = centres[:, :, None] + self.swell[..., None] * (aside + ahead)
        return points.reshape(len(points), -1, 3), self._normals(points, centres).reshape(len(points), -1, 3)

    def _normals(self, points: Array, centres: Array) -> Array:
        around = np.roll(points, -1, axis=2) - np.roll(points, 1, axis=2)
        along = np.empty_like(points)
        along[:, 1:-1] = points[:, 2:] - points[:, :-2]
        along[:, 0], along[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
        if self.flat_ends:
            along[:, 1], along[:, -2] = points[:, 2] - points[:, 1], points[:, -2] - points[:, -3]
        normals = np.cross(around, along)
        outwards = points - centres[:, :, None]
        normals *= np.sign((normals * outwards).sum(-1, keepdims=True) + 1e-12)
        normals = unit(normals + 1e-9 * outwards)
        normals[:, 0] = unit(centres[:, 0] - centres[:, 1])[:, None]
        normals[:, -1] = unit(centres[:, -1] - centres[:, -2])[:, None]
        return normals


def folds(rng: np.random.Generator, people: int, rings: int, sides: int, depth: float) -> Array:
    """A factor (P, R, S) on the radius that looks like folds of cloth."""
    angle = np.arange(sides) * 2 * np.pi / sides
    along = np.linspace(0, 1, rings)[None, :, None]
    swell = np.ones((people, rings, sides))
    one = (people, 1, 1)
    for count in (2, 3, 5):
        phase = rng.uniform(0, 6.28, one) + rng.uniform(-4, 4, one) * along
        wave = np.sin(rng.uniform(4, 14, one) * along + rng.uniform(0, 6, one))
        swell += depth * rng.uniform(0.3, 1, one) * np.sin(count * angle + phase) * wave
    return swell


def bent_axis(start: Array, middle: Array, end: Array, along: Array, split: float) -> Array:
    """Ring centres (P, R, 3) from ``start`` over ``middle`` to ``end``, rounded at the joint.

    Args:
        along: (R,) from 0 to 1.
        split: where the joint lies.
    """
    t = along[None, :, None]
    upper = start[:, None] + (middle - start)[:, None] * (t / split)
    lower = middle[:, None] + (end - middle)[:, None] * ((t - split) / (1 - split))
    near = np.exp(-(((along - split) / 0.10) ** 2))[None, :, None] * 0.10
    centres: Array = np.where(t < split, upper, lower) + near * (0.5 * (start + end) - middle)[:, None]
    return centres
