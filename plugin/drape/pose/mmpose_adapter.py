"""Any top-down model of mmpose as a ``PoseEstimator``: built from a configuration and checked weights, batched over the
persons of several frames, fail-safe."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drape import openmmlab
from drape.boxes import Boxes, Floats
from drape.checkpoint import load_into, read_checkpoint
from drape.errors import ConfigError, DrapeError
from drape.pose.canary import check_sight
from drape.pose.config import PoseConfig
from drape.pose.crops import Cropper
from drape.pose.device import choose_device, device_trouble
from drape.pose.estimator import DeviceError, Image, Points, PoseError, PoseEstimator, PoseNoticeWarning
from drape.pose.mmpose_config import check_points, network_of, pipeline_of
from drape.pose.network import Network, Read
from drape.pose.presets import PRESETS, Preset
from drape.pose.skeleton import BODY_COUNT


def build(config: PoseConfig) -> PoseEstimator:
    """The estimator of a preset, or of the user's own mmpose configuration and weights, proven to see.

    Raises:
        ConfigError, WeightsError, PoseError: see ``drape.pose.build_estimator``.
    """
    estimator = assemble(config)
    check_sight(estimator)
    return estimator


def assemble(config: PoseConfig) -> MmposeEstimator:
    """The same, but not proven to see: whatever the weights, as long as they fit.

    Raises:
        ConfigError, WeightsError, PoseError: see ``drape.pose.build_estimator``.
    """
    device = choose_device(config.device)
    preset = None if config.mmpose_config else PRESETS[config.preset]
    cfg, weights = _sources(config, preset)
    checkpoint = read_checkpoint(weights)
    cropper = Cropper(pipeline_of(cfg))
    architecture = network_of(cfg, config.flip_test)
    model = openmmlab.build_model(architecture, "mmpose")
    load_into(model, checkpoint)
    half = config.half and device.type == "cuda"
    network = Network(model, device, half, config.flip_test)
    count = _tried(network, cropper)
    check_points(cfg, count)
    count = BODY_COUNT if config.points == "body" else count
    import mmpose

    fingerprint = {
        "engine": f"mmpose {mmpose.__version__}, torch {torch.__version__}",
        "weights": checkpoint.sha256,
        "architecture": hashlib.sha256(repr(architecture).encode()).hexdigest(),
        "input": cropper.describe(),
        "points": str(count),
        "flip_test": str(config.flip_test),
        "precision": f"{device.type} {'fp16' if half else 'fp32'}",
    }
    if preset and preset.notice:
        fingerprint["notice"] = preset.notice
        warnings.warn(preset.notice, PoseNoticeWarning, stacklevel=5)
    name = preset.name if preset else "own-mmpose"
    return MmposeEstimator(name, fingerprint, network, cropper, count, config.batch_size, device)


def _sources(config: PoseConfig, preset: Preset | None) -> tuple[Any, Path]:
    """The mmpose configuration and the weights file that are asked for."""
    if preset:
        return openmmlab.load_config(preset.configuration()), config.weights or preset.weights()
    if config.mmpose_config is None or config.weights is None:
        raise ConfigError("No weights are named for the mmpose configuration", "Set `weights`")
    return openmmlab.load_config(config.mmpose_config), config.weights


def _tried(network: Network, cropper: Cropper) -> int:
    """Show the network an empty input; the number of points that it gives."""
    width, height = cropper.size
    try:
        return network(np.zeros((1, height, width, 3), np.uint8)).points.shape[1]
    except DrapeError:
        raise
    except Exception as error:  # the parts of a configuration may contradict each other in any way
        if device_trouble(error):
            raise DeviceError("The pose model does not fit into memory", "Choose a smaller preset") from error
        raise ConfigError(
            f"The configuration's model cannot run ({type(error).__name__})",
            "Check that input size, backbone, head and codec belong together",
        ) from error


class MmposeEstimator:
    """An mmpose model behind the ``PoseEstimator`` protocol.

    The persons of all frames of a call run together, at most ``batch_size`` at once and no more than fit into memory.
    """

    def __init__(
        self,
        name: str,
        fingerprint: dict[str, str],
        network: Network,
        cropper: Cropper,
        points: int,
        batch_size: int,
        device: torch.device,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.points = points
        self._network = network
        self._cropper = cropper
        self._device = device
        self._limit = batch_size
        self._pixels = np.empty((0, *cropper.size[::-1], 3), np.uint8)

    def __call__(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[tuple[Points, Floats]]:
        """See ``PoseEstimator``.

        Raises:
            PoseError: a box or the outputs for a person are not finite.
            DeviceError: a single person does not fit into memory, or the device is lost.
        """
        counts = [len(b) for b in boxes]
        every = np.concatenate([np.zeros((0, 4), np.float32), *boxes]).astype(np.float32, copy=False)
        if not np.isfinite(every).all():
            raise PoseError("A person's box is not finite", "Detect and track the view again")
        windows = self._cropper.windows(every)
        whose = [image for image, count in zip(images, counts, strict=True) for _ in range(count)]
        people = list(zip(whose, self._cropper.matrices(windows), strict=True))
        read = self._read(people)
        points = self._cropper.back(read.points[:, : self.points], windows)
        borders = np.cumsum(counts)[:-1]
        scores = np.split(read.scores[:, : self.points], borders)
        return list(zip(np.split(points, borders), scores, strict=True)) if counts else []

    def _read(self, people: list[tuple[Image, NDArray[np.float64]]]) -> Read:
        parts = [Read(np.zeros((0, self.points, 2), np.float32), np.zeros((0, self.points), np.float32))]
        start = 0
        while start < len(people):
            part = people[start : start + self._limit]
            answer = self._attempt(part)
            if answer is None:
                self._limit = max(1, len(part) // 2)
                continue
            parts.append(Read(answer.points[:, : self.points], answer.scores[:, : self.points]))
            start += len(part)
        return Read(np.concatenate([p.points for p in parts]), np.concatenate([p.scores for p in parts]))

    def _attempt(self, people: list[tuple[Image, NDArray[np.float64]]]) -> Read | None:
        """Answers for a batch; None if it is too large for the device's memory."""
        try:
            if len(self._pixels) < len(people):
                self._pixels = np.empty((len(people), *self._pixels.shape[1:]), np.uint8)
            pixels = self._pixels[: len(people)]
            self._cropper.cut(people, pixels)
            return self._network(pixels)
        except (RuntimeError, MemoryError) as error:
            trouble = device_trouble(error)
            if not trouble:
                raise
            if trouble == "lost":
                raise DeviceError("The GPU stopped working", "Restart it, or set `device` to cpu") from error
            if len(people) == 1:
                raise DeviceError(
                    "The pose model does not fit into memory with a single person",
                    "Choose a smaller preset, or set `device` to cpu",
                ) from error
        # Outside the handler, so that the failed attempt's tensors are no longer held by the error.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return None
