"""Soft shadows from above: how much stands over each place of the floor, looked up at every pixel of the room."""

from __future__ import annotations

import cv2
import numpy as np

from drape.simulator.arrays import Floats
from drape.simulator.mesh import Solid
from drape.simulator.raster import kernel

CELL = 0.05
_NO_SHADOW = ("shell", "corridor", "lamps", "frame")


@kernel
def _darken(density: Floats, floor: Floats, low: Floats, out: Floats) -> None:
    height, width = out.shape
    for y in range(height):
        for x in range(width):
            feet = np.float32(0.45) * density[y, x, 0] * floor[y, x]
            out[y, x] = np.float32(1.0) - feet - np.float32(0.30) * density[y, x, 1] * low[y, x]


class ShadowMap:
    """Shadows on what one camera sees.

    Args:
        place: (H, W, 3) metres: the place of the room seen at each pixel.
        size: of the room, metres.
    """

    def __init__(self, place: Floats, size: tuple[float, float, float]) -> None:
        self._half = np.array(size[:2]) / 2 + 0.3
        self._counts = np.ceil(2 * self._half / CELL).astype(int)
        x, y = (np.ascontiguousarray((place[..., i] + self._half[i]) / CELL - 0.5, np.float32) for i in range(2))
        self._maps = cv2.convertMaps(x, y, cv2.CV_16SC2)
        z = place[..., 2]
        self._floor = (z < 0.06).astype(np.float32)
        self._low = np.where((z > 0.06) & (z < 1.35), 0.5, 0).astype(np.float32) + self._floor

    def _density(self, points: Floats, spread: float, gain: float) -> Floats:
        """Cover of the floor by points (N, 3), blurred by ``spread`` metres."""
        width, height = self._counts
        column = np.clip(((points[:, 0] + self._half[0]) / CELL).astype(int), 0, width - 1)
        row = np.clip(((points[:, 1] + self._half[1]) / CELL).astype(int), 0, height - 1)
        hit = np.zeros((height, width), np.float32)
        hit[row, column] = 1
        hit = cv2.morphologyEx(hit, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        return np.clip(cv2.GaussianBlur(hit, (0, 0), spread / CELL) * gain * 2, 0, 1)

    def _at_pixels(self, density: Floats) -> Floats:
        return np.asarray(cv2.remap(density, *self._maps, cv2.INTER_LINEAR), np.float32)

    def of_furniture(self, solids: list[Solid]) -> Floats:
        """Factor (H, W) of the shadows of what does not move."""
        points = np.concatenate([s.vertices for s in solids if not s.name.startswith(_NO_SHADOW)]).astype(np.float32)
        points = points[(points[:, 2] > 0.05) & (points[:, 2] < 1.4)]
        return 1 - 0.42 * self._at_pixels(self._density(points, 0.25, 0.5)) * self._floor

    def of_people(self, points: Floats) -> Floats:
        """Factor (H, W) of the shadows of people with vertices (N, 3)."""
        some = points[::3]
        feet = self._density(some[some[:, 2] < 0.35], 0.07, 0.9)
        body = self._density(some, 0.22, 0.5)
        at = self._at_pixels(cv2.merge([feet, body]))
        factor = np.empty(at.shape[:2], np.float32)
        _darken(at, self._floor, self._low, factor)
        return factor
