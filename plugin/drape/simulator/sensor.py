"""What a cheap camera makes of a picture: exposure, colour, vignette, haze, blur, tone, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Floats
from drape.simulator.families import Look
from drape.simulator.raster import kernel
from drape.simulator.seeds import generator

Image = NDArray[np.uint8]

SHIFTS = 64
"""Noise is one table, shifted by up to this many pixels per frame."""


@kernel
def _expose(picture: Floats, gain: Floats, exposure: float, stray: float, out: Floats) -> None:
    height, width = picture.shape[:2]
    for y in range(height):
        for x in range(width):
            for c in range(3):
                out[y, x, c] = picture[y, x, c] * gain[y, x, c] * np.float32(exposure) + np.float32(stray)


@kernel
def _digitise(raw: Floats, noise: Floats, out: Image) -> None:
    """Bright parts are compressed, noise is added, and the result rounded."""
    height, width = raw.shape[:2]
    for y in range(height):
        for x in range(width):
            for c in range(3):
                value = raw[y, x, c]
                if value > np.float32(0.75):
                    value /= np.float32(1.0) + np.float32(0.25) * (value - np.float32(0.75))
                value = value * np.float32(255.0) + noise[y, x, c] + np.float32(0.5)
                out[y, x, c] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))


class Sensor:
    """The sensor of one camera of a site.

    Args:
        look: of the site.
        size: width and height in pixels.
        site_seed: of the site.
        camera: number of the camera.
    """

    def __init__(self, look: Look, size: tuple[int, int], site_seed: int, camera: int) -> None:
        width, height = size
        rng = generator(site_seed, "sensor", camera)
        site = generator(site_seed, "sensors")
        exposure = site.uniform(*look.brightness) * rng.uniform(0.95, 1.06)
        self._blur = site.uniform(*look.blur) * rng.uniform(0.9, 1.1) * width / 640
        self._quality = int(site.uniform(*look.jpeg))
        self._haze = np.float32(site.uniform(*look.haze))
        noise = site.uniform(*look.noise)
        y, x = np.mgrid[:height, :width]
        far = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / ((width / 2) ** 2 + (height / 2) ** 2)
        balance = rng.uniform(0.95, 1.05, 3)
        gain = (1 - rng.uniform(0.15, 0.3) * far)[..., None] * exposure * balance
        self._gain = (gain * (1 - self._haze)).astype(np.float32)
        grain = rng.standard_normal((height + SHIFTS, width + SHIFTS, 3)).astype(np.float32)
        grain = 0.6 * grain + 1.1 * cv2.GaussianBlur(grain, (0, 0), 0.8)
        self._noise = (grain * 255 * noise).astype(np.float32)
        self._key = (site_seed, camera)

    def __call__(self, picture: Floats, frame: int, exposure: float = 1.0) -> Image:
        """The frame (H, W, 3) uint8 BGR of a picture (H, W, 3); ``exposure`` is a factor, ``frame`` keys the noise."""
        raw = np.empty_like(picture)
        _expose(picture, self._gain, exposure, float(0.55 * self._haze * exposure), raw)
        if self._blur > 0.2:
            raw = cv2.GaussianBlur(raw, (0, 0), self._blur)
        dy, dx = generator(self._key[0], "noise", self._key[1], frame).integers(0, SHIFTS, 2)
        height, width = picture.shape[:2]
        exact = np.empty(picture.shape, np.uint8)
        _digitise(raw, self._noise[dy : dy + height, dx : dx + width], exact)
        _, coded = cv2.imencode(".jpg", exact, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
