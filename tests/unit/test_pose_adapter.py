"""mmpose models behind the estimator protocol: same points as mmpose, and what happens when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drape import openmmlab
from drape.boxes import as_boxes
from drape.errors import ConfigError, WeightsError
from drape.pose import PRESETS, DeviceError, PoseConfig, PoseError, build_estimator
from drape.pose.device import choose_device
from drape.pose.mmpose_adapter import assemble
from support.models import one_thread
from support.poses import BODY, TINY, boxes_in, cropper_of, random_model, save, scene, shipped_config

ROUNDING = 4e-3
"""What depth makes of rounding where weights are random, in units of the scores."""

KNIFE_EDGE = 2 * ROUNDING
"""Random weights leave some peaks equal: where the two highest outputs differ by less, either may win."""


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of random weights; tests only read them."""
    folder = tmp_path_factory.mktemp("weights")
    return {name: save(random_model(shipped_config(name)), folder / f"{name}.pth") for name in (TINY, BODY)}


def _build(weights: dict[str, Path], name: str = TINY, **more: Any) -> Any:
    return assemble(PoseConfig(preset=name, weights=weights[name], device="cpu", **more))


def _theirs(cfg: Any, path: Path, image: np.ndarray, boxes: np.ndarray, flip: bool) -> tuple[Any, Any, Any]:
    """Points, raw scores and by how much the highest outputs stand out, by mmpose's own inference."""
    gaps: list[torch.Tensor] = []
    with openmmlab.quiet():
        from mmpose.apis import inference_topdown, init_model

        cfg.model.test_cfg.flip_test = flip
        model = init_model(cfg, str(path), device="cpu")
        decode = model.head.decode

        def watched(outputs: Any) -> Any:
            if isinstance(outputs, tuple):
                top = [part.topk(2, dim=-1).values for part in outputs]
                gaps.append(torch.stack([t[..., 0] - t[..., 1] for t in top]).amin(dim=0))
            return decode(outputs)

        model.head.decode = watched
        found = [s.pred_instances for s in inference_topdown(model, image, boxes)]
    points, scores = (np.stack([getattr(f, n)[0] for f in found]) for n in ("keypoints", "keypoint_scores"))
    return points, scores, torch.cat(gaps).numpy() if gaps else np.ones_like(scores)


@pytest.mark.parametrize(("name", "flip"), [(TINY, True), (BODY, False)])
def test_same_points_as_mmposes_own_inference(weights: dict[str, Path], name: str, flip: bool) -> None:
    image, boxes = scene(), boxes_in(12)
    points, scores = _build(weights, name, flip_test=flip)([image], [boxes])[0]
    wanted, raw, gap = _theirs(shipped_config(name), weights[name], image, boxes, flip)
    assert points.dtype == scores.dtype == np.float32
    assert points.shape == (12, PRESETS[name].points, 2)
    assert raw.std() > 0.02
    clear = gap > KNIFE_EDGE
    assert clear.mean() > 0.6
    assert np.abs(points - wanted)[clear].max() < 0.5
    np.testing.assert_allclose(scores, np.clip(raw, 0, 1), atol=ROUNDING)


def test_heat_maps_are_read_as_mmpose_reads_them(tmp_path: Path) -> None:
    cfg = shipped_config(BODY)
    codec = {"type": "UDPHeatmap", "input_size": (192, 256), "heatmap_size": (48, 64), "sigma": 2}
    head = {"type": "HeatmapHead", "in_channels": 384, "out_channels": 17, "decoder": codec}
    cfg.model.head = head | {"loss": {"type": "KeypointMSELoss"}}
    cfg.test_dataloader.dataset.pipeline[2].use_udp = True
    cfg.dump(str(tmp_path / "own.json"))
    path = save(random_model(cfg), tmp_path / "own.pth")
    image, boxes = scene(), boxes_in(5)
    config = PoseConfig(mmpose_config=tmp_path / "own.json", weights=path, device="cpu", flip_test=True)
    points, scores = assemble(config)([image], [boxes])[0]
    wanted, raw, _ = _theirs(cfg, path, image, boxes, flip=True)
    off = np.abs(points - wanted).max(axis=-1)
    assert np.median(off) < 0.05
    assert (off < 0.5).mean() > 0.97  # flat random maps have knife's edges too
    np.testing.assert_allclose(scores, np.clip(raw, 0, 1), atol=ROUNDING)


