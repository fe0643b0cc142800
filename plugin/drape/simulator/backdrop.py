"""The empty room as one camera sees it, drawn once: picture, depth, what is where, and who of it is a person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.simulator.camera import Camera
from drape.simulator.mesh import Solid
from drape.simulator.raster import rasterise
from drape.simulator.shading import Lights, shade
from drape.simulator.shadows import ShadowMap

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class StillPerson:
    """A person, or its picture, that does not move: where it is seen and its whole silhouette, in sample pixels.

    ``seen`` and ``seen_head`` are (h, w) masks from ``corner`` (x, y) on; ``full`` is x1, y1, x2, y2 of the silhouette
    and ``area``, ``head_area`` its size; ``head_polygon`` (N, 2) in pixels.
    """

    name: str
    corner: tuple[int, int]
    seen: NDArray[np.bool_]
    seen_head: NDArray[np.bool_]
    full: tuple[int, int, int, int]
    amodal: Floats
    area: int
    head_area: int
    head_polygon: Floats
    depth: float


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
        shadows: where people's shadows fall.
        people: patients and pictures of people that are seen.
    """

    camera: Camera
    ss: int
    picture: Floats
    samples: Floats
    depth: Floats
    solid: NDArray[np.int16]
    shadows: ShadowMap
    people: list[StillPerson]


def draw_backdrop(
    camera: Camera,
    solids: list[Solid],
    lights: Lights,
    size: tuple[float, float, float],
    ss: int,
    still: dict[str, list[str]],
) -> Backdrop:
    """Draw the empty room.

    Args:
        camera: who sees it.
        solids: what there is.
        lights: what lights it.
        size: of the room, metres.
        ss: samples per pixel and axis.
        still: names of people, each with the names of the solids it is made of, the head first.
    """
    height, width = camera.height * ss, camera.width * ss
    vertices = np.concatenate([solid.vertices for solid in solids])
    flat = [np.concatenate([getattr(s, name) for s in solids]).astype(np.float32) for name in ("normals", "colours")]
    offsets = np.cumsum([0] + [len(solid.vertices) for solid in solids[:-1]])
    faces = np.concatenate([s.faces + offset for s, offset in zip(solids, offsets, strict=True)]).astype(np.int32)
    owner = np.repeat(np.arange(len(solids), dtype=np.int16), [len(solid.faces) for solid in solids])
    uv, inverse = projected(camera, vertices, ss)
    shape = (height, width)
    depth, second, third = (np.zeros(shape, np.float32) for _ in range(3))
    triangle, cover = np.full(shape, -1, np.int32), np.zeros(shape, np.uint32)
    groups = {name: [i for i, s in enumerate(solids) if s.name in parts] for name, parts in still.items()}
    bits = _bits(groups, still, solids, owner)
    rasterise(uv, inverse, faces, bits, 0, 0, depth, triangle, second, third, cover)
    samples = np.full((*shape, 3), 0.35, np.float32)
    points, eye = vertices.astype(np.float32), camera.eye.astype(np.float32)
    light = (lights.position, lights.power, lights.above, lights.below)
    window = np.array([0, 0, width, height])
    shade(window, triangle, second, third, faces, points, *flat, eye, *light, 0.05, samples)
    nothing = triangle < 0
    solid = np.where(nothing, np.int16(-1), owner[np.maximum(triangle, 0)])
    middle = np.s_[ss // 2 :: ss, ss // 2 :: ss]
    t, b, c = np.maximum(triangle[middle], 0), second[middle][..., None], third[middle][..., None]
    place = (1 - b - c) * points[faces[t, 0]] + b * points[faces[t, 1]] + c * points[faces[t, 2]]
    place[nothing[middle]] = (0, 0, 9)
    shadows = ShadowMap(place, size)
    factor = shadows.of_furniture(solids)
    samples *= cv2.resize(factor, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    picture = cv2.resize(samples, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    people = [
        person
        for i, (name, group) in enumerate(groups.items())
        if (person := _still_person(name, i, group, solids, still, solid, cover, camera, ss)) is not None
    ]
    return Backdrop(camera, ss, picture, samples, depth, solid, shadows, people)


def projected(camera: Camera, vertices: NDArray[np.floating], ss: int) -> tuple[Floats, Floats]:
    """Sample pixels (..., 2) and 1 / depth (...) of world points, as the rasteriser takes them."""
    local = camera.to_camera(vertices)
    uv = np.ascontiguousarray(camera.project_local(local, ss), np.float32)
    return uv, np.ascontiguousarray(camera.inverse_depth(local), np.float32)


def _bits(
    groups: dict[str, list[int]], still: dict[str, list[str]], solids: list[Solid], owner: NDArray[np.int16]
) -> NDArray[np.uint32]:
    """Bit i for every triangle of person i, bit 16 + i for its head."""
    of_solid = np.zeros(len(solids), np.uint32)
    for i, (name, group) in enumerate(groups.items()):
        for number in group:
            head = solids[number].name == still[name][0] and len(still[name]) > 1
            of_solid[number] |= np.uint32(1 << i) | np.uint32((1 << (16 + i)) if head else 0)
    bits: NDArray[np.uint32] = of_solid[owner]
    return bits


def _still_person(
    name: str,
    number: int,
    group: list[int],
    solids: list[Solid],
    still: dict[str, list[str]],
    solid: NDArray[np.int16],
    cover: NDArray[np.uint32],
    camera: Camera,
    ss: int,
) -> StillPerson | None:
    whole = (cover >> np.uint32(number)) & np.uint32(1) > 0
    if not whole.any():
        return None
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    x1, y1, x2, y2 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    inside = np.s_[y1:y2, x1:x2]
    heads = [i for i in group if solids[i].name == still[name][0] and len(group) > 1]
    used = np.concatenate([solids[i].vertices[np.unique(solids[i].faces)] for i in group])
    uv, inverse = projected(camera, used, 1)
    uv = uv[inverse > 0]
    polygon = np.zeros((0, 2), np.float32)
    if heads:
        skull = solids[heads[0]]
        head_uv, head_inverse = projected(camera, skull.vertices[np.unique(skull.faces)], 1)
        if (head_inverse > 0).all():
            polygon = cv2.convexHull(head_uv)[:, 0]
    return StillPerson(
        name,
        (x1, y1),
        np.isin(solid[inside], group),
        np.isin(solid[inside], heads),
        (x1, y1, x2, y2),
        np.concatenate([uv.min(axis=0), uv.max(axis=0)]).astype(np.float32),
        int(whole.sum()),
        int(((cover >> np.uint32(16 + number)) & np.uint32(1)).sum()),
        polygon,
        float(np.mean(1 / inverse[inverse > 0])),
    )
