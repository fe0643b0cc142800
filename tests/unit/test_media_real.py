"""Real recordings scan cleanly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape.media import plan_mosaic, read_frames, scan
from drape.recording import View, load_recording

FILES = [
    ("pets_2view/View_001.mp4", 795, (768, 576)),
    ("pets_2view/View_006.mp4", 795, (768, 576)),
    ("pose2sim_4view/videos/cam01.mp4", 100, (1088, 1920)),
    ("pose2sim_4view/videos/cam04.mp4", 100, (1088, 1920)),
    ("one_by_one/one-by-one-person-detection.mp4", 1394, (768, 432)),
]


@pytest.mark.parametrize(("name", "frames", "size"), FILES)
def test_scan(shared: Path, name: str, frames: int, size: tuple[int, int]) -> None:
    view, table = scan(View(id="view1", name="x", media=shared / "data" / name))
    assert (view.num_frames, table.num_rows, (view.width, view.height)) == (frames, frames, size)
    assert (np.diff(table["pts"].to_numpy()) > 0).all()


def test_views_with_capture_times_meet_by_time(shared: Path) -> None:
    folder = shared / "data" / "caliscope_4view"
    views, times = [], {}
    for view in load_recording(folder).views:
        done, table = scan(view.model_copy(update={"timestamps": folder / "timestamps.csv"}))
        views.append(done)
        times[view.id] = table["time"].to_numpy()
    assert [v.num_frames for v in views] == [111] * 4
    assert times["view1"][0] == 123.337921
    mosaic = plan_mosaic(views, times)
    together = np.stack([mosaic.shown[v.id] for v in views], axis=1)
    assert (np.abs(np.diff(together[5:-5], axis=1)) <= 2).all()


def test_a_real_view_turned_upright_has_its_size(shared: Path) -> None:
    frame = next(iter(read_frames(View(id="view1", name="x", media=shared / "data" / FILES[2][0]), 99)))
    assert (frame.index, frame.image.shape) == (99, (1920, 1088, 3))
