"""From what was drawn and counted to the rows of the truth."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Array, Floats, Mask
from drape.simulator.backdrop import Backdrop
from drape.simulator.buffers import Buffers
from drape.simulator.canvas import Canvas, Counted, Mirror
from drape.simulator.figure import Figures
from drape.simulator.keypoints import LABELLED, TOLERANCE, UNDER_MASK, keypoints
from drape.simulator.patient import Patient
from drape.simulator.skeleton import Skeleton
from drape.simulator.still import StillPerson
from drape.simulator.truth import KINDS, Row, no_keypoints

PERSON, REFLECTION, PICTURE = range(len(KINDS))

Seen = Callable[[NDArray[np.int64], NDArray[np.int64], Array], Mask]
"""Whether one sees the person at samples x, y when the point behind is at these depths plus its tolerance."""


class Observer:
    """Writes the rows of people and of their reflections.

    Args:
        figures: the crew.
        canvas: on which it is drawn.
    """

    def __init__(self, figures: Figures, canvas: Canvas) -> None:
        self._figures, self._canvas = figures, canvas
        self._masked = np.array([person.mask for person in figures.people])

    def rows(
        self, backdrop: Backdrop, counted: Counted, skeleton: Skeleton, points: Array, mirror: Mirror | None = None
    ) -> list[Row]:
        """Rows of everybody of whom a part is in the picture, seen or hidden; of reflections only those seen.

        Args:
            backdrop: of the view.
            counted: what was drawn of the people, or of their reflections.
            skeleton: the crew's.
            points: (P, 133, 3) key points in the world.
            mirror: the pane, for reflections.
        """
        position = skeleton.of("pelvis")
        if mirror is not None:
            points = mirror.reflected(points)
        pixels, depth = backdrop.camera.project(points)
        head_at = skeleton.of("head") if mirror is None else mirror.reflected(skeleton.of("head"))
        distance = backdrop.camera.to_camera(head_at)[:, 2]
        buffers = self._canvas.front if mirror is None else self._canvas.glass
        found = []
        for p in np.flatnonzero(counted.count[:, 1] > 0):
            if mirror is not None and counted.count[p, 0] == 0:
                continue
            marks = self._marks(int(p), pixels[p], depth[p], backdrop, buffers)
            found.append(self._row(int(p), counted, marks, distance[p], position[p], backdrop.ss, mirror))
        return found

    def _row(
        self, p: int, counted: Counted, marks: Floats, depth: float, position: Array, ss: int, mirror: Mirror | None
    ) -> Row:
        seen, whole, seen_head, whole_head = (int(value) for value in counted.count[p])
        ahead = counted.inverse[p] > 0
        corners = counted.uv[p][ahead] / ss
        head = self._figures.head_vertices
        outline = np.zeros((0, 2), np.float32)
        if ahead[head].all():
            outline = cv2.convexHull(np.ascontiguousarray(counted.uv[p][head] / ss))[:, 0]
        nothing = np.zeros(4, np.float32)
        return Row(
            person=p,
            role=self._figures.people[p].role,
            kind=PERSON if mirror is None else REFLECTION,
            boxes=(counted.full[p] / ss).astype(np.float32),
            amodal=np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32),
            visible_boxes=(counted.visible[p] / ss).astype(np.float32) if seen else nothing,
            visible=seen / whole,
            area=seen / ss**2,
            head_polygons=outline,
            head_visible=seen_head / max(whole_head, 1),
            head_area=whole_head / ss**2,
            keypoints=marks,
            depth=float(depth),
            position=position.astype(np.float32),
        )

    def _marks(self, p: int, pixels: Array, depth: Array, backdrop: Backdrop, buffers: Buffers) -> Floats:
        def seen(x: NDArray[np.int64], y: NDArray[np.int64], limit: Array) -> Mask:
            triangle = buffers.triangle[y, x]
            mine = (triangle >= 0) & (self._canvas.owner[np.maximum(triangle, 0)] == p)
            near: Mask = 1 / np.maximum(buffers.depth[y, x], 1e-6) > limit
            return mine & near

        marks = mark(pixels, depth, backdrop, seen)
        if self._masked[p]:
            marks[UNDER_MASK, 2] = np.minimum(marks[UNDER_MASK, 2], 1)
        return marks


def mark(pixels: Array, depth: Array, backdrop: Backdrop, seen: Seen) -> Floats:
    """Key points (133, 3) from their pixels (133, 2) and depths (133,)."""
    labelled = LABELLED & np.isfinite(depth) & (depth > 0.12)
    x, y = (np.floor(np.where(labelled, pixels[:, i], -1) * backdrop.ss).astype(np.int64) for i in range(2))
    height, width = backdrop.depth.shape
    inside = labelled & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    limit = np.where(labelled, depth - TOLERANCE, np.inf)
    marks: Floats = np.zeros((len(pixels), 3), np.float32)
    marks[inside, :2] = pixels[inside]
    marks[:, 2] = np.where(inside, 1 + seen(x, y, limit), 0)
    return marks


def still_row(
    still: StillPerson, person: int, backdrop: Backdrop, front: Buffers, patient: Patient | None
) -> tuple[Row, Mask]:
    """The row of somebody who does not move, and where in its silhouette's box it is seen, in samples.

    Args:
        still: who, in the empty room.
        person: its identity.
        backdrop: of the view.
        front: the crew that may stand before it.
        patient: who it is; None for a picture on a screen.
    """
    x1, y1, x2, y2 = still.full
    free = front.triangle[y1:y2, x1:x2] < 0
    seen, head = still.seen & free, still.seen_head & free
    ss = backdrop.ss
    box: Floats = np.zeros(4, np.float32)
    if seen.any():
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        corners = [x1 + columns[0], y1 + rows[0], x1 + columns[-1] + 1, y1 + rows[-1] + 1]
        box = (np.array(corners) / ss).astype(np.float32)
    row = Row(
        person=person,
        role="screen" if patient is None else "patient",
        kind=PICTURE if patient is None else PERSON,
        boxes=(np.array(still.full) / ss).astype(np.float32),
        amodal=still.amodal,
        visible_boxes=box,
        visible=float(seen.sum()) / still.area,
        area=float(seen.sum()) / ss**2,
        head_polygons=still.head_polygon,
        head_visible=float(head.sum()) / max(still.head_area, 1),
        head_area=still.head_area / ss**2,
        keypoints=no_keypoints() if patient is None else _patient_marks(still, backdrop, front, patient),
        depth=still.depth,
        position=np.full(3, np.nan, np.float32) if patient is None else patient.skeleton.of("pelvis")[0],
    )
    return row, seen


def _patient_marks(still: StillPerson, backdrop: Backdrop, front: Buffers, patient: Patient) -> Floats:
    """Key points (133, 3); those of the body lie under the drapes and are hidden."""

    def seen(x: NDArray[np.int64], y: NDArray[np.int64], limit: Array) -> Mask:
        mine = np.isin(backdrop.solid[y, x], still.group.head) & (front.triangle[y, x] < 0)
        near: Mask = 1 / np.maximum(backdrop.depth[y, x], 1e-6) > limit
        return mine & near

    pixels, depth = backdrop.camera.project(keypoints(patient.skeleton, np.array([patient.height]))[0])
    marks = mark(pixels, depth, backdrop, seen)
    if patient.mask:
        marks[UNDER_MASK, 2] = np.minimum(marks[UNDER_MASK, 2], 1)
    return marks
