"""Poses and head regions on a workspace: what is written, what is skipped, how a stopped run goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from drape import tables
from drape.detection import DetectionConfig
from drape.errors import WorkspaceError
from drape.pipeline import Workspace, detect, ingest, posing, track
from drape.pipeline.posing import estimate_poses, find_heads
from drape.pose.rows import points_of
from support import blobs
from support.poses import dots_config

CONFIG = dots_config(segment_frames=8, frames_at_once=4)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two views of walkers, detected and tracked."""
    blobs.register()
    folder = tmp_path_factory.mktemp("videos") / "Operation_of_John_Doe"
    blobs.make_recording(folder, views=2, frames=24, size=(160, 90))
    ws = ingest(folder, tmp_path_factory.mktemp("done") / "work")
    detect(ws, DetectionConfig(preset="blobs", segment_frames=8, batch_size=8))
    track(ws)
    return ws


@pytest.fixture(scope="module")
def record(tracked: Workspace) -> dict:
    return estimate_poses(tracked, CONFIG)


def test_everybody_masked_has_a_pose_and_everybody_a_head(tracked: Workspace, record: dict) -> None:
    assert tracked.has("poses")
    assert tracked.has("heads")
    for view in tracked.recording.views:
        everyone, poses = tracked.everyone(view.id), tracked.read("poses", view.id)
        masked = everyone.filter(pc.greater_equal(everyone.column("existence"), 0.1))
        assert poses.num_rows == masked.num_rows > 20
        assert poses.column("tracklet").to_pylist() == masked.column("tracklet").to_pylist()
        points, scores = points_of(poses)
        assert points.shape == (masked.num_rows, 17, 2)
        assert np.isnan(points).any(axis=-1)[scores > 0].sum() == 0
        assert tracked.read("heads", view.id).num_rows == everyone.num_rows
        counts = record["views"][view.id]["counts"]
        assert counts == {"persons": poses.num_rows, "unknown": 0}
    heads = tracked.record("heads")["views"]["view1"]["counts"]
    assert sum(heads[rule] for rule in tables.HEAD_RULES) == heads["heads"]


def test_the_record_names_the_model_and_nothing_private(tracked: Workspace, record: dict) -> None:
    assert record["estimator"] == {"name": "dots", "engine": "dots-1"}
    assert record["stage"] == "pose"
    text = json.dumps([record, tracked.record("heads")])
    assert not [word for word in ("Doe", "cam_1", str(tracked.root)) if word in text]
    assert not (tracked.root / "segments" / "pose" / "view1").exists() or not any(
        (tracked.root / "segments" / "pose" / "view1").iterdir()
    )


def test_what_has_not_changed_is_not_done_again(
    tracked: Workspace, record: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("done again")

    with monkeypatch.context() as patch:
        for name in ("build_estimator", "heads_of_views"):
            patch.setattr(posing, name, never)
        assert estimate_poses(tracked, CONFIG) == record
        with pytest.raises(AssertionError, match="done again"):
            estimate_poses(tracked, CONFIG.model_copy(update={"smoothing_s": 0.2}))


def test_a_stopped_run_goes_on_with_the_same_bits(
    tracked: Workspace, record: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = tracked.read("poses", "view1")
    for view in tracked.recording.views:
        tracked.path("poses", view.id).unlink()
    real, starts = posing.estimate_view, []

    def stopping(view: object, persons: pa.Table, estimator: object, config: object, start: int = 0, **rest: object):
        starts.append(start)
        for count, segment in enumerate(real(view, persons, estimator, config, start=start, **rest)):
            if len(starts) == 1 and count == 2:
                raise KeyboardInterrupt
            yield segment

    monkeypatch.setattr(posing, "estimate_view", stopping)
    with pytest.raises(KeyboardInterrupt):
        estimate_poses(tracked, CONFIG)
    again = estimate_poses(tracked, CONFIG)
    assert starts == [0, 16, 0]
    assert again["views"]["view1"]["outputs"] == record["views"]["view1"]["outputs"]
    for a, b in zip(points_of(tracked.read("poses", "view1")), points_of(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_reviewed_person_gets_a_pose_and_old_poses_are_not_used_for_new_persons(
    tracked: Workspace, record: dict
) -> None:
    persons = tracked.persons("view1")
    added = persons.slice(0, 1).set_column(
        persons.schema.get_field_index("tracklet"), persons.schema.field("tracklet"), pa.array([900], pa.int32())
    )
    path = tracked.path("reviewed", "view1")
    try:
        tables.write(added, path)
        estimate_poses(tracked, CONFIG)
        assert 900 in tracked.read("poses", "view1").column("tracklet").to_pylist()
        everyone = tracked.everyone("view1")
        heads = tracked.read("heads", "view1")
        assert heads.column("tracklet").to_pylist() == everyone.column("tracklet").to_pylist()
        shifted = added.set_column(
            added.schema.get_field_index("tracklet"), added.schema.field("tracklet"), pa.array([901], pa.int32())
        )
        tables.write(shifted, path)
        with pytest.raises(WorkspaceError, match="of other persons"):
            find_heads(tracked)
    finally:
        path.unlink()


def test_heads_need_no_poses_but_persons(tracked: Workspace, record: dict, tmp_path: Path) -> None:
    blobs.make_recording(tmp_path / "in", views=1, frames=8, size=(160, 90))
    ws = ingest(tmp_path / "in", tmp_path / "work")
    with pytest.raises(WorkspaceError, match="no tracklets"):
        estimate_poses(ws, CONFIG)
    detect(ws, DetectionConfig(preset="blobs", segment_frames=8, batch_size=8))
    track(ws)
    find_heads(ws)
    rules = set(ws.read("heads", "view1").column("rule").to_pylist())
    assert rules <= {"upper_box", "whole_box"}
