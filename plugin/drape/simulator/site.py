"""A site: one operating room of a family, with its cameras, light, colours and clothes, all from one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.camera import Camera, look_at
from drape.simulator.clothing import Wardrobe, wardrobe
from drape.simulator.families import LOOKS, Family, Look
from drape.simulator.floor import Floor
from drape.simulator.plan import Plan, Post, draw_plan
from drape.simulator.room import Room, furnish
from drape.simulator.seeds import generator
from drape.simulator.sensor import Sensor

MOST_VIEWS = 12
_STEP = np.radians(137.5)
"""Between the directions of one camera and the next, as seen from the middle: any number of them is spread well."""


@dataclass(frozen=True)
class Site:
    """A site; see the modules of its parts."""

    family: Family
    seed: int
    look: Look
    plan: Plan
    cloth: Wardrobe
    room: Room
    floor: Floor

    def posts(self) -> list[Post]:
        """Places of work where there is room to stand."""
        return [post for post in self.plan.posts if self.floor.clearance(np.array([post.x, post.y])) > 0.1]

    def camera(self, number: int, size: tuple[int, int]) -> Camera:
        """Camera ``number`` (from 0) of the site, for pictures of ``size`` (width, height)."""
        rng = generator(self.seed, "camera", number)
        first = generator(self.seed, "cameras").uniform(0, 2 * np.pi)
        distance, height = rng.uniform(*self.look.camera_distance), rng.uniform(*self.look.camera_height)
        eye = self._eye(first + number * _STEP + rng.normal(0, 0.1), distance, height)
        aim = np.array([*(np.array(self.plan.table[:2]) + rng.normal(0, 0.3, 2)), rng.uniform(*self.look.aim_height)])
        return look_at(
            eye,
            aim,
            rng.uniform(*self.look.field_of_view),
            size,
            k1=rng.uniform(*self.look.distortion),
            k2=rng.uniform(0, 0.01),
            roll=rng.normal(0, 1.2),
        )

    def _eye(self, direction: float, distance: float, height: float) -> Array:
        """A place on the way to the wall, not right behind something tall."""
        half = np.array(self.plan.size[:2]) / 2
        for _ in range(12):
            ahead = np.array([np.cos(direction), np.sin(direction)])
            place = ahead * distance * np.min(half / np.maximum(np.abs(ahead), 1e-6))
            tall = [item for item in self.plan.items if item.height > 1.5]
            if all(np.hypot(place[0] - item.x, place[1] - item.y) > 0.95 for item in tall):
                break
            direction += 0.3
        return np.array([*place, height * self.plan.size[2]])

    def sensor(self, number: int, size: tuple[int, int]) -> Sensor:
        """The sensor of camera ``number``."""
        return Sensor(self.look, size, self.seed, number)


def build_site(family: Family, seed: int) -> Site:
    """The site of a family and a number."""
    look = LOOKS[family]
    plan, cloth = draw_plan(seed), wardrobe(seed, look)
    return Site(family, seed, look, plan, cloth, furnish(plan, look, cloth, seed), Floor(plan.size, plan.items))
