"""Where triangles are drawn: what is nearest at every sample, and which silhouettes cover it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Array, Floats
from drape.simulator.camera import Camera
from drape.simulator.raster import rasterise
from drape.simulator.shading import Lights, shade


@dataclass(frozen=True)
class Surface:
    """Triangles ``faces`` (F, 3) of vertices with normals and BGR colours (V, 3)."""

    faces: NDArray[np.int32]
    vertices: Floats
    normals: Floats
    colours: Floats


class Buffers:
    """Buffers of ``height`` x ``width`` samples; see ``raster.rasterise``.

    What was drawn is wiped when the next window is opened. ``window`` is x1, y1, x2, y2.
    """

    def __init__(self, height: int, width: int) -> None:
        shape = (height, width)
        self.depth = np.zeros(shape, np.float32)
        self.second = np.zeros(shape, np.float32)
        self.third = np.zeros(shape, np.float32)
        self.triangle = np.full(shape, -1, np.int32)
        self.cover = np.zeros(shape, np.uint32)
        self.window = np.array([0, 0, width, height], np.int64)

    def open(self, window: NDArray[np.int64]) -> tuple[slice, slice]:
        """Wipe the last window but for its depth, and begin a new one."""
        x1, y1, x2, y2 = self.window
        self.triangle[y1:y2, x1:x2] = -1
        self.cover[y1:y2, x1:x2] = 0
        self.window = window
        return slice(window[1], window[3]), slice(window[0], window[2])

    def draw(
        self,
        uv: Floats,
        inverse_depth: Floats,
        faces: NDArray[np.int32],
        bits: NDArray[np.uint32],
        first: int = 0,
        facing: int = 0,
    ) -> None:
        """Draw triangles; see ``raster.rasterise``."""
        planes = (self.depth, self.triangle, self.second, self.third, self.cover)
        rasterise(uv, inverse_depth, faces, bits, first, facing, *planes)

    def light(self, surface: Surface, eye: Array, lights: Lights, grain: float, out: Floats) -> None:
        """Write what is seen from ``eye`` (3,) into ``out`` (H, W, 3); see ``shading.shade``."""
        shade(
            self.window,
            self.triangle,
            self.second,
            self.third,
            surface.faces,
            surface.vertices,
            surface.normals,
            surface.colours,
            eye.astype(np.float32),
            lights.position,
            lights.power,
            lights.above,
            lights.below,
            grain,
            out,
        )


def projected(camera: Camera, vertices: Array, ss: int) -> tuple[Floats, Floats]:
    """Samples (V, 2) and 1 / depth (V,) of world points (V, 3), with ``ss`` samples per pixel and axis."""
    local = camera.to_camera(vertices)
    uv = np.ascontiguousarray(camera.project_local(local, ss), np.float32)
    return uv, np.ascontiguousarray(camera.inverse_depth(local), np.float32)
