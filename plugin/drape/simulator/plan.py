"""The ground plan of a site: its size, where things stand, doors, glass, and where people work."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.mesh import turn
from drape.simulator.seeds import generator

DOOR_WIDTH, DOOR_HEIGHT = 1.4, 2.1
CORRIDOR_DEPTH, CORRIDOR_REACH = 1.8, 3.2
"""Behind a door: how deep the corridor is, and how far it goes to both sides, in metres."""


@dataclass(frozen=True)
class Item:
    """A thing on the floor: centre, turn, half sizes and height in metres."""

    kind: str
    x: float
    y: float
    yaw: float
    half: tuple[float, float]
    height: float


@dataclass(frozen=True)
class Opening:
    """A door or a pane in wall ``wall``: 0 at +x, 1 at +y, 2 at -x, 3 at -y; ``along`` is its centre on the wall."""

    wall: int
    along: float
    width: float
    bottom: float
    top: float


@dataclass(frozen=True)
class Post:
    """A place of work: where a person stands and what it faces; ``seat`` if it is a stool."""

    role: str
    x: float
    y: float
    face: tuple[float, float]
    seat: bool = False


@dataclass
class Plan:
    """A room of ``size`` (x, y, z) metres around the origin; ``table`` is x, y, yaw of the operating table."""

    size: tuple[float, float, float]
    table: tuple[float, float, float]
    items: list[Item] = field(default_factory=list)
    doors: list[Opening] = field(default_factory=list)
    panes: list[Opening] = field(default_factory=list)
    screens: list[Opening] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    c_arm: bool = False
    drape_screen: bool = True
    side: float = 1.0

    def from_table(self, x: float, y: float) -> tuple[float, float]:
        """A place given in the table's frame (head at -x), in the room's."""
        p = turn(self.table[2])[:2, :2] @ [x, y]
        return float(p[0] + self.table[0]), float(p[1] + self.table[1])

    def wall_frame(self, wall: int) -> tuple[Array, Array, Array]:
        """Of a wall: the middle of its foot, the direction along it, and the direction into the room, (3,) each."""
        inward = -turn(wall * np.pi / 2)[:, 0]
        distance = self.size[wall % 2] / 2
        return -inward * distance, np.cross([0.0, 0, 1], inward), inward


WALL_ITEMS: dict[str, tuple[tuple[float, float], float]] = {
    "cabinet": ((0.8, 0.2), 2.0),
    "shelf": ((0.5, 0.2), 1.8),
    "cart": ((0.35, 0.27), 1.1),
    "trolley": ((0.33, 0.28), 1.25),
    "desk": ((0.6, 0.3), 1.3),
    "bin": ((0.25, 0.25), 0.9),
    "hamper": ((0.26, 0.26), 0.85),
    "tower": ((0.3, 0.3), 1.75),
    "drip": ((0.25, 0.25), 2.0),
}


def draw_plan(site_seed: int) -> Plan:
    """The plan of a site."""
    rng = generator(site_seed, "plan")
    size = (float(rng.uniform(6.2, 7.8)), float(rng.uniform(5.6, 6.8)), float(rng.uniform(2.8, 3.25)))
    yaw = float(rng.integers(4) * np.pi / 2 + rng.normal(0, 0.08))
    plan = Plan(size, (float(rng.normal(0, 0.2)), float(rng.normal(0, 0.2)), yaw))
    plan.side = float(rng.choice([-1.0, 1.0]))
    plan.c_arm = bool(rng.random() < 0.55)
    plan.drape_screen = bool(rng.random() < 0.7)
    _place_openings(plan, rng)
    _place_at_table(plan, rng)
    _place_at_walls(plan, rng)
    _place_posts(plan, rng)
    return plan


def _place_openings(plan: Plan, rng: np.random.Generator) -> None:
    walls = [int(wall) for wall in rng.permutation(4)]

    def along(wall: int, width: float) -> float:
        room = plan.size[(wall + 1) % 2] / 2 - width / 2 - 0.5
        return float(rng.uniform(-room, room))

    for wall in walls[: int(rng.integers(1, 3))]:
        plan.doors.append(Opening(wall, along(wall, DOOR_WIDTH), DOOR_WIDTH, 0.0, DOOR_HEIGHT))
    free = walls[len(plan.doors) :]
    for wall in free[: int(rng.integers(0, 3) > 0)]:
        width = float(rng.uniform(1.4, 2.4))
        plan.panes.append(Opening(wall, along(wall, width), width, 0.75 + 0.3 * rng.random(), 2.05))
    for wall in free[-1 - int(rng.integers(0, 2)) :]:
        width = float(rng.uniform(0.8, 1.3))
        screen = Opening(wall, along(wall, width), width, 1.4, 1.4 + 0.6 * width)
        if all(not _overlap(screen, pane) for pane in plan.panes):
            plan.screens.append(screen)


def _overlap(a: Opening, b: Opening) -> bool:
    return a.wall == b.wall and abs(a.along - b.along) < (a.width + b.width) / 2 + 0.2


def _place_at_table(plan: Plan, rng: np.random.Generator) -> None:
    side = plan.side

    def put(kind: str, x: float, y: float, half: tuple[float, float], height: float, turned: float = 0.0) -> None:
        _fit(plan, kind, *plan.from_table(x, y), plan.table[2] + turned, half, height)

    put("table", 0.0, 0.0, (1.0, 0.4), 1.0)
    if plan.c_arm:
        put("c_arm", 0.55, 1.50 * side, (0.35, 0.6), 1.15, 0.0 if side > 0 else np.pi)
    put(
        "anaesthesia",
        -2.0 + rng.normal(0, 0.1),
        -0.85 * side + rng.normal(0, 0.1),
        (0.36, 0.32),
        1.7,
        rng.normal(0, 0.2),
    )
    put("instruments", -0.55 + rng.normal(0, 0.15), 1.75 * side, (0.47, 0.28), 0.95, rng.normal(0, 0.1))
    if rng.random() < 0.6:
        put("instruments", 1.75, -0.3 * side + rng.normal(0, 0.3), (0.47, 0.28), 0.95, np.pi / 2 + rng.normal(0, 0.1))
    if rng.random() < 0.5:
        put("tower", 1.6, -1.6 * side, (0.3, 0.3), 1.75, rng.uniform(0, 6.3))


def _place_at_walls(plan: Plan, rng: np.random.Generator) -> None:
    kinds = list(WALL_ITEMS)
    for _ in range(int(rng.integers(6, 12))):
        kind = kinds[int(rng.integers(len(kinds)))]
        half, height = WALL_ITEMS[kind]
        wall = int(rng.integers(4))
        foot, tangent, inward = plan.wall_frame(wall)
        reach = plan.size[(wall + 1) % 2] / 2 - half[0] - 0.1
        place = foot + tangent * rng.uniform(-reach, reach) + inward * (half[1] + 0.04 + 0.1 * rng.random())
        along = float(place @ tangent)
        blocked = any(
            o.wall == wall and abs(o.along - along) < o.width / 2 + half[0] + 0.15
            for o in [*plan.doors, *(pane for pane in plan.panes if height > pane.bottom), *plan.screens]
        )
        if not blocked:
            yaw = float(np.arctan2(inward[1], inward[0]) + np.pi / 2 + rng.normal(0, 0.03))
            _fit(plan, kind, float(place[0]), float(place[1]), yaw, half, height, clear=0.02)


def _fit(
    plan: Plan,
    kind: str,
    x: float,
    y: float,
    yaw: float,
    half: tuple[float, float],
    height: float,
    clear: float = 0.12,
) -> None:
    """Place a thing unless it would stand in a wall, in a doorway, or in something else."""
    item = Item(kind, x, y, yaw, half, height)
    corners = corners_of(item, 0.0)
    inside = np.all(np.abs(corners) < np.array(plan.size[:2]) / 2 - 0.02)
    if not inside or any(_distance_to_door(plan, door, corners) < 0.9 for door in plan.doors):
        return
    radius = float(np.hypot(*half))
    for other in plan.items:
        if np.hypot(x - other.x, y - other.y) < radius + np.hypot(*other.half) and _collide(item, other, clear):
            return
    plan.items.append(item)


def corners_of(item: Item, margin: float) -> Array:
    """Corners (4, 2) of an item's footprint, grown by ``margin``."""
    a, b = item.half[0] + margin, item.half[1] + margin
    local = np.array([[a, b], [-a, b], [-a, -b], [a, -b]])
    corners: Array = local @ turn(item.yaw)[:2, :2].T + [item.x, item.y]
    return corners


