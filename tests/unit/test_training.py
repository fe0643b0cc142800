"""The example detector's training: samples keep boxes on people, what is not to be learned is not, weights load."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drape import openmmlab
from drape.checkpoint import load_into, read_checkpoint
from drape.detection import PRESETS
from support.models import one_thread

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from training_loop import Schedule, new_network, train, write_weights
from training_samples import Stills, draw_sample

SIZE = (160, 96)


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


def stills(seen: float = 1.0) -> Stills:
    """Four dark pictures of 320 x 180 with one white rectangle each."""
    boxes = np.array([[40, 30, 100, 150], [200, 20, 250, 140], [120, 60, 180, 170], [10, 10, 60, 120]], np.float32)
    files = []
    for x1, y1, x2, y2 in boxes.astype(int):
        picture = np.full((180, 320, 3), 20, np.uint8)
        picture[y1:y2, x1:x2] = 240
        files.append(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 98])[1])
    offsets = np.cumsum([0, *(len(file) for file in files)])
    return Stills(np.concatenate(files), offsets, boxes, np.full(4, seen, np.float32), np.arange(5))


def test_boxes_stay_on_what_they_are_drawn_around() -> None:
    rng = np.random.default_rng(0)
    sizes, sides = [], set()
    for k in range(80):
        sample = draw_sample(stills(), k % 4, SIZE, rng)
        bright = sample.pixels.min(axis=2)
        white = np.argwhere(bright > 0.72 * bright.max())
        if not len(sample.boxes):
            continue
        y1, x1 = white.min(axis=0)
        y2, x2 = white.max(axis=0) + 1
        np.testing.assert_allclose(sample.boxes[0], [x1, y1, x2, y2], atol=1.6)
        sizes.append(sample.boxes[0, 3] - sample.boxes[0, 1])
        sides.add(bool(sample.boxes[0, 0] > SIZE[0] / 2))
    assert len(sizes) > 60
    assert max(sizes) > 1.5 * min(sizes)
    assert sides == {False, True}


def test_who_is_hardly_seen_is_neither_taught_nor_forbidden() -> None:
    rng = np.random.default_rng(0)
    samples = [draw_sample(stills(seen=0.1), k % 4, SIZE, rng) for k in range(20)]
    assert not any(len(sample.boxes) for sample in samples)
    assert any(len(sample.ignored) for sample in samples)


def test_stills_are_kept_and_joined(tmp_path: Path) -> None:
    stills().save(tmp_path / "a.npz")
    both = Stills.join([Stills.load(tmp_path / "a.npz"), stills(seen=0.5)])
    assert len(both) == 8
    for k in (1, 5):
        np.testing.assert_array_equal(both.persons(k)[0], stills().persons(1)[0])
        np.testing.assert_array_equal(both.picture(k), stills().picture(1))
    assert both.persons(5)[1] == pytest.approx(0.5)


def test_training_is_repeatable_and_its_weights_fit_the_preset(tmp_path: Path) -> None:
    config = openmmlab.load_config(PRESETS["example"].configuration())
    schedule = Schedule(steps=3, batch=2, keep_every=2)
    kept: list[int] = []

    def run() -> dict[str, torch.Tensor]:
        network = new_network(config, schedule.seed)
        return train(network, stills(), SIZE, schedule, lambda _, step: kept.append(step), lambda *_: None)

    first, second = run(), run()
    assert kept == [2, 2]
    assert all(torch.equal(first[name], second[name]) for name in first)
    start = new_network(config, schedule.seed).state_dict()
    assert any(not torch.equal(first[name], start[name]) for name in first if name.endswith("conv.weight"))
    write_weights(first, tmp_path / "weights.pth")
    model = openmmlab.build_model(config.model, "mmdet")
    load_into(model, read_checkpoint(tmp_path / "weights.pth"))
    name = "backbone.stem.0.conv.weight"
    torch.testing.assert_close(model.state_dict()[name], first[name], atol=1e-3, rtol=1e-3)


def test_places_inside_ignored_regions_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from training_loop import _leave_alone, _losses
    from training_samples import Sample

    network = new_network(openmmlab.load_config(PRESETS["example"].configuration()), 0).eval()
    _leave_alone(network.bbox_head)
    pixels = np.full((SIZE[1], SIZE[0], 3), 114, np.uint8)
    nobody = np.zeros((0, 4), np.float32)
    everything = np.array([[0, 0, *SIZE]], np.float32)
    told = [_losses(network, [Sample(pixels, nobody, r)])["loss_cls"].item() for r in (nobody, everything)]
    assert told[0] > 0
    assert told[1] == 0
