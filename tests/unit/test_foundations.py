"""Boxes, tables, recordings, clocks: what everything stands on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape import boxes, tables
from drape.errors import RecordingError, WorkspaceError
from drape.recording import Clock, Recording, View, load_recording, natural_key
from hypothesis import given
from hypothesis import strategies as st

corner = st.floats(-500, 500, width=32)
box = st.tuples(corner, corner, st.floats(1, 300, width=32), st.floats(1, 300, width=32)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)


@given(st.lists(box, min_size=1, max_size=8), st.lists(box, min_size=1, max_size=8))
def test_iou_is_symmetric_bounded_and_below_coverage(a: list[tuple[float, ...]], b: list[tuple[float, ...]]) -> None:
    first, second = boxes.as_boxes(a), boxes.as_boxes(b)
    overlap = boxes.iou(first, second)
    assert np.allclose(overlap, boxes.iou(second, first).T, atol=1e-6)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-6)).all()
    assert (overlap <= boxes.coverage(first, second) + 1e-5).all()
    assert np.allclose(np.diag(boxes.iou(first, first)), 1)


def test_iou_of_a_known_pair() -> None:
    a, b = boxes.as_boxes([0, 0, 10, 10]), boxes.as_boxes([5, 0, 15, 10])
    assert boxes.iou(a, b)[0, 0] == pytest.approx(1 / 3)
    assert boxes.coverage(a, b)[0, 0] == pytest.approx(0.5)
    assert boxes.expand(a, 0.1, 0.2).tolist() == [[-1, -2, 11, 12]]
    assert boxes.clip(boxes.as_boxes([-5, -5, 900, 20]), 640, 480).tolist() == [[0, 0, 640, 20]]


def test_nms_keeps_the_best_of_each_heap() -> None:
    heap = boxes.as_boxes([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 0, 10, 10]])
    assert boxes.nms(heap, np.array([0.5, 0.9, 0.3, 0.9], np.float32), 0.5).tolist() == [1, 2]


def test_tables_are_whole_or_absent_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "frames" / "view1.parquet"
    table = tables.make(tables.FRAMES, frame=[0, 1], pts=[0, 512], time=[0.0, 0.04])
    digest = tables.write(table, path)
    assert digest == tables.sha256(path)
    assert tables.read(path, tables.FRAMES).equals(table)
    assert tables.write(table, path) == digest
    assert [p.name for p in path.parent.iterdir()] == ["view1.parquet"]
    with pytest.raises(WorkspaceError, match="other columns"):
        tables.read(path, tables.CANDIDATES)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WorkspaceError, match="damaged"):
        tables.read(path, tables.FRAMES)
    with pytest.raises(WorkspaceError, match="Run"):
        tables.read(tmp_path / "persons" / "view1.parquet", tables.PERSONS)


def test_joined_tables_are_the_parts_in_order(tmp_path: Path) -> None:
    parts = []
    for start in (0, 3):
        index = np.arange(start, start + 3)
        parts.append(tmp_path / f"{start}.part")
        tables.write(tables.make(tables.FRAMES, frame=index, pts=index, time=index / 25), parts[-1])
    tables.join(parts, tmp_path / "all.parquet", tables.FRAMES)
    assert tables.read(tmp_path / "all.parquet", tables.FRAMES).column("frame").to_pylist() == list(range(6))
    assert tables.rows(tmp_path / "all.parquet") == 6


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        tables.write(tables.empty(tables.FRAMES), tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_scores_may_be_missing_but_not_existence() -> None:
    box = {"x1": [0], "y1": [0], "x2": [1], "y2": [1]}
    columns = {"frame": [0], "time": [0.0], "tracklet": [0], "source": ["interpolated"], "candidate": [None], **box}
    table = tables.make(tables.TRACKLETS, existence=[0.7], score=np.array([np.nan], np.float32), **columns)
    assert table.column("score").null_count == 1
    with pytest.raises(ValueError, match="existence must be known"):
        tables.make(tables.TRACKLETS, existence=[None], score=[0.5], **columns)


@given(st.floats(-1e4, 1e4), st.floats(-0.01, 0.01), st.floats(0, 1e5))
def test_clocks_go_there_and_back(offset: float, drift: float, time: float) -> None:
    clock = Clock(offset=offset, drift=drift)
    assert clock.to_view(clock.to_recording(time)) == pytest.approx(time, abs=1e-6)


def test_natural_order() -> None:
    assert sorted(["cam10", "cam2", "Cam1"], key=natural_key) == ["Cam1", "cam2", "cam10"]


def test_a_folder_of_videos_is_a_recording(tmp_path: Path) -> None:
    for name in ("cam10.mp4", "cam2.MP4", "notes.txt", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    recording = load_recording(tmp_path)
    assert [(v.id, v.name, v.kind) for v in recording.views] == [
        ("view1", "cam2", "video"),
        ("view2", "cam10", "video"),
    ]


def test_a_folder_of_image_folders_is_a_recording(tmp_path: Path) -> None:
    for view in ("a", "b"):
        (tmp_path / view).mkdir()
        (tmp_path / view / "0001.jpg").write_bytes(b"x")
    assert [v.kind for v in load_recording(tmp_path).views] == ["images", "images"]
    assert [v.name for v in load_recording(tmp_path / "a").views] == ["a"]


def test_one_video_is_a_recording(tmp_path: Path) -> None:
    (tmp_path / "only.mkv").write_bytes(b"x")
    assert len(load_recording(tmp_path / "only.mkv").views) == 1


def test_a_manifest_declares_clocks_rates_and_streams(tmp_path: Path) -> None:
    (tmp_path / "left.mp4").write_bytes(b"x")
    (tmp_path / "right.mp4").write_bytes(b"x")
    manifest = tmp_path / "recording.yaml"
    manifest.write_text(
        "name: knee\nviews:\n  - {media: left.mp4, fps: 7}\n"
        "  - {media: right.mp4, name: door, stream: 1, clock: {offset: 3.2, drift: 5.0e-5}}\n"
    )
    recording = load_recording(manifest)
    assert recording.view("door").clock == Clock(offset=3.2, drift=5e-5)
    assert recording.view("view1").fps == 7
    assert recording.view("view2").stream == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("views: []", "names no views"),
        ("views: [{media: gone.mp4}]", "media of view1 do not exist"),
        ("views: [{media: a.mp4, speed: 3}]", "speed"),
        ("views: [{media: a.mp4, fps: -1}]", "fps"),
        ("views: [{media: a.mp4}, {media: a.mp4}]", "must differ"),
        ("views: [{media: a.mp4}]\ncolour: red", "unknown key 'colour'"),
        ("- just\n- a list", "must be a mapping"),
        ("views: [", "invalid"),
        ("!!python/object/apply:os.system ['true']", "invalid"),
        ("views: [{name: x}]", "media"),
        ("views: 3", "invalid"),
    ],
)
def test_a_bad_manifest_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    manifest = tmp_path / "recording.yaml"
    manifest.write_text(text)
    with pytest.raises(RecordingError, match=words) as caught:
        load_recording(manifest)
    assert str(tmp_path) not in str(caught.value)


def test_no_videos_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no videos"):
        load_recording(tmp_path)
    with pytest.raises(RecordingError, match="does not exist"):
        load_recording(tmp_path / "nowhere")


def test_ids_follow_content_not_names() -> None:
    def recording(name: str, order: tuple[int, int]) -> Recording:
        views = [View(id=f"view{i}", name=f"n{i}", media=Path("x"), sha256=f"{i:064d}") for i in order]
        return Recording(name=name, views=tuple(views)).with_views(views)

    assert recording("a", (1, 2)).id == recording("b", (2, 1)).id
    assert recording("a", (1, 2)).id != recording("a", (1, 3)).id
    assert "n1" not in recording("a", (1, 2)).id
