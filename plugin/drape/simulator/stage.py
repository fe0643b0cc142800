"""A site with a crew in it, seen by its cameras: poses go in, pictures and truths come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drape.simulator.backdrop import Backdrop, draw_backdrop
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
from drape.simulator.truth import FrameTruth, Row, join

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

SMALLEST_PANE = 150
"""Panes that cover fewer samples of a view show no reflections."""


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
        solids = site.room.solids
        self._number = {solid.name: i for i, solid in enumerate(solids)}
        self._still = {name: [name] for name in site.room.pictures}
        if site.room.patient is not None:
            self._still = {"patient": ["patient_head", "patient"]} | self._still
        rng = generator(site.seed, "glass")
        self._mirrors = []
        for i, pane in enumerate(site.plan.panes):
            corner, _, _, normal = pane_plane(site.plan, pane)
            self._mirrors.append(Mirror(self._number[f"pane{i}"], corner, normal, float(rng.uniform(0.3, 0.6))))

    def backdrop(self, camera: Camera) -> Backdrop:
        """The empty room seen by a camera."""
        room = self.site.room
        return draw_backdrop(camera, room.solids, room.lights, self.site.plan.size, self.ss, self._still)

    def cast(self, state: State, time: float) -> Cast:
        """The crew's bodies in a state at ``time`` seconds."""
        skeleton = solve(self._manners.posture(state, time), self.figures.height, self.figures.girth)
        vertices, normals = self.figures.mesh(skeleton, state.sit)
        flat = [np.ascontiguousarray(values.reshape(-1, 3), np.float32) for values in (vertices, normals)]
        return Cast(skeleton, Bodies(*flat, state.present), keypoints(skeleton, self.figures.height))

    def render(self, backdrop: Backdrop, cast: Cast, picture: bool, **frame: Any) -> tuple[Floats | None, FrameTruth]:
        """One view of the crew.

        Args:
            backdrop: of the view's camera.
            cast: the crew.
            picture: whether to paint it; the truth alone is faster.
            frame: what else the truth says; see ``FrameTruth``.

        Returns:
            The picture (H, W, 3) float32 BGR, valid until the next call, and the truth.
        """
        lights = self.site.room.lights
        counted = self._canvas.draw(backdrop, cast.bodies)
        painted = self._canvas.paint(backdrop, cast.bodies, lights) if picture else None
        found = self._observer.rows(backdrop, counted, cast.skeleton, cast.points)
        rows = [row for _, row in found if row.area > 0 or self._indoors(row)]
        instances = np.zeros(self.size[::-1], np.uint8)
        self._canvas.label(self._canvas.front, self._numbers(rows, 0), instances)
        for mirror in self._mirrors:
            if np.count_nonzero(backdrop.solid == mirror.solid) < SMALLEST_PANE * self.ss**2:
                continue
            glass = self._canvas.draw_mirrored(backdrop, cast.bodies, mirror)
            if glass is None:
                continue
            if picture:
                self._canvas.paint_mirrored(backdrop, cast.bodies, lights, mirror)
            copies = [row for _, row in self._observer.rows(backdrop, glass, cast.skeleton, cast.points, mirror)]
            self._canvas.label(self._canvas.glass, self._numbers(copies, len(rows)), instances)
            rows += copies
        self._add_still(backdrop, rows, instances)
        return painted, join(rows, instances, camera=backdrop.camera, **frame)

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
        patient = self.site.room.patient
        for still in backdrop.people:
            own = still.name == "patient"
            names = self._still[still.name]
            person = len(self.figures.people) + list(self._still).index(still.name)
            row, seen = still_row(
                still,
                person,
                backdrop,
                self._canvas.front,
                [self._number[name] for name in names],
                patient.skeleton if own and patient is not None else None,
                patient.height if own and patient is not None else 0.0,
            )
            rows.append(row)
            x, y = still.corner
            half, ss = self.ss // 2, self.ss
            shown = seen[(half - y) % ss :: ss, (half - x) % ss :: ss]
            top, left = -((half - y) // ss), -((half - x) // ss)
            instances[top : top + shown.shape[0], left : left + shown.shape[1]][shown] = len(rows)
