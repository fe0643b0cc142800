"""How simulated people move: on the floor, not through things or each other, through doors, and what they do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from drape.simulator import Scene
from drape.simulator.gait import Manners, standing
from drape.simulator.plan import DOOR_WIDTH
from drape.simulator.scene import LEAD
from drape.simulator.skeleton import solve
from support.rooms import small

SECONDS = 60
STEP = 0.2


@cache
def scene(seed: int) -> Scene:
    return Scene(small(seed=seed, seconds=SECONDS, people=8))


@cache
def states(seed: int) -> list:
    return [scene(seed)._motion.state(t) for t in np.arange(0, SECONDS, STEP)]


@pytest.mark.parametrize("seed", [1, 2])
def test_everybody_stands_or_sits_on_the_floor(seed: int) -> None:
    """The lowest point of every body is its sole: not below the floor, and above it only while walking."""
    soles, sits = [], []
    for t in np.arange(0.5, SECONDS, 2.3):
        state = scene(seed)._motion.state(t)
        cast = scene(seed)._stage.cast(state, t)
        lowest = cast.bodies.vertices.reshape(8, -1, 3)[..., 2].min(axis=1)
        assert lowest.min() > -0.03
        assert lowest[state.walk < 0.05].max(initial=0) < 0.03
        soles += lowest.tolist()
        sits += cast.skeleton.of("pelvis")[state.sit > 0.95, 2].tolist()
    assert len(soles) > 150
    assert all(0.45 < height < 0.70 for height in sits)


def test_somebody_sits_and_somebody_bends() -> None:
    sit = max(state.sit.max() for seed in (1, 3) for state in states(seed))
    stoop = max(state.stoop.max() for seed in (1, 3) for state in states(seed))
    assert sit > 0.95 and stoop > 0.5


def test_bending_brings_the_hands_down_and_the_feet_stay() -> None:
    height = np.array([1.7])
    manners = Manners(height, np.random.default_rng(0))
    up, down = standing(1), standing(1)
    down.stoop = np.ones(1)
    a, b = (solve(manners.posture(state, 0.0), height, np.ones(1)) for state in (up, down))
    assert b.of("r_hand")[0, 2] < a.of("r_hand")[0, 2] - 0.1
    assert b.of("nose")[0, 2] < a.of("nose")[0, 2] - 0.3
    assert np.allclose(a.of("l_ank"), b.of("l_ank"), atol=0.02)


def test_limbs_keep_their_lengths() -> None:
    cast = scene(1)._stage.cast(states(1)[40], 8.0)
    height = scene(1)._stage.figures.height
    for a, b, length in (("l_hip", "l_kne", 0.245), ("r_kne", "r_ank", 0.246), ("l_sho", "l_elb", 0.172)):
        distance = np.linalg.norm(cast.skeleton.of(a) - cast.skeleton.of(b), axis=1)
        assert np.allclose(distance, length * height, rtol=0.01)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_people_keep_apart_and_do_not_walk_through_furniture(seed: int) -> None:
    site = scene(seed).site
    inside, closest, least = 0, [], []
    for state in states(seed):
        present = np.flatnonzero(state.present)
        gaps = np.linalg.norm(state.xy[present, None] - state.xy[None, present], axis=-1)
        closest.append(gaps[np.triu_indices(len(present), 1)].min(initial=9))
        room = np.all(np.abs(state.xy) < np.array(site.plan.size[:2]) / 2 - 0.3, axis=1)
        walking = state.present & (state.walk > 0.9) & (state.sit < 0.01) & room
        least += site.floor.clearance(state.xy[walking]).tolist()
        inside += int(walking.sum())
    assert inside > 200
    assert np.percentile(closest, 1) > 0.3
    assert np.percentile(least, 1) > 0.1 and np.mean(np.array(least) < 0.05) < 0.01


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nobody_is_faster_than_a_brisk_walk_or_slides(seed: int) -> None:
    steps = []
    for before, after in zip(states(seed), states(seed)[1:], strict=False):
        both = before.present & after.present
        step = np.linalg.norm(after.xy - before.xy, axis=1)[both]
        assert step.max(initial=0) < 3.6 * STEP, "evading somebody takes a quick step"
        assert np.all(np.maximum(before.walk, after.walk)[both][step > 0.15] > 0.02), "who moves on steps"
        steps += step.tolist()
    assert np.percentile(steps, 99) < 1.9 * STEP


def test_people_come_and_go_by_the_doors_only() -> None:
    crossings = 0
    for seed in (1, 2, 3):
        plan = scene(seed).site.plan
        half = np.array(plan.size[:2]) / 2
        for before, after in zip(states(seed), states(seed)[1:], strict=False):
            for p in np.flatnonzero(before.present & after.present):
                inside = [bool(np.all(np.abs(state.xy[p]) < half)) for state in (before, after)]
                if inside[0] != inside[1]:
                    crossings += 1
                    middle = (before.xy[p] + after.xy[p]) / 2
                    assert min(_to_door(plan, door, middle) for door in plan.doors) < DOOR_WIDTH / 2
    assert crossings >= 4


def _to_door(plan: object, door: object, point: np.ndarray) -> float:
    foot, tangent, _ = plan.wall_frame(door.wall)
    return float(np.linalg.norm(point - (foot + tangent * door.along)[:2]))


def test_people_out_of_the_room_have_no_rows() -> None:
    gone = 0
    for seed in (1, 2):
        for k in range(0, SECONDS * 5, 15):
            _, world = scene(seed).view_time(0, k)
            absent = set(np.flatnonzero(~scene(seed)._motion.state(world).present))
            for view in range(2):
                truth = scene(seed).truth_only(view, k)
                assert not absent & set(truth.person[truth.kind < 2].tolist())
            gone += len(absent)
    assert gone > 5


def test_who_hands_something_over_meets_the_other_hand() -> None:
    met = 0
    for seed in (1, 2, 3):
        for time in np.arange(0, SECONDS, 0.5):
            state = scene(seed)._motion.state(time)
            reaching = np.flatnonzero((state.reach > 0.9) & (state.walk < 0.1) & (state.sit < 0.1))
            if len(reaching) < 2:
                continue
            hands = scene(seed)._stage.cast(state, time).skeleton.of("r_wri")[reaching]
            same = np.linalg.norm(state.target[reaching] - state.target[reaching[0]], axis=1) < 0.05
            if same.sum() == 2:
                assert np.linalg.norm(np.diff(hands[same], axis=0)) < 0.35
                met += 1
    assert met >= 2


def test_time_before_the_recording_is_played_too() -> None:
    early, later = scene(1)._motion.state(-LEAD + 0.5), scene(1)._motion.state(-LEAD + 3.5)
    assert np.abs(early.xy - later.xy).max() > 0.05
