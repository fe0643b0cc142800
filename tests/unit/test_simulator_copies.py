"""Images of people that are not people: reflections in glass, pictures on screens."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from drape.simulator import KINDS, FrameTruth, Scene
from support.rooms import small

REFLECTION, PICTURE = KINDS.index("reflection"), KINDS.index("picture")
SEEDS = (1, 3, 5, 8)


@cache
def scene(seed: int) -> Scene:
    return Scene(small(seed=seed, seconds=12, people=6, views=3, width=480, height=270, antialias=False))


@cache
def truths() -> list[tuple[Scene, FrameTruth]]:
    return [(scene(seed), scene(seed).truth_only(view, k)) for seed in SEEDS for view in range(3) for k in (5, 50)]


def copies() -> Iterator[tuple[Scene, FrameTruth, int]]:
    for room, truth in truths():
        for row in np.flatnonzero(truth.copy):
            yield room, truth, int(row)


def test_there_are_reflections_and_pictures() -> None:
    assert sum(1 for _ in copies()) >= 6
    assert sum(int((truth.kind == PICTURE).sum()) for _, truth in truths()) >= 5


def test_a_reflection_is_the_mirror_image_of_its_person() -> None:
    for room, truth, row in copies():
        cast = room._at(truth.world_time)
        pane = room._stage._mirrors[0]
        real = cast.bodies.vertices.reshape(6, -1, 3)[truth.person[row]].astype(float)
        distance = (real - pane.point) @ pane.normal
        behind = real - 2 * distance[:, None] * pane.normal
        pixels, depth = truth.camera.project(behind)
        if depth.min() < 0.3:
            continue
        assert np.all(distance > 0), "who is mirrored stands before the glass"
        box = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
        assert np.abs(truth.amodal[row] - box).max() < 0.1


def test_reflections_are_seen_in_the_glass_only() -> None:
    for room, truth, row in copies():
        view = room.views.index(truth.view)
        backdrop = room._views[view].backdrop(room._clocks[view].moment(truth.frame))
        pane = backdrop.solid == room._stage._mirrors[0].solid
        assert np.all(pane[truth.mask(row)])
        assert 0 < truth.area[row] == truth.mask(row).sum()


def test_a_reflection_has_the_identity_of_its_person_and_its_own_row() -> None:
    for room, truth, row in copies():
        assert truth.person[row] < len(room.roles)
        assert truth.role[row] == room.roles[truth.person[row]]
        assert ((truth.person == truth.person[row]) & (truth.kind == REFLECTION)).sum() == 1


def test_reflections_change_the_picture_where_they_are() -> None:
    room, truth, row = max(copies(), key=lambda found: found[1].area[found[2]])
    view = room.views.index(truth.view)
    picture = room.frame(view, truth.frame).image.astype(int)
    pane = room._views[view].backdrop(room._clocks[view].moment(truth.frame)).solid == room._stage._mirrors[0].solid
    empty = pane & (truth.instances == 0)
    assert picture[truth.mask(row)].mean() > picture[empty].mean() + 4


def test_a_picture_on_a_screen_is_nobody_of_the_crew() -> None:
    places: dict[tuple[str, int], list[list[float]]] = {}
    for room, truth in truths():
        for row in np.flatnonzero(truth.kind == PICTURE):
            assert truth.person[row] >= len(room.roles) and truth.role[row] == "screen"
            assert not truth.keypoints[row].any()
            places.setdefault((f"{id(room)} {truth.view}", int(truth.person[row])), []).append(
                truth.boxes[row].tolist()
            )
    assert places
    assert all(boxes == boxes[:1] * len(boxes) for boxes in places.values()), "screens do not move"
