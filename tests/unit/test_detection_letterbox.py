"""The detector's input is pixel for pixel what mmdet's own pipeline makes of the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drape import openmmlab
from drape.detection import PRESETS
from drape.detection.letterbox import Letterbox
from drape.errors import ConfigError
from support.models import nano_config, pipeline_of

SIZES = [(180, 320), (576, 768), (479, 641), (720, 405), (33, 700), (640, 640), (1, 1)]


def _frames(height: int, width: int, count: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(height)
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize("name", ["rtmdet-nano-person", "rtmdet-x", "yolox-x", "dino-swin-l"])
@pytest.mark.parametrize("size", SIZES)
def test_equal_to_the_pipeline_of_mmdet(name: str, size: tuple[int, int]) -> None:
    preset = PRESETS[name]
    cfg = openmmlab.load_config(openmmlab.shipped(preset.package, preset.config))
    steps = [s for s in pipeline_of(cfg) if "Load" not in s["type"]]
    frames = _frames(*size)
    with openmmlab.scope("mmdet"):
        from mmcv.transforms import Compose

        results = [Compose(steps)({"img": f, "img_shape": size, "ori_shape": size, "img_id": 0}) for f in frames]
    fitted = Letterbox(pipeline_of(cfg), None)(frames)
    for pixels, result in zip(fitted.pixels, results, strict=True):
        np.testing.assert_array_equal(pixels, result["inputs"].permute(1, 2, 0).numpy())
        assert fitted.scale == pytest.approx(result["data_samples"].scale_factor)


@pytest.mark.parametrize("size", [200, 640, 1000])
def test_another_size_keeps_the_proportions(size: int) -> None:
    fitted = Letterbox(pipeline_of(nano_config()), size)(_frames(180, 320))
    assert fitted.inner == (round(size * 180 / 320 + 1e-9), size)
    assert fitted.pixels.shape[1] == fitted.pixels.shape[2] == -(-size // 32) * 32
    assert (fitted.pixels[:, fitted.inner[0] :] == 114).all()
    assert (fitted.pixels[:, :, size:] == 114).all()


def test_a_short_side_shrinks_with_the_long_one() -> None:
    letterbox = Letterbox([{"type": "Resize", "scale": (1333, 800), "keep_ratio": True}], 500)
    assert (letterbox.long, letterbox.short) == (500, 300)
    assert letterbox(_frames(400, 400)).pixels.shape == (2, 300, 300, 3)


@pytest.mark.parametrize(
    "pipeline",
    [
        [{"type": "mmdet.RandomCrop", "crop_size": (9, 9)}, {"type": "Resize", "scale": (64, 64), "keep_ratio": True}],
        [{"type": "Resize", "scale": (64, 64)}],
        [{"type": "Resize", "scale_factor": 2.0, "keep_ratio": True}],
        [{"type": "Resize", "scale": (64, 64), "keep_ratio": True, "interpolation": "nearest"}],
        [{"type": "PackDetInputs"}],
    ],
)
def test_steps_that_are_not_known_are_refused(pipeline: Any) -> None:
    with pytest.raises(ConfigError, match="test pipeline"):
        Letterbox(pipeline, None)
