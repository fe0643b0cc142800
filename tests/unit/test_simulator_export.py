"""Simulated recordings on disk: videos that can be ingested, and a truth that is the scene's, in every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drape.errors import ConfigError, RecordingError
from drape.evaluation.truth import read_truth as read_mot
from drape.media import read_frames
from drape.pipeline import Workspace, ingest
from drape.simulator import (
    KINDS,
    CameraMoved,
    ClockDiffers,
    RateDiffers,
    Scene,
    ViewDropsOut,
)
from drape.simulator.export import RecordingTruth, read_truth, write_recording
from drape.simulator.export_read import visible_boxes
from drape.simulator.export_rle import decode, encode, run_lengths
from drape.simulator.export_sought import PATIENT, sought
from drape.tables import boxes_of
from support.rooms import small

EVENTS = (
    CameraMoved(view=0, at=0.5),
    ViewDropsOut(view=1, start=0.3, stop=0.6),
    ClockDiffers(view=1, offset=0.3, drift=1e-3),
    RateDiffers(view=2, fps=5),
)


def recording(**changes: Any) -> Scene:
    """Three views of three people for a second, at 10 frames a second."""
    return Scene(small(**{"seed": 3, "seconds": 1.0, "fps": 10, "views": 3, "events": EVENTS, **changes}))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return recording()


@pytest.fixture(scope="module")
def folder(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording on disk; tests only read it."""
    folder = tmp_path_factory.mktemp("simulated") / "recording"
    steps: list[int] = []
    write_recording(scene, folder, lambda done, *_: steps.append(done))
    assert steps[-1] == sum(scene.num_frames(view) for view in range(3))
    assert steps == sorted(steps)
    return folder


@pytest.fixture(scope="module")
def truth(folder: Path) -> RecordingTruth:
    return read_truth(folder)