def _collide(a: Item, b: Item, clear: float) -> bool:
    """Whether two footprints overlap: no side of either separates them."""
    first, second = corners_of(a, clear), corners_of(b, 0.0)
    for yaw in (a.yaw, b.yaw):
        axes = turn(yaw)[:2, :2]
        p, q = first @ axes, second @ axes
        if np.any((p.max(0) < q.min(0)) | (q.max(0) < p.min(0))):
            return False
    return True


def _distance_to_door(plan: Plan, door: Opening, points: Array) -> float:
    foot, tangent, inward = plan.wall_frame(door.wall)
    middle = (foot + tangent * door.along + inward * 0.3)[:2]
    return float(np.linalg.norm(points - middle, axis=1).min())


def _place_posts(plan: Plan, rng: np.random.Generator) -> None:
    """Where the crew works around the table, in the order in which it is filled."""
    side = plan.side

    def post(role: str, x: float, y: float, face: tuple[float, float], seat: bool = False) -> None:
        x, y = x + rng.normal(0, 0.06), y + rng.normal(0, 0.03)
        plan.posts.append(Post(role, *plan.from_table(x, y), plan.from_table(*face), seat))

    post("surgeon", -0.05, -0.60 * side, (0.0, 0.1 * side))
    post("assistant", 0.12, 0.63 * side, (0.1, -0.1 * side))
    post("anaesthetist", -1.4, 0.12 * side, (-0.6, 0.0), seat=bool(rng.random() < 0.4))
    post(
        "scrub_nurse",
        -0.45 + rng.normal(0, 0.2),
        1.20 * side,
        (-0.5, 1.75 * side) if rng.random() < 0.5 else (0.0, 0.0),
    )
    post("assistant", 0.62, -0.62 * side, (0.4, 0.0))
    post("technician", 1.35, 0.95 * side, (0.55, 1.2 * side))