def test_persons_of_several_frames_get_what_they_get_alone(weights: dict[str, Path]) -> None:
    estimator = _build(weights, batch_size=5)
    frames = [scene(1), scene(2, (640, 360)), scene(3)]
    boxes = [boxes_in(4, 1), boxes_in(0), boxes_in(7, 3)]
    together = estimator(frames, boxes)
    assert [len(points) for points, _ in together] == [4, 0, 7]
    assert together[1][0].shape == (0, 133, 2)
    for frame, found, (points, scores) in zip(frames, boxes, together, strict=True):
        for k in range(len(found)):
            alone_points, alone_scores = estimator([frame], [found[k : k + 1]])[0]
            assert (np.abs(points[k] - alone_points[0]).max(axis=-1) < 0.5).mean() > 0.97
            np.testing.assert_allclose(scores[k], alone_scores[0], atol=ROUNDING)
    assert estimator([], []) == []
    again = _build(weights, batch_size=5)(frames, boxes)
    for (a, b), (c, d) in zip(together, again, strict=True):
        assert a.tobytes() == c.tobytes()
        assert b.tobytes() == d.tobytes()


def test_sixty_persons_in_a_frame_and_boxes_at_all_edges(weights: dict[str, Path]) -> None:
    boxes = boxes_in(60, 5)
    boxes[0] = (-300, -200, -100, -10)  # outside altogether
    boxes[1] = (940, 500, 1200, 900)
    boxes[2] = (100, 100, 100.2, 100.2)  # less than a pixel
    boxes[3] = (0, 0, 960, 540)
    points, scores = _build(weights, BODY)([scene()], [boxes])[0]
    assert points.shape == (60, 17, 2)
    assert np.isfinite(points).all()
    assert (scores >= 0).all()
    assert (scores <= 1).all()
    size = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    middle = (boxes[:, :2] + boxes[:, 2:])[:, None] / 2
    assert (np.abs(points - middle).max(axis=(1, 2)) <= size * 1.25 + 1).all()


def test_the_body_alone_is_the_first_seventeen_points(weights: dict[str, Path]) -> None:
    whole = _build(weights)([scene()], [boxes_in(3)])[0]
    body = _build(weights, points="body")
    points, scores = body([scene()], [boxes_in(3)])[0]
    assert body.points == 17
    np.testing.assert_array_equal(points, whole[0][:, :17])
    np.testing.assert_array_equal(scores, whole[1][:, :17])


def test_outputs_that_are_not_finite_are_no_answer(weights: dict[str, Path]) -> None:
    for value in (float("nan"), float("inf")):
        estimator = _build(weights)
        with torch.no_grad():
            estimator._network._head.cls_x.weight[3] = value
        with pytest.raises(PoseError, match="not finite"):
            estimator([scene()], [boxes_in(2)])
    broken = boxes_in(2)
    broken[1, 2] = np.nan
    with pytest.raises(PoseError, match="box is not finite"):
        _build(weights)([scene()], [broken])


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_a_batch_too_large_for_memory_is_halved(weights: dict[str, Path], kind: type[Exception]) -> None:
    boxes = [boxes_in(5)]
    wanted = _build(weights, BODY)([scene()], boxes)[0]
    estimator = _build(weights, BODY)
    network, tried = estimator._network, []

    def small(pixels: np.ndarray) -> Any:
        tried.append(len(pixels))
        if len(pixels) > 2:
            raise kind("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte")
        return network(pixels)

    estimator._network = small
    points, _ = estimator([scene()], boxes)[0]
    assert tried == [5, 2, 2, 1]
    assert (np.abs(points - wanted[0]).max(axis=-1) < 0.5).mean() > 0.97
    estimator([scene()], boxes)
    assert tried[4:] == [2, 2, 1]  # what was learnt is kept


