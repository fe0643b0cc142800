"""People drawn over the empty room, with everything about them that can be counted in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Array, Floats, Mask
from drape.simulator.backdrop import Backdrop
from drape.simulator.buffers import Buffers, Surface, projected
from drape.simulator.figure import Figures
from drape.simulator.raster import label, measure
from drape.simulator.shading import Lights, blend_mirrored, resolve

MOST_PEOPLE = 16
"""A silhouette and a head take one bit each of a 32-bit word."""
GRAIN = 0.10
"""How much the brightness of cloth varies."""


@dataclass(frozen=True)
class Bodies:
    """The crew at a moment: vertices and normals (P * V, 3); ``shown`` (P,) are in the room."""

    vertices: Floats
    normals: Floats
    shown: Mask


@dataclass(frozen=True)
class Mirror:
    """A pane of glass: number of its solid, a point on it, its normal, and how much it reflects."""

    solid: int
    point: Array
    normal: Array
    strength: float

    def before(self, points: Array) -> Mask:
        """Which of points (..., 3) lie on the side of the glass that reflects."""
        in_front: Mask = (points - self.point) @ self.normal > 0
        return in_front

    def reflected(self, points: Array) -> Array:
        """Points (..., 3) as far behind the glass as they are before it."""
        away = (np.asarray(points, float) - self.point) @ self.normal
        mirrored: Array = points - 2 * away[..., None] * self.normal
        return mirrored


@dataclass(frozen=True)
class Counted:
    """What was counted in samples, see ``raster.measure``; ``uv`` (P, V, 2) and 1 / depth (P, V) of vertices."""

    visible: NDArray[np.int32]
    full: NDArray[np.int32]
    count: NDArray[np.int32]
    uv: Floats
    inverse: Floats


class Canvas:
    """Draws a crew for all views of a scene, one view at a time.

    Args:
        figures: the crew.
        size: width and height in pixels.
        ss: samples per pixel and axis.

    Attributes:
        front: what was drawn last of the crew itself.
        glass: what was drawn last of its reflections.
        owner: (P * F,) person of each triangle.
        picture: (H, W, 3) BGR, painted last.
    """

    def __init__(self, figures: Figures, size: tuple[int, int], ss: int) -> None:
        self._people, self._ss = len(figures.people), ss
        self._triangles = len(figures.faces)
        starts = np.arange(self._people, dtype=np.int64)[:, None] * figures.count
        self._faces = (np.tile(figures.faces, (self._people, 1)) + np.repeat(starts, self._triangles, axis=0)).astype(
            np.int32
        )
        self._local_faces = self._faces.reshape(self._people, self._triangles, 3)
        self._colours = figures.colours.reshape(-1, 3)
        order = np.arange(self._people, dtype=np.uint32)[:, None]
        head = np.uint32(1) << (order + np.uint32(MOST_PEOPLE))
        self._bits = (np.uint32(1) << order) | np.where(figures.is_head[None], head, np.uint32(0))
        self.owner = np.repeat(np.arange(self._people, dtype=np.int32), self._triangles)
        self._is_head = np.tile(figures.is_head, self._people)
        width, height = size[0] * ss, size[1] * ss
        self.front, self.glass = Buffers(height, width), Buffers(height, width)
        self._samples = np.zeros((height, width, 3), np.float32)
        self.picture = np.zeros((size[1], size[0], 3), np.float32)

    def draw(self, backdrop: Backdrop, bodies: Bodies) -> Counted:
        """Draw people, not yet their light, before a backdrop, and count."""
        uv, inverse = projected(backdrop.camera, bodies.vertices, self._ss)
        inside = self.front.open(self._window(uv, inverse, bodies.shown))
        self.front.depth[inside] = backdrop.depth[inside]
        self._draw_people(self.front, uv, inverse, bodies.shown, -1)
        return self._count(self.front, uv, inverse)

    def draw_mirrored(self, backdrop: Backdrop, bodies: Bodies, mirror: Mirror) -> Counted | None:
        """Draw people's reflections in a pane, after ``draw``; None if the pane shows nobody."""
        uv, inverse = projected(backdrop.camera, mirror.reflected(bodies.vertices), self._ss)
        before = mirror.before(bodies.vertices).reshape(self._people, -1).all(axis=1)
        shown = bodies.shown & before
        inside = self.glass.open(self._window(uv, inverse, shown))
        pane = backdrop.solid[inside] == mirror.solid
        self.glass.depth[inside] = np.where(pane, np.float32(0), np.float32(np.inf))
        self._draw_people(self.glass, uv, inverse, shown, 1)
        self.glass.cover[inside] *= pane
        if not self.glass.cover[inside].any():
            return None
        self.glass.triangle[inside][self.front.triangle[inside] >= 0] = -1
        return self._count(self.glass, uv, inverse)

    def _draw_people(self, buffers: Buffers, uv: Floats, inverse: Floats, shown: Mask, facing: int) -> None:
        for p in np.flatnonzero(shown):
            buffers.draw(uv, inverse, self._local_faces[p], self._bits[p], int(p) * self._triangles, facing)

    def _count(self, buffers: Buffers, uv: Floats, inverse: Floats) -> Counted:
        planes = (buffers.triangle, buffers.cover)
        visible, full, count = measure(*planes, self.owner, self._is_head, self._people, buffers.window)
        return Counted(visible, full, count, uv.reshape(self._people, -1, 2), inverse.reshape(self._people, -1))

    def _window(self, uv: Floats, inverse: Floats, shown: Mask) -> NDArray[np.int64]:
        """The part of the picture in which people are, in samples, on whole pixels."""
        valid = (inverse > 0) & np.repeat(shown, len(inverse) // self._people)
        if not valid.any():
            return np.zeros(4, np.int64)
        corners = uv if valid.all() else uv[valid]
        limit = np.array(self.front.depth.shape[::-1])
        low = np.clip(np.floor(corners.min(axis=0) / self._ss) * self._ss, 0, limit)
        high = np.clip(np.ceil(corners.max(axis=0) / self._ss) * self._ss, low, limit)
        return np.concatenate([low, high]).astype(np.int64)

    def label(self, buffers: Buffers, numbers: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Write the number of the person seen at each pixel's middle sample; ``numbers`` (P,), ``out`` (H, W)."""
        label(buffers.window, buffers.triangle, self.owner, numbers, self._ss, out)

    def paint(self, backdrop: Backdrop, bodies: Bodies, lights: Lights) -> None:
        """Light what ``draw`` drew, into ``picture``."""
        front = self.front
        front.light(self._surface(bodies), backdrop.camera.eye, lights, GRAIN, self._samples)
        shadow = backdrop.shadows.of_people(bodies.vertices.reshape(self._people, -1, 3)[bodies.shown].reshape(-1, 3))
        still = (backdrop.picture, backdrop.samples)
        resolve(front.window, *still, shadow, front.triangle, self._samples, self._ss, self.picture)

    def paint_mirrored(self, backdrop: Backdrop, bodies: Bodies, lights: Lights, mirror: Mirror) -> None:
        """Add what ``draw_mirrored`` drew to ``picture``."""
        glass = self.glass
        glass.light(self._surface(bodies), mirror.reflected(backdrop.camera.eye), lights, GRAIN, self._samples)
        seen = (self.front.triangle, glass.triangle, self._samples)
        blend_mirrored(glass.window, *seen, mirror.strength, self._ss, self.picture)

    def _surface(self, bodies: Bodies) -> Surface:
        return Surface(self._faces, bodies.vertices, bodies.normals, self._colours)
