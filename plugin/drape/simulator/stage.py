"""A site with a crew in it, seen by its cameras: poses go in, pictures and truths come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Array, Floats
from drape.simulator.backdrop import Backdrop, Furnishing, draw_backdrop
from drape.simulator.camera import Camera
from drape.simulator.canvas import Bodies, Canvas, Mirror
from drape.simulator.clothing import Person
from drape.simulator.figure import Figures
from drape.simulator.gait import Manners, State
from drape.simulator.keypoints import keypoints
from drape.simulator.observe import Observer, still_row
from drape.simulator.seeds import generator
from drape.simulator.shell import pane_plane
from drape.simulator.site import Site
from drape.simulator.skeleton import Skeleton, solve
from drape.simulator.still import StillGroup
from drape.simulator.truth import FrameTruth, Row, join

PATIENT = "patient"
SMALLEST_PANE = 150
"""Panes that cover fewer pixels of a view show no reflections."""


@dataclass(frozen=True)
class Cast:
    """The crew at a moment."""

    skeleton: Skeleton
    bodies: Bodies
    points: Array


class Stage:
    """Draws a crew in a site.

    Args:
        site: where.
        people: who.
        seed: of their folds and manners.
        size: width and height of the pictures.
        ss: samples per pixel and axis.
    """

    def __init__(self, site: Site, people: list[Person], seed: int, size: tuple[int, int], ss: int) -> None:
        self.site, self.size, self.ss = site, size, ss
        self.figures = Figures(people, generator(seed, "figures"))
        self._manners = Manners(self.figures.height, generator(seed, "manners"))
        self._canvas = Canvas(self.figures, size, ss)
        self._observer = Observer(self.figures, self._canvas)
        self._furnishing = Furnishing.of(site.room.solids)
        self._still = still_groups(site)
        self._mirrors = mirrors(site)

    def backdrop(self, camera: Camera) -> Backdrop:
        """The empty room seen by a camera."""
        lights, size = self.site.room.lights, self.site.plan.size
        return draw_backdrop(camera, self._furnishing, lights, size, self.ss, self._still)

    def cast(self, state: State, time: float) -> Cast:
        """The crew's bodies in a state at ``time`` seconds."""
        skeleton = solve(self._manners.posture(state, time), self.figures.height, self.figures.girth)
        vertices, normals = self.figures.mesh(skeleton, state.sit)
        points, directions = (values.reshape(-1, 3).astype(np.float32) for values in (vertices, normals))
        return Cast(skeleton, Bodies(points, directions, state.present), keypoints(skeleton, self.figures.height))

    def picture(self, backdrop: Backdrop, cast: Cast, **frame: Any) -> tuple[Floats, FrameTruth]:
        """One view of the crew.

        Args:
            backdrop: of the view's camera.
            cast: the crew.
            frame: what else the truth says; see ``FrameTruth``.

        Returns:
            The picture (H, W, 3) float32 BGR, valid until the next call, and the truth.
        """
        truth = self._draw(backdrop, cast, True, frame)
        return self._canvas.picture, truth

    def truth(self, backdrop: Backdrop, cast: Cast, **frame: Any) -> FrameTruth:
        """The truth alone, which is faster."""
        return self._draw(backdrop, cast, False, frame)

    def _draw(self, backdrop: Backdrop, cast: Cast, paint: bool, frame: dict[str, Any]) -> FrameTruth:
        lights = self.site.room.lights
        counted = self._canvas.draw(backdrop, cast.bodies)
        if paint:
            self._canvas.paint(backdrop, cast.bodies, lights)
        found = self._observer.rows(backdrop, counted, cast.skeleton, cast.points)
        rows = [row for row in found if row.area > 0 or self._indoors(row)]
        instances = np.zeros(self.size[::-1], np.uint8)
        self._canvas.label(self._canvas.front, self._numbers(rows, 0), instances)
        for mirror in self._mirrors:
            if backdrop.areas[mirror.solid] < SMALLEST_PANE * self.ss**2:
                continue
            glass = self._canvas.draw_mirrored(backdrop, cast.bodies, mirror)
            if glass is None:
                continue
            if paint:
                self._canvas.paint_mirrored(backdrop, cast.bodies, lights, mirror)
            copies = self._observer.rows(backdrop, glass, cast.skeleton, cast.points, mirror)
            self._canvas.label(self._canvas.glass, self._numbers(copies, len(rows)), instances)
            rows += copies
        self._add_still(backdrop, rows, instances)
        return join(rows, instances, camera=backdrop.camera, **frame)

    def _indoors(self, row: Row) -> bool:
        """People in the corridor who are not seen are out of the room."""
        return bool(np.all(np.abs(row.position[:2]) < np.array(self.site.plan.size[:2]) / 2))

    def _numbers(self, rows: list[Row], first: int) -> NDArray[np.uint8]:
        """1 + row of each person, (P,); 0 for those without a row."""
        numbers = np.zeros(len(self.figures.people), np.uint8)
        for i, row in enumerate(rows):
            numbers[row.person] = first + i + 1
        return numbers

    def _add_still(self, backdrop: Backdrop, rows: list[Row], instances: NDArray[np.uint8]) -> None:
        """The patient and the pictures on screens; writes into ``rows`` and ``instances``."""
        ss, half = self.ss, self.ss // 2
        for still in backdrop.people:
            person = len(self.figures.people) + self._still.index(still.group)
            patient = self.site.room.patient if still.group.name == PATIENT else None
            row, seen = still_row(still, person, backdrop, self._canvas.front, patient)
            rows.append(row)
            x, y = still.full[:2]
            shown = seen[(half - y) % ss :: ss, (half - x) % ss :: ss]
            top, left = -((half - y) // ss), -((half - x) // ss)
            instances[top : top + shown.shape[0], left : left + shown.shape[1]][shown] = len(rows)


def still_groups(site: Site) -> list[StillGroup]:
    """The patient, if there is one, and the pictures of people on screens; their identities follow the crew's."""
    number = {solid.name: i for i, solid in enumerate(site.room.solids)}
    groups = []
    if site.room.patient is not None:
        head = number["patient_head"]
        groups.append(StillGroup(PATIENT, (head, number["patient"]), (head,)))
    return groups + [StillGroup(name, (number[name],)) for name in site.room.pictures]


def mirrors(site: Site) -> list[Mirror]:
    """The panes of a site; how much each reflects depends on the light behind it."""
    number = {solid.name: i for i, solid in enumerate(site.room.solids)}
    rng = generator(site.seed, "glass")
    found = []
    for i, pane in enumerate(site.plan.panes):
        corner, _, _, normal = pane_plane(site.plan, pane)
        found.append(Mirror(number[f"pane{i}"], corner, normal, float(rng.uniform(0.3, 0.6))))
    return found
