"""Joints of people from where their feet, hands and heads are: two-bone inverse kinematics, all people at once.

Lengths are shares of the body's height, from the usual anthropometric tables (Drillis and Contini 1966).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.mesh import unit

JOINTS = (
    *("pelvis", "chest", "neck", "head", "l_sho", "r_sho", "l_elb", "r_elb", "l_wri", "r_wri", "l_hip", "r_hip"),
    *("l_kne", "r_kne", "l_ank", "r_ank", "nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_toe", "r_toe"),
    *("l_hand", "r_hand"),
)
J = {name: i for i, name in enumerate(JOINTS)}
LIMBS = ("hip", "sho", "kne", "ank", "elb", "wri", "hand", "toe")
SIDES = (("l", 1.0), ("r", -1.0))

ANKLE = 0.039
"""Height of the ankle above the sole."""
THIGH, SHIN, UPPER_ARM, FOREARM, HAND = 0.245, 0.246, 0.172, 0.150, 0.095
HIP_WIDTH, SHOULDER_WIDTH = 0.052, 0.108


@dataclass
class Posture:
    """What a posture is made of, for P people; angles in radians, points in metres of the world.

    ``xy`` (P, 2) of the pelvis, ``yaw`` (P,), ``lean`` forwards, ``side`` to the left, ``twist`` of the chest,
    ``head_yaw``, ``head_pitch`` downwards, ``drop`` of the pelvis in metres, ``seat`` (P,) height of the pelvis of
    those who sit with weight ``sit``, ``foot`` (2, P, 3) ankles, ``hand`` (2, P, 3) wrists; left first.
    """

    xy: Array
    yaw: Array
    lean: Array
    side: Array
    twist: Array
    head_yaw: Array
    head_pitch: Array
    drop: Array
    sit: Array
    seat: Array
    foot: Array
    hand: Array


@dataclass
class Skeleton:
    """Joints (P, J, 3) and directions (P, 3): of the pelvis, the spine, the chest and the head."""

    joints: Array
    forward: Array
    left: Array
    spine: Array
    chest_forward: Array
    chest_left: Array
    head_forward: Array
    head_left: Array
    head_up: Array

    def of(self, name: str) -> Array:
        """One joint of all people, (P, 3)."""
        joint: Array = self.joints[:, J[name]]
        return joint


def turns(angles: Array) -> tuple[Array, Array]:
    """Forward and left (P, 3) of people who look along ``angles`` (P,)."""
    c, s, zero = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    return np.stack([c, s, zero], -1), np.stack([-s, c, zero], -1)


def bend(root: Array, end: Array, first: Array, last: Array, pole: Array) -> tuple[Array, Array]:
    """Two-bone inverse kinematics.

    Args:
        root: (P, 3).
        end: (P, 3) where the end should be.
        first: (P, 1) length of the bone at the root.
        last: (P, 1) length of the other.
        pole: (P, 3) the side to which the middle joint bends.

    Returns:
        The middle joint and the end that is reached, (P, 3) each.
    """
    way = end - root
    distance = np.linalg.norm(way, axis=-1, keepdims=True)
    along = way / np.maximum(distance, 1e-6)
    distance = np.clip(distance, np.abs(first - last) + 1e-3, (first + last) * 0.999)
    base = (first**2 - last**2 + distance**2) / (2 * distance)
    rise = np.sqrt(np.maximum(first**2 - base**2, 0))
    aside = unit(pole - (pole * along).sum(-1, keepdims=True) * along)
    return root + along * base + aside * rise, root + along * distance


def solve(pose: Posture, height: Array, girth: Array) -> Skeleton:
    """Joints of people of ``height`` (P,) metres and ``girth`` (P,)."""
    h = height[:, None]
    joints = np.zeros((len(height), len(JOINTS), 3))
    forward, left = turns(pose.yaw)
    up = np.broadcast_to([0.0, 0.0, 1.0], forward.shape)
    pelvis = np.concatenate([pose.xy, _pelvis_height(pose, height, left)[:, None]], axis=1)
    lean, side = np.sin(pose.lean)[:, None], np.sin(pose.side)[:, None]
    spine = unit(up * np.cos(pose.lean)[:, None] + forward * lean + left * side)
    chest_forward, chest_left = turns(pose.yaw + pose.twist)
    neck = pelvis + spine * 0.312 * h
    _put(joints, pelvis=pelvis, chest=pelvis + spine * 0.20 * h, neck=neck)
    for i, (s, sign) in enumerate(SIDES):
        hip = pelvis + left * sign * HIP_WIDTH * h - up * 0.005 * h
        shoulder = neck + chest_left * sign * SHOULDER_WIDTH * h * np.sqrt(girth)[:, None] - spine * 0.020 * h
        knee, ankle = bend(hip, pose.foot[i], THIGH * h, SHIN * h, forward + 0.15 * sign * left)
        pole = -0.35 * chest_forward - 0.7 * up + 0.55 * sign * chest_left
        elbow, wrist = bend(shoulder, pose.hand[i], UPPER_ARM * h, FOREARM * h, pole)
        hand = wrist + unit(wrist - elbow) * HAND * h
        toe = ankle + forward * 0.105 * h - up * 0.03 * h
        parts = zip(LIMBS, (hip, shoulder, knee, ankle, elbow, wrist, hand, toe), strict=True)
        _put(joints, **{f"{s}_{name}": value for name, value in parts})
    facing, _ = turns(pose.yaw + pose.twist + pose.head_yaw)
    pitch = pose.head_pitch[:, None]
    head_up = unit(up * np.cos(pitch) + facing * np.sin(pitch) + 0.3 * (spine - up))
    head_forward = unit(facing - (facing * head_up).sum(-1, keepdims=True) * head_up)
    head_left = np.cross(head_up, head_forward)
    head = neck + spine * 0.022 * h + head_up * 0.070 * h + head_forward * 0.014 * h
    skeleton = Skeleton(joints, forward, left, spine, chest_forward, chest_left, head_forward, head_left, head_up)
    _put(joints, head=head, nose=head + head_forward * 0.062 * h - head_up * 0.008 * h)
    for s, sign in SIDES:
        eye = head + head_forward * 0.052 * h + head_left * sign * 0.019 * h + head_up * 0.010 * h
        _put(joints, **{f"{s}_eye": eye, f"{s}_ear": head + head_left * sign * 0.046 * h - head_up * 0.002 * h})
    return skeleton


def _pelvis_height(pose: Posture, height: Array, left: Array) -> Array:
    """Standing: as high as the legs allow, so that feet stay on the floor. Sitting: on the seat."""
    reach = []
    for i, (_, sign) in enumerate(SIDES):
        hip = pose.xy + left[:, :2] * sign * HIP_WIDTH * height[:, None]
        apart = ((pose.foot[i, :, :2] - hip) ** 2).sum(-1)
        reach.append(pose.foot[i, :, 2] + np.sqrt(np.maximum((0.487 * height) ** 2 - apart, 0.01)))
    standing = np.minimum(np.minimum(*reach), 0.53 * height) + 0.005 * height - pose.drop
    return (1 - pose.sit) * standing + pose.sit * np.minimum(pose.seat, standing)


def _put(joints: Array, **named: Array) -> None:
    for name, value in named.items():
        joints[:, J[name]] = value
