"""Detectors of mmdet with random weights, for tests that have no trained ones."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from drape import openmmlab
from drape.detection import PRESETS, DetectionConfig
from drape.detection.canary import canary_image
from drape.detection.letterbox import Letterbox
from drape.detection.mmdet_adapter import MmdetDetector
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

NANO = "rtmdet-nano-person"


@functools.cache
def _nano_config() -> Any:
    preset = PRESETS[NANO]
    return openmmlab.load_config(openmmlab.shipped(preset.package, preset.config))


def nano_config() -> Any:
    """A copy of the nano preset's mmdet configuration, as mmpose ships it (320 px)."""
    return copy.deepcopy(_nano_config())


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one core: small models in several processes at once would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pipeline_of(cfg: Any) -> Any:
    """Its test pipeline."""
    return cfg.test_dataloader.dataset.pipeline


@functools.cache
def _random_nano(seed: int) -> nn.Module:
    cfg = nano_config()
    cfg.model.test_cfg.max_per_img = 1000
    torch.manual_seed(seed)
    model: Any = openmmlab.build_model(cfg.model, "mmdet")
    fitted = Letterbox(pipeline_of(cfg), None)([canary_image()])
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    with torch.no_grad():
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        data = {"inputs": torch.from_numpy(fitted.pixels).permute(0, 3, 1, 2), "data_samples": None}
        model.bbox_head(model.extract_feat(model.data_preprocessor(data, False)["inputs"]))
        for norm in norms:
            norm.eval()
        for layer in model.bbox_head.rtm_cls:
            layer.weight.mul_(3)
            layer.bias.fill_(-4)
    return model


def random_nano(seed: int = 0) -> Any:
    """RTMDet-nano with random weights that gives some hundred boxes of all scores on the canary picture.

    The batch norms hold that picture's statistics, so that activations stay in range through the depth, and the
    classification layers are stretched, so that scores differ. Every call gives a new copy.
    """
    return copy.deepcopy(_random_nano(seed))


def as_detector(
    model: nn.Module, config: DetectionConfig | None = None, half: bool = False, size: int = 160
) -> MmdetDetector:
    """The adapter around a nano model, on the CPU, without the check that it sees."""
    config = config or DetectionConfig(preset=NANO)
    letterbox = Letterbox(pipeline_of(nano_config()), size)
    return MmdetDetector(NANO, {}, model, letterbox, 0, config, torch.device("cpu"), half)


def save(model: nn.Module, path: Path) -> Path:
    """Write the model's tensors as mmengine does, and return the path."""
    torch.save({"state_dict": model.state_dict(), "meta": {"dataset_meta": {"classes": ("person",)}}}, path)
    return path
