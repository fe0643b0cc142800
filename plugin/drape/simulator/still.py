"""People who do not move, patients and pictures on screens: what of them a camera would see in the empty room."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Floats, Mask
from drape.simulator.buffers import Buffers, projected
from drape.simulator.camera import Camera
from drape.simulator.mesh import Solid


@dataclass(frozen=True)
class StillGroup:
    """A person that does not move: its name, the numbers of its solids, and which of them are the head."""

    name: str
    solids: tuple[int, ...]
    head: tuple[int, ...] = ()


@dataclass(frozen=True)
class StillPerson:
    """Where a person that does not move is seen in the empty room.

    Attributes:
        group: who.
        full: x1, y1, x2, y2 of the silhouette inside the frame, in samples.
        seen: (y2 - y1, x2 - x1) samples in which the person is seen.
        seen_head: those in which the head is seen.
        amodal: (4,) box in pixels, beyond the frame's edges too.
        area: samples of the silhouette.
        head_area: samples of the head's silhouette.
        head_polygon: (K, 2) convex outline of the head in pixels; empty where unknown.
        depth: metres along the optical axis.
    """

    group: StillGroup
    full: tuple[int, int, int, int]
    seen: Mask
    seen_head: Mask
    amodal: Floats
    area: int
    head_area: int
    head_polygon: Floats
    depth: float


def still_person(
    group: StillGroup,
    bit: int,
    solids: list[Solid],
    solid: NDArray[np.int16],
    buffers: Buffers,
    camera: Camera,
) -> StillPerson | None:
    """A person in the empty room; None if no part is in the frame.

    Args:
        group: who.
        bit: of its silhouette in ``buffers.cover``; that of its head is 16 higher.
        solids: everything in the room.
        solid: (H ss, W ss) number of the solid seen.
        buffers: in which the room was drawn.
        camera: who sees it.
    """
    whole = _has(buffers.cover, bit)
    if not whole.any():
        return None
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    x1, y1, x2, y2 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    inside = solid[y1:y2, x1:x2]
    uv, inverse = _corners([solids[i] for i in group.solids], camera)
    corners = uv[inverse > 0]
    return StillPerson(
        group,
        (x1, y1, x2, y2),
        np.isin(inside, group.solids),
        np.isin(inside, group.head),
        np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32),
        int(whole.sum()),
        int(_has(buffers.cover, 16 + bit).sum()),
        _outline([solids[i] for i in group.head], camera),
        float(np.mean(1 / inverse[inverse > 0])),
    )


def _has(cover: NDArray[np.uint32], bit: int) -> Mask:
    return (cover >> np.uint32(bit)) & np.uint32(1) > 0


def _corners(solids: list[Solid], camera: Camera) -> tuple[Floats, Floats]:
    """Pixels and 1 / depth of the vertices that are drawn."""
    return projected(camera, np.concatenate([s.vertices[np.unique(s.faces)] for s in solids]), 1)


def _outline(head: list[Solid], camera: Camera) -> Floats:
    if head:
        uv, inverse = _corners(head, camera)
        if (inverse > 0).all():
            return np.asarray(cv2.convexHull(uv)[:, 0], np.float32)
    return np.zeros((0, 2), np.float32)
