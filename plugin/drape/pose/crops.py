"""From frames and boxes to a pose model's input: the steps of an mmpose test pipeline, for all persons at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.errors import ConfigError
from drape.pose.estimator import Image, Points

_HARMLESS = {"LoadImage", "LoadImageFromFile", "PackPoseInputs", "GetBBoxCenterScale", "TopdownAffine"}
_PADDING = 1.25


class Windows(NamedTuple):
    """Where in its frame each person's input lies: ``center`` and ``size`` (width, height), (N, 2) float32 pixels."""

    center: NDArray[np.float32]
    size: NDArray[np.float32]


class Cropper:
    """Cuts the part around a box out of a frame and scales it to the input size, without changing its proportions.

    Beyond the frame there is black, as mmpose has it.

    Args:
        pipeline: the steps of the configuration's test pipeline.

    Raises:
        ConfigError: the pipeline has a step that changes the picture in another way.
    """

    def __init__(self, pipeline: Sequence[Mapping[str, Any]]) -> None:
        steps = [(str(step["type"]).rsplit(".", 1)[-1], step) for step in pipeline]
        found = dict(steps)
        strange = [kind for kind, _ in steps if kind not in _HARMLESS]
        if strange or len(found) != len(steps) or not {"GetBBoxCenterScale", "TopdownAffine"} <= set(found):
            what = f"the step {strange[0]!r}" if strange else "not exactly one GetBBoxCenterScale and one TopdownAffine"
            raise ConfigError(
                f"The configuration's test pipeline has {what}", "Use the pipeline of a top-down model of mmpose"
            )
        width, height = found["TopdownAffine"]["input_size"]
        self.size = (int(width), int(height))
        self.unbiased = bool(found["TopdownAffine"].get("use_udp", False))
        self.padding = float(found["GetBBoxCenterScale"].get("padding", _PADDING))

    def describe(self) -> str:
        """All that the input depends on, in one line."""
        return f"size={self.size} padding={self.padding} unbiased={self.unbiased}"

    def windows(self, boxes: Boxes) -> Windows:
        """The windows of boxes (N, 4): grown by the padding, then to the input's proportions; a pixel at least."""
        size = np.maximum((boxes[:, 2:] - boxes[:, :2]) * np.float32(self.padding), np.float32(1))
        ratio = np.float32(self.size[0] / self.size[1])
        width = np.maximum(size[:, 0], size[:, 1] * ratio)
        return Windows((boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5), np.stack([width, width / ratio], axis=1))

    def matrices(self, windows: Windows) -> NDArray[np.float64]:
        """Affine maps (N, 2, 3) from the frame to the input.

        With unbiased data processing (Huang et al. 2020) the centres of the outer pixels fall on each other, otherwise
        the outer edges do.
        """
        shape = np.array(self.size, np.float64)
        less = 1.0 if self.unbiased else 0.0
        factor = (shape - less) / windows.size
        matrices = np.zeros((len(factor), 2, 3))
        matrices[:, 0, 0], matrices[:, 1, 1] = factor[:, 0], factor[:, 1]
        matrices[:, :, 2] = (shape - less) / 2 - factor * windows.center
        return matrices

    def cut(self, people: Iterable[tuple[Image, NDArray[np.float64]]], out: NDArray[np.uint8]) -> None:
        """Write the input of each person, given its frame and matrix (2, 3), to a row of ``out``, (N, H, W, 3)."""
        for (image, matrix), target in zip(people, out, strict=True):
            cv2.warpAffine(image, matrix, self.size, dst=target, flags=cv2.INTER_LINEAR)

    def back(self, points: NDArray[np.float32], windows: Windows) -> Points:
        """Points (N, K, 2) of the input as points of the frame."""
        share = points / np.array(self.size, np.float32) - np.float32(0.5)
        return np.asarray(share * windows.size[:, None] + windows.center[:, None], np.float32)
