"""Pinhole cameras with two radial distortion terms (Brown 1966; OpenCV's ``k1, k2``).

World: metres, z up. Camera: x right, y down, z forward. Pixels: the centre of the top left pixel is (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drape.simulator.arrays import Array

LARGEST_R2 = 1.6
"""Squared tangent of the view angle beyond which the distortion polynomial would fold back into the picture."""
NEAR = 0.12
"""Nearest depth, in metres, that is projected."""


@dataclass(frozen=True)
class Camera:
    """A calibrated camera: ``K`` (3, 3), ``R`` (3, 3) and ``t`` (3,) with ``x_camera = R x_world + t``."""

    K: Array
    R: Array
    t: Array
    k1: float
    k2: float
    width: int
    height: int

    @property
    def eye(self) -> Array:
        """The optical centre in the world, (3,) metres."""
        centre: Array = -self.R.T @ self.t
        return centre

    @property
    def distortion(self) -> Array:
        """OpenCV's ``k1, k2, p1, p2, k3``, (5,)."""
        return np.array([self.k1, self.k2, 0.0, 0.0, 0.0])

    def to_camera(self, points: Array) -> Array:
        """World points (..., 3) in the camera's frame."""
        moved: Array = points @ self.R.T + self.t
        return moved

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels (..., 2) and depths (...) in metres of world points (..., 3)."""
        local = self.to_camera(points)
        return self.project_local(local), local[..., 2]

    def project_local(self, local: Array, scale: float = 1.0) -> Array:
        """Pixels (..., 2), times ``scale``, of points in the camera's frame (..., 3)."""
        z = np.maximum(local[..., 2], 1e-6)
        x, y = local[..., 0] / z, local[..., 1] / z
        r2 = np.minimum(x * x + y * y, LARGEST_R2)
        bend = 1 + self.k1 * r2 + self.k2 * r2 * r2
        u = (self.K[0, 0] * x * bend + self.K[0, 2]) * scale
        v = (self.K[1, 1] * y * bend + self.K[1, 2]) * scale
        return np.stack([u, v], axis=-1)

    def inverse_depth(self, local: Array) -> Array:
        """1 / depth, and 0 for points nearer than ``NEAR`` or behind."""
        depth = local[..., 2]
        return np.where(depth > NEAR, 1 / np.maximum(depth, NEAR), 0.0)

    def turned(self, yaw: float, pitch: float, roll: float) -> Camera:
        """This camera turned in its place, in degrees: to its right, upwards, and clockwise in its picture."""
        a, b, c = np.radians([yaw, pitch, roll])
        about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
        about_z = np.array([[np.cos(c), np.sin(c), 0], [-np.sin(c), np.cos(c), 0], [0, 0, 1]])
        rotation = about_z @ about_x @ about_y @ self.R
        return replace(self, R=rotation, t=-rotation @ self.eye)


def look_at(
    eye: Array,
    target: Array,
    field_of_view: float,
    size: tuple[int, int],
    k1: float = 0.0,
    k2: float = 0.0,
    roll: float = 0.0,
) -> Camera:
    """A camera at ``eye`` that looks at ``target``.

    Args:
        eye: (3,) metres.
        target: (3,) metres; not straight above or below ``eye``.
        field_of_view: across the picture's width, in degrees, before distortion.
        size: width and height in pixels.
        k1: first radial distortion term.
        k2: second radial distortion term.
        roll: in degrees.
    """
    width, height = size
    focal = 0.5 * width / np.tan(np.radians(field_of_view) / 2)
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    forward = np.asarray(target, float) - eye
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    level = Camera(intrinsics, rotation, -rotation @ np.asarray(eye, float), k1, k2, width, height)
    return level.turned(0.0, 0.0, roll)
