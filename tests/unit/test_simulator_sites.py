"""Sites: what differs between them and their families, what stays the same, and the same bytes on every run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from drape.simulator import FAMILIES, Scene, render_still, stills
from drape.simulator.families import LOOKS
from drape.simulator.plan import Plan, corners_of
from drape.simulator.site import Site, build_site
from support.rooms import small

SEEDS = range(6)


@cache
def site(family: str, seed: int) -> Site:
    return build_site(family, seed)


def test_the_same_settings_give_the_same_bytes_in_two_processes() -> None:
    program = (
        "import hashlib; from drape.simulator import Scene, SceneConfig\n"
        "scene = Scene(SceneConfig(family='new', seed=5, seconds=3, fps=5, views=2, people=4, width=320, height=180))\n"
        "frames = [scene.frame(view, k) for k in (0, 11) for view in range(2)]\n"
        "parts = [(f.image, f.truth.boxes, f.truth.keypoints, f.truth.instances, f.truth.visible) for f in frames]\n"
        "print(hashlib.sha256(b''.join(a.tobytes() for part in parts for a in part)).hexdigest())"
    )
    runs = [subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True) for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout and len(runs[0].stdout.strip()) == 64


def test_frames_are_the_same_in_any_order() -> None:
    forwards, backwards = (Scene(small(seed=6, antialias=True)) for _ in range(2))
    order = [(view, k) for k in (0, 4, 8) for view in range(2)]
    a = {at: digest(forwards.frame(*at).image) for at in order}
    b = {at: digest(backwards.frame(*at).image) for at in reversed(order)}
    assert a == b and len(set(a.values())) == 6


def digest(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def test_a_longer_recording_begins_like_a_shorter_one() -> None:
    short, long = Scene(small(seed=2, seconds=3)), Scene(small(seed=2, seconds=30))
    a, b = short.truth_only(0, 5), long.truth_only(0, 5)
    assert np.allclose(a.keypoints, b.keypoints, atol=1e-3)


def test_one_site_can_have_many_recordings() -> None:
    a, b = (Scene(small(site=3, seed=seed)) for seed in (1, 2))
    assert np.array_equal(a.cameras[0].R, b.cameras[0].R)
    assert np.array_equal(
        a._views[0].backdrop(a._clocks[0].moment(0)).picture, b._views[0].backdrop(b._clocks[0].moment(0)).picture
    )
    assert a._stage.figures.height.tolist() != b._stage.figures.height.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_makes_rooms_with_visible_people(family: str) -> None:
    seen = 0
    for seed in range(2):
        for image, truth in stills(family, seed, 2, 320, 180, people=(4, 7), antialias=False):
            assert image.shape == (180, 320, 3) and image.dtype == np.uint8
            assert image.std() > 4
            seen += int((truth.area > 100).sum())
    assert seen >= 6


def test_families_differ_as_they_say() -> None:
    def brightness(family: str) -> float:
        return float(np.mean([image.mean() for seed in range(2) for image, _ in stills(family, seed, 1, 160, 90)]))

    source = brightness("source")
    assert brightness("dim") < 0.5 * source and brightness("new") < 0.8 * source
    steepness = {
        family: np.mean([-site(family, seed).camera(n, (640, 360)).R[2, 2] for seed in range(3) for n in range(3)])
        for family in ("source", "steep", "new")
    }
    assert steepness["steep"] > steepness["new"] > steepness["source"] + 0.1
    assert LOOKS["gowned"].gowned[0] > 0.8 > LOOKS["source"].gowned[1]
    assert LOOKS["compressed"].jpeg[1] < LOOKS["source"].jpeg[0] and LOOKS["hazy"].haze[0] > LOOKS["source"].haze[1]


def test_drapes_have_another_colour_than_clothes_where_the_family_says_so() -> None:
    def nearest(family: str, seed: int) -> float:
        room = site(family, seed)
        worn = np.concatenate([room.cloth.scrubs, room.cloth.gowns])
        drapes = next(s.colours for s in room.room.solids if s.name == "instruments").mean(axis=0)
        return float(np.linalg.norm(drapes - worn, axis=1).min())

    contrast, chance = ([nearest(family, seed) for seed in SEEDS] for family in ("source", "gowned"))
    assert min(contrast) > 0.1 and np.median(contrast) > np.median(chance) + 0.05


def test_rooms_differ() -> None:
    plans = [site("source", seed).plan for seed in SEEDS]
    assert len({plan.size for plan in plans}) == len(plans)
    assert len({tuple(item.kind for item in plan.items) for plan in plans}) == len(plans)
    assert len({plan.c_arm for plan in plans}) == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_things_stand_in_the_room_and_not_in_each_other_or_in_doorways(seed: int) -> None:
    plan = site("source", seed).plan
    assert any(item.kind == "table" for item in plan.items) and plan.doors
    for i, item in enumerate(plan.items):
        corners = corners_of(item, 0.0)
        assert np.all(np.abs(corners) <= np.array(plan.size[:2]) / 2)
        for other in plan.items[i + 1 :]:
            assert not overlap(item, other), (item.kind, other.kind)
        for door in plan.doors:
            assert np.linalg.norm(corners - middle_of(plan, door), axis=1).min() > 0.6


def overlap(a: object, b: object) -> bool:
    """Whether points inside one footprint lie in the other."""
    grid = np.stack(np.meshgrid(*[np.linspace(-0.98, 0.98, 15)] * 2), axis=-1).reshape(-1, 2)
    for one, other in ((a, b), (b, a)):
        turned = np.array([[np.cos(one.yaw), -np.sin(one.yaw)], [np.sin(one.yaw), np.cos(one.yaw)]])
        points = grid * one.half @ turned.T + [one.x - other.x, one.y - other.y]
        back = np.array([[np.cos(other.yaw), -np.sin(other.yaw)], [np.sin(other.yaw), np.cos(other.yaw)]])
        if np.any(np.all(np.abs(points @ back) < other.half, axis=1)):
            return True
    return False


def middle_of(plan: Plan, door: object) -> np.ndarray:
    foot, tangent, _ = plan.wall_frame(door.wall)
    return (foot + tangent * door.along)[:2]


@pytest.mark.parametrize("family", ["source", "new"])
def test_twelve_cameras_hang_in_the_room_in_different_places(family: str) -> None:
    room = site(family, 1)
    cameras = [room.camera(n, (640, 360)) for n in range(12)]
    eyes = np.array([camera.eye for camera in cameras])
    assert np.all(np.abs(eyes[:, :2]) < np.array(room.plan.size[:2]) / 2)
    assert np.all((eyes[:, 2] > 1.9) & (eyes[:, 2] < room.plan.size[2]))
    apart = np.linalg.norm(eyes[:, None] - eyes[None], axis=-1) + 9 * np.eye(12)
    assert apart.min() > 0.15
    table = np.array([*room.plan.table[:2], 1.0])
    for camera in cameras:
        (x, y), depth = camera.project(table)
        assert 0 < x < 640 and 0 < y < 360 and depth > 0.5


def test_twelve_views_and_fifteen_people() -> None:
    scene = Scene(small(views=12, people=15, seconds=1, width=160, height=90))
    truth = scene.truth_only(11, 2)
    assert scene.views[-1] == "view12" and len(scene.roles) == 15
    assert len(truth) >= 5 and len(set(truth.person[truth.kind == 0])) == (truth.kind == 0).sum()


def test_stills_are_reproducible_and_differ() -> None:
    first = [digest(image) for image, _ in stills("source", 9, 3, 160, 90, seed=1)]
    again = [digest(image) for image, _ in stills("source", 9, 3, 160, 90, seed=1)]
    other = [digest(image) for image, _ in stills("source", 9, 3, 160, 90, seed=2)]
    assert first == again and len({*first, *other}) == 6
    image, boxes, visible = render_still("source", 9, 1, 160, 90)
    assert digest(image) == digest(next(stills("source", 9, 1, 160, 90, seed=1))[0])
    assert boxes.shape == (len(visible), 4) and boxes.dtype == np.float32
