"""Whole recordings whose clocks and cameras are not what they should be."""

from __future__ import annotations

import numpy as np
import pytest
from drape import tables
from drape.association import AssociationConfig, Background, associate_recording
from drape.association.views import ViewBoxes
from support import ground

CONFIG = AssociationConfig(steps=150, floor_steps=150, seeds=1)


def correct(found: object, scene: ground.Scene, after: float = -np.inf) -> float:
    """Share of the matched pairs of people that are of one person, from a time on."""
    where = {view.view: k for k, view in enumerate(scene.views)}
    person = {
        (view.view, int(f), int(i)): int(p)
        for k, view in enumerate(scene.views)
        for f, i, p in zip(view.frame, view.index, scene.truth[k], strict=True)
    }
    right = []
    for row in found.pairs.to_pylist():
        if row["matched"] and row["probability"] >= 0.5 and row["time"] >= after:
            a = person[row["view_a"], row["frame_a"], row["index_a"]]
            b = person[row["view_b"], row["frame_b"], row["index_b"]]
            if a >= 0 and b >= 0:
                right.append(a == b)
    assert set(found.pairs.column("view_a").to_pylist()) <= set(where)
    return float(np.mean(right)) if len(right) > 50 else 0.0


@pytest.mark.slow
def test_a_shifted_view_is_found_and_associated() -> None:
    scene = ground.scene(views=3, people=6, seconds=90, fps=5, offset=(0, 2.4, 0), seed=3)
    found = associate_recording(scene.views, CONFIG)
    rows = {row["view"]: row for row in found.clocks.to_pylist()}
    between = rows["view2"]["offset"] - rows["view1"]["offset"]
    assert abs(abs(between) - 2.4) < 0.2
    assert correct(found, scene) > 0.9


@pytest.mark.slow
def test_a_moved_camera_seen_in_its_pictures_becomes_another_camera() -> None:
    scene = ground.scene(views=3, people=6, seconds=120, fps=4, turn=(1, 60.0, 5.0), seed=1)
    rng = np.random.default_rng(0)
    room = (rng.random((45, 80)) * 255).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    times = np.arange(0, 120, 2.5)
    pictures = [np.roll(room, 24, axis=1) if t >= 60 else room for t in times]
    nobody = [np.zeros((0, 4), np.float32)] * len(times)
    moved = {"view2": Background(times, iter(pictures), nobody)}
    still = {v: Background(times, iter([room] * len(times)), nobody) for v in ("view1", "view3")}
    found = associate_recording(scene.views, CONFIG, backgrounds=moved | still)
    (row,) = found.synchrony.to_pylist()
    assert (row["view"], row["label"]) == ("view2", "camera_moved")
    assert 55 <= row["start"] <= row["stop"] <= 65
    assert set(found.expected.column("view").to_pylist()) <= {"view1", "view2", "view3"}
    assert found.model is not None
    assert "view2#1" in found.model.cameras
    assert correct(found, scene, after=65) > 0.8


def test_too_little_to_learn_from_leaves_views_alone_and_says_so() -> None:
    scene = ground.scene(views=2, people=2, seconds=3, fps=2, seed=0)
    found = associate_recording(scene.views, CONFIG)
    assert found.pairs.num_rows == 0
    assert found.model is None
    rows = found.synchrony.to_pylist()
    assert {row["view"] for row in rows} == {"view1", "view2"}
    assert {row["label"] for row in rows} == {"unsynchronized"}
    assert all("learn" in row["reason"] for row in rows)


def test_one_view_is_associated_with_nobody() -> None:
    (view, *_) = ground.scene(views=2, people=3, seconds=10, seed=0).views
    found = associate_recording([view], CONFIG)
    assert isinstance(view, ViewBoxes)
    assert found.pairs.schema.equals(tables.PAIRS)
    assert found.pairs.num_rows == 0
    assert found.clocks.num_rows == 0
