"""OpenMMLab's set-up: operators, scopes, configurations, silence."""

from __future__ import annotations

import itertools
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drape import boxes, openmmlab
from drape.errors import ConfigError
from support.models import nano_config, one_thread


@pytest.fixture(autouse=True)
def _prepared() -> Iterator[None]:
    openmmlab.prepare()
    with one_thread():
        yield


def _random_boxes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 40, (count, 2))
    return boxes.as_boxes(np.hstack([corner, corner + rng.uniform(20, 30, (count, 2))])), rng.random(count, np.float32)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_nms_of_mmcv_gives_the_greedy_result(threshold: float) -> None:
    from mmcv.ops import nms

    some, scores = _random_boxes(200, seed=3)
    kept, index = nms(torch.from_numpy(some), torch.from_numpy(scores), threshold)
    assert index.tolist() == boxes.nms(some, scores, threshold).tolist()
    assert 1 < len(index) < 200
    np.testing.assert_allclose(kept[:, :4].numpy(), some[index.numpy()])


def test_nms_with_offset_counts_the_last_pixel() -> None:
    # 10 and 5 pixels wide without, 11 and 6 with the last pixel: IoU 0.5, then 6/11.
    some = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 5, 10]])
    scores = torch.tensor([0.9, 0.8])
    assert openmmlab.nms(some, scores, 0.52, offset=0).tolist() == [0, 1]
    assert openmmlab.nms(some, scores, 0.52, offset=1).tolist() == [0]


def test_region_pooling_of_a_ramp_gives_the_ramp() -> None:
    from mmcv.ops import RoIAlign

    x = torch.arange(32.0).expand(1, 1, 32, 32)
    pooled = RoIAlign(output_size=4, spatial_scale=0.5, sampling_ratio=2)(x, torch.tensor([[0.0, 8, 8, 40, 40]]))
    # The region is 16 cells wide from 4 on; its quarters' centres are 2, 6, 10, 14 further, less half a cell.
    np.testing.assert_allclose(pooled[0, 0, 0].numpy(), [5.5, 9.5, 13.5, 17.5], atol=1e-5)


def test_deformable_attention_without_offset_reads_the_place() -> None:
    value = torch.arange(12.0).reshape(1, 12, 1, 1)  # a 3 x 4 map, one head, one channel
    place = torch.tensor([[2.5 / 4, 1.5 / 3]]).reshape(1, 1, 1, 1, 1, 2)  # centre of column 2, row 1
    out = openmmlab.ms_deform_attn_forward(
        value, torch.tensor([[3, 4]]), torch.tensor([0]), place, torch.ones(1, 1, 1, 1, 1), im2col_step=64
    )
    assert out.flatten().tolist() == pytest.approx([6.0])


def test_other_operators_say_what_they_need() -> None:
    if hasattr(sys.modules["mmcv._ext"], "__file__"):
        pytest.skip("this mmcv has its operators compiled in")
    from mmcv.ops import ModulatedDeformConv2d

    layer = ModulatedDeformConv2d(1, 1, 3)
    with pytest.raises(NotImplementedError, match="needs mmcv compiled with ops"):
        layer(torch.zeros(1, 1, 8, 8), torch.zeros(1, 18, 6, 6), torch.zeros(1, 9, 6, 6))


def test_scope_is_given_back() -> None:
    from mmengine.registry import DefaultScope

    before = DefaultScope.get_current_instance()
    with openmmlab.scope("mmdet"):
        assert DefaultScope.get_current_instance().scope_name == "mmdet"
        with openmmlab.scope("mmpose"):
            assert DefaultScope.get_current_instance().scope_name == "mmpose"
        assert DefaultScope.get_current_instance().scope_name == "mmdet"
    after = DefaultScope.get_current_instance()
    assert (after and after.scope_name) == (before and before.scope_name)


def test_building_downloads_nothing_and_prints_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    cfg = nano_config()
    cfg.model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": "https://download.openmmlab.com/none.pth"}
    model = openmmlab.build_model(cfg.model, "mmdet")
    model.init_weights()
    assert not model.training
    assert capfd.readouterr().out == ""


def test_yaml_configuration_is_refused_unread(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / "evil.yaml"
    path.write_text(f"model: !!python/object/apply:os.mkdir ['{mark}']\n")
    with pytest.raises(ConfigError, match=r"\.py or \.json"):
        openmmlab.load_config(path)
    assert not mark.exists()


@pytest.mark.parametrize("content", ["model = dict(", "raise SystemError('secret name')"])
def test_broken_configuration_is_named_without_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(content)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        openmmlab.load_config(path)
    assert "secret" not in str(caught.value)


def test_missing_configuration_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        openmmlab.load_config(tmp_path / "none.py")


def test_a_configuration_of_no_model_is_an_error() -> None:
    with pytest.raises(ConfigError, match="does not describe a model"):
        openmmlab.build_model({"type": "NoSuchDetector"}, "mmdet")


@pytest.mark.parametrize(
    ("package", "name", "shared_convolutions"),
    [
        ("mmpose", "demo/mmdetection_cfg/rtmdet_nano_320-8xb32_coco-person.py", False),
        ("mmdet", "configs/rtmdet/rtmdet_tiny_8xb32-300e_coco.py", True),
    ],
)
def test_inference_form_computes_the_same(package: Any, name: str, shared_convolutions: bool) -> None:
    cfg = openmmlab.load_config(openmmlab.shipped(package, name))
    torch.manual_seed(1)
    model: Any = openmmlab.build_model(cfg.model, "mmdet").double()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.running_mean.uniform_(-0.2, 0.2)
        norm.running_var.uniform_(0.5, 2.0)
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.2, 0.2)
    picture = torch.rand(2, 3, 96, 64, dtype=torch.float64)
    with torch.inference_mode():
        before = model.bbox_head(model.extract_feat(picture))
        model = openmmlab.for_inference(model)
        after = model.bbox_head(model.extract_feat(picture))
    for a, b in zip(itertools.chain(*before), itertools.chain(*after), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    left = sum(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules())
    assert (left > 0) == shared_convolutions
    assert left < len(norms) / 2
