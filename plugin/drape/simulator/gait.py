"""From what people do at a moment to how they hold themselves: walk, stand, work, bend, sit, reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drape.simulator.arrays import Array, Mask
from drape.simulator.seeds import Wander
from drape.simulator.skeleton import ANKLE, SIDES, Posture, turns

IDLE, BELLY, HIPS = 4, 2, 3
"""Ways to hold idle hands: at the sides, folded, before the belly, on the hips (not of those who sit)."""
SWING = 0.6
"""Share of a step's cycle during which the foot is on the floor."""


@dataclass
class State:
    """What P people do at a moment.

    Attributes:
        xy: (P, 2) metres.
        yaw: (P,) radians.
        speed: (P,) metres per second.
        walk: (P,) in [0, 1], how much of a walk it is.
        way: (P,) metres walked so far: the phase of the steps.
        work: (P,) in [0, 1], hands busy in front.
        sit: (P,) in [0, 1].
        stoop: (P,) in [0, 1], bent down to something low.
        reach: (P,) in [0, 1], one hand stretched out to ``target``.
        target: (P, 3) metres.
        present: (P,) whether the person is in the room.
    """

    xy: Array
    yaw: Array
    speed: Array
    walk: Array
    way: Array
    work: Array
    sit: Array
    stoop: Array
    reach: Array
    target: Array
    present: Mask


def standing(people: int) -> State:
    """Everybody stands at the origin."""
    zero = np.zeros(people)
    return State(
        xy=np.zeros((people, 2)),
        yaw=zero,
        speed=zero,
        walk=zero,
        way=zero,
        work=zero,
        sit=zero,
        stoop=zero,
        reach=zero,
        target=np.zeros((people, 3)),
        present=np.ones(people, bool),
    )


class Manners:
    """How each of P people of ``height`` (P,) moves: small motions of their own, and where idle hands go."""

    def __init__(self, height: Array, rng: np.random.Generator) -> None:
        count = len(height)
        self.height = height
        self._lean = Wander(rng, (count,), 5, 0.05)
        self._side = Wander(rng, (count,), 6, 0.06)
        self._twist = Wander(rng, (count,), 4, 0.2)
        self._head_yaw = Wander(rng, (count,), 3, 0.55)
        self._head_pitch = Wander(rng, (count,), 3, 0.12)
        self._drop = Wander(rng, (count,), 7, 0.008)
        self._hands = Wander(rng, (2, count, 3), 2.2, 0.09)
        self._idle = rng.integers(0, IDLE, count)

    def posture(self, state: State, time: float) -> Posture:
        """The posture of everybody at ``time`` seconds."""
        h, walk = self.height, state.walk
        stride = 0.74 * h * np.clip(0.55 + 0.45 * state.speed, 0.4, 1.1)
        phase = state.way / stride
        still = 1 - walk
        busy = state.work * still
        stoop = state.stoop * still
        lean = 0.05 + 0.16 * busy + 0.05 * walk + 0.95 * stoop + 0.10 * state.reach + self._lean.at(time)
        moved = np.stack([self._foot(i, sign, phase, stride, state) for i, (_, sign) in enumerate(SIDES)])
        hands = np.stack([self._hand(i, sign, phase, state, time) for i, (_, sign) in enumerate(SIDES)])
        forward, _ = turns(state.yaw)
        return Posture(
            xy=state.xy - forward[:, :2] * (0.16 * stoop * h)[:, None],
            yaw=state.yaw,
            lean=np.clip(lean * (1 - 0.4 * state.sit), -0.1, 1.15),
            side=self._side.at(time) * still,
            twist=self._twist.at(time) * still + 0.12 * walk * np.sin(2 * np.pi * phase),
            head_yaw=self._head_yaw.at(time) * (1 - 0.5 * state.work),
            head_pitch=0.12 + 0.38 * busy + 0.35 * stoop + self._head_pitch.at(time),
            drop=0.002 + np.abs(self._drop.at(time)) + 0.006 * walk + 0.10 * h * stoop,
            sit=state.sit,
            seat=0.335 * h,
            foot=moved,
            hand=hands,
        )

    def _place(self, state: State, ahead: Array, aside: Array, up: Array) -> Array:
        """Points (P, 3) from metres before and to the left of people, and above the floor."""
        forward, left = turns(state.yaw)
        flat = state.xy + forward[:, :2] * ahead[:, None] + left[:, :2] * aside[:, None]
        return np.concatenate([flat, up[:, None]], axis=1)

    def _foot(self, i: int, sign: float, phase: Array, stride: Array, state: State) -> Array:
        h, walk = self.height, state.walk
        cycle = (phase + 0.5 * i) % 1.0
        down = cycle < SWING
        swung = np.clip((cycle - SWING) / (1 - SWING), 0, 1)
        ahead = np.where(down, 0.3 - cycle, -0.3 + 0.6 * swung) * stride
        lift = np.where(down, np.where(cycle > 0.42, (cycle - 0.42) / 0.18 * 0.04, 0), np.sin(np.pi * swung) * 0.09)
        rest = sign * 0.03 + state.sit * 0.22 * h
        aside = sign * (0.055 * h + 0.03 * (1 - walk) + 0.02 * state.sit)
        return self._place(state, ahead * walk + (1 - walk) * rest, aside, ANKLE * h + walk * lift)

    def _hand(self, i: int, sign: float, phase: Array, state: State, time: float) -> Array:
        h, walk, n = self.height, state.walk, self._hands.at(time)[i]
        low = state.sit * 0.17 * h
        swing = -0.32 * np.sin(2 * np.pi * (phase + 0.5 * i) + 0.6)
        walking = self._place(state, 0.03 * h + 0.18 * swing * h, sign * 0.155 * h, 0.50 * h + 0.05 * np.abs(swing) * h)
        working = self._place(
            state, 0.27 * h + n[:, 0], sign * 0.075 * h + n[:, 1], np.maximum(0.62 * h, 1.10) + 0.6 * n[:, 2] - low
        )
        low_down = self._place(state, 0.36 * h + 0.5 * n[:, 0], sign * 0.08 * h, 0.26 * h + n[:, 2])
        kind = np.where((self._idle == HIPS) & (state.sit >= 0.5), BELLY, self._idle)
        idle = np.stack([self._idle_hand(k, sign, state, n) for k in range(IDLE)])[kind, np.arange(len(h))]
        stoop, work = state.stoop[:, None], state.work[:, None]
        standing = stoop * low_down + (1 - stoop) * (work * working + (1 - work) * idle)
        hand = walk[:, None] * walking + (1 - walk)[:, None] * standing
        if sign < 0:
            hand = hand + state.reach[:, None] * (state.target - hand)
        return hand

    def _idle_hand(self, kind: int, sign: float, state: State, n: Array) -> Array:
        """Hands at the sides, folded, held before the belly, or on the hips; on the thighs of those who sit."""
        h = self.height
        low = state.sit * 0.20 * h
        ahead = (0.05 * h + state.sit * 0.14 * h, 0.13 * h, 0.17 * h + 0.06 * h * state.sit, 0.02 * h)[kind]
        aside = (0.15 * h, -0.03 * h, 0.07 * h, 0.17 * h)[kind]
        up = (0.49 * h - 0.5 * low, 0.66 * h - low, 0.60 * h - low, 0.56 * h)[kind]
        move = (0.3, 0.2, 0.3, 0.1)[kind]
        return self._place(state, ahead + move * n[:, 0], sign * aside + 0.2 * n[:, 1], up + 0.1 * n[:, 2])
