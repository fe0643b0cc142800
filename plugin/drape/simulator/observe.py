"""From what was drawn and counted to the rows of the truth."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.simulator.backdrop import Backdrop, StillPerson
from drape.simulator.canvas import Buffers, Canvas, Counted, Mirror
from drape.simulator.figure import Figures
from drape.simulator.keypoints import LABELLED, TOLERANCE, UNDER_MASK, keypoints
from drape.simulator.skeleton import Skeleton
from drape.simulator.truth import KINDS, Row, no_keypoints

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
PERSON, REFLECTION, PICTURE = range(len(KINDS))

Seen = Callable[[NDArray[np.int64], NDArray[np.int64], Array], NDArray[np.bool_]]
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
    ) -> list[tuple[int, Row]]:
        """(person, row) of everybody of whom a part is in the picture, seen or hidden.

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
            found.append((int(p), self._row(int(p), counted, marks, distance[p], position[p], backdrop.ss, mirror)))
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
        def seen(x: NDArray[np.int64], y: NDArray[np.int64], limit: Array) -> NDArray[np.bool_]:
            triangle = buffers.triangle[y, x]
            mine = (triangle >= 0) & (self._canvas.owner[np.maximum(triangle, 0)] == p)
            near: NDArray[np.bool_] = 1 / np.maximum(buffers.depth[y, x], 1e-6) > limit
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
    marks = np.zeros((len(pixels), 3), np.float32)
    marks[inside, :2] = pixels[inside]
    marks[:, 2] = np.where(inside, 1 + seen(x, y, limit), 0)
    return marks


def still_row(
    still: StillPerson,
    person: int,
    backdrop: Backdrop,
    front: Buffers,
    solids: list[int],
    skeleton: Skeleton | None,
    height: float,
) -> tuple[Row, NDArray[np.bool_]]:
    """The row of a person, or a picture of one, that does not move, and where it is seen (h, w) from its corner on."""
    x1, y1, x2, y2 = still.full
    free = front.triangle[y1:y2, x1:x2] < 0
    seen, head = still.seen & free, still.seen_head & free
    ss = backdrop.ss
    box = np.zeros(4, np.float32)
    if seen.any():
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        box = np.array([x1 + columns[0], y1 + rows[0], x1 + columns[-1] + 1, y1 + rows[-1] + 1], np.float32) / ss
    marks, position = no_keypoints(), np.full(3, np.nan, np.float32)
    if skeleton is not None:
        points = keypoints(skeleton, np.array([height]))[0]
        pixels, depth = backdrop.camera.project(points)

        def shown(x: NDArray[np.int64], y: NDArray[np.int64], limit: Array) -> NDArray[np.bool_]:
            mine = np.isin(backdrop.solid[y, x], solids) & (front.triangle[y, x] < 0)
            near: NDArray[np.bool_] = 1 / np.maximum(backdrop.depth[y, x], 1e-6) > limit
            return mine & near

        marks = mark(pixels, depth, backdrop, shown)
        marks[5:23, 2] = np.minimum(marks[5:23, 2], 1)
        marks[91:, 2] = np.minimum(marks[91:, 2], 1)
        position = skeleton.of("pelvis")[0].astype(np.float32)
    row = Row(
        person=person,
        role="patient" if skeleton is not None else "screen",
        kind=PERSON if skeleton is not None else PICTURE,
        boxes=np.array(still.full, np.float32) / ss,
        amodal=still.amodal,
        visible_boxes=box,
        visible=float(seen.sum()) / still.area,
        area=float(seen.sum()) / ss**2,
        head_polygons=still.head_polygon,
        head_visible=float(head.sum()) / max(still.head_area, 1),
        head_area=still.head_area / ss**2,
        keypoints=marks,
        depth=still.depth,
        position=position,
    )
    return row, seen
