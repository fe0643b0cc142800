"""People drawn over the empty room, with everything about them that can be counted in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.simulator.backdrop import Backdrop, projected
from drape.simulator.figure import Figures
from drape.simulator.raster import label, measure, rasterise
from drape.simulator.shading import Lights, blend_mirrored, resolve, shade

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

MOST_PEOPLE = 16
"""A silhouette and a head take one bit each of a 32-bit word."""


@dataclass(frozen=True)
class Bodies:
    """The crew at a moment: vertices and normals (P * V, 3) float32; ``shown`` (P,) are in the room."""

    vertices: Floats
    normals: Floats
    shown: NDArray[np.bool_]


@dataclass(frozen=True)
class Mirror:
    """A pane of glass: number of its solid, a point on it, its normal, and how much it reflects."""

    solid: int
    point: Array
    normal: Array
    strength: float

    def reflected(self, points: NDArray[np.floating]) -> Array:
        """Points (..., 3) behind the glass."""
        away = (np.asarray(points, float) - self.point) @ self.normal
        mirrored: Array = points - 2 * away[..., None] * self.normal
        return mirrored


@dataclass(frozen=True)
class Counted:
    """What was counted in sample pixels; see ``raster.measure``. ``uv`` (P, V, 2) and ``inverse`` (P, V) of vertices."""

    visible: NDArray[np.int32]
    full: NDArray[np.int32]
    count: NDArray[np.int32]
    uv: Floats
    inverse: Floats


class Buffers:
    """The buffers of one pass over ``height`` x ``width`` samples; what was drawn last is wiped before the next."""

    def __init__(self, height: int, width: int) -> None:
        shape = (height, width)
        self.depth, self.second, self.third = (np.zeros(shape, np.float32) for _ in range(3))
        self.triangle = np.full(shape, -1, np.int32)
        self.cover = np.zeros(shape, np.uint32)
        self.planes = (self.depth, self.triangle, self.second, self.third, self.cover)
        self.window = np.zeros(4, np.int64)

    def open(self, window: NDArray[np.int64]) -> tuple[slice, slice]:
        """Wipe the last window and begin a new one."""
        x1, y1, x2, y2 = self.window
        self.triangle[y1:y2, x1:x2] = -1
        self.cover[y1:y2, x1:x2] = 0
        self.window = window
        return slice(window[1], window[3]), slice(window[0], window[2])


class Canvas:
    """Draws a crew for all views of a scene, one view at a time; its buffers hold the view drawn last.

    Args:
        figures: the crew.
        size: width and height in pixels.
        ss: samples per pixel and axis.
    """

    def __init__(self, figures: Figures, size: tuple[int, int], ss: int) -> None:
        people = len(figures.people)
        starts = np.arange(people, dtype=np.int64)[:, None, None] * figures.count
        self._people = people
        self._ss = ss
        self._faces = (figures.faces[None] + starts).astype(np.int32)
        self._colours = figures.colours.reshape(-1, 3)
        self._heads = figures.is_head
        order = np.arange(people, dtype=np.uint32)[:, None]
        self._bits = (np.uint32(1) << order) | np.where(
            self._heads[None], np.uint32(1) << (order + np.uint32(MOST_PEOPLE)), np.uint32(0)
        )
        self.owner = np.repeat(np.arange(people, dtype=np.int32), len(figures.faces))
        self._is_head = np.tile(self._heads, people)
        width, height = size[0] * ss, size[1] * ss
        self.front, self.glass = Buffers(height, width), Buffers(height, width)
        self._samples = np.zeros((height, width, 3), np.float32)
        self.picture = np.zeros((size[1], size[0], 3), np.float32)

    def draw(self, backdrop: Backdrop, bodies: Bodies) -> Counted:
        """Draw people's triangles (not yet their light) before a backdrop, and count."""
        uv, inverse = projected(backdrop.camera, bodies.vertices, self._ss)
        return self._pass(self.front, uv, inverse, bodies.shown, backdrop.depth, None)

    def draw_mirrored(self, backdrop: Backdrop, bodies: Bodies, mirror: Mirror) -> Counted | None:
        """Draw people's reflections in a pane, after ``draw``; None if the pane shows nobody."""
        pane = backdrop.solid == mirror.solid
        uv, inverse = projected(backdrop.camera, mirror.reflected(bodies.vertices), self._ss)
        counted = self._pass(self.glass, uv, inverse, bodies.shown, None, pane)
        if not counted.count[:, 1].any():
            return None
        self.glass.triangle[self.front.triangle >= 0] = -1
        return self._count(self.glass, uv, inverse)

    def _pass(
        self,
        buffers: Buffers,
        uv: Floats,
        inverse: Floats,
        shown: NDArray[np.bool_],
        depth: Floats | None,
        pane: NDArray[np.bool_] | None,
    ) -> Counted:
        inside = buffers.open(self._window(uv, inverse, shown))
        buffers.depth[inside] = np.where(pane[inside], 0, np.inf) if pane is not None else depth[inside]  # type: ignore[index]
        facing = -1 if pane is None else 1
        for p in np.flatnonzero(shown):
            first = int(p) * len(self._heads)
            rasterise(uv, inverse, self._faces[p], self._bits[p], first, facing, *buffers.planes)
        if pane is not None:
            buffers.cover[inside] *= pane[inside]
        return self._count(buffers, uv, inverse)

    def _count(self, buffers: Buffers, uv: Floats, inverse: Floats) -> Counted:
        visible, full, count = measure(
            buffers.triangle, buffers.cover, self.owner, self._is_head, self._people, buffers.window
        )
        shape = (self._people, -1)
        return Counted(visible, full, count, uv.reshape(*shape, 2), inverse.reshape(shape))

    def _window(self, uv: Floats, inverse: Floats, shown: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The part of the picture in which people are, in samples, on whole pixels."""
        height, width = self.front.depth.shape
        valid = (inverse > 0) & np.repeat(shown, len(inverse) // self._people)
        if not valid.any():
            return np.zeros(4, np.int64)
        corners = uv if valid.all() else uv[valid]
        low, high = corners.min(axis=0), corners.max(axis=0)
        ss, limit = self._ss, (width, height)
        x1, y1 = (int(np.clip(np.floor(low[i] / ss) * ss, 0, limit[i])) for i in range(2))
        x2, y2 = (int(np.clip(np.ceil(high[i] / ss) * ss, 0, limit[i])) for i in range(2))
        return np.array([x1, y1, max(x1, x2), max(y1, y2)], np.int64)

    def label(self, buffers: Buffers, numbers: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Write the number of the person seen at each pixel's middle sample; ``numbers`` (P,), ``out`` (H, W)."""
        label(buffers.window, buffers.triangle, self.owner, numbers, self._ss, out)

    def paint(self, backdrop: Backdrop, bodies: Bodies, lights: Lights) -> Floats:
        """Light what ``draw`` drew; the picture (H, W, 3) BGR, valid until the next call."""
        self._shade(self.front, backdrop, bodies, lights, backdrop.camera.eye)
        shadow = backdrop.shadows.of_people(bodies.vertices.reshape(self._people, -1, 3)[bodies.shown].reshape(-1, 3))
        front, samples = self.front, self._samples
        still = (backdrop.picture, backdrop.samples)
        resolve(front.window, *still, shadow, front.triangle, samples, self._ss, self.picture)
        return self.picture

    def paint_mirrored(self, backdrop: Backdrop, bodies: Bodies, lights: Lights, mirror: Mirror) -> None:
        """Add what ``draw_mirrored`` drew to the picture of ``paint``."""
        self._shade(self.glass, backdrop, bodies, lights, mirror.reflected(backdrop.camera.eye))
        blend_mirrored(
            self.glass.window,
            self.front.triangle,
            self.glass.triangle,
            self._samples,
            mirror.strength,
            self._ss,
            self.picture,
        )

    def _shade(self, buffers: Buffers, backdrop: Backdrop, bodies: Bodies, lights: Lights, eye: Array) -> None:
        shade(
            buffers.window,
            buffers.triangle,
            buffers.second,
            buffers.third,
            self._faces.reshape(-1, 3),
            bodies.vertices,
            bodies.normals,
            self._colours,
            eye.astype(np.float32),
            lights.position,
            lights.power,
            lights.above,
            lights.below,
            0.10,
            self._samples,
        )
