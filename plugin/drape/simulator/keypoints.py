"""The 133 key points of COCO-WholeBody (Jin et al. 2020): 17 of the body, 6 of the feet, 68 of the face, 21 per hand.

The figure has a body, feet, a face, and hands without fingers: of a hand the root, the middle knuckle and the middle
finger's tip are labelled, the other 18 points are not.
"""

from __future__ import annotations

import numpy as np

from drape.simulator.arrays import Array
from drape.simulator.head import HEIGHTS, head_profile
from drape.simulator.skeleton import ANKLE, SIDES, J, Skeleton

COUNT = 133
BODY = (
    *("nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_sho", "r_sho", "l_elb", "r_elb", "l_wri", "r_wri"),
    *("l_hip", "r_hip", "l_kne", "r_kne", "l_ank", "r_ank"),
)
FEET, FACE, HANDS = 17, 23, 91
_KNUCKLE, _TIP, _HAND = 9, 12, 21

TOLERANCE = np.full(COUNT, 0.03)
"""Metres by which the surface seen may lie before a point that counts as seen: points of the body lie inside it."""
TOLERANCE[5:17] = [0.12, 0.12, 0.08, 0.08, 0.07, 0.07, 0.16, 0.16, 0.11, 0.11, 0.09, 0.09]
TOLERANCE[FEET:FACE] = 0.07
TOLERANCE[HANDS:] = 0.05

LABELLED = np.zeros(COUNT, bool)
LABELLED[:HANDS] = True
LABELLED[[HANDS + side * _HAND + k for side in (0, 1) for k in (0, _KNUCKLE, _TIP)]] = True


def _face_template() -> tuple[Array, Array]:
    """Points of the face (68, 2): how far aside, -1 to 1 from the person's right to its left, and how high, -1 to 1."""
    s = np.linspace(0, 1, 17)
    jaw = np.stack([-np.cos(0.2 + (np.pi - 0.4) * s), -0.05 - 0.86 * np.sin(np.pi * s) ** 0.8], axis=1)
    brow = np.stack([np.linspace(-0.78, -0.2, 5), 0.28 + 0.05 * np.sin(np.linspace(0.3, 2.6, 5))], axis=1)
    eye = np.array([[-0.56, 0.14], [-0.46, 0.20], [-0.32, 0.20], [-0.2, 0.13], [-0.32, 0.08], [-0.46, 0.08]])
    bridge = np.stack([np.zeros(4), np.linspace(0.12, -0.12, 4)], axis=1)
    wing = np.stack([np.linspace(-0.16, 0.16, 5), -0.22 - 0.02 * np.array([0, 1, 1.5, 1, 0])], axis=1)
    up, down = np.linspace(-0.30, 0.30, 7), np.linspace(0.30, -0.30, 7)[1:-1]
    outer = np.concatenate(
        [
            np.stack([up, -0.50 + 0.07 * np.sin(np.linspace(0, np.pi, 7))], axis=1),
            np.stack([down, -0.50 - 0.09 * np.sin(np.linspace(0, np.pi, 7)[1:-1])], axis=1),
        ]
    )
    inner = np.array(
        [[-0.2, -0.5], [-0.1, -0.47], [0, -0.465], [0.1, -0.47], [0.2, -0.5], [0.1, -0.53], [0, -0.535], [-0.1, -0.53]]
    )
    mirror = np.array([-1.0, 1.0])
    left_eye = (eye * mirror)[[3, 2, 1, 0, 5, 4]]
    points = np.concatenate([jaw, brow, (brow * mirror)[::-1], bridge, wing, eye, left_eye, outer, inner])
    return points[:, 0], points[:, 1]


_ASIDE, _UP = _face_template()
_RADIUS = np.interp(-_UP, -HEIGHTS, head_profile())
_SINE = np.sqrt(np.maximum(0, 1 - _ASIDE**2))
_NOSE = np.zeros(68, bool)
_NOSE[28:36] = True
_SWELL = np.where(_NOSE, 1.07, 1.0)
FACE_LEFT = 0.046 * _RADIUS * _ASIDE * _SWELL
FACE_FORWARD = 0.058 * _RADIUS * _SINE * _SWELL + np.where(_UP < 0, -_UP * 0.012, 0)
FACE_UP = 0.070 * _UP

UNDER_MASK = np.zeros(COUNT, bool)
"""Points that a face mask covers: they are hidden, though the mask over them is seen."""
UNDER_MASK[FACE : FACE + 68] = (_UP < -0.02) & (_UP > -0.92) & (_SINE > 0.12)
UNDER_MASK[0] = True


def keypoints(pose: Skeleton, height: Array) -> Array:
    """Key points (P, 133, 3) in the world, metres; unlabelled ones are NaN.

    Args:
        pose: of P people.
        height: (P,) metres.
    """
    h = height[:, None]
    points = np.full((len(height), COUNT, 3), np.nan)
    points[:, : len(BODY)] = pose.joints[:, [J[name] for name in BODY]]
    spine_down = np.cross(pose.forward, pose.left)
    for i, (s, sign) in enumerate(SIDES):
        ankle = pose.of(f"{s}_ank") - (ANKLE - 0.014) * h * spine_down
        points[:, FEET + 3 * i] = ankle + 0.118 * h * pose.forward - 0.012 * sign * h * pose.left
        points[:, FEET + 3 * i + 1] = ankle + 0.105 * h * pose.forward + 0.018 * sign * h * pose.left
        points[:, FEET + 3 * i + 2] = ankle - 0.030 * h * pose.forward
        wrist, tip = pose.of(f"{s}_wri"), pose.of(f"{s}_hand")
        for k, share in ((0, 0.0), (_KNUCKLE, 0.45), (_TIP, 0.95)):
            points[:, HANDS + _HAND * i + k] = wrist + share * (tip - wrist)
    offset = (
        FACE_LEFT[None, :, None] * pose.head_left[:, None]
        + FACE_FORWARD[None, :, None] * pose.head_forward[:, None]
        + FACE_UP[None, :, None] * pose.head_up[:, None]
    )
    points[:, FACE:HANDS] = pose.of("head")[:, None] + offset * height[:, None, None]
    return points
