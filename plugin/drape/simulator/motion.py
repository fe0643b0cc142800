"""Timelines become smooth motion; the state of the crew at any time is a look-up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from drape.simulator.actor import RATE, Handover
from drape.simulator.arrays import Array, Floats, Mask
from drape.simulator.floor import Floor
from drape.simulator.gait import State
from drape.simulator.plan import Plan
from drape.simulator.script import Script

APART = 0.48
"""Metres between the middles of two people, at least."""
TURN = 3.5
"""Fastest turn, in radians per second."""
HAND_HEIGHT = 1.12


class Motion:
    """The crew's motion from ``start`` seconds on; about 70 bytes per person and tenth of a second."""

    def __init__(self, script: Script, plan: Plan, floor: Floor, start: float) -> None:
        self.start = start
        actors = script.actors
        xy: Array = np.stack([actor.xy for actor in actors], axis=1)
        look = np.stack([actor.look for actor in actors], axis=1)
        self._present = np.stack([actor.present for actor in actors], axis=1)
        work, sit, stoop = (np.stack([getattr(a, name) for a in actors], axis=1) for name in ("work", "sit", "stoop"))
        xy = gaussian_filter1d(xy, 0.22 * RATE, axis=0, mode="nearest")
        xy = _separated(xy, self._present, sit, plan, floor)
        velocity = np.gradient(xy, 1 / RATE, axis=0)
        self._still_when_gone(velocity)
        speed = np.linalg.norm(velocity, axis=-1)
        self._reach, self._target = self._handing_over(script.handovers, xy, look)
        self._xy = xy
        self._yaw = _facing(xy, velocity, speed, look).astype(np.float32)
        self._speed = speed.astype(np.float32)
        self._walk = _soft(np.clip((speed - 0.12) / 0.3, 0, 1) * (1 - sit), 0.22)
        self._way = np.cumsum(speed, axis=0) / RATE
        self._work, self._sit, self._stoop = _soft(work, 0.25), _soft(sit, 0.35), _soft(stoop, 0.35)

    def _still_when_gone(self, velocity: Array) -> None:
        """People may come back by another door than they left: that jump is no walk."""
        velocity[~self._present] = 0
        change = self._present[1:] != self._present[:-1]
        velocity[1:][change] = 0
        velocity[:-1][change] = 0

    def _handing_over(self, handovers: list[Handover], xy: Array, look: Array) -> tuple[Floats, Floats]:
        """Hands meet half way between two people, who look at each other; writes into ``look``."""
        count, people = xy.shape[:2]
        reach, target = np.zeros((count, people)), np.zeros((count, people, 3))
        for act in handovers:
            rows = slice(act.start, act.stop)
            a, b = xy[rows, act.giver], xy[rows, act.taker]
            near = (
                (np.linalg.norm(a - b, axis=1) < 1.25)
                & self._present[rows, act.taker]
                & ~np.isnan(look[rows, act.taker, 0])
            )
            for person, other in ((act.giver, b), (act.taker, a)):
                reach[rows, person] = np.maximum(reach[rows, person], near)
                look[rows, person] = np.where(near[:, None], other, look[rows, person])
                middle = np.concatenate([(a + b) / 2, np.full((len(a), 1), HAND_HEIGHT)], axis=1)
                target[rows, person] = np.where(near[:, None], middle, target[rows, person])
        return _soft(reach, 0.3), _carried(target).astype(np.float32)

    def state(self, time: float) -> State:
        """What everybody does at ``time`` seconds; before the start and after the end people stand still."""
        at = float(np.clip((time - self.start) * RATE, 0, len(self._xy) - 1.001))
        i, w = int(at), at % 1.0

        def between(values: NDArray[np.floating]) -> Array:
            mixed: Array = (1 - w) * values[i] + w * values[i + 1].astype(float)
            return mixed

        return State(
            xy=between(self._xy),
            yaw=between(self._yaw),
            speed=between(self._speed),
            walk=between(self._walk),
            way=between(self._way),
            work=between(self._work),
            sit=between(self._sit),
            stoop=between(self._stoop),
            reach=between(self._reach),
            target=self._target[i].astype(float),
            present=self._present[i] & self._present[i + 1],
        )


