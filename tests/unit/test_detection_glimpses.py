"""Small pictures that are kept of a view: the same ones whether a run was stopped or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from drape.detection import DetectionConfig, build_detector, detect_view
from drape.detection.glimpses import EVERY_S, WIDTH, decode
from support import blobs, clips


def glimpses(path: Path, start: int = 0) -> pa.Table:
    blobs.register()
    config = DetectionConfig(preset="blobs", segment_frames=64, batch_size=8)
    view = clips.view_of(path)
    return pa.concat_tables([s.glimpses for s in detect_view(view, build_detector(config), config, start=start)])


def test_a_glimpse_every_few_seconds_and_at_the_start_of_a_segment(tmp_path: Path) -> None:
    blobs.make_recording(tmp_path, views=1, frames=150, size=(160, 90))
    (video,) = tmp_path.glob("*.mp4")
    whole = glimpses(video)
    times = whole.column("time").to_numpy()
    assert whole.column("frame").to_pylist()[:3] == [0, 63, 64]
    assert np.diff(times).max() < EVERY_S + 1 / 25
    resumed = glimpses(video, start=64)
    later = whole.filter(pa.compute.greater_equal(whole.column("frame"), 64))
    assert resumed.equals(later)


def test_a_glimpse_shows_the_picture(tmp_path: Path) -> None:
    blobs.make_recording(tmp_path, views=1, frames=3, size=(160, 90))
    (video,) = tmp_path.glob("*.mp4")
    picture = decode(glimpses(video).column("picture")[0].as_py())
    assert picture.shape == (WIDTH * 90 // 160, WIDTH)
    assert picture.std() > 5
