"""Everything of a site that does not move, as solids, with its lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.clothing import Wardrobe
from drape.simulator.equipment import BUILDERS, contrasting, draw_palette, stool
from drape.simulator.families import Look
from drape.simulator.mesh import Mesh, Solid
from drape.simulator.patient import Patient, drape_screen, lay_patient
from drape.simulator.plan import Plan
from drape.simulator.screen import build_screens
from drape.simulator.seeds import generator
from drape.simulator.shading import Lights
from drape.simulator.shell import build_shell, lamps

SEAT_TOP = 0.46


@dataclass(frozen=True)
class Room:
    """A furnished room.

    Attributes:
        solids: everything that does not move.
        lights: what lights it.
        patient: who lies on the table, or None.
        pictures: names of the solids that are pictures of people on screens.
    """

    solids: list[Solid]
    lights: Lights
    patient: Patient | None
    pictures: list[str]


def furnish(plan: Plan, look: Look, cloth: Wardrobe, site_seed: int) -> Room:
    """The room of a plan."""
    rng = generator(site_seed, "room")
    palette = draw_palette(site_seed)
    if look.contrast:
        palette = contrasting(palette, np.concatenate([cloth.scrubs, cloth.gowns]))
    solids = build_shell(plan, palette, rng)
    for item in plan.items:
        mesh = Mesh(item.kind)
        BUILDERS[item.kind](mesh, palette, rng)
        solids.append(mesh.solid(item.x, item.y, item.yaw))
    for post in plan.posts:
        if post.seat:
            solids.append(stool(post.x, post.y, SEAT_TOP, rng).solid())
    hanging, places = lamps(plan, rng)
    solids.append(hanging.solid(*plan.table))
    patient = None
    if rng.random() < 0.85:
        patient = lay_patient(plan, palette, look, cloth, rng)
        solids += [patient.drapes, patient.head]
        if plan.drape_screen:
            solids.append(drape_screen(plan, palette, rng))
    screens, pictures = build_screens(plan, look, cloth, rng)
    lamp_places = np.array([[*plan.from_table(p[0], p[1]), p[2] - 0.05] for p in places])
    return Room(solids + screens, _lights(plan, look, lamp_places, rng), patient, pictures)


def _lights(plan: Plan, look: Look, lamp_places: Array, rng: np.random.Generator) -> Lights:
    """Two rows of ceiling light, taken together as two points, and the operating lamps."""
    x, y, z = plan.size
    warmth = rng.uniform(*look.warmth)
    tint = np.array([1 - warmth, 1.0, 1 + warmth])
    ceiling = np.array([[-0.28 * x, -0.25 * y, z - 0.1], [0.28 * x, 0.25 * y, z - 0.1]])
    power = [tint * rng.uniform(1.45, 1.8) * (x * y / 42) for _ in ceiling]
    lit = [np.array([0.62, 0.62, 0.58]) * rng.uniform(0.6, 1.1) for _ in lamp_places]
    level = rng.uniform(0.95, 1.05)
    return Lights(
        np.concatenate([ceiling, lamp_places]).astype(np.float32),
        np.array(power + lit, np.float32),
        (level * 0.62 * tint).astype(np.float32),
        (level * 0.31 * tint).astype(np.float32),
    )
