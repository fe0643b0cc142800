"""Real video, a real detector, the real plugin: the first seconds of two views."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from drape import media
from drape.boxes import as_boxes, iou
from drape.recording import View
from numpy.typing import NDArray
from support.theatre import Theatre

FRAMES = 32


@pytest.fixture
def pets(shared: Path, tmp_path: Path) -> Iterator[Path]:
    """The first frames of two real views."""
    folder = tmp_path / "pets"
    folder.mkdir()
    for number in ("001", "006"):
        view = View(id="view1", name="v", media=shared / "data" / "pets_2view" / f"View_{number}.mp4")
        facts = media.probe(view)
        with media.VideoWriter(folder / f"cam{number}.mp4", facts.width, facts.height, facts.time_base) as writer:
            for planes in islice(media.read_planes(view), FRAMES):
                writer.write(planes.pts, planes.y, planes.u, planes.v)
    from support.models import one_thread  # loads torch, which takes seconds

    with one_thread():
        yield folder


@pytest.mark.slow
def test_the_pipeline_on_real_video(theatre: Theatre, shared: Path, pets: Path, tmp_path: Path) -> None:
    weights = shared / "weights" / "rtmdet_nano_person" / "rtmdet_nano_person_mmdet.pth"
    config = {"detection": {"preset": "rtmdet-nano-person", "weights": str(weights), "device": "cpu"}}
    run = theatre.operator("run_pipeline")(
        pets, tmp_path / "out", theatre.name, theatre.work, f"{theatre.name}-public", config
    )
    assert run.result["frames"] == 2 * FRAMES
    assert run.result["unknown_frames"] == 0
    assert run.result["masked_frames"] == 2 * FRAMES
    truth = np.loadtxt(shared / "data" / "pets_2view" / "gt_view001_frames_1-400_mot.txt", delimiter=",")
    assert _recall(theatre, truth) > 0.9
    whole = theatre.slice("mosaic").count("frames.persons.detections")
    assert whole == sum(theatre.slice(name).count("frames.persons.detections") for name in ("view1", "view2"))
    config = theatre.dataset.get_run_info(f"detect_{theatre.recording.replace('-', '_')}").config
    assert config.config["weights"].startswith("sha256:")
    assert str(weights) not in str(config.serialize())
    assert fo.dataset_exists(f"{theatre.name}-public")


def _recall(theatre: Theatre, truth: NDArray[np.float64]) -> float:
    """Share of the annotated boxes of view 1 that a label covers with an IoU of at least .5."""
    sample = theatre.slice("view1").first()
    size = np.array([sample.metadata.frame_width, sample.metadata.frame_height] * 2)
    found = []
    for number in range(1, FRAMES + 1):
        x, y, w, h = truth[truth[:, 0] == number][:, 2:6].T
        labels = [label.bounding_box for label in sample.frames[number].persons.detections]
        boxes = np.array(labels, np.float64).reshape(-1, 4) * size
        boxes[:, 2:] += boxes[:, :2]
        overlap = iou(as_boxes(np.stack([x, y, x + w, y + h], axis=1)), as_boxes(boxes))
        found += (overlap.max(axis=1, initial=0) >= 0.5).tolist()
    assert len(found) > FRAMES
    return float(np.mean(found))
