"""The 133 key points of COCO-WholeBody (Jin et al. 2020), in its order: 17 of the body (COCO's), 6 of the feet, 68 of
the face, 21 of each hand. Left and right are the person's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNT = 133
BODY_COUNT = 17
COUNTS = (BODY_COUNT, COUNT)
"""How many points a pose may have: those of the body alone, or all."""

BODY, FEET, FACE = slice(0, 17), slice(17, 23), slice(23, 91)
LEFT_HAND, RIGHT_HAND = slice(91, 112), slice(112, 133)
CHIN = 31

_PAIRED = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")


def _hand(side: str) -> list[str]:
    return [f"{side}_hand_root", *(f"{side}_{finger}{k}" for finger in _FINGERS for k in (1, 2, 3, 4))]


NAMES: tuple[str, ...] = (
    "nose",
    *(f"{side}_{part}" for part in _PAIRED for side in ("left", "right")),
    *(f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel")),
    *(f"face-{k}" for k in range(68)),
    *_hand("left"),
    *_hand("right"),
)
"""(133,) names, as COCO-WholeBody's annotations have them."""

_FACE_MIRROR = (
    *range(16, -1, -1),  # contour
    *range(26, 16, -1),  # brows
    *range(27, 31),  # bridge of the nose
    *range(35, 30, -1),  # nostrils
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *range(54, 47, -1),  # outer lip, upper
    *range(59, 54, -1),  # outer lip, lower
    *range(64, 59, -1),  # inner lip, upper
    *range(67, 64, -1),  # inner lip, lower
)


def _mirror() -> NDArray[np.int64]:
    swapped = {"left": "right", "right": "left"}
    place = {name: k for k, name in enumerate(NAMES)}
    order = np.arange(COUNT)
    for k, name in enumerate(NAMES):
        side, _, rest = name.partition("_")
        if side in swapped:
            order[k] = place[f"{swapped[side]}_{rest}"]
    order[FACE] = FACE.start + np.array(_FACE_MIRROR)
    return order


MIRROR = _mirror()
"""(133,) the point that each one becomes in a mirrored picture; its first 17 are the body's own."""


def _chains() -> list[list[int]]:
    body = [[15, 13, 11, 12, 14, 16], [5, 11], [6, 12], [9, 7, 5, 6, 8, 10], [0, 1, 2, 0], [5, 3, 1], [6, 4, 2]]
    feet = [[15, 17], [15, 18], [15, 19], [16, 20], [16, 21], [16, 22]]
    first = FACE.start
    face = [(0, 17), (17, 22), (22, 27), (27, 31), (31, 36), (36, 42), (42, 48), (48, 60), (60, 68)]
    closed = {36, 42, 48, 60}
    lines = [[*range(first + a, first + b), *([first + a] if a in closed else [])] for a, b in face]
    hands = [
        [hand.start, *range(hand.start + 1 + 4 * k, hand.start + 5 + 4 * k)]
        for hand in (LEFT_HAND, RIGHT_HAND)
        for k in range(len(_FINGERS))
    ]
    return body + feet + lines + hands


CHAINS = _chains()
"""Lines to draw through the points; those of the body come first and use the body's points alone."""
BODY_CHAINS = [chain for chain in CHAINS if max(chain) < BODY_COUNT]
