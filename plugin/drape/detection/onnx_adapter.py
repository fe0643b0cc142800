"""An exported detector as a ``Detector``: run by onnxruntime, batched, fail-safe."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from drape.boxes import Boxes, Floats, as_boxes, clip, nms
from drape.detection.canary import check_sight
from drape.detection.config import DetectionConfig
from drape.detection.detector import Detector, DeviceError, Image, NoticeWarning
from drape.detection.letterbox import Fitted, FixedLetterbox
from drape.detection.model_folder import ModelFolder
from drape.detection.onnx_file import OnnxFile, read_onnx
from drape.errors import ConfigError, DetectionError, WeightsError

_MANY = 1000
"""Points of a frame that suppression looks at, best first, as many as mmdet takes of each of its levels."""


def build(config: DetectionConfig) -> Detector:
    """The detector of an ONNX file that ``config.weights`` names, proven to see.

    Raises:
        ConfigError, WeightsError, DetectionError: see ``drape.detection.build_detector``.
    """
    if config.weights is None or config.mmdet_config is not None:
        raise ConfigError(
            "The preset onnx runs one exported file", "Name it as `weights`, and leave `mmdet_config` empty"
        )
    return _proven(config, config.weights, None, "onnx", "")


def build_model(config: DetectionConfig, found: ModelFolder) -> Detector:
    """The detector of a model folder whose card names an ONNX file.

    Raises:
        ConfigError, WeightsError, DetectionError: see ``drape.detection.build_detector``.
    """
    if found.notice:
        warnings.warn(found.notice, NoticeWarning, stacklevel=3)
    return _proven(config, found.folder / found.weights, found.digests[found.weights], found.name, found.notice)


def _proven(config: DetectionConfig, path: Path, sha256: str | None, name: str, notice: str) -> OnnxDetector:
    file = read_onnx(path, sha256)
    if config.size not in (None, max(file.height, file.width)):
        raise ConfigError(
            f"The exported model's input has {max(file.height, file.width)} pixels on its longer side",
            "Leave `size` empty, or export the model at another size",
        )
    if config.person_class not in (None, 0):
        raise ConfigError("An exported model knows persons only", "Leave `person_class` empty")
    detector = OnnxDetector(name, file, config)
    if notice:
        detector.fingerprint["notice"] = notice
    check_sight(detector)
    return detector


def cores() -> int:
    """Threads to compute with: as ``OMP_NUM_THREADS`` says, else as many as the process may use cores."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OnnxDetector:
    """An exported model behind the ``Detector`` protocol.

    Frames run together, of whatever sizes, at most as many as fit into memory. Where an output is not finite the call
    raises ``DetectionError``.
    """

    def __init__(self, name: str, file: OnnxFile, config: DetectionConfig) -> None:
        """
        Raises:
            WeightsError: the runtime does not take the file.
            DetectionError: the device is not there.
        """
        self.name = name
        self._letterbox = FixedLetterbox(file.height, file.width, file.pad)
        self._config = config
        self._limit = config.batch_size
        self._session = _session(file, config.device)
        self.fingerprint = {
            "engine": f"onnxruntime {onnxruntime.__version__}",
            "weights": file.sha256,
            "parent": file.parent,
            "input": self._letterbox.describe(),
            # Not the number of threads: each output is computed by one, so that the bits are the same.
            "precision": f"{self._session.get_providers()[0]} fp32",
        }

    def __call__(self, images: Sequence[Image]) -> list[tuple[Boxes, Floats]]:
        """See ``Detector``.

        Raises:
            DetectionError: the outputs for a frame are not finite.
            DeviceError: a single frame does not fit into memory, or the device is lost.
        """
        found: list[tuple[Boxes, Floats]] = []
        while len(found) < len(images):
            part = images[len(found) : len(found) + self._limit]
            answers = self._attempt(part)
            if answers is None:
                self._limit = max(1, len(part) // 2)
            else:
                found += answers
        return found

    def _attempt(self, images: Sequence[Image]) -> list[tuple[Boxes, Floats]] | None:
        """Answers for a batch; None if it is too large for the memory."""
        fitted = [self._letterbox(image) for image in images]
        try:
            scores, boxes = self._session.run(
                ["scores", "boxes"], {"pixels": np.concatenate([one.pixels for one in fitted])}
            )
        except Exception as error:  # the runtime's exceptions share no base of their own
            trouble = _device_trouble(error)
            if not trouble:
                raise
            if trouble == "lost":
                raise DeviceError("The GPU stopped working", "Restart it, or set `device` to cpu") from error
            if len(images) == 1:
                raise DeviceError(
                    "The detector does not fit into memory with a single frame",
                    "Export it at a smaller size, or set `device` to cpu",
                ) from error
            return None
        if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
            raise DetectionError("The detector's outputs are not finite", "Use other weights")
        return [self._persons(*row) for row in zip(scores, boxes, fitted, images, strict=True)]

    def _persons(self, scores: Floats, boxes: Boxes, fitted: Fitted, image: Image) -> tuple[Boxes, Floats]:
        likely = np.flatnonzero(scores >= self._config.score_floor)
        likely = likely[np.argsort(-scores[likely], kind="stable")[:_MANY]]
        scores = scores[likely]
        boxes = clip(as_boxes(boxes[likely] / np.tile(fitted.scale, 2)), image.shape[1], image.shape[0])
        solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, scores = boxes[solid], scores[solid]
        order = nms(boxes, scores, self._config.nms_iou)[: self._config.max_per_frame]
        return boxes[order], np.ascontiguousarray(scores[order], np.float32)


def _session(file: OnnxFile, device: str) -> Any:
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device.startswith("cuda") and not cuda:
        raise DetectionError("This onnxruntime has no GPU part", "Install onnxruntime-gpu, or set `device` to cpu")
    providers: list[Any] = ["CPUExecutionProvider"]
    if cuda and device != "cpu":
        number = device.partition(":")[2] or "0"
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC"}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(file.content, options, providers=providers)
    except Exception as error:  # the runtime's exceptions share no base of their own
        raise WeightsError("The runtime does not take the ONNX file", "Export it again") from error
    if device.startswith("cuda") and session.get_providers()[0] != "CUDAExecutionProvider":
        raise DetectionError(f"There is no device {device!r}", "Set `device` to auto or cpu")
    return session


def _device_trouble(error: Exception) -> str:
    """``memory``, ``lost`` (a CUDA error after which the process cannot use the GPU) or nothing."""
    text = str(error)
    if isinstance(error, MemoryError) or any(
        sign in text for sign in ("bad_alloc", "Failed to allocate memory", "out of memory")
    ):
        return "memory"
    return "lost" if "CUDA error" in text or "CUDA failure" in text else ""
