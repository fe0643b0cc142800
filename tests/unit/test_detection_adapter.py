"""mmdet models behind the detector protocol: same boxes as mmdet, and what happens when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drape import openmmlab
from drape.boxes import as_boxes, clip, iou
from drape.detection import DetectionConfig, DeviceError, build_detector
from drape.detection.canary import NEEDED, PERSONS, canary_image, check_sight
from drape.detection.mmdet_adapter import MmdetDetector, choose_device
from drape.errors import ConfigError, DetectionError, WeightsError
from support.models import NANO, as_detector, nano_config, one_thread, random_nano, save


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random nano weights; tests only read it."""
    return save(random_nano(), tmp_path_factory.mktemp("weights") / "nano.pth")


def _pictures(count: int) -> list[np.ndarray]:
    """Different pictures of one size, made of the canary's halves and turns."""
    image = canary_image()
    return [np.ascontiguousarray(np.roll(image, 97 * k, axis=1)) for k in range(count)]


def test_same_boxes_as_mmdets_own_inference(weights: Path) -> None:
    config = DetectionConfig(preset=NANO, max_per_frame=1000, nms_iou=0.6)
    detector = as_detector(random_nano(), config, size=320)
    cfg = nano_config()
    cfg.model.test_cfg.max_per_img = 1000
    with openmmlab.quiet():
        from mmdet.apis import inference_detector, init_detector

        reference = init_detector(cfg, str(weights), device="cpu")
    for image in _pictures(2):
        boxes, scores = detector([image])[0]
        with openmmlab.quiet():
            theirs = inference_detector(reference, image).pred_instances
        wanted = clip(as_boxes(theirs.bboxes.numpy()), image.shape[1], image.shape[0])
        solid = (wanted[:, 2] > wanted[:, 0]) & (wanted[:, 3] > wanted[:, 1])
        wanted, wanted_scores = wanted[solid], theirs.scores.numpy()[solid]
        assert len(scores) > 50
        # Equal scores may come in either order, so boxes are matched by place.
        overlap = iou(boxes, wanted)
        best = overlap.argmax(axis=1)
        good = overlap.max(axis=1) > 0.95
        assert good.mean() > 0.97  # random weights leave some suppressions on a knife's edge
        off = np.abs(boxes - wanted[best]).max(axis=1)[good]
        assert np.quantile(off, 0.99) < 0.5  # and they magnify rounding; trained ones are held to it without exception
        assert off.max() < 3
        assert np.abs(scores - wanted_scores[best])[good].max() < 2e-3
        assert abs(len(scores) - len(wanted_scores)) <= 0.03 * len(wanted_scores)


def test_answers_are_sorted_bounded_and_inside_the_frame() -> None:
    detector = as_detector(random_nano(), DetectionConfig(preset=NANO, score_floor=0.2, max_per_frame=40, nms_iou=0.5))
    boxes, scores = detector([canary_image()])[0]
    assert boxes.dtype == scores.dtype == np.float32
    assert len(boxes) == len(scores) == 40
    assert (np.diff(scores) <= 0).all()
    assert scores.min() >= 0.2
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= [960, 540]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    overlap = iou(boxes, boxes)
    np.fill_diagonal(overlap, 0)
    assert overlap.max() <= 0.5


def test_a_batch_gives_what_each_frame_gives() -> None:
    detector = as_detector(random_nano())
    pictures = _pictures(3)
    pictures.insert(1, pictures[0][:400, 100:700].copy())
    together = detector(pictures)
    for picture, (boxes, scores) in zip(pictures, together, strict=True):
        alone_boxes, alone_scores = detector([picture])[0]
        assert len(scores) > 20
        assert abs(len(scores) - len(alone_scores)) <= 2
        assert (iou(boxes, alone_boxes).max(axis=1) > 0.99).mean() > 0.97
        np.testing.assert_allclose(scores[:20], alone_scores[:20], atol=2e-3)
    assert detector([]) == []


def test_the_same_batch_gives_the_same_bits() -> None:
    pictures = _pictures(3)
    first, second = (as_detector(random_nano())(pictures) for _ in range(2))
    for (a, b), (c, d) in zip(first, second, strict=True):
        assert a.tobytes() == c.tobytes()
        assert b.tobytes() == d.tobytes()


def _failing(detector: MmdetDetector, error: Callable[[int], Exception | None]) -> list[int]:
    """Let the model's forward pass raise what ``error`` gives for a batch size; returns the sizes that were tried."""
    tried: list[int] = []
    predict = detector._model.predict

    def injected(inputs: torch.Tensor, samples: Any, rescale: bool) -> Any:
        tried.append(len(inputs))
        if problem := error(len(inputs)):
            raise problem
        return predict(inputs, samples, rescale=rescale)

    detector._model.predict = injected
    return tried


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_a_batch_too_large_for_memory_is_halved(kind: type[Exception]) -> None:
    pictures = _pictures(5)
    wanted = as_detector(random_nano())(pictures)
    detector = as_detector(random_nano())
    text = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte"
    tried = _failing(detector, lambda size: kind(text) if size > 2 else None)
    for (boxes, scores), (wanted_boxes, wanted_scores) in zip(detector(pictures), wanted, strict=True):
        assert abs(len(scores) - len(wanted_scores)) <= 2
        assert (iou(boxes, wanted_boxes).max(axis=1) > 0.99).mean() > 0.97
    assert tried == [5, 2, 2, 1]
    detector(pictures[:4])
    assert tried[4:] == [2, 2]  # what was learnt is kept


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "fit into memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "GPU stopped working"),
    ],
)
def test_a_device_that_cannot_go_on_is_told(error: Exception, message: str) -> None:
    detector = as_detector(random_nano())
    _failing(detector, lambda _: error)
    with pytest.raises(DeviceError, match=message):
        detector(_pictures(2))


