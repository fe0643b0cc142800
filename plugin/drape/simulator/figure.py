"""The bodies of a crew: lofted limbs, torso, gown and head around the skeleton, all people in one batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drape.simulator.arrays import Array, Mask
from drape.simulator.clothing import Person, column
from drape.simulator.gait import Manners, standing
from drape.simulator.head import HEIGHTS, head_colours, head_profile, head_swell
from drape.simulator.loft import Loft, bent_axis, folds
from drape.simulator.mesh import unit
from drape.simulator.skeleton import ANKLE, SIDES, Skeleton, solve

PELVIS, TRUNK = 0.525, 0.312
"""Height of the pelvis when standing, and from there to the neck, in body heights."""
TORSO_AT = np.array(
    [0.866, 0.856, 0.836, 0.826, 0.813, 0.797, 0.77, 0.74, 0.70, 0.65, 0.60, 0.56, 0.52, 0.48, 0.455, 0.453]
)
TORSO_A = np.array([0, 31, 35, 50, 78, 100, 108, 104, 100, 94, 94, 99, 103, 104, 104, 0]) / 1000
TORSO_B = np.array([0, 32, 36, 40, 50, 58, 64, 68, 68, 66, 65, 66, 69, 70, 70, 0]) / 1000
LEG_AT = np.array([0, 0.04, 0.12, 0.22, 0.32, 0.42, 0.5, 0.58, 0.68, 0.78, 0.88, 0.96, 0.985, 1])
LEG_R = np.array([0, 35, 58, 60, 56, 52, 46, 42, 42, 42, 40, 40, 40, 0]) / 1000
ARM_AT = np.array([0, 0.03, 0.08, 0.16, 0.25, 0.34, 0.40, 0.41, 0.5, 0.58, 0.68, 0.78, 0.88, 0.96, 1])
ARM_R = np.array([0, 26, 33, 35, 34, 35, 37, 26, 25, 26, 25, 22, 19, 17, 0]) / 1000
SLEEVE_R = np.array([0, 26, 34, 36, 35, 34, 33, 33, 33, 32, 31, 29, 26, 21, 0]) / 1000
ELBOW = 0.53
HAND_R = np.array([0, 14, 20, 24, 22, 14, 0]) / 1000
SHOE_A = np.array([0, 22, 27, 27, 27, 28, 24, 0]) / 1000
SHOE_B = np.array([0, 26, 30, 28, 22, 18, 14, 0]) / 1000
SHOE_AT = np.array([0, 0.03, 0.15, 0.35, 0.55, 0.78, 0.95, 1])
SHOE_UP = np.array([26, 26, 30, 28, 22, 18, 14, 10]) / 1000
SKIRT_RINGS = 10
UNDER_GOWN = 0.72
"""Thighs under a gown are drawn thinner, so that they do not come through it."""
HIDDEN = 0.02
"""Scale of the skirt of those who wear none: it stays inside the pelvis."""


class Figures:
    """The bodies of P people with the same triangles.

    Attributes:
        people: who they are.
        height: (P,) metres.
        girth: (P,) factor on the height.
        faces: (F, 3) int32 triangles of one person; seen from outside, their corners run anticlockwise.
        is_head: (F,) whether a triangle is of the head.
        colours: (P, V, 3) float32 BGR.
        count: V, vertices of one person.
    """

    def __init__(self, people: list[Person], rng: np.random.Generator) -> None:
        self.people = people
        self.height, self.girth = column(people, "height"), column(people, "girth")
        self._gown = column(people, "gown") > 0
        self._rng = rng
        self._lofts: dict[str, Loft] = {}
        self._reference: tuple[Array, ...] = ()
        self._colours: list[Array] = []
        self.count = 0
        self._build()
        self.faces = np.concatenate([self._outward(loft) for loft in self._lofts.values()]).astype(np.int32)
        head = self._lofts["head"].vertices
        self.is_head = (self.faces[:, 0] >= head.start) & (self.faces[:, 0] < head.stop)
        self.head_vertices = np.arange(head.start, head.stop)
        self.colours = np.concatenate(self._colours, axis=1).astype(np.float32)

    def _add(self, name: str, a: Array, b: Array, swell: Array, tint: Array, noise: float = 0.03) -> None:
        """Register a loft; ``tint`` broadcasts to (P, R, S, 3)."""
        people, rings, sides = swell.shape
        self._lofts[name] = Loft(self.count, a, b, swell, flat_ends=name != "head")
        mottled = np.broadcast_to(tint, (people, rings, sides, 3)) * (
            1 + noise * self._rng.standard_normal((people, rings, sides, 1))
        )
        self._colours.append(mottled.reshape(people, -1, 3))
        self.count += rings * sides

    def _tint(self, name: str) -> Array:
        return column(self.people, name)[:, None, None, :]

    def _folds(self, rings: int, sides: int, depth: float) -> Array:
        return folds(self._rng, len(self.people), rings, sides, depth)

    def _build(self) -> None:
        gown = self._gown[:, None, None, None]
        sleeves = gown | (column(self.people, "long_sleeves") > 0)[:, None, None, None]
        cloth = np.where(gown, self._tint("gown_colour"), self._tint("scrubs"))
        self._add("torso", TORSO_A, TORSO_B, self._folds(16, 18, 0.035), self._torso_colours(cloth, gown))
        skirt = 0.104 + 0.024 * np.linspace(0, 1, SKIRT_RINGS)
        skirt_b = 0.080 + 0.032 * np.linspace(0, 1, SKIRT_RINGS)
        skirt[-1] = skirt_b[-1] = 0
        self._add("gown", skirt, skirt_b, self._folds(SKIRT_RINGS, 18, 0.05), self._tint("gown_colour"))
        arm = np.where(sleeves | (np.arange(15)[None, :, None, None] < 7), cloth, self._tint("skin"))
        widths = np.where(sleeves[:, :, 0, 0], SLEEVE_R / np.maximum(ARM_R, 1e-3), 1.0)[:, :, None]
        under = np.where(gown[..., 0] & (LEG_AT < 0.55)[None, :, None], UNDER_GOWN, 1.0)
        for s, _ in SIDES:
            leg_b = LEG_R * np.linspace(1.1, 1.0, len(LEG_R))
            self._add(f"{s}_leg", LEG_R, leg_b, self._folds(14, 14, 0.07) * under, self._tint("trousers"))
            self._add(f"{s}_arm", ARM_R, ARM_R, self._folds(15, 12, 0.05) * widths, arm)
            self._add(f"{s}_hand", HAND_R, HAND_R * 0.6, self._folds(7, 10, 0.0), self._tint("glove"))
            self._add(f"{s}_shoe", SHOE_A, SHOE_B, self._folds(8, 10, 0.0), self._tint("shoe"))
        profile = head_profile()
        self._add("head", 0.046 * profile, 0.058 * profile, head_swell(self.people), head_colours(self.people), 0.015)

    def _outward(self, loft: Loft) -> NDArray[np.int64]:
        """Triangles of a loft whose corners run anticlockwise; which way its rings run shows in any pose."""
        if not self._reference:
            still = standing(len(self.people))
            pose = solve(Manners(self.height, np.random.default_rng(0)).posture(still, 0.0), self.height, self.girth)
            self._reference = self.mesh(pose, still.sit)
        gowned = int(np.argmax(self._gown))
        points, normals = (values[gowned] for values in self._reference)
        faces = loft.faces()
        a, b, c = (points[faces[:, i]] for i in range(3))
        outwards = (np.cross(b - a, c - a) * normals[faces[:, 0]]).sum()
        return faces if outwards > 0 else faces[:, ::-1]

    def _torso_colours(self, cloth: Array, gown: Mask) -> Array:
        """Neck of skin, the V of a scrub top, cloth, and trousers below it."""
        shape = (len(self.people), 16, 18, 3)
        tint = np.broadcast_to(cloth, shape).copy()
        skin = np.broadcast_to(self._tint("skin"), shape)
        front = np.sin(np.arange(18) * 2 * np.pi / 18) > 0.72
        ring = np.arange(16)[:, None]
        tint[:, :3] = skin[:, :3]
        neckline = ((ring == 3) | (ring == 4)) & front & ~gown[:, :, :, 0]
        tint[neckline] = skin[neckline]
        below = np.broadcast_to((ring >= 14) & ~gown[:, :, :, 0], shape[:3])
        tint[below] = np.broadcast_to(self._tint("trousers"), shape)[below]
        return tint

    def mesh(self, pose: Skeleton, sit: Array) -> tuple[Array, Array]:
        """Vertices and normals (P, V, 3) of a pose; ``sit`` (P,) is how much each person sits."""
        vertices = np.empty((len(self.people), self.count, 3))
        normals = np.empty_like(vertices)
        size = self.height * self.girth

        def put(name: str, centres: Array, left: Array, front: Array, scale: Array = self.height) -> None:
            loft = self._lofts[name]
            rows = loft.vertices
            shape = (len(centres), loft.rings, 3)
            vertices[:, rows], normals[:, rows] = loft.place(
                centres, np.broadcast_to(left, shape), np.broadcast_to(front, shape), scale
            )

        put("torso", *self._torso(pose), size)
        put("gown", *self._skirt(pose, sit), np.where(self._gown, size, HIDDEN))
        for s, _ in SIDES:
            leg = bent_axis(pose.of(f"{s}_hip"), pose.of(f"{s}_kne"), pose.of(f"{s}_ank"), LEG_AT, 0.5)
            put(f"{s}_leg", leg, *_across(leg, pose.left), size)
            arm = bent_axis(pose.of(f"{s}_sho"), pose.of(f"{s}_elb"), pose.of(f"{s}_wri"), ARM_AT, ELBOW)
            put(f"{s}_arm", arm, *_across(arm, pose.chest_forward + 0.01), size)
            wrist = pose.of(f"{s}_wri")
            reach = pose.of(f"{s}_hand") - wrist
            hand = wrist[:, None] + reach[:, None] * np.linspace(-0.08, 1, 7)[None, :, None]
            aside = unit(np.cross(reach, pose.chest_left))[:, None]
            put(f"{s}_hand", hand, aside, np.cross(unit(reach)[:, None], aside))
            put(f"{s}_shoe", self._shoe(pose, s), pose.left[:, None], np.array([0.0, 0.0, 1.0]))
        put("head", self._head(pose), pose.head_left[:, None], pose.head_forward[:, None])
        return vertices, normals

    def _torso(self, pose: Skeleton) -> tuple[Array, Array, Array]:
        along = (TORSO_AT - PELVIS) / TRUNK
        rise = along[None, :, None] * TRUNK * self.height[:, None, None]
        spine = pose.spine[:, None]
        share = np.clip(along, 0, 1)[None, :, None]
        left = unit(pose.left[:, None] * (1 - share) + pose.chest_left[:, None] * share)
        front: Array = pose.forward[:, None] * (1 - share) + pose.chest_forward[:, None] * share
        front = unit(front - (front * spine).sum(-1, keepdims=True) * spine)
        return pose.of("pelvis")[:, None] + rise * spine, left, front

    def _skirt(self, pose: Skeleton, sit: Array) -> tuple[Array, Array, Array]:
        """From the waist to the shins; over the thighs of those who sit; wider with every stride."""
        h, pelvis = self.height[:, None], pose.of("pelvis")
        top = pelvis + pose.spine * 0.05 * h
        bottom: Array = 0.35 * 0.5 * (pose.of("l_ank") + pose.of("r_ank")) + 0.65 * pelvis
        bottom[:, 2] = 0.20 * self.height
        knees = 0.5 * (pose.of("l_kne") + pose.of("r_kne"))
        knees[:, 2] -= 0.06 * self.height
        bottom += sit[:, None] * (knees - bottom)
        worn = self._gown[:, None]
        top, bottom = np.where(worn, top, pelvis), np.where(worn, bottom, pelvis)
        t = np.linspace(0, 1, SKIRT_RINGS)[None, :, None]
        centres = top[:, None] * (1 - t) + bottom[:, None] * t
        stride = np.abs(((pose.of("l_ank") - pose.of("r_ank")) * pose.forward).sum(-1)) / self.height
        wide = 1 + 2.2 * stride[:, None, None] * t
        up = np.array([0.0, 0.0, 1.0])
        front = unit((1 - sit)[:, None, None] * pose.forward[:, None] + sit[:, None, None] * up)
        return centres, np.broadcast_to(pose.left[:, None], centres.shape), front * wide

    def _shoe(self, pose: Skeleton, side: str) -> Array:
        h, ankle = self.height[:, None], pose.of(f"{side}_ank")
        heel, toe = ankle - pose.forward * 0.035 * h, ankle + pose.forward * 0.125 * h
        centres = heel[:, None] + (toe - heel)[:, None] * SHOE_AT[None, :, None]
        centres[..., 2] = ankle[:, None, 2] + (SHOE_UP[None] - ANKLE) * h
        return centres

    def _head(self, pose: Skeleton) -> Array:
        h, z = self.height[:, None, None], HEIGHTS[None, :, None]
        ahead = np.where(z < 0, -z * 0.012, 0)
        return pose.of("head")[:, None] + h * (z * 0.070 * pose.head_up[:, None] + ahead * pose.head_forward[:, None])


def _across(centres: Array, reference: Array) -> tuple[Array, Array]:
    """Two directions (P, R, 3) across an axis; the first nearest to ``reference`` (P, 3)."""
    tangent = unit(np.gradient(centres, axis=1))
    ahead = reference[:, None]
    first = unit(ahead - (ahead * tangent).sum(-1, keepdims=True) * tangent)
    return first, np.cross(tangent, first)
