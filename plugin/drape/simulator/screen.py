"""Wall screens. Some show a picture of a person, as a video call or another room's camera would."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from drape.simulator.arrays import Floats, Mask
from drape.simulator.buffers import Buffers, Surface, projected
from drape.simulator.camera import look_at
from drape.simulator.clothing import Wardrobe, dress
from drape.simulator.equipment import DARK
from drape.simulator.families import Look
from drape.simulator.figure import Figures
from drape.simulator.gait import Manners, standing
from drape.simulator.mesh import Mesh, Solid, grid_faces
from drape.simulator.plan import Opening, Plan
from drape.simulator.shading import Lights
from drape.simulator.shell import pane_plane
from drape.simulator.skeleton import solve

COLUMNS, ROWS = 96, 58
STUDIO = Lights(
    np.array([[2, 1, 2.6]], np.float32),
    np.full((1, 3), 1.8, np.float32),
    np.full(3, 0.7, np.float32),
    np.full(3, 0.4, np.float32),
)
"""The light in which the people on screens are."""
SHOWN = 0.45
"""Share of the screens that show a person."""


def build_screens(plan: Plan, look: Look, cloth: Wardrobe, rng: np.random.Generator) -> tuple[list[Solid], list[str]]:
    """Solids of all wall screens, and the names of those that are pictures of people."""
    solids, pictures = [], []
    for i, screen in enumerate(plan.screens):
        picture, person = (
            _portrait(look, cloth, rng) if rng.random() < SHOWN else (_graphs(rng), np.zeros((ROWS, COLUMNS), bool))
        )
        solids += _screen(plan, screen, f"screen{i}", picture, person)
        if person.any():
            pictures.append(f"screen{i}_person")
    return solids, pictures


def _screen(plan: Plan, screen: Opening, name: str, picture: Floats, person: Mask) -> list[Solid]:
    """A casing, and the picture as a grid of colours; the cells that show a person are a solid of their own."""
    corner, along, up, normal = pane_plane(plan, screen)
    casing = Mesh(f"{name}_casing")
    casing.box(
        corner + along / 2 + up / 2,
        (0.05, screen.width + 0.08, float(np.linalg.norm(up)) + 0.08),
        DARK,
        yaw=float(np.arctan2(normal[1], normal[0])),
    )
    front = corner + normal * 0.03
    s, t = np.meshgrid(np.linspace(0, 1, COLUMNS), np.linspace(1, 0, ROWS))
    points = (front + s[..., None] * along + t[..., None] * up).reshape(-1, 3)
    faces = grid_faces(ROWS, COLUMNS)
    inside = person.reshape(-1)[faces[:, 0]]
    colours = picture.reshape(-1, 3).astype(np.float32)
    normals = np.broadcast_to(normal, points.shape)
    parts = [casing.solid()]
    for part, chosen in ((name, ~inside), (f"{name}_person", inside)):
        if chosen.any():
            parts.append(Solid(part, points, faces[chosen].astype(np.int32), normals, colours))
    return parts


def _graphs(rng: np.random.Generator) -> Floats:
    """A screen with a plain picture: curves of a monitor, or an X-ray-like cloud."""
    picture = np.zeros((ROWS, COLUMNS, 3), np.float32)
    if rng.random() < 0.5:
        for k in range(4):
            x = np.arange(COLUMNS)
            y = (8 + 13 * k + 4 * np.sin(x * rng.uniform(0.2, 0.9)) + rng.normal(0, 0.6, COLUMNS)).astype(int)
            picture[np.clip(y, 0, ROWS - 1), x] = rng.uniform(0.3, 1.1, 3)
        return picture + np.float32(0.05)
    cloud = cv2.GaussianBlur(rng.standard_normal((ROWS, COLUMNS)).astype(np.float32), (0, 0), 7)
    cloud = (cloud - cloud.min()) / (np.ptp(cloud) + 1e-6)
    return np.repeat(cloud[..., None], 3, axis=2) * np.array(rng.uniform(0.5, 1.1, 3), np.float32)


def _portrait(look: Look, cloth: Wardrobe, rng: np.random.Generator) -> tuple[Floats, Mask]:
    """A picture (ROWS, COLUMNS, 3) of one person's upper body, and where the person is in it."""
    figure = Figures(dress(["screen"], look, cloth, rng), rng)
    state = replace(standing(1), yaw=rng.uniform(-0.4, 0.4, 1), work=rng.uniform(0, 0.5, 1))
    skeleton = solve(Manners(figure.height, rng).posture(state, 0.0), figure.height, figure.girth)
    vertices, normals = figure.mesh(skeleton, state.sit)
    top = 0.86 * figure.height[0]
    eye = np.array([rng.uniform(1.5, 2.2), rng.uniform(-0.3, 0.3), top])
    camera = look_at(eye, np.array([0.0, rng.uniform(-0.15, 0.15), top - 0.18]), 48, (COLUMNS, ROWS))
    buffers = Buffers(ROWS, COLUMNS)
    points, directions = (values[0].astype(np.float32) for values in (vertices, normals))
    buffers.draw(*projected(camera, vertices[0], 1), figure.faces, np.zeros(len(figure.faces), np.uint32))
    fade = np.linspace(0.5, 0.9, ROWS, dtype=np.float32)[:, None, None]
    backdrop = fade * rng.uniform(0.5, 1.0, 3).astype(np.float32)
    picture = np.ascontiguousarray(np.broadcast_to(backdrop, (ROWS, COLUMNS, 3)))
    buffers.light(Surface(figure.faces, points, directions, figure.colours[0]), eye, STUDIO, 0.05, picture)
    return picture, buffers.triangle >= 0
