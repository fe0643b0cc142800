"""The building: floor, ceiling, walls with doorways, the corridor behind them, glass panes, and lamps."""

from __future__ import annotations

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.equipment import DARK, STEEL, Palette
from drape.simulator.mesh import Mesh, Solid, colour
from drape.simulator.plan import CORRIDOR_DEPTH, CORRIDOR_REACH, Opening, Plan

UP = np.array([0.0, 0.0, 1.0])


def build_shell(plan: Plan, palette: Palette, rng: np.random.Generator) -> list[Solid]:
    """Everything that is fixed to the building."""
    x, y, z = plan.size
    mesh = Mesh("shell")
    mesh.quad((-x / 2, -y / 2, 0), (x, 0, 0), (0, y, 0), palette.floor, 0.02, rng, 0.12)
    mesh.quad((-x / 2, y / 2, z), (x, 0, 0), (0, -y, 0), palette.ceiling, 0.01, rng, 0.3)
    for i in range(int(plan.size[0] // 1.4)):
        for side in (-0.28, 0.28):
            centre = (-x / 2 + 0.9 + 1.4 * i, side * y, z - 0.005)
            mesh.box(centre, (0.55, 0.55, 0.008), 1.35 * colour("fffff6"))
    for wall in range(4):
        _wall(mesh, plan, wall, palette, rng)
    solids = [mesh.solid()]
    for door in plan.doors:
        solids.append(_corridor(plan, door, palette, rng))
    for i, pane in enumerate(plan.panes):
        solids.append(_frame(plan, pane))
        solids.append(pane_mesh(plan, pane, f"pane{i}"))
    return solids


def _wall(mesh: Mesh, plan: Plan, wall: int, palette: Palette, rng: np.random.Generator) -> None:
    foot, tangent, inward = plan.wall_frame(wall)
    half, ceiling = plan.size[(wall + 1) % 2] / 2, plan.size[2]
    start = -half
    pieces = []
    for door in sorted((door for door in plan.doors if door.wall == wall), key=lambda door: door.along):
        pieces.append((start, door.along - door.width / 2, 0.0))
        pieces.append((door.along - door.width / 2, door.along + door.width / 2, door.top))
        start = door.along + door.width / 2
    pieces.append((start, half, 0.0))
    for a, b, bottom in pieces:
        corner = foot + tangent * a + UP * bottom
        mesh.quad(corner, tangent * (b - a), UP * (ceiling - bottom), palette.wall, 0.012, rng, 0.22)
        if bottom == 0:
            for low, tall, tint in ((0.0, 0.12, 0.75 * palette.rail), (0.95, 0.10, palette.rail)):
                mesh.quad(corner + inward * 0.01 + UP * low, tangent * (b - a), UP * tall, tint)


def _corridor(plan: Plan, door: Opening, palette: Palette, rng: np.random.Generator) -> Solid:
    """The doorway's frame, and a corridor along the wall's other side."""
    foot, tangent, inward = plan.wall_frame(door.wall)
    middle = foot + tangent * door.along
    mesh = Mesh("corridor")
    for sign in (-1, 1):
        jamb = middle + tangent * sign * (door.width / 2 + 0.03) + UP * door.top / 2
        mesh.box(jamb, (0.14, 0.06, door.top), STEEL, yaw=float(np.arctan2(inward[1], inward[0])))
    mesh.quad(middle + tangent * door.width * 0.5 + inward * 0.03 + UP * 0.05, tangent * 0.75, UP * 2.0, palette.door)
    corner = middle - tangent * CORRIDOR_REACH - inward * CORRIDOR_DEPTH
    wide = tangent * 2 * CORRIDOR_REACH
    mesh.quad(corner - UP * 0.002, wide, inward * CORRIDOR_DEPTH, 0.9 * palette.floor, 0.02, rng, 0.2)
    mesh.quad(corner, wide, UP * 2.6, 0.95 * palette.wall, 0.01, rng, 0.25)
    mesh.quad(corner + inward * 0.01 + UP * 0.9, wide, UP * 0.1, palette.rail)
    mesh.quad(corner + UP * 2.6 + wide, -wide, inward * CORRIDOR_DEPTH, palette.ceiling, edge=0.4)
    return mesh.solid()


def _frame(plan: Plan, pane: Opening) -> Solid:
    foot, tangent, inward = plan.wall_frame(pane.wall)
    yaw = float(np.arctan2(inward[1], inward[0]))
    mesh = Mesh("frame")
    middle = foot + tangent * pane.along
    tall = pane.top - pane.bottom
    for sign in (-1, 1):
        upright = middle + tangent * sign * pane.width / 2 + UP * (pane.bottom + tall / 2)
        mesh.box(upright, (0.08, 0.05, tall + 0.05), STEEL, yaw)
        level = middle + UP * (pane.bottom + tall / 2 + sign * tall / 2)
        mesh.box(level, (0.08, pane.width + 0.05, 0.05), STEEL, yaw)
    return mesh.solid()


def pane_mesh(plan: Plan, pane: Opening, name: str, tint: Array | None = None) -> Solid:
    """A pane as a sheet 2 cm before its wall."""
    corner, along, up, _ = pane_plane(plan, pane)
    shade = colour("1b2428") if tint is None else tint
    return Mesh(name).quad(corner, along, up, shade, edge=0.1).solid()


def pane_plane(plan: Plan, pane: Opening) -> tuple[Array, Array, Array, Array]:
    """Corner, the sides along the wall and upwards, and the normal into the room, (3,) each, of a pane."""
    foot, tangent, inward = plan.wall_frame(pane.wall)
    corner = foot + tangent * (pane.along - pane.width / 2) + UP * pane.bottom + inward * 0.02
    return corner, tangent * pane.width, UP * (pane.top - pane.bottom), inward


def lamps(plan: Plan, rng: np.random.Generator) -> tuple[Mesh, Array]:
    """Lamps on arms over the table and a pendant with a monitor, in the table's frame; and the lamps' places (L, 3)."""
    mesh = Mesh("lamps")
    ceiling = plan.size[2]
    root = np.array([0.2, 0.0, ceiling])
    places = []
    for cx, cy, cz in ((-0.15, -0.30, 2.14), (0.70, 0.50, 2.24))[: 1 + int(rng.random() < 0.8)]:
        p = np.array([cx, cy * plan.side, cz]) + np.append(rng.normal(0, 0.12, 2), rng.normal(0, 0.03))
        wide = rng.uniform(0.26, 0.36)
        mesh.tube([p, p + UP * 0.06, p + UP * 0.16], [wide, wide, 0.6 * wide], colour("e6e8e8"), 24)
        mesh.tube([p - UP * 0.012, p], 0.88 * wide, 1.6 * colour("fffff4"), 24)
        bend = p + np.array([0.35, 0.1, 0.45])
        mesh.tube([p + UP * 0.15, p + UP * 0.4, bend, root - UP * 0.25], 0.03, colour("cfd3d4"))
        places.append(p)
    mesh.tube([root - UP * 0.4, root], 0.06, colour("cfd3d4"))
    if rng.random() < 0.7:
        x, y = -1.2 + rng.normal(0, 0.1), 0.75 * plan.side
        mesh.tube([(x, y, ceiling), (x, y, 2.3)], 0.04, colour("cfd3d4"))
        mesh.box((x, y, 2.15), (0.06, 0.54, 0.34), DARK).box(
            (x + 0.035, y, 2.15), (0.012, 0.48, 0.28), colour("4a88b5")
        )
    return mesh, np.array(places)