def test_a_device_that_cannot_go_on_is_told(weights: dict[str, Path]) -> None:
    estimator = _build(weights, BODY)
    for error, message in (
        (torch.OutOfMemoryError("CUDA out of memory"), "fit into memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "GPU stopped working"),
    ):

        def failing(_: np.ndarray, error: Exception = error) -> Any:
            raise error

        estimator._network = failing
        with pytest.raises(DeviceError, match=message):
            estimator([scene()], [boxes_in(1)])
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(PoseError, match="no device"):
        choose_device("cuda:63")


def test_another_number_of_points_is_refused(tmp_path: Path) -> None:
    own = openmmlab.shipped(
        "mmpose", "configs/body_2d_keypoint/rtmpose/body8/rtmpose-t_8xb1024-700e_body8-halpe26-256x192.py"
    )
    path = save(openmmlab.build_model(openmmlab.load_config(own).model, "mmpose"), tmp_path / "halpe.pth")
    with pytest.raises(ConfigError, match="26 key points"):
        assemble(PoseConfig(mmpose_config=own, weights=path, device="cpu"))


def test_seventeen_points_of_something_else_are_refused(weights: dict[str, Path], tmp_path: Path) -> None:
    cfg = shipped_config(BODY)
    cfg.test_dataloader.dataset.type = "AP10KDataset"
    cfg.test_dataloader.dataset.pop("metainfo", None)
    cfg.dump(str(tmp_path / "animals.json"))
    with pytest.raises(ConfigError, match="key points are not those"):
        assemble(PoseConfig(mmpose_config=tmp_path / "animals.json", weights=weights[BODY], device="cpu"))


def test_weights_of_another_configuration_are_refused(weights: dict[str, Path]) -> None:
    with pytest.raises(WeightsError, match="do not fit"):
        _build({BODY: weights[TINY]}, BODY)
    with pytest.raises(WeightsError, match=r"do not fit.*missing"):
        _build({"rtmpose-m-wholebody": weights[TINY]}, "rtmpose-m-wholebody")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("cfg.pop('test_dataloader')", "test pipeline"),
        ("pipeline.insert(1, dict(type='RandomFlip', prob=1.0))", "RandomFlip"),
        ("pipeline[2].input_size = (128, 160)", "cannot run"),
        ("cfg.model.type = 'BottomupPoseEstimator'", "not that of a top-down"),
        ("cfg.model.head.pop('decoder')", "no decoder"),
        ("cfg.model.backbone.type = 'NoSuchBackbone'", "does not describe a model"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told(
    weights: dict[str, Path], tmp_path: Path, lines: str, message: str
) -> None:
    cfg = shipped_config(BODY)
    exec(lines, {"cfg": cfg, "pipeline": cfg.test_dataloader.dataset.pipeline})  # noqa: S102
    cfg.dump(str(tmp_path / "own.json"))
    with pytest.raises(ConfigError, match=message):
        assemble(PoseConfig(mmpose_config=tmp_path / "own.json", weights=weights[BODY], device="cpu"))


def test_blind_weights_are_refused(weights: dict[str, Path]) -> None:
    with pytest.raises(WeightsError, match="built-in test picture"):
        build_estimator(PoseConfig(preset=BODY, weights=weights[BODY], device="cpu"))


def test_presets_name_what_is_there() -> None:
    for preset in PRESETS.values():
        if preset.folder is None:
            assert preset.configuration().is_file()
            assert preset.url.startswith("https://download.openmmlab.com/mmpose/")
            assert preset.asset is None or preset.asset.sha256 in preset.asset.filename
    with pytest.raises(WeightsError, match=r"without a digest.*Download https"):
        PRESETS["rtmw-l-384"].weights()


def test_missing_published_weights_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAPE_CACHE", str(tmp_path))
    (tmp_path / PRESETS[TINY].asset.filename).write_bytes(b"no such weights")
    with pytest.raises(WeightsError, match="not the published one"):
        assemble(PoseConfig(preset=TINY, device="cpu"))


def test_settings_that_contradict_each_other_are_refused() -> None:
    for wrong in ({"preset": "none"}, {"mmpose_config": Path("a.py")}, {"segment_frames": 12}, {"device": "tpu"}):
        with pytest.raises(ValueError, match=r"preset|weights|multiple|auto"):
            PoseConfig(**wrong)


def test_wide_boxes_are_not_distorted() -> None:
    cropper = cropper_of(shipped_config(TINY))
    windows = cropper.windows(as_boxes([[10, 20, 110, 40], [10, 20, 30, 220]]))
    np.testing.assert_allclose(windows.size[:, 0] / windows.size[:, 1], 192 / 256, rtol=1e-6)
    np.testing.assert_allclose(windows.size[:, 0], [125, 187.5])
