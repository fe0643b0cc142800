"""The whole pipeline on synthetic videos: what it writes, what it skips, what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from drape import tables
from drape.anonymization import ReleaseConfig, verify_release
from drape.association import AssociationConfig
from drape.detection import DetectionConfig
from drape.errors import MediaError, RecordingError, ReleaseError, WorkspaceError
from drape.evaluation.exposure import exposure
from drape.evaluation.summary import find
from drape.evaluation.truth import TRACKS, accepted
from drape.pipeline import PipelineConfig, Workspace, detect, export, exporting, ingest, run, stages, track
from drape.tracking import TrackingConfig
from support import blobs
from support.command import content

SIZE = (320, 180)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    blobs.register()
    folder = tmp_path_factory.mktemp("videos") / "Operation_of_John_Doe"
    return folder, blobs.make_recording(folder, views=2, frames=50, size=SIZE)


@pytest.fixture(scope="module")
def done(
    videos: tuple[Path, dict[str, np.ndarray]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, Path, dict]:
    root = tmp_path_factory.mktemp("done")
    manifest = run(videos[0], root / "work", root / "release", config())
    return Workspace.open(root / "work"), root / "release", manifest


def config(**release: object) -> PipelineConfig:
    detection = DetectionConfig(preset="blobs", segment_frames=16, batch_size=8)
    association = AssociationConfig(steps=20, floor_steps=20, seeds=1)
    return PipelineConfig(detection=detection, association=association, release=ReleaseConfig(**release))


def truth_table(rows: np.ndarray, least_visible: float) -> object:
    rows = rows[rows[:, 6] >= least_visible]
    return tables.make(TRACKS, frame=rows[:, 0], id=rows[:, 1], **tables.box_columns(rows[:, 2:6].astype(np.float32)))


def test_everybody_is_found_and_masked(videos: tuple, done: tuple) -> None:
    ws, release, _ = done
    durations = np.full(50, 1 / 25)
    for view, rows in videos[1].items():
        visible = truth_table(rows, 0.5)
        found = find(visible, accepted(ws.persons(view)), durations)
        assert found["recall"] > 0.97
        regions = tables.read(release / f"{view}.regions.parquet", tables.REGIONS)
        hidden = exposure(visible, regions, durations, SIZE)
        assert hidden.covered > 0.98


def test_every_frame_has_a_decision_and_its_time(done: tuple) -> None:
    ws, release, manifest = done
    for view in ws.recording.views:
        states = tables.read(release / f"{view.id}.states.parquet", tables.STATES)
        assert states.column("frame").to_pylist() == list(range(50))
        assert set(states.column("state").to_pylist()) <= {"detected", "verified_empty", "unknown"}
    assert [v["frames"] for v in manifest["views"]] == [50, 50]
    assert verify_release(release)["ok"]


def test_records_say_what_led_to_what_and_nothing_private(videos: tuple, done: tuple) -> None:
    ws, release, manifest = done
    assert [r["stage"] for r in ws.records()] == ["ingest", "detect", "track", "associate", "retrieve", "export"]
    detected = ws.record("detect")
    assert detected["detector"]["name"] == "blobs"
    assert detected["views"]["view1"]["counts"]["unknown_frames"] == 0
    words = ("Doe", "cam_1", str(videos[0].parent), str(ws.root))
    texts = [json.dumps(ws.records()), json.dumps(manifest)]
    assert not [w for w in words for t in texts if w in t]
    raw = b"".join(content(release).values())
    assert not [w for w in words if w.encode() in raw]


def test_what_has_not_changed_is_not_done_again(videos: tuple, done: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    ws, release, manifest = done

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("done again")

    for module, name in ((stages, "build_detector"), (stages, "track_view"), (exporting, "export_release")):
        monkeypatch.setattr(module, name, never)
    assert run(videos[0], ws.root, release, config()) == manifest


def test_a_changed_setting_repeats_only_what_hangs_on_it(videos: tuple, tmp_path: Path) -> None:
    ws = ingest(videos[0], tmp_path / "work")
    first = detect(ws, config().detection)
    before = track(ws, TrackingConfig())
    after = track(ws, TrackingConfig(smoothing_s=0.5))
    assert before["views"]["view1"]["digest"] != after["views"]["view1"]["digest"]
    assert before["views"]["view1"]["outputs"] != after["views"]["view1"]["outputs"]
    assert detect(ws, config().detection) == first


def test_a_stopped_detection_goes_on_with_the_same_bits(
    videos: tuple, done: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = ingest(videos[0], tmp_path / "work")
    real, calls = stages.detect_view, []

    def stopping(view: object, detector: object, settings: object, start: int = 0, **rest: object) -> object:
        calls.append(start)
        for count, segment in enumerate(real(view, detector, settings, start=start, **rest)):
            if len(calls) == 1 and count == 2:
                raise KeyboardInterrupt
            yield segment

    monkeypatch.setattr(stages, "detect_view", stopping)
    with pytest.raises(KeyboardInterrupt):
        detect(ws, config().detection)
    detect(ws, config().detection)
    assert calls[:2] == [0, 32]
    for kind in ("candidates", "covered"):
        for view in ("view1", "view2"):
            assert ws.path(kind, view).read_bytes() == done[0].path(kind, view).read_bytes()
    assert not list((ws.root / "segments" / "detect" / "view1").iterdir())


def test_media_changed_after_ingest_are_refused(videos: tuple, tmp_path: Path) -> None:
    folder = shutil.copytree(videos[0], tmp_path / "videos")
    ws = ingest(folder, tmp_path / "work")
    detect(ws, config().detection)
    track(ws)
    shutil.copy(folder / "cam_2.mp4", folder / "cam_1.mp4")
    with pytest.raises(MediaError, match=r"view1.*changed after ingest"):
        export(ws, ReleaseConfig(), tmp_path / "release")
    (folder / "cam_1.mp4").unlink()
    with pytest.raises(MediaError, match=r"view1.*gone"):
        export(ws, ReleaseConfig(), tmp_path / "release")
    assert not (tmp_path / "release").exists()


def test_a_workspace_belongs_to_one_recording(videos: tuple, tmp_path: Path) -> None:
    ingest(videos[0], tmp_path / "work")
    with pytest.raises(WorkspaceError, match="another recording"):
        ingest(videos[0] / "cam_1.mp4", tmp_path / "work")


def test_two_processes_do_not_share_a_workspace(videos: tuple, tmp_path: Path) -> None:
    ws = ingest(videos[0], tmp_path / "work")
    with ws.locked(), pytest.raises(WorkspaceError, match="Another process"):
        detect(Workspace.open(ws.root), config().detection)


def test_stages_in_the_wrong_order_are_refused(videos: tuple, tmp_path: Path) -> None:
    ws = ingest(videos[0], tmp_path / "work")
    with pytest.raises(WorkspaceError, match="no candidates of view1 yet"):
        track(ws)
    with pytest.raises(WorkspaceError, match="no tracklets of view1 yet"):
        export(ws, ReleaseConfig(), tmp_path / "release")
    with pytest.raises(WorkspaceError, match="no workspace here"):
        Workspace.open(tmp_path / "nowhere")


def test_targets_that_hold_something_are_left_alone(done: tuple, videos: tuple, tmp_path: Path) -> None:
    ws = done[0]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(ReleaseError, match="exists"):
        export(ws, ReleaseConfig(), tmp_path / "taken")
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "mine"
    with pytest.raises(ReleaseError, match="another release"):
        export(ws, ReleaseConfig(grey=60), done[1])
    with pytest.raises(RecordingError, match="hold the source"):
        run(videos[0], tmp_path / "w", videos[0], config())
    with pytest.raises(WorkspaceError, match="holds the source"):
        ingest(videos[0], videos[0])


def test_a_single_video_works(videos: tuple, tmp_path: Path) -> None:
    manifest = run(videos[0] / "cam_1.mp4", tmp_path / "work", tmp_path / "release", config())
    assert [v["id"] for v in manifest["views"]] == ["view1"]


def test_a_manifest_shifts_clocks_but_not_released_times(videos: tuple, tmp_path: Path) -> None:
    (tmp_path / "recording.yaml").write_text(
        f"views:\n  - {{media: {videos[0] / 'cam_1.mp4'}}}\n"
        f"  - {{media: {videos[0] / 'cam_2.mp4'}, clock: {{offset: 3.2, drift: 5.0e-5}}}}\n"
    )
    ws = ingest(tmp_path / "recording.yaml", tmp_path / "work")
    first, second = (ws.frames(v).column("time").to_numpy() for v in ("view1", "view2"))
    assert second[0] - first[0] == pytest.approx(3.2)
    assert second[-1] - first[-1] == pytest.approx(3.2 + 5e-5 * 49 / 25)
