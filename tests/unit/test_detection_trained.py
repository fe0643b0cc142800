"""Trained detectors on real video: same boxes as mmdet, persons found, resumed runs equal. Needs the shared data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from drape import openmmlab
from drape.boxes import as_boxes, clip, iou
from drape.detection import DetectionConfig, build_detector, detect_view
from drape.detection.canary import PERSONS, canary_image, check_sight
from drape.errors import WeightsError
from drape.media import read_frames
from drape.recording import View
from drape.tables import boxes_of
from support.models import NANO, nano_config, one_thread, pipeline_of

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture
def nano(shared: Path) -> Path:
    return shared / "weights" / "rtmdet_nano_person" / "rtmdet_nano_person_mmdet.pth"


@pytest.fixture
def yolox(shared: Path) -> DetectionConfig:
    """A user's own configuration and weights, of 80 classes."""
    return DetectionConfig(
        mmdet_config=openmmlab.shipped("mmdet", "configs/yolox/yolox_nano_8xb8-300e_coco.py"),
        weights=shared / "weights" / "yolox_nano" / "yolox_nano_coco_mmdet.pth",
        device="cpu",
    )


@pytest.fixture
def pets(shared: Path) -> View:
    return View(id="view1", name="View_001", media=shared / "data" / "pets_2view" / "View_001.mp4")


def _nano_config(nano: Path, **more: Any) -> DetectionConfig:
    return DetectionConfig(preset=NANO, weights=nano, device="cpu", **more)


def _reference(cfg: Any, weights: Path, config: DetectionConfig, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Persons by mmdet's own ``inference_detector``, cut at the frame's edges; those in the padding are dropped."""
    cfg.model.test_cfg.update(score_thr=config.score_floor, max_per_img=1000)
    cfg.model.test_cfg.nms.iou_threshold = config.nms_iou
    with openmmlab.quiet():
        from mmdet.apis import inference_detector, init_detector

        found = inference_detector(init_detector(cfg, str(weights), device="cpu"), image).pred_instances
    keep = found.labels == 0
    boxes = clip(as_boxes(found.bboxes[keep].numpy()), image.shape[1], image.shape[0])
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return boxes[inside], found.scores[keep].numpy()[inside]


def _assert_same(ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray], least: int) -> None:
    order = np.argsort(-theirs[1], kind="stable")
    assert len(ours[1]) == len(order) >= least
    assert np.abs(ours[0] - theirs[0][order]).max() < 0.5
    assert np.abs(ours[1] - theirs[1][order]).max() < 1e-3


def test_nano_gives_the_boxes_of_mmdet(nano: Path, pets: View) -> None:
    config = _nano_config(nano)
    cfg = nano_config()
    for step in pipeline_of(cfg):  # the preset runs at 640
        if step.type == "Resize":
            step.scale = (640, 640)
        elif step.type == "Pad":
            step.size = (640, 640)
    image = next(read_frames(pets, 30)).image
    _assert_same(build_detector(config)([image])[0], _reference(cfg, nano, config, image), least=30)


def test_an_own_configuration_gives_the_boxes_of_mmdet(yolox: DetectionConfig, pets: View) -> None:
    assert yolox.mmdet_config is not None
    assert yolox.weights is not None
    cfg = openmmlab.load_config(yolox.mmdet_config)
    detector = build_detector(yolox)
    image = next(read_frames(pets, 30)).image
    _assert_same(detector([image])[0], _reference(cfg, yolox.weights, yolox, image), least=5)
    assert detector.name == "own-mmdet"
    assert "yolox" not in str(detector.fingerprint)


@pytest.mark.parametrize("size", [None, 320])
def test_nano_sees_the_canary(nano: Path, size: int | None) -> None:
    detector = build_detector(_nano_config(nano, size=size))
    assert check_sight(detector) == len(PERSONS)
    assert detector.fingerprint["weights"] == "89812cbdea1bef308e47414afe053a91efced6bc7a7e1e512fd6218fe4afbb9e"


def test_yolox_sees_the_canary(yolox: DetectionConfig) -> None:
    assert check_sight(build_detector(yolox)) == len(PERSONS)


def test_half_precision_gives_the_same_persons(nano: Path) -> None:
    detector: Any = build_detector(_nano_config(nano))
    boxes, scores = detector([canary_image()])[0]
    detector._half = True
    half_boxes, half_scores = detector([canary_image()])[0]
    assert half_scores.tobytes() != scores.tobytes()
    sure = scores >= 0.2
    overlap = iou(boxes[sure], half_boxes)
    assert sure.sum() >= 5
    assert overlap.max(axis=1).min() > 0.97
    np.testing.assert_allclose(half_scores[overlap.argmax(axis=1)], scores[sure], atol=0.03)


def test_altered_weights_are_told_apart_or_refused(nano: Path, tmp_path: Path) -> None:
    data = bytearray(nano.read_bytes())
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        build_detector(_nano_config(tmp_path / "cut.pth"))
    state = torch.load(nano, weights_only=True)["state_dict"]
    for name in state:
        if "rtm_cls" in name and name.endswith("weight"):
            state[name] = -state[name]
    torch.save({"state_dict": state}, tmp_path / "turned.pth")
    with pytest.raises(WeightsError, match="built-in test picture"):
        build_detector(_nano_config(tmp_path / "turned.pth"))


def test_persons_of_pets_are_found(nano: Path, pets: View, shared: Path) -> None:
    truth = np.loadtxt(shared / "data" / "pets_2view" / "gt_view001_frames_1-400_mot.txt", delimiter=",")
    truth = truth[truth[:, 0] <= 20]
    config = _nano_config(nano, batch_size=4, segment_frames=20)
    segment = next(detect_view(pets, build_detector(config), config))
    frame, boxes = segment.candidates["frame"].to_numpy() + 1, boxes_of(segment.candidates)
    score = segment.candidates["score"].to_numpy()
    wanted = as_boxes(np.hstack([truth[:, 2:4], truth[:, 2:4] + truth[:, 4:6]]))
    found = {}
    for least in (0.05, 0.3):
        sure = score >= least
        best = [
            iou(w[None], boxes[sure & (frame == k)]).max(initial=0) for k, w in zip(truth[:, 0], wanted, strict=True)
        ]
        found[least] = float((np.array(best) >= 0.5).mean())
    assert len(truth) > 60
    assert found[0.05] > 0.95
    assert found[0.3] > 0.85
    assert score.min() >= 0.05
    assert all(segment.covered["known"].to_pylist())


def test_resuming_a_trained_detector_gives_the_same_bits(nano: Path, pets: View) -> None:
    config = _nano_config(nano, size=320, batch_size=3, segment_frames=6)
    whole = list(islice(detect_view(pets, build_detector(config), config), 3))
    resumed = list(islice(detect_view(pets, build_detector(config), config, start=6), 2))
    assert [(s.start, s.stop) for s in resumed] == [(6, 12), (12, 18)]
    for a, b in zip(whole[1:], resumed, strict=True):
        assert a.candidates.equals(b.candidates)
        assert a.covered.equals(b.covered)
    assert len(pa.concat_tables([s.candidates for s in whole])) > 100