@pytest.fixture(scope="module")
def workspace(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return ingest(folder / "recording.yaml", tmp_path_factory.mktemp("work"))


def test_the_videos_show_the_scene_at_the_stamped_times(scene: Scene, workspace: Workspace) -> None:
    assert [view.name for view in workspace.recording.views] == scene.views
    for number, view in enumerate(workspace.recording.views):
        assert (view.width, view.height) == (320, 180)
        assert view.num_frames == scene.num_frames(number)
        stamped = [scene.view_time(number, k)[0] for k in range(view.num_frames)]
        np.testing.assert_allclose(workspace.frames(view.id).column("time").to_numpy(), stamped, atol=1e-6)
        for frame in read_frames(view):
            if frame.index % 4 == 0:
                error = frame.image.astype(float) - scene.frame(number, frame.index).image
                assert np.abs(error).mean() < 6  # what the encoder changes
    lost = workspace.frames("view2").column("time").to_numpy()
    assert np.diff(lost).max() == pytest.approx(0.4)
    assert workspace.recording.view("view3").num_frames == 5


def test_a_clock_that_differs_is_in_the_truth_and_not_in_the_manifest(
    folder: Path, truth: RecordingTruth, workspace: Workspace
) -> None:
    assert workspace.recording.view("view2").clock.offset == 0
    assert "clock" not in (folder / "recording.yaml").read_text()
    frames = truth.frames("view2")
    time, world = (frames.column(name).to_numpy() for name in ("time", "world_time"))
    np.testing.assert_allclose(world, 0.3 + 1.001 * time)
    assert [(event["kind"], event["view"]) for event in truth.events()] == [
        ("camera_moved", "view1"),
        ("view_drops_out", "view2"),
        ("clock_differs", "view2"),
        ("rate_differs", "view3"),
    ]


def test_calibrations_project_the_persons_positions(scene: Scene, truth: RecordingTruth) -> None:
    cameras = truth.calibration()
    assert [len(cameras[view]) for view in scene.views] == [2, 1, 1]
    assert cameras["view1"][1]["from_frame"] == 5
    assert set(truth.frames("view1").column("pose").to_numpy()[[4, 5]]) == {0, 1}
    persons = truth.persons("view1").to_pylist()
    hits = []
    for row in (row for row in persons if row["kind"] == "person" and row["in_frame"] > 0.9):
        camera = cameras["view1"][int(row["frame"] >= 5)]
        point = np.array(camera["R"]) @ [row[f"position_{axis}"] for axis in "xyz"] + camera["t"]
        x, y = point[:2] / point[2]
        r2 = x * x + y * y
        bend = 1 + camera["k1"] * r2 + camera["k2"] * r2 * r2
        u, v = np.array(camera["K"])[:2] @ [x * bend, y * bend, 1]
        hits.append(row["x1"] <= u <= row["x2"] and row["y1"] <= v <= row["y2"])
    assert len(hits) > 5
    assert all(hits)


def test_tables_are_the_scenes_truth(scene: Scene, truth: RecordingTruth) -> None:
    for number, view in enumerate(scene.views):
        persons, heads = truth.persons(view), truth.table("heads", view)
        table, points = truth.keypoints(view)
        frame = scene.truth_only(number, 2)
        rows = np.flatnonzero(persons.column("frame").to_numpy() == 2)
        there = np.flatnonzero((frame.boxes[:, 2:] > frame.boxes[:, :2]).all(axis=1))
        assert len(rows) == len(there) >= 3
        np.testing.assert_array_equal(persons.column("person").to_numpy()[rows], frame.person[there])
        np.testing.assert_array_equal(boxes_of(persons)[rows], frame.boxes[there])
        seen = frame.area[there] > 0
        np.testing.assert_array_equal(visible_boxes(persons)[rows][seen], frame.visible_boxes[there][seen])
        assert np.isnan(visible_boxes(persons)[rows][~seen]).all()
        np.testing.assert_array_equal(points[rows], frame.keypoints[there])
        assert table.column("frame").equals(persons.column("frame"))
        outline = np.array(heads.column("outline")[int(rows[0])].as_py(), np.float32).reshape(-1, 2)
        np.testing.assert_array_equal(outline, frame.head_polygons[there[0]])


def test_masks_are_the_scenes(scene: Scene, truth: RecordingTruth) -> None:
    frame = scene.truth_only(0, 3)
    found = [row for row in truth.table("masks", "view1").to_pylist() if row["frame"] == 3]
    by_key = {(int(frame.person[k]), KINDS[frame.kind[k]]): k for k in range(len(frame))}
    assert len(found) >= 3
    for row in found:
        mask = truth.mask(row["counts"])
        assert mask.any()
        np.testing.assert_array_equal(mask, frame.mask(by_key[row["person"], row["kind"]]))


def test_run_lengths_agree_with_cocos_own_tools() -> None:
    coco = pytest.importorskip("xtcocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = (int(n) for n in rng.integers(1, 40, 2))
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        h, w = int(rng.integers(1, height - y + 1)), int(rng.integers(1, width - x + 1))
        mask = np.zeros((height, width), bool)
        mask[y : y + h, x : x + w] = rng.random((h, w)) < rng.choice([0, 0.1, 0.5, 0.9, 1])
        text = encode(run_lengths(mask[y : y + h, x : x + w], (x, y), (width, height)))
        assert text == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        np.testing.assert_array_equal(decode(text, (width, height)), mask)


def test_coco_is_read_by_cocos_own_tools(folder: Path, scene: Scene, truth: RecordingTruth) -> None:
    tools = pytest.importorskip("xtcocotools.coco")
    coco = tools.COCO(str(folder / "coco.json"))
    content = json.loads((folder / "coco.json").read_text())
    assert len(coco.imgs) == sum(scene.num_frames(view) for view in range(3))
    assert len(content["categories"][0]["keypoints"]) == 17
    assert max(max(bone) for bone in content["categories"][0]["skeleton"]) == 17
    for annotation in content["annotations"]:
        assert coco.annToMask(annotation).sum() == pytest.approx(annotation["area"], rel=0.02, abs=2)
        assert len(annotation["keypoints"]) == 51
        assert sum(len(annotation[f"{part}_kpts"]) for part in ("foot", "face", "lefthand", "righthand")) == 348
    masks = sum(truth.table("masks", view).num_rows for view in scene.views)
    assert len(content["annotations"]) == masks
    assert {"person"} <= {coco.cats[a["category_id"]]["name"] for a in content["annotations"]}


def test_mot_text_is_read_by_the_evaluation(folder: Path, truth: RecordingTruth) -> None:
    for view in truth.views:
        counted = read_mot(folder / "mot" / f"{view}.txt", minimum_visibility=0.0)
        persons = truth.persons(view).to_pylist()
        real = [row for row in persons if row["kind"] == "person" and row["role"] != PATIENT]
        assert counted.num_rows == len(real) > 0
        assert set(counted.column("id").to_pylist()) == {row["person"] + 1 for row in real}


def test_wanted_are_the_persons_a_detector_is_asked_for(scene: Scene, truth: RecordingTruth) -> None:
    frame = scene.truth_only(0, 4)
    boxes, share = sought(frame)
    asked = share >= 0.2
    wanted = truth.wanted("view1")
    rows = np.flatnonzero(wanted.column("frame").to_numpy() == 4)
    assert sorted(wanted.column("id").to_numpy()[rows]) == sorted(frame.person[asked])
    order = np.argsort(frame.person[asked])
    np.testing.assert_array_equal(boxes_of(wanted)[rows], boxes[asked][order])
    assert not share[(frame.role == PATIENT) | (frame.kind != 0)].any()
    assert truth.wanted("view1", least=0.9).num_rows < wanted.num_rows


def test_the_same_scene_gives_the_same_bytes(tmp_path: Path) -> None:
    def files(name: str) -> dict[str, bytes]:
        write_recording(recording(views=1, seconds=0.5, events=()), tmp_path / name)
        found = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        return {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in found}

    first, second = files("a"), files("b")
    assert {"recording.yaml", "coco.json", "videos/view1.mp4", "truth/persons/view1.parquet"} <= set(first)
    assert first == second


def test_what_cannot_be_written_or_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="even"):
        write_recording(recording(views=1, width=321, events=()), tmp_path / "odd")
    with pytest.raises(RecordingError, match="no finished"):
        read_truth(tmp_path)


def test_an_interrupted_recording_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    def stop(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    scene = recording(views=1, seconds=0.3, events=())
    write_recording(scene, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write_recording(scene, tmp_path, stop)
    with pytest.raises(RecordingError, match="no finished"):
        read_truth(tmp_path)
