"""The truth about a frame: who is in it, where, and how much of everybody is seen. All arrays have one row per person
or image of a person; boxes are float32 ``x1, y1, x2, y2`` in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Floats, Mask
from drape.simulator.camera import Camera
from drape.simulator.keypoints import COUNT

KINDS = ("person", "reflection", "picture")
"""A person in the room, its image in glass (a copy), or a picture of somebody on a screen."""


@dataclass(frozen=True)
class FrameTruth:
    """The truth of one frame, N rows: people, then reflections, then the patient, then pictures on screens.

    Attributes:
        view: id of the view.
        frame: index of the frame in the view's file.
        time: seconds the frame is stamped with.
        world_time: seconds of the world at which it was taken; that of the frame shown where the view is frozen.
        camera: calibration at this time.
        state: "" or what the view suffers: "frozen", "dark", "black".
        person: (N,) int32 identity, the same in all views and frames; also of copies.
        role: (N,) names.
        kind: (N,) uint8 index into ``KINDS``.
        boxes: (N, 4) whole body inside the frame, hidden parts included.
        amodal: (N, 4) whole body, beyond the frame's edges too.
        visible_boxes: (N, 4) what is seen; zero where nothing is.
        visible: (N,) seen share of the silhouette inside the frame.
        in_frame: (N,) share of the amodal box that ``boxes`` is.
        area: (N,) seen pixels.
        instances: (H, W) uint8: 1 + row of the person seen at each pixel, 0 elsewhere.
        head_ellipses: (N, 5) centre x, y, full axes, and turn in degrees as OpenCV has it; NaN where unknown.
        head_visible: (N,) seen share of the head's silhouette inside the frame.
        head_area: (N,) pixels of the head's silhouette inside the frame.
        head_polygons: N arrays (K, 2): the head's convex outline, hidden parts included; empty where unknown.
        keypoints: (N, 133, 3) x, y, and 2 seen, 1 hidden, 0 outside or unlabelled (x = y = 0 then).
        depth: (N,) metres along the optical axis.
        position: (N, 3) of the pelvis in the world, metres.
    """

    view: str
    frame: int
    time: float
    world_time: float
    camera: Camera
    state: str
    person: NDArray[np.int32]
    role: NDArray[np.str_]
    kind: NDArray[np.uint8]
    boxes: Floats
    amodal: Floats
    visible_boxes: Floats
    visible: Floats
    in_frame: Floats
    area: Floats
    instances: NDArray[np.uint8]
    head_ellipses: Floats
    head_visible: Floats
    head_area: Floats
    head_polygons: list[Floats]
    keypoints: Floats
    depth: Floats
    position: Floats

    def __len__(self) -> int:
        return len(self.person)

    @property
    def copy(self) -> Mask:
        """(N,) whether a row is a second image of somebody in glass."""
        return self.kind == KINDS.index("reflection")

    def mask(self, row: int) -> Mask:
        """(H, W) where the person of a row is seen."""
        return self.instances == row + 1

    def head_mask(self, row: int) -> Mask:
        """(H, W) the head's outline of a row, filled, hidden parts included."""
        return inside_convex(self.head_polygons[row], self.instances.shape)


@dataclass(frozen=True)
class Row:
    """One row of a ``FrameTruth``, before the rows are joined; boxes are (4,) pixels."""

    person: int
    role: str
    kind: int
    boxes: Floats
    amodal: Floats
    visible_boxes: Floats
    visible: float
    area: float
    head_polygons: Floats
    head_visible: float
    head_area: float
    keypoints: Floats
    depth: float
    position: Floats


def inside_convex(polygon: Floats, shape: tuple[int, ...]) -> Mask:
    """The pixels of a picture of ``shape`` (H, W) whose centre lies in a convex polygon (K, 2); none if it is empty."""
    mask = np.zeros(shape[:2], bool)
    if len(polygon) < 3:
        return mask
    limit = np.array(shape[1::-1])
    left, top = np.clip(np.floor(polygon.min(axis=0)), 0, limit).astype(int)
    right, bottom = np.clip(np.ceil(polygon.max(axis=0)), 0, limit).astype(int)
    y, x = np.mgrid[top:bottom, left:right] + 0.5
    edge = np.roll(polygon, -1, axis=0) - polygon
    away = np.stack([x, y], axis=-1)[..., None, :] - polygon
    side = edge[:, 0] * away[..., 1] - edge[:, 1] * away[..., 0]
    mask[top:bottom, left:right] = (side >= 0).all(axis=-1) | (side <= 0).all(axis=-1)
    return mask


def ellipse_of(polygon: Floats) -> Floats:
    """The ellipse (5,) of a head's outline; NaN if there is none."""
    if len(polygon) < 5:
        return np.full(5, np.nan, np.float32)
    (x, y), (a, b), angle = cv2.fitEllipse(polygon)
    return np.array([x, y, a, b, angle], np.float32)


def box_share(inside: Floats, whole: Floats) -> float:
    """Area of a box as a share of another's."""
    size, full = np.maximum(inside[2:] - inside[:2], 0), np.maximum(whole[2:] - whole[:2], 1e-6)
    return float(np.clip(np.prod(size) / np.prod(full), 0, 1))


def no_keypoints() -> Floats:
    """Key points (133, 3) of somebody of whom none is labelled."""
    return np.zeros((COUNT, 3), np.float32)


def join(rows: list[Row], instances: NDArray[np.uint8], **frame: Any) -> FrameTruth:
    """The truth of a frame from its rows."""

    def stacked(name: str, *shape: int) -> Floats:
        return np.array([getattr(row, name) for row in rows], np.float32).reshape(len(rows), *shape)

    return FrameTruth(
        **frame,
        person=np.array([row.person for row in rows], np.int32),
        role=np.array([row.role for row in rows], np.str_),
        kind=np.array([row.kind for row in rows], np.uint8),
        boxes=stacked("boxes", 4),
        amodal=stacked("amodal", 4),
        visible_boxes=stacked("visible_boxes", 4),
        visible=stacked("visible"),
        in_frame=np.array([box_share(row.boxes, row.amodal) for row in rows], np.float32),
        area=stacked("area"),
        instances=instances,
        head_visible=stacked("head_visible"),
        head_area=stacked("head_area"),
        depth=stacked("depth"),
        head_ellipses=np.array([ellipse_of(row.head_polygons) for row in rows], np.float32).reshape(-1, 5),
        head_polygons=[row.head_polygons for row in rows],
        keypoints=stacked("keypoints", COUNT, 3),
        position=stacked("position", 3),
    )
