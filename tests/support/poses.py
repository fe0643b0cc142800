"""Pose models of mmpose with random weights, for tests that have no trained ones, and an estimator of colours."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from drape import openmmlab
from drape.boxes import Boxes, Floats, as_boxes
from drape.pose import PRESETS, PoseConfig, register_estimator
from drape.pose.crops import Cropper
from drape.pose.mmpose_config import pipeline_of
from torch.nn.modules.batchnorm import _BatchNorm

TINY, BODY = "rtmpose-t-wholebody", "rtmpose-t-body"


@functools.cache
def _config(name: str) -> Any:
    return openmmlab.load_config(PRESETS[name].configuration())


def shipped_config(name: str) -> Any:
    """A copy of a preset's mmpose configuration."""
    return copy.deepcopy(_config(name))


def scene(seed: int = 0, size: tuple[int, int] = (960, 540)) -> np.ndarray:
    """A picture of smooth blobs of all colours, (H, W, 3), different in every place."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (18, 32, 3)).astype(np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)


def boxes_in(count: int, seed: int = 0, size: tuple[int, int] = (960, 540)) -> Boxes:
    """Boxes of standing persons all over a picture; some reach beyond its edges."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(60, 400, count)
    low = np.stack([rng.uniform(-60, size[0] - 30, count), rng.uniform(-60, size[1] - 60, count)], axis=1)
    return as_boxes(np.concatenate([low, low + np.stack([height * 0.4, height], axis=1)], axis=1))


def cropper_of(cfg: Any) -> Cropper:
    """What cuts out the inputs of a configuration's model."""
    return Cropper(pipeline_of(cfg))


def random_model(cfg: Any, seed: int = 0) -> Any:
    """The configuration's model with random weights and batch norms that hold the statistics of the scene's persons, so
    that activations stay in range through the depth; SimCC outputs are stretched to the range of trained ones."""
    torch.manual_seed(seed)
    model: Any = openmmlab.build_model(cfg.model, "mmpose")
    cropper = cropper_of(cfg)
    pixels = np.zeros((6, *cropper.size[::-1], 3), np.uint8)
    cropper.cut([(scene(), m) for m in cropper.matrices(cropper.windows(boxes_in(6)))], pixels)
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).flip(1).float()
        inputs = (inputs - model.data_preprocessor.mean) / model.data_preprocessor.std
        outputs = model.head(model.extract_feat(inputs))
        if hasattr(model.head, "cls_x"):
            for layer, values in zip((model.head.cls_x, model.head.cls_y), outputs, strict=True):
                layer.weight.mul_(0.5 / values.amax(dim=-1).mean())
    for norm in norms:
        norm.eval()
    return model


def save(model: Any, path: Path) -> Path:
    """Write a model's weights as mmengine does."""
    torch.save({"state_dict": model.state_dict(), "meta": {}}, path)
    return path


class Dots:
    """An estimator that looks at pixels: in each of 17 horizontal bands of a box, the middle of what is most colourful.

    ``before`` is called with the boxes of every call, and may raise.
    """

    name = "dots"
    points = 17

    def __init__(self, before: Callable[[Sequence[Boxes]], None] = lambda _: None) -> None:
        self.fingerprint = {"engine": "dots-1"}
        self.before = before
        self.calls: list[list[int]] = []

    def __call__(self, images: Sequence[np.ndarray], boxes: Sequence[Boxes]) -> list[tuple[np.ndarray, Floats]]:
        self.calls.append([len(b) for b in boxes])
        self.before(boxes)
        return [self._frame(image, found) for image, found in zip(images, boxes, strict=True)]

    def _frame(self, image: np.ndarray, boxes: Boxes) -> tuple[np.ndarray, Floats]:
        vivid = np.ptp(image.astype(np.float32), axis=2)
        points = np.zeros((len(boxes), self.points, 2), np.float32)
        scores = np.zeros((len(boxes), self.points), np.float32)
        for row, (x1, y1, x2, y2) in enumerate(boxes):
            edges = np.linspace(y1, y2, self.points + 1)
            for k, (top, bottom) in enumerate(itertools.pairwise(edges)):
                part = vivid[max(int(top), 0) : max(int(bottom) + 1, 1), max(int(x1), 0) : max(int(x2) + 1, 1)]
                weight = part.sum(axis=0) + 1e-3
                place = max(int(x1), 0) + (weight * np.arange(len(weight))).sum() / weight.sum() if len(weight) else x1
                points[row, k] = place, (top + bottom) / 2
                scores[row, k] = min(1.0, float(part.max(initial=0)) / 255)
        return points, scores


def register_dots() -> None:
    """Make the preset "dots" known; harmless if it is already."""
    register_estimator("dots", lambda _: Dots())


def dots_config(**more: Any) -> PoseConfig:
    """Settings for the preset "dots"."""
    register_dots()
    return PoseConfig(preset="dots", **more)