def test_other_failures_pass_through() -> None:
    detector = as_detector(random_nano())
    _failing(detector, lambda _: RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        detector(_pictures(1))


@pytest.mark.parametrize(
    ("branch", "value"), [("rtm_cls", float("nan")), ("rtm_cls", float("-inf")), ("rtm_reg", float("inf"))]
)
def test_outputs_that_are_not_finite_are_no_answer(branch: str, value: float) -> None:
    detector = as_detector(random_nano())
    with torch.no_grad():
        getattr(detector._model.bbox_head, branch)[1].bias[0] = value
    with pytest.raises(DetectionError, match="not finite"):
        detector(_pictures(1))


def test_what_overflows_in_half_precision_is_computed_in_full() -> None:
    def stretched() -> Any:
        """Equal to the plain model, but for activations that 16 bits cannot hold on the way."""
        model = random_nano()
        with torch.no_grad():
            for convolutions, head in zip(model.bbox_head.cls_convs, model.bbox_head.rtm_cls, strict=True):
                last = convolutions[-1].pointwise_conv
                last.bn.weight.mul_(1e6)
                last.bn.bias.mul_(1e6)
                head.weight.div_(1e6)
        return model

    full = as_detector(stretched())([canary_image()])[0]
    saved = as_detector(stretched(), half=True)([canary_image()])[0]
    assert len(full[1]) > 20
    np.testing.assert_array_equal(full[0], saved[0])
    np.testing.assert_array_equal(full[1], saved[1])


def test_blind_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    model = random_nano()
    with torch.no_grad():
        for layer in model.bbox_head.rtm_cls:
            layer.bias.fill_(-50)
    for path in (weights, save(model, tmp_path / "dark.pth")):
        with pytest.raises(WeightsError, match="built-in test picture"):
            build_detector(DetectionConfig(preset=NANO, weights=path, device="cpu"))


def test_weights_of_another_architecture_are_refused(weights: Path) -> None:
    own = openmmlab.shipped("mmdet", "configs/yolox/yolox_nano_8xb8-300e_coco.py")
    with pytest.raises(WeightsError, match=r"do not fit.*missing.*unexpected"):
        build_detector(DetectionConfig(mmdet_config=own, weights=weights, device="cpu"))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = random_nano()
    with torch.no_grad():
        model.backbone.stem[0].conv.weight[0] = float("nan")
    with pytest.raises(WeightsError, match="not finite"):
        build_detector(DetectionConfig(preset=NANO, weights=save(model, tmp_path / "nan.pth"), device="cpu"))


def test_missing_published_weights_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAPE_CACHE", str(tmp_path))
    (tmp_path / "rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e.pth").write_bytes(b"no such weights")
    with pytest.raises(WeightsError, match="not the published one"):
        build_detector(DetectionConfig(preset=NANO, device="cpu"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("model.test_cfg = None", "test_cfg"),
        ("cfg.pop('test_dataloader')", "test pipeline"),
        ("pipeline.insert(1, dict(type='mmdet.RandomFlip', prob=1.0))", "RandomFlip"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told(weights: Path, tmp_path: Path, lines: str, message: str) -> None:
    cfg = nano_config()
    exec(lines, {"cfg": cfg, "model": cfg.model, "pipeline": cfg.test_dataloader.dataset.pipeline})  # noqa: S102
    cfg.dump(str(tmp_path / "own.py"))
    with pytest.raises(ConfigError, match=message):
        build_detector(DetectionConfig(mmdet_config=tmp_path / "own.py", weights=weights, device="cpu"))


def test_a_model_whose_person_is_not_known_is_refused(tmp_path: Path) -> None:
    cfg = nano_config()
    cfg.model.bbox_head.num_classes = 3
    for part in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[part].dataset.metainfo = {"classes": ("cat", "dog", "tree")}
    cfg.dump(str(tmp_path / "own.py"))
    path = tmp_path / "own.pth"
    torch.save(openmmlab.build_model(cfg.model, "mmdet").state_dict(), path)
    config = DetectionConfig(mmdet_config=tmp_path / "own.py", weights=path, device="cpu")
    with pytest.raises(ConfigError, match="which class is the person"):
        build_detector(config)
    with pytest.raises(ConfigError, match="no class of the index"):
        build_detector(config.model_copy(update={"person_class": 3}))
    with pytest.raises(WeightsError, match="test picture"):
        build_detector(config.model_copy(update={"person_class": 2}))


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(DetectionError, match="no device"):
        choose_device("cuda:63")


class Told:
    """A detector that answers the canary picture with given boxes."""

    name = "told"

    def __init__(self, boxes: np.ndarray, score: float = 0.9) -> None:
        self.fingerprint: dict[str, str] = {}
        self.answer = (as_boxes(boxes), np.full(len(boxes), score, np.float32))

    def __call__(self, images: Any) -> Any:
        return [self.answer for _ in images]


def test_sight_is_finding_some_persons_and_not_everything() -> None:
    assert canary_image().shape == (540, 960, 3)
    assert check_sight(Told(PERSONS)) == len(PERSONS)
    assert check_sight(Told(PERSONS[:NEEDED] + 5)) == NEEDED
    x, y = np.meshgrid(np.arange(0, 900, 10.0), np.arange(0, 400, 10.0))
    everywhere = np.stack([x, y, x + 110, y + 260], -1).reshape(-1, 4)
    for blind in (Told(PERSONS[: NEEDED - 1]), Told(PERSONS, 0.29), Told(PERSONS + 300), Told(everywhere)):
        with pytest.raises(WeightsError, match="built-in test picture"):
            check_sight(blind)
