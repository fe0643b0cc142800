"""Key points and heads in the dataset: the App's labels are the tables, on every frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drape import tables
from drape.fiftyone_io import rollups, views, write_poses
from support.theatre import Theatre

POINTS = 133


def plant(theatre: Theatre) -> None:
    """Write poses and heads of three persons in view1, and none in view2, as the pose stage would."""
    ws = theatre.workspace
    rng = np.random.default_rng(0)
    frames = [3, 3, 7]
    about: dict[str, Any] = {
        "frame": frames,
        "time": ws.frames("view1").column("time").to_numpy()[frames],
        "index": [0, 1, 0],
        "tracklet": [4, 5, 4],
        "person": [1, None, 1],
    }
    points = {name: rng.uniform(0, 100, (3, POINTS)).astype("f4").tolist() for name in "xy"}
    score = rng.uniform(0, 1, (3, POINTS)).astype("f4").tolist()
    outside = (rng.uniform(0, 1, (3, POINTS)) > 0.9).tolist()
    tables.write(tables.make(tables.POSES, **about, **points, score=score, outside=outside), ws.path("poses", "view1"))
    boxes = tables.box_columns(np.array([[10, 20, 30, 40]] * 3, np.float32))
    ring = {"x": [[10, 30, 30, 10]] * 3, "y": [[20, 20, 40, 40]] * 3}
    rules = {"rule": ["key_points", "whole_box", "over_time"], "confidence": [0.9, 0.2, 0.5]}
    tables.write(tables.make(tables.HEADS, **about, **boxes, **ring, **rules), ws.path("heads", "view1"))
    for kind, schema in (("poses", tables.POSES), ("heads", tables.HEADS)):
        tables.write(tables.empty(schema), ws.path(kind, "view2"))


@pytest.fixture
def posed(theatre: Theatre) -> Theatre:
    theatre.tracked()
    plant(theatre)
    dataset, ws = theatre.dataset, theatre.workspace
    write_poses.write_poses(dataset, ws)
    write_poses.write_heads(dataset, ws)
    rollups.write_head_counts(dataset, ws)
    views.save_views(dataset)
    return theatre


def test_key_points_are_the_table(posed: Theatre) -> None:
    sample = posed.slice("view1").first()
    table = posed.workspace.read("poses", "view1")
    found = [*sample.frames[4].poses.keypoints, *sample.frames[8].poses.keypoints]
    assert [(k.index, k.label) for k in found] == [(4, "person"), (5, "person"), (4, "person")]
    view = posed.workspace.recording.view("view1")
    for keypoint, row in zip(found, table.to_pylist(), strict=True):
        pixels = np.array(keypoint.points) * [view.width, view.height]
        np.testing.assert_allclose(pixels, np.stack([row["x"], row["y"]], 1), atol=1e-3)
        assert keypoint.confidence == pytest.approx(row["score"])
        assert keypoint.outside == row["outside"]
    assert found[0].instance.id == found[2].instance.id != found[1].instance.id
    assert sample.frames[5].poses.keypoints == []
    assert all(not f.poses.keypoints for f in posed.slice("view2").first().frames.values())


def test_the_skeleton_joins_all_points(posed: Theatre) -> None:
    skeleton = posed.dataset.skeletons["frames.poses"]
    assert len(skeleton.labels) == len(set(skeleton.labels)) == POINTS
    ends = np.array([point for chain in skeleton.edges for point in chain])
    assert ends.min() == 0
    assert ends.max() == POINTS - 1
    assert len(np.unique(ends)) == POINTS


def test_heads_carry_their_rule_and_are_found_by_it(posed: Theatre) -> None:
    sample = posed.slice("view1").first()
    (first, second) = sample.frames[4].heads.polylines
    view = posed.workspace.recording.view("view1")
    ring = np.array(first.points[0]) * [view.width, view.height]
    np.testing.assert_allclose(ring, [[10, 20], [30, 20], [30, 40], [10, 40]], atol=1e-3)
    assert (first.rule, second.rule, first.closed) == ("key_points", "whole_box", True)
    assert first.instance.id == sample.frames[4].poses.keypoints[0].instance.id
    saved = posed.dataset.load_saved_view("Heads by fallback rule")
    assert sorted(saved.values("frames.heads.polylines.rule", unwind=True)) == ["over_time", "whole_box"]
    assert dict(zip(*posed.slice(["view1", "view2"]).values(["view", "num_fallback_heads"]), strict=True)) == {
        "view1": 2,
        "view2": 0,
    }


def test_writing_again_replaces(posed: Theatre) -> None:
    before = [k.id for k in posed.slice("view1").first().frames[4].poses.keypoints]
    write_poses.write_poses(posed.dataset, posed.workspace)
    assert [k.id for k in posed.slice("view1").first().frames[4].poses.keypoints] == before
