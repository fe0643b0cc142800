"""Detectors of mmdet with random weights, for tests that have no trained ones."""

from __future__ import annotations

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


def nano_config() -> Any:
    """The nano preset's mmdet configuration, as mmpose ships it (320 px)."""
    preset = PRESETS[NANO]
    return openmmlab.load_config(openmmlab.shipped(preset.package, preset.config))


def pipeline_of(cfg: Any) -> Any:
    """Its test pipeline."""
    return cfg.test_dataloader.dataset.pipeline


def random_nano(cfg: Any | None = None, seed: int = 0) -> nn.Module:
    """RTMDet-nano with random weights that gives some hundred boxes of all scores on the canary picture.

    The batch norms hold that picture's statistics, so that activations stay in range through the depth, and the
    classification layers are stretched, so that scores differ.
    """
    cfg = nano_config() if cfg is None else cfg
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


def as_detector(model: nn.Module, config: DetectionConfig | None = None, half: bool = False) -> MmdetDetector:
    """The adapter around a nano model, at 320 px on the CPU, without the check that it sees."""
    config = config or DetectionConfig(preset=NANO)
    letterbox = Letterbox(pipeline_of(nano_config()), None)
    return MmdetDetector(NANO, {}, model, letterbox, 0, config, torch.device("cpu"), half)


def save(model: nn.Module, path: Path) -> Path:
    """Write the model's tensors as mmengine does, and return the path."""
    torch.save({"state_dict": model.state_dict(), "meta": {"dataset_meta": {"classes": ("person",)}}}, path)
    return path
