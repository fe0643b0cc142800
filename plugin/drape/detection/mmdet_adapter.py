"""Any detector of mmdet as a ``Detector``: built from a configuration and checked weights, batched, fail-safe."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmdet
import numpy as np
import torch
from torch import nn

from drape import openmmlab
from drape.boxes import Boxes, Floats, as_boxes, clip, nms
from drape.checkpoint import load_into, read_checkpoint
from drape.detection.canary import check_sight
from drape.detection.config import DetectionConfig
from drape.detection.detector import Detector, DeviceError, Image, NoticeWarning
from drape.detection.letterbox import Letterbox
from drape.detection.mmdet_config import config_classes, num_classes, person_index, pipeline_of, with_thresholds
from drape.detection.presets import PRESETS, Preset
from drape.errors import ConfigError, DetectionError


def build(config: DetectionConfig, preset: Preset | None = None) -> Detector:
    """The detector of an mmdet preset, or of the user's own configuration and weights, proven to see.

    Args:
        config: settings.
        preset: the preset, where it is none of those that ``config.preset`` can name.

    Raises:
        ConfigError, WeightsError, DetectionError: see ``drape.detection.build_detector``.
    """
    device = choose_device(config.device)
    if preset is None and config.mmdet_config is None:
        preset = PRESETS[config.preset]
    cfg, weights = _sources(config, preset)
    checkpoint = read_checkpoint(weights)
    letterbox = Letterbox(pipeline_of(cfg), config.size or (preset.size if preset else None))
    network = with_thresholds(cfg.model, config)
    model = openmmlab.build_model(network, "mmdet")
    load_into(model, checkpoint)
    person = _person(config, preset, checkpoint.classes or config_classes(cfg), num_classes(model))
    half = config.half and device.type == "cuda"
    fingerprint = {
        "engine": f"mmdet {mmdet.__version__}, torch {torch.__version__}",
        "weights": checkpoint.sha256,
        "architecture": hashlib.sha256(repr(network).encode()).hexdigest(),
        "input": letterbox.describe(),
        "person_class": str(person),
        "precision": f"{device.type} {'fp16' if half else 'fp32'}",
    }
    if preset and preset.notice:
        fingerprint["notice"] = preset.notice
        warnings.warn(preset.notice, NoticeWarning, stacklevel=3)
    name = preset.name if preset else "own-mmdet"
    detector = MmdetDetector(name, fingerprint, model, letterbox, person, config, device, half)
    try:
        check_sight(detector)
    except NotImplementedError as error:
        raise DetectionError(
            f"This model cannot run here: {error}", "Install mmcv with its operators, or choose another model"
        ) from error
    return detector


def _sources(config: DetectionConfig, preset: Preset | None) -> tuple[Any, Path]:
    """The mmdet configuration and the weights file that are asked for."""
    if preset:
        return openmmlab.load_config(preset.configuration()), config.weights or preset.weights()
    if config.mmdet_config is None or config.weights is None:
        raise ConfigError("No weights are named for the mmdet configuration", "Set `weights`")
    return openmmlab.load_config(config.mmdet_config), config.weights


def _person(config: DetectionConfig, preset: Preset | None, classes: tuple[str, ...], count: int) -> int:
    if config.person_class is None:
        return preset.person if preset else person_index(classes, count)
    if config.person_class >= count:
        raise ConfigError("The model has no class of the index `person_class`", "Set the index of the class person")
    return config.person_class


def choose_device(name: str) -> torch.device:
    """The device of this name; ``auto`` is a CUDA GPU if there is one, else the CPU.

    Raises:
        DetectionError: there is no such device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = torch.device(("cuda" if count else "cpu") if name == "auto" else name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise DetectionError(f"There is no device {name!r}", "Set `device` to auto or cpu")
    return device


class MmdetDetector:
    """An mmdet model behind the ``Detector`` protocol.

    Frames of one size run together, at most as many as fit into memory. Where 16 bits overflow, the batch is computed
    again in 32; where the outputs are still not finite, the call raises ``DetectionError``.
    """

    def __init__(
        self,
        name: str,
        fingerprint: dict[str, str],
        model: nn.Module,
        letterbox: Letterbox,
        person: int,
        config: DetectionConfig,
        device: torch.device,
        half: bool,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self._model: Any = openmmlab.for_inference(model).to(device)
        self._letterbox = letterbox
        self._person = person
        self._config = config
        self._device = device
        self._half = half
        self._limit = config.batch_size
        self._watch = _Watch(self._model)
        self._entrance = _Entrance(self._model.data_preprocessor)

    def __call__(self, images: Sequence[Image]) -> list[tuple[Boxes, Floats]]:
        """See ``Detector``.

        Raises:
            DetectionError: the outputs for a frame are not finite.
            DeviceError: a single frame does not fit into memory, or the device is lost.
        """
        found: list[tuple[Boxes, Floats] | None] = [None] * len(images)
        for shape in dict.fromkeys(image.shape for image in images):
            where = [i for i, image in enumerate(images) if image.shape == shape]
            start = 0
            while start < len(where):
                part = where[start : start + self._limit]
                answers = self._attempt([images[i] for i in part])
                if answers is None:
                    self._limit = max(1, len(part) // 2)
                    continue
                for i, answer in zip(part, answers, strict=True):
                    found[i] = answer
                start += len(part)
        return [answer for answer in found if answer is not None]

    def _attempt(self, images: list[Image]) -> list[tuple[Boxes, Floats]] | None:
        """Answers for a batch; None if it is too large for the device's memory."""
        try:
            return self._run(images)
        except (RuntimeError, MemoryError) as error:
            trouble = _device_trouble(error)
            if not trouble:
                raise
            if trouble == "lost":
                raise DeviceError("The GPU stopped working", "Restart it, or set `device` to cpu") from error
            if len(images) == 1:
                raise DeviceError(
                    "The detector does not fit into memory with a single frame",
                    "Choose a smaller `size` or preset, or set `device` to cpu",
                ) from error
        # Outside the handler, so that the failed attempt's tensors are no longer held by the error.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _run(self, images: list[Image]) -> list[tuple[Boxes, Floats]]:
        for half in (True, False) if self._half else (False,):
            samples = self._forward(images, half)
            if self._watch.finite():
                return [self._persons(sample, image) for sample, image in zip(samples, images, strict=True)]
        raise DetectionError("The detector's outputs are not finite", "Use other weights")

    @torch.inference_mode()
    def _forward(self, images: list[Image], half: bool) -> list[Any]:
        from mmdet.structures import DetDataSample

        fitted = self._letterbox(images)
        outer = fitted.pixels.shape[1:3]
        meta = {"ori_shape": images[0].shape[:2], "img_shape": outer, "scale_factor": fitted.scale}
        samples = [DetDataSample(metainfo=meta) for _ in images]
        # (B, H, W, 3) seen as (B, 3, H, W) is the channels-last layout that the model has.
        pixels = torch.from_numpy(fitted.pixels).permute(0, 3, 1, 2).to(self._device, non_blocking=True)
        self._watch.reset()
        with (
            openmmlab.quiet(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
            torch.autocast(self._device.type, torch.float16, enabled=half),
        ):
            return self._model.predict(self._entrance(pixels, samples), samples, rescale=True)

    def _persons(self, sample: Any, image: Image) -> tuple[Boxes, Floats]:
        found = sample.pred_instances
        keep = (found.labels == self._person) & (found.scores >= self._config.score_floor)
        boxes = clip(as_boxes(found.bboxes[keep].float().cpu().numpy()), image.shape[1], image.shape[0])
        scores = found.scores[keep].float().cpu().numpy().astype(np.float32)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise DetectionError("The detector's boxes are not finite", "Use other weights")
        solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, scores = boxes[solid], scores[solid]
        order = nms(boxes, scores, self._config.nms_iou)[: self._config.max_per_frame]
        return boxes[order], np.ascontiguousarray(scores[order])


class _Entrance:
    """The model's data pre-processor, computed in one buffer that is used again where it is mmdet's ordinary one."""

    def __init__(self, preprocessor: Any) -> None:
        from mmdet.models.data_preprocessors import DetDataPreprocessor

        self._general = preprocessor
        self._plain = type(preprocessor) is DetDataPreprocessor and not preprocessor._channel_conversion
        self._buffer = torch.empty(0)

    def __call__(self, pixels: torch.Tensor, samples: list[Any]) -> torch.Tensor:
        """Normalized input, float (B, 3, H, W), of pixels, uint8 (B, 3, H, W); fills in the samples' meta data."""
        divisor = self._general.pad_size_divisor if self._plain else 1
        if not self._plain or any(length % divisor for length in pixels.shape[2:]):
            return self._general({"inputs": pixels, "data_samples": samples}, False)["inputs"]
        if self._buffer.shape != pixels.shape or self._buffer.device != pixels.device:
            layout = torch.channels_last
            self._buffer = torch.empty(pixels.shape, device=pixels.device).to(memory_format=layout)
        out = self._buffer.copy_(pixels)
        if self._general._enable_normalize:
            out.sub_(self._general.mean).div_(self._general.std)
        shape = tuple(pixels.shape[2:])
        for sample in samples:
            sample.set_metainfo({"batch_input_shape": shape, "pad_shape": shape})
        return out


class _Watch:
    """Looks at what the model's heads put out: turns it to 32 bits, and notes whether it is finite.

    Later steps would hide the trouble: a score that is not a number passes no threshold, so the frame looks empty.
    """

    def __init__(self, model: nn.Module) -> None:
        from mmdet.models.dense_heads import DETRHead
        from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
        from mmdet.models.roi_heads.bbox_heads import BBoxHead

        heads = [m for m in model.modules() if isinstance(m, (BaseDenseHead, DETRHead, BBoxHead))]
        if not heads:
            raise ConfigError("The model has no detection head that is known", "Use a detector of mmdet")
        for head in heads:
            head.register_forward_hook(self._look)
        self._marks: list[torch.Tensor] = []

    def reset(self) -> None:
        self._marks = []

    def finite(self) -> bool:
        """Whether all outputs since the last reset were finite; false if there were none."""
        return bool(self._marks) and bool(torch.stack(self._marks).all())

    def _look(self, _module: nn.Module, _inputs: object, output: Any) -> Any:
        return self._walk(output)

    def _walk(self, part: Any) -> Any:
        if isinstance(part, torch.Tensor) and part.is_floating_point():
            self._marks.append(torch.isfinite(part).all())
            return part.float()
        if isinstance(part, (list, tuple)):
            return type(part)(self._walk(p) for p in part)
        return part


def _device_trouble(error: Exception) -> str:
    """``memory``, ``lost`` (a CUDA error after which the process cannot use the GPU) or nothing."""
    text = str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in text:
        return "memory"
    return "lost" if "CUDA error" in text or "cuDNN error" in text else ""