def _soft(values: Array, seconds: float) -> Floats:
    return gaussian_filter1d(values, seconds * RATE, axis=0, mode="nearest").astype(np.float32)


def _carried(target: Array) -> Array:
    """Targets held from a little before a handover until after it: the reach fades in and out around it."""
    held = target.copy()
    for shift in range(1, RATE + 1):
        for rows, source in ((np.s_[:-shift], np.s_[shift:]), (np.s_[shift:], np.s_[:-shift])):
            empty = (held[rows] == 0).all(axis=-1)
            held[rows] = np.where(empty[..., None], target[source], held[rows])
    return held


def _separated(xy: Array, present: Mask, sit: Array, plan: Plan, floor: Floor) -> Array:
    """People kept apart from each other and, where that pushed them, off the furniture; those who sit stay."""
    before = xy.copy()
    inside = np.all(np.abs(before) < np.array(plan.size[:2]) / 2 - 0.35, axis=-1)
    speed = np.linalg.norm(np.gradient(before, 1 / RATE, axis=0), axis=-1)
    yields = np.where(inside & (sit == 0), 0.1 + _soft(np.clip(speed, 0, 1), 0.5), 0.0)
    for _ in range(5):
        shift = np.zeros_like(xy)
        for a in range(xy.shape[1]):
            for b in range(a + 1, xy.shape[1]):
                push = _push(xy[:, a] - xy[:, b], present[:, a] & present[:, b])
                if push is not None:
                    total = np.maximum(yields[:, a] + yields[:, b], 1e-6)
                    shift[:, a] += push * (yields[:, a] / total)[:, None]
                    shift[:, b] -= push * (yields[:, b] / total)[:, None]
        xy = xy + shift
        moved = np.any(np.abs(xy - before) > 1e-3, axis=-1) & inside
        xy = np.where(moved[..., None], floor.pushed_out(xy, before), xy)
        xy = before + gaussian_filter1d(xy - before, 0.15 * RATE, axis=0, mode="nearest")
    return xy


def _push(apart: Array, both: Mask) -> Array | None:
    """How much (T, 2) the distance between two people has to change; None if they never come close.

    Two who meet head on pass each other on the side on which they already are, or else on the right: the way in
    which they are apart is taken over a second, so that it does not flip as they pass.
    """
    distance = np.linalg.norm(apart, axis=1)
    short = np.where(both, np.clip(APART - distance, 0, None), 0)
    if not short.any():
        return None
    motion = gaussian_filter1d(np.gradient(apart, 1 / RATE, axis=0), 0.5 * RATE, axis=0, mode="nearest")
    right = np.stack([motion[:, 1], -motion[:, 0]], axis=1)
    side = gaussian_filter1d(apart, 0.6 * RATE, axis=0, mode="nearest") + 0.1 * right
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    along = (apart * side).sum(axis=1)
    across = np.maximum(distance**2 - along**2, 0)
    needed = np.where(short > 0, np.sqrt(np.maximum(APART**2 - across, 0)) - along, 0)
    held = maximum_filter1d(np.clip(needed, 0, 2 * APART), RATE // 2, mode="nearest")
    push: Array = gaussian_filter1d(held, 0.25 * RATE, mode="nearest")[:, None] * side
    return push


def _facing(xy: Array, velocity: Array, speed: Array, look: Array) -> Array:
    """Yaw (T, P): where people walk, else what they look at, never turning faster than a person can."""
    heading = np.arctan2(velocity[..., 1], velocity[..., 0])
    aim = np.arctan2(look[..., 1] - xy[..., 1], look[..., 0] - xy[..., 0])
    walking = speed > 0.3
    wanted = np.where(walking | np.isnan(aim), heading, aim)
    known = walking | ~np.isnan(aim)
    yaw = np.empty(wanted.shape)
    current = np.where(known[0], wanted[0], 0.0)
    for k in range(len(wanted)):
        turn = (wanted[k] - current + np.pi) % (2 * np.pi) - np.pi
        current = current + np.where(known[k], np.clip(turn, -TURN / RATE, TURN / RATE), 0.0)
        yaw[k] = current
    return gaussian_filter1d(yaw, 0.2 * RATE, axis=0, mode="nearest")
