"""Light, and how samples become a picture (numba)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Floats
from drape.simulator.raster import kernel


@dataclass(frozen=True)
class Lights:
    """Point lights at ``position`` (L, 3) metres with ``power`` (L, 3) BGR, and the light from above and below (3,)."""

    position: Floats
    power: Floats
    above: Floats
    below: Floats


@kernel
def _grain(i: int, a: float, b: float) -> np.float32:
    """A number in [-.5, .5] that looks random: cloth is not one colour."""
    n = np.uint32(i) * np.uint32(374761393) + np.uint32(a * 64.0) * np.uint32(668265263)
    n += np.uint32(b * 64.0) * np.uint32(2246822519)
    n = (n ^ (n >> np.uint32(13))) * np.uint32(1274126177)
    n ^= n >> np.uint32(16)
    return np.float32(n & np.uint32(0xFFFF)) / np.float32(65535.0) - np.float32(0.5)


@kernel
def shade(
    window: NDArray[np.int64],
    triangle: NDArray[np.int32],
    second: Floats,
    third: Floats,
    faces: NDArray[np.int32],
    vertices: Floats,
    normals: Floats,
    colours: Floats,
    eye: Floats,
    position: Floats,
    power: Floats,
    above: Floats,
    below: Floats,
    grain: float,
    out: Floats,
) -> None:
    """Lambert's law with wrapped point lights and a hemisphere of ambient light; normals are two-sided.

    Writes BGR into ``out`` (H, W, 3) wherever ``triangle`` >= 0 inside ``window`` (x1, y1, x2, y2).
    """
    one, half = np.float32(1.0), np.float32(0.5)
    for y in range(window[1], window[3]):
        for x in range(window[0], window[2]):
            t = triangle[y, x]
            if t < 0:
                continue
            b, c = second[y, x], third[y, x]
            a = one - b - c
            i, j, k = faces[t, 0], faces[t, 1], faces[t, 2]
            px = a * vertices[i, 0] + b * vertices[j, 0] + c * vertices[k, 0]
            py = a * vertices[i, 1] + b * vertices[j, 1] + c * vertices[k, 1]
            pz = a * vertices[i, 2] + b * vertices[j, 2] + c * vertices[k, 2]
            nx = a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
            ny = a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
            nz = a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
            scale = one / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9))
            if nx * (eye[0] - px) + ny * (eye[1] - py) + nz * (eye[2] - pz) < 0:
                scale = -scale
            nx *= scale
            ny *= scale
            nz *= scale
            up = half + half * nz
            s0 = below[0] * (one - up) + above[0] * up
            s1 = below[1] * (one - up) + above[1] * up
            s2 = below[2] * (one - up) + above[2] * up
            for q in range(position.shape[0]):
                lx, ly, lz = position[q, 0] - px, position[q, 1] - py, position[q, 2] - pz
                d2 = lx * lx + ly * ly + lz * lz
                lambert = ((nx * lx + ny * ly + nz * lz) / np.sqrt(d2) + np.float32(0.25)) * np.float32(0.8)
                if lambert > 0:
                    lambert /= np.float32(0.6) + d2
                    s0 += power[q, 0] * lambert
                    s1 += power[q, 1] * lambert
                    s2 += power[q, 2] * lambert
            g = one + np.float32(grain) * _grain(t, b, c)
            out[y, x, 0] = g * s0 * (a * colours[i, 0] + b * colours[j, 0] + c * colours[k, 0])
            out[y, x, 1] = g * s1 * (a * colours[i, 1] + b * colours[j, 1] + c * colours[k, 1])
            out[y, x, 2] = g * s2 * (a * colours[i, 2] + b * colours[j, 2] + c * colours[k, 2])


@kernel
def resolve(
    window: NDArray[np.int64],
    still: Floats,
    still_samples: Floats,
    shadow: Floats,
    triangle: NDArray[np.int32],
    samples: Floats,
    ss: int,
    out: Floats,
) -> None:
    """Average ss x ss samples where a person has at least one; elsewhere the room's picture times the shadow.

    Args:
        window: (4,) x1, y1, x2, y2 in samples: where people are.
        still: (H, W, 3) picture of the empty room.
        still_samples: (H ss, W ss, 3) its samples.
        shadow: (H, W) factor.
        triangle: (H ss, W ss) -1 where nobody is seen.
        samples: (H ss, W ss, 3) people's colours.
        ss: samples per pixel and axis.
        out: (H, W, 3) written.
    """
    height, width = out.shape[:2]
    for y in range(height):
        for x in range(width):
            dim = shadow[y, x]
            for c in range(3):
                out[y, x, c] = still[y, x, c] * dim
    share = np.float32(1.0 / (ss * ss))
    for y in range(window[1] // ss, window[3] // ss):
        for x in range(window[0] // ss, window[2] // ss):
            seen = False
            for j in range(ss):
                for i in range(ss):
                    seen |= triangle[y * ss + j, x * ss + i] >= 0
            if not seen:
                continue
            dim = shadow[y, x]
            for c in range(3):
                total = np.float32(0)
                for j in range(ss):
                    for i in range(ss):
                        v, u = y * ss + j, x * ss + i
                        if triangle[v, u] >= 0:
                            total += samples[v, u, c]
                        else:
                            total += still_samples[v, u, c] * dim
                out[y, x, c] = total * share


@kernel
def blend_mirrored(
    window: NDArray[np.int64],
    triangle: NDArray[np.int32],
    mirrored: NDArray[np.int32],
    samples: Floats,
    strength: float,
    ss: int,
    out: Floats,
) -> None:
    """Add people's reflections to a picture, where nobody stands before the glass; ``window`` in sample pixels."""
    share = np.float32(strength / (ss * ss))
    for v in range(window[1], window[3]):
        for u in range(window[0], window[2]):
            if mirrored[v, u] >= 0 and triangle[v, u] < 0:
                y, x = v // ss, u // ss
                for c in range(3):
                    out[y, x, c] += share * (samples[v, u, c] - np.float32(0.25) * out[y, x, c])
