"""Who does what in a recording: posts at the table, errands, handing over, sitting, leaving and coming back."""

from __future__ import annotations

import numpy as np

from drape.simulator.actor import RATE, Actor, Handover
from drape.simulator.arrays import Array
from drape.simulator.floor import Floor
from drape.simulator.mesh import turn, unit
from drape.simulator.plan import Opening, Plan, Post
from drape.simulator.seeds import generator

ERRANDS = ("place", "thing", "handover", "seat", "leave")
ERRAND_SHARES = (0.30, 0.25, 0.22, 0.08, 0.15)
AWAY = 2.75
"""How far along the corridor people go before they are gone, in metres from the door's middle."""


class Script:
    """Timelines of a crew: some at posts (``posts[i]`` is None for those without).

    Attributes:
        actors: one timeline per person.
        handovers: who hands things to whom, and when.
    """

    def __init__(self, plan: Plan, floor: Floor, posts: list[Post | None], count: int, seed: int) -> None:
        self._plan, self._floor, self._posts, self._count, self._seed = plan, floor, posts, count, seed
        self._partners = {i: post for i, post in enumerate(posts) if post is not None and not post.seat}
        self.handovers: list[Handover] = []
        self._taken: list[tuple[Post, int, int]] = []
        self.actors = [self._play(i, post) for i, post in enumerate(posts)]

    def _play(self, person: int, post: Post | None) -> Actor:
        rng = generator(self._seed, "actor", person)
        if post is not None:
            return self._play_post(post, rng)
        actor = Actor(self._count, self._floor.random_places(rng, 1)[0])
        if self._plan.doors and rng.random() < 0.15:
            self._come_back(actor, self._plan.doors[0], rng.uniform(0.5, 6), rng)
        else:
            actor.stay(rng.uniform(0.3, 2.5), np.array(self._plan.table[:2]), work=float(rng.random() < 0.4))
        while not actor.done:
            self._errand(actor, person, rng)
        return actor

    def _play_post(self, post: Post, rng: np.random.Generator) -> Actor:
        """Work at the post for long, and go away from it for short."""
        home, look = np.array([post.x, post.y]), np.array(post.face)
        actor = Actor(self._count, home)
        patience = rng.uniform(8, 45)
        while not actor.done:
            patience -= self._work(actor, post, look, rng)
            if patience > 0:
                continue
            patience = rng.uniform(20, 60)
            if rng.random() < 0.7:
                self._go(actor, self._floor.random_places(rng, 1)[0], rng)
                actor.stay(rng.uniform(1.5, 4), look, work=float(rng.random() < 0.5))
                self._go(actor, home, rng)
        return actor

    def _work(self, actor: Actor, post: Post, look: Array, rng: np.random.Generator) -> float:
        seconds = float(rng.uniform(2, 7))
        if post.seat:
            actor.stay(seconds, look, work=rng.uniform(0, 0.7), sit=1.0)
        elif rng.random() < 0.10:
            actor.stay(1.6, look, stoop=rng.uniform(0.5, 0.9))
        else:
            actor.stay(seconds, look, work=float(np.clip(rng.normal(0.8, 0.3), 0, 1)))
        return seconds

    def _errand(self, actor: Actor, person: int, rng: np.random.Generator) -> None:
        errand = str(rng.choice(ERRANDS, p=ERRAND_SHARES))
        partners = [i for i in self._partners if i != person]
        seats = [post for post in self._plan.posts if post.seat and post not in self._posts]
        if errand == "leave" and self._plan.doors:
            self._leave(actor, rng)
        elif errand == "thing" and self._plan.items:
            self._use_thing(actor, rng)
        elif errand == "handover" and partners:
            self._hand_over(actor, person, int(rng.choice(partners)), rng)
        elif errand == "seat" and seats:
            self._sit_down(actor, seats[int(rng.integers(len(seats)))], rng)
        else:
            self._go(actor, self._floor.random_places(rng, 1)[0], rng)
            actor.stay(rng.uniform(0.8, 5), np.array(self._plan.table[:2]), work=float(rng.random() < 0.3))

    def _go(self, actor: Actor, place: Array, rng: np.random.Generator) -> None:
        actor.walk(self._floor.way(actor.place, place), float(rng.uniform(0.7, 1.25)))

    def _sit_down(self, actor: Actor, seat: Post, rng: np.random.Generator) -> None:
        """Sit on a free stool for a while; if somebody sits there by then, go on."""
        self._go(actor, np.array([seat.x, seat.y]) + 0.5 * unit(np.array([seat.x, seat.y]) - seat.face), rng)
        start, seconds = actor.filled, float(rng.uniform(5, 15))
        stop = start + round((seconds + 3) * RATE)
        if any(taken is seat and start < last and first < stop for taken, first, last in self._taken):
            return
        self._taken.append((seat, start, stop))
        self._go(actor, np.array([seat.x, seat.y]), rng)
        actor.stay(seconds, np.array(seat.face), work=rng.uniform(0, 0.8), sit=1.0)

    def _use_thing(self, actor: Actor, rng: np.random.Generator) -> None:
        """Stand before a thing and work on it, or bend down to it."""
        items = [item for item in self._plan.items if item.kind not in ("table", "c_arm")] or self._plan.items
        item = items[int(rng.integers(len(items)))]
        front = -turn(item.yaw)[:2, 1] * (item.half[1] + 0.38)
        middle = np.array([item.x, item.y])
        place = middle + front
        if self._floor.clearance(place) < 0.2:
            place = middle - front
        self._go(actor, place, rng)
        low = rng.random() < 0.4
        actor.stay(rng.uniform(1.5, 3.5), middle, work=0.0 if low else 0.9, stoop=rng.uniform(0.6, 1.0) if low else 0.0)
        actor.stay(rng.uniform(0.5, 3), middle, work=0.8)

    def _hand_over(self, actor: Actor, person: int, partner: int, rng: np.random.Generator) -> None:
        post = self._partners[partner]
        home = np.array([post.x, post.y])
        angle = np.arctan2(home[1] - post.face[1], home[0] - post.face[0]) + rng.uniform(-1.2, 1.2)
        self._go(actor, home + 0.78 * np.array([np.cos(angle), np.sin(angle)]), rng)
        actor.stay(0.6, home)
        rows = actor.stay(2.0, home)
        if rows.stop > rows.start:
            self.handovers.append(Handover(rows.start, rows.stop, person, partner))
        actor.stay(0.5, home)

    def _leave(self, actor: Actor, rng: np.random.Generator) -> None:
        door = self._plan.doors[int(rng.integers(len(self._plan.doors)))]
        inside, outside, away = door_points(self._plan, door, float(rng.choice([-1, 1])))
        self._go(actor, inside, rng)
        actor.walk(np.stack([inside, outside, away]), rng.uniform(0.8, 1.2))
        self._come_back(actor, self._plan.doors[int(rng.integers(len(self._plan.doors)))], rng.uniform(1, 9), rng)

    def _come_back(self, actor: Actor, door: Opening, seconds: float, rng: np.random.Generator) -> None:
        """Be away for ``seconds`` and more; the place changes half way, long after the person is out of sight."""
        inside, outside, away = door_points(self._plan, door, float(rng.choice([-1, 1])))
        if actor.filled:
            actor.stay(1.5, present=False)
        actor.place = away
        actor.stay(seconds + 1.5, present=False)
        actor.walk(np.stack([away, outside, inside]), rng.uniform(0.8, 1.2))
        self._go(actor, self._floor.random_places(rng, 1)[0], rng)


def door_points(plan: Plan, door: Opening, side: float) -> tuple[Array, Array, Array]:
    """Points (2,) before a door, behind it, and along the corridor where people are gone from sight."""
    foot, tangent, inward = plan.wall_frame(door.wall)
    middle = foot + tangent * door.along
    outside = middle - inward * 0.9
    return (middle + inward * 0.5)[:2], outside[:2], (outside + tangent * side * AWAY)[:2]


def samples_of(seconds: float) -> int:
    """Samples of a timeline that lasts ``seconds``."""
    return int(np.ceil(seconds * RATE)) + 2
