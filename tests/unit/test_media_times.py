"""Whose word counts for the time of a frame: the timestamps file's, then the declared rate's, then the container's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape.errors import MediaError
from drape.media import frame_times, read_frames, read_planes, scan
from drape.recording import Clock
from support.clips import make_clip, view_of

PTS = np.array([0, 40, 80, 1000])


def write(folder: Path, text: str) -> Path:
    path = folder / "stamps.csv"
    path.write_text(text)
    return path


def test_container_times() -> None:
    assert frame_times(view_of(Path("x.mp4")), PTS, (1, 1000)).tolist() == [0.0, 0.04, 0.08, 1.0]
    assert frame_times(view_of(Path("x.mp4")), PTS, (1001, 30000))[1] == 40 * 1001 / 30000


def test_declared_rate_overrides_the_container() -> None:
    assert frame_times(view_of(Path("x.mp4"), fps=8), PTS, (1, 1000)).tolist() == [0.0, 0.125, 0.25, 0.375]


def test_clock_is_applied_last() -> None:
    view = view_of(Path("x.mp4"), fps=8, clock=Clock(offset=-2.0, drift=0.25))
    assert frame_times(view, PTS, (1, 1000)).tolist() == [-2.0, -1.84375, -1.6875, -1.53125]


def test_timestamps_override_the_declared_rate(tmp_path: Path) -> None:
    stamps = write(tmp_path, "10.5\n10.75\n\n11\n12.5\n")
    view = view_of(Path("x.mp4"), fps=8, timestamps=stamps, clock=Clock(offset=1))
    assert frame_times(view, PTS, (1, 1000)).tolist() == [11.5, 11.75, 12.0, 13.5]


@pytest.mark.parametrize("column", ["time", "frame_time", "timestamp"])
def test_time_column(tmp_path: Path, column: str) -> None:
    stamps = write(tmp_path, f"other, {column}\n9,1.5\n8,2.5\n7,3\n6,4\n")
    assert frame_times(view_of(Path("x.mp4"), timestamps=stamps), PTS, (1, 1)).tolist() == [1.5, 2.5, 3.0, 4.0]


ROWS = """sync,{column},frame_index,frame_time
0,{other},3,9.0
0,{mine},29,4.0
1,{mine},26,1.0
2,{mine},28,3.0
3,{mine},27,2.0
"""


@pytest.mark.parametrize(
    ("name", "column", "mine", "other"),
    [
        ("cam_3", "cam_id", "3", "13"),
        ("cam_03", "cam_id", "3", "0"),
        ("ceiling", "view", "ceiling", "wall"),
        ("ceiling", "view", "view1", "view2"),
    ],
)
def test_rows_of_a_view_are_selected_and_ordered(tmp_path: Path, name: str, column: str, mine: str, other: str) -> None:
    stamps = write(tmp_path, ROWS.format(column=column, mine=mine, other=other))
    view = view_of(Path("x.mp4"), timestamps=stamps).model_copy(update={"name": name})
    assert frame_times(view, PTS, (1, 1)).tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("1\n2\n3\n", "holds 3 times, but the video has 4 frames"),
        ("1\n2\n3\n4\n5\n", "holds 5 times, but the video has 4 frames"),
        ("1\n2\n2\n4\n", "frame 2: its timestamp does not come after"),
        ("1\n2\nnan\n4\n", "frame 2: its timestamp"),
        ("1\n2\nthree\n4\n", "line 3 of the timestamps file holds no number"),
        ("a,b\n1,2\n", "neither one number per line nor a column"),
        ("cam_id,time\n7,1\n", "says nothing of this view"),
        ("frame_index,time\n1,1\n1,2\n", "names a frame_index twice"),
        ("time,frame_index\n1\n", "holds no number"),
    ],
)
def test_unusable_timestamps(tmp_path: Path, text: str, what: str) -> None:
    view = view_of(Path("x.mp4"), timestamps=write(tmp_path, text))
    with pytest.raises(MediaError, match=what) as caught:
        frame_times(view, PTS, (1, 1))
    assert caught.value.role == "view1"
    assert "stamps.csv" not in str(caught.value)


def test_missing_timestamps(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="timestamps file cannot be read"):
        frame_times(view_of(Path("x.mp4"), timestamps=tmp_path / "none.csv"), PTS, (1, 1))


def test_readers_and_scan_agree_with_frame_times(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", pts=[7, 40, 81, 1000])
    stamps = write(tmp_path, "0.1\n0.2\n0.35\n0.7\n")
    for fields in ({}, {"fps": 7.3}, {"timestamps": stamps}, {"clock": Clock(offset=3.3, drift=1e-5)}):
        view, table = scan(view_of(path, **fields))
        expected = frame_times(view, table["pts"].to_numpy(), view.time_base).tolist()
        assert table["time"].to_pylist() == expected
        assert [f.time for f in read_frames(view)] == [p.time for p in read_planes(view)] == expected


@pytest.mark.parametrize(("count", "what"), [(3, "at least 4 frames"), (5, "has 4 frames")])
def test_reading_a_video_with_another_number_of_timestamps(tmp_path: Path, count: int, what: str) -> None:
    path = make_clip(tmp_path / "a.mp4", 4)
    stamps = write(tmp_path, "".join(f"{i}\n" for i in range(count)))
    with pytest.raises(MediaError, match=f"holds {count} times, but the video has {what}|{what}"):
        list(read_frames(view_of(path, timestamps=stamps)))
