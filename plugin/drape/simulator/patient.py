"""The patient: a person lying on the table under drapes, of whom the head shows, perhaps behind a drape screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.clothing import Wardrobe, dress
from drape.simulator.equipment import STEEL, Palette
from drape.simulator.families import Look
from drape.simulator.figure import Figures
from drape.simulator.gait import Manners, standing
from drape.simulator.mesh import Mesh, Solid, colour, turn
from drape.simulator.plan import Plan
from drape.simulator.skeleton import Skeleton, solve

LYING = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
"""Turns a standing person on the back, the head towards -x: body up is -x, body forwards is up."""
PELVIS = np.array([-0.22, 0.0, 1.0])
"""Where the pelvis lies, in the table's frame."""
_NECK_VERTICES = 5 * 18


@dataclass(frozen=True)
class Patient:
    """Head and drapes as solids, the lying skeleton, its height in metres, and whether the mouth is covered."""

    head: Solid
    drapes: Solid
    skeleton: Skeleton
    height: float
    mask: bool


def lay_patient(plan: Plan, palette: Palette, look: Look, cloth: Wardrobe, rng: np.random.Generator) -> Patient:
    """A patient on the table of a plan."""
    figure = Figures(dress(["patient"], look, cloth, rng), rng)
    skeleton = solve(Manners(figure.height, rng).posture(standing(1), 0.0), figure.height, figure.girth)
    vertices, normals = figure.mesh(skeleton, np.zeros(1))
    to_room = turn(plan.table[2])
    move = to_room @ LYING
    origin = skeleton.of("pelvis")[0]
    place = to_room @ PELVIS + [plan.table[0], plan.table[1], 0.0]
    shown = figure.is_head | (figure.faces.max(axis=1) < _NECK_VERTICES)
    head = Solid(
        "patient_head",
        (vertices[0] - origin) @ move.T + place,
        figure.faces[shown],
        normals[0] @ move.T,
        figure.colours[0],
    )
    lying = _moved(skeleton, move, origin, place)
    return Patient(head, _drapes(plan, palette, rng), lying, float(figure.height[0]), figure.people[0].mask)


def _moved(skeleton: Skeleton, rotation: Array, origin: Array, place: Array) -> Skeleton:
    directions = {
        name: getattr(skeleton, name) @ rotation.T
        for name in ("forward", "left", "spine", "chest_forward", "chest_left", "head_forward", "head_left", "head_up")
    }
    return Skeleton((skeleton.joints - origin) @ rotation.T + place, **directions)


def _drapes(plan: Plan, palette: Palette, rng: np.random.Generator) -> Solid:
    mesh = Mesh("patient")

    def body(x: Array, y: Array) -> Array:
        """A lying body under cloth that hangs down at both sides."""
        at = [-1.0, -0.75, -0.55, -0.2, 0.1, 0.35, 0.60, 0.72, 0.82, 1.0]
        profile = np.interp(x, at, [0.02, 0.13, 0.21, 0.23, 0.20, 0.15, 0.12, 0.17, 0.05, 0.02])
        wide = 1.15 * np.interp(x, [-1, -0.75, -0.5, 0.1, 0.75, 1], [0.2, 0.25, 0.27, 0.22, 0.16, 0.12])
        z = 0.925 + profile * np.sqrt(np.maximum(0, 1 - (y / wide) ** 2))
        hang = np.clip((np.abs(y) - 0.30) / 0.08, 0, 1)
        fold = 0.02 * np.sin(14 * x + 3 * np.sin(5 * x)) * hang
        draped: Array = z * (1 - hang) + hang * (0.52 + fold)
        return draped + 0.006 * np.sin(23 * x + 11 * y) + 0.005 * np.sin(37 * y - 9 * x)

    mesh.field((-0.76, 1.05, 70), (-0.40, 0.40, 60), body, palette.drape, 0.03, rng)
    mesh.box((0.0, 0, 1.15), (0.32, 0.22, 0.02), colour("d8cfc0"))
    return mesh.solid(*plan.table)


def drape_screen(plan: Plan, palette: Palette, rng: np.random.Generator) -> Solid:
    """The cloth between the anaesthetist and the operation, on two poles."""
    mesh = Mesh("drape_screen")
    t = np.linspace(-1, 1, 40)
    top = rng.uniform(1.35, 1.58)
    x = -0.74 + 0.03 * np.sin(9 * t)
    points = np.stack(np.broadcast_arrays(x[:, None], 0.75 * t[:, None], np.linspace(0.72, top, 12)[None]), axis=-1)
    mesh.sheet(points, palette.drape * 1.05, 0.02, rng)
    for y in (-0.78, 0.78):
        mesh.tube([(-0.74, y, 0.0), (-0.74, y, top + 0.03)], 0.012, STEEL)
    return mesh.solid(*plan.table)
