"""The empty room as one camera sees it, drawn once: picture, depth, what is where, and who of it is a person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Floats
from drape.simulator.buffers import Buffers, Surface, projected
from drape.simulator.camera import Camera
from drape.simulator.mesh import Solid
from drape.simulator.shading import Lights
from drape.simulator.shadows import ShadowMap
from drape.simulator.still import StillGroup, StillPerson, still_person

EMPTY = 0.35
"""Grey of directions in which nothing is drawn."""


@dataclass(frozen=True)
class Backdrop:
    """What a camera sees of the empty room; samples are ``ss`` x ``ss`` per pixel.

    Attributes:
        camera: the camera.
        ss: samples per pixel and axis.
        picture: (H, W, 3) BGR.
        samples: (H ss, W ss, 3) BGR.
        depth: (H ss, W ss) 1 / metres.
        solid: (H ss, W ss) number of the solid seen, or -1.
        areas: (S,) samples in which each solid is seen.
        shadows: where people's shadows fall.
        people: patients and pictures of people of whom a part is in the frame.
    """

    camera: Camera
    ss: int
    picture: Floats
    samples: Floats
    depth: Floats
    solid: NDArray[np.int16]
    areas: NDArray[np.int64]
    shadows: ShadowMap
    people: list[StillPerson]


@dataclass(frozen=True)
class Furnishing:
    """Everything that does not move, as one surface; ``owner`` (F,) is the solid of each triangle."""

    solids: list[Solid]
    surface: Surface
    owner: NDArray[np.int16]

    @classmethod
    def of(cls, solids: list[Solid]) -> Furnishing:
        """Join solids."""
        offsets = np.cumsum([0] + [len(solid.vertices) for solid in solids[:-1]])
        faces = np.concatenate([s.faces + offset for s, offset in zip(solids, offsets, strict=True)])
        vertices, normals, colours = (
            np.concatenate([getattr(solid, name) for solid in solids]).astype(np.float32)
            for name in ("vertices", "normals", "colours")
        )
        owner = np.repeat(np.arange(len(solids), dtype=np.int16), [len(solid.faces) for solid in solids])
        return cls(solids, Surface(faces.astype(np.int32), vertices, normals, colours), owner)


def draw_backdrop(
    camera: Camera,
    furnishing: Furnishing,
    lights: Lights,
    size: tuple[float, float, float],
    ss: int,
    groups: list[StillGroup],
) -> Backdrop:
    """Draw the empty room.

    Args:
        camera: who sees it.
        furnishing: what there is.
        lights: what lights it.
        size: of the room, metres.
        ss: samples per pixel and axis.
        groups: people, or pictures of people, that do not move.
    """
    surface = furnishing.surface
    buffers = Buffers(camera.height * ss, camera.width * ss)
    bits = np.zeros(len(furnishing.solids), np.uint32)
    for i, group in enumerate(groups):
        bits[list(group.solids)] |= np.uint32(1 << i)
        bits[list(group.head)] |= np.uint32(1 << (16 + i))
    buffers.draw(*projected(camera, surface.vertices, ss), surface.faces, bits[furnishing.owner])
    samples = np.full((*buffers.depth.shape, 3), EMPTY, np.float32)
    buffers.light(surface, camera.eye, lights, 0.05, samples)
    triangle = np.maximum(buffers.triangle, 0)
    solid = np.where(buffers.triangle < 0, np.int16(-1), furnishing.owner[triangle])
    shadows = ShadowMap(_places(buffers, surface, ss), size)
    dim = shadows.of_furniture(furnishing.solids)
    samples *= cv2.resize(dim, samples.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    picture = cv2.resize(samples, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    found = (still_person(group, i, furnishing.solids, solid, buffers, camera) for i, group in enumerate(groups))
    people = [person for person in found if person is not None]
    areas = np.bincount(solid.reshape(-1) + 1, minlength=len(furnishing.solids) + 1)[1:]
    return Backdrop(camera, ss, picture, samples, buffers.depth, solid, areas, shadows, people)


def _places(buffers: Buffers, surface: Surface, ss: int) -> Floats:
    """The place (H, W, 3), in metres, seen at the middle sample of every pixel; 9 m high where nothing is."""
    middle = np.s_[ss // 2 :: ss, ss // 2 :: ss]
    triangle = buffers.triangle[middle]
    corners = surface.faces[np.maximum(triangle, 0)]
    b, c = buffers.second[middle][..., None], buffers.third[middle][..., None]
    points = surface.vertices
    place: Floats = (1 - b - c) * points[corners[..., 0]] + b * points[corners[..., 1]] + c * points[corners[..., 2]]
    place[triangle < 0] = (0, 0, 9)
    return place
