"""From frames to a detector's input: the resize and pad steps of an mmdet test pipeline, for a whole batch at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.errors import ConfigError

_STRIDE = 32
_HARMLESS = {"LoadImageFromFile", "LoadImageFromNDArray", "LoadAnnotations", "PackDetInputs"}


class Fitted(NamedTuple):
    """A batch as the model's data pre-processor takes it.

    ``pixels``: uint8, (B, H, W, 3), BGR. ``scale``: input pixels per frame pixel, (x, y). ``inner``: height and width
    of the resized frame; the rest, at the right and at the bottom, is padding.
    """

    pixels: NDArray[np.uint8]
    scale: tuple[float, float]
    inner: tuple[int, int]


class Letterbox:
    """Resize with kept aspect ratio, then pad at the right and the bottom, as the configuration's pipeline says.

    Args:
        pipeline: the steps of the configuration's test pipeline.
        size: longer side of the input instead of the pipeline's own, in pixels; other lengths change in proportion.

    Raises:
        ConfigError: the pipeline has a step that changes the picture in another way.
    """

    def __init__(self, pipeline: Sequence[Mapping[str, Any]], size: int | None) -> None:
        steps = [(str(step["type"]).rsplit(".", 1)[-1], step) for step in pipeline]
        resize = [step for kind, step in steps if kind == "Resize"]
        pads = [step for kind, step in steps if kind == "Pad"]
        strange = [kind for kind, _ in steps if kind not in _HARMLESS | {"Resize", "Pad"}]
        if strange or len(resize) != 1 or len(pads) > 1:
            what = f"the step {strange[0]!r}" if strange else "not exactly one resize and at most one pad"
            raise ConfigError(f"The configuration's test pipeline has {what}", "Use Resize and Pad")
        scale, kept = resize[0].get("scale"), resize[0].get("keep_ratio")
        if scale is None or not kept or resize[0].get("interpolation", "bilinear") != "bilinear":
            raise ConfigError(
                "The configuration's test pipeline does not resize to a scale with kept ratio", "Use keep_ratio=True"
            )
        self.long, self.short = max(scale), min(scale)
        factor = 1.0 if size is None else size / self.long
        self.long, self.short = round(self.long * factor), round(self.short * factor)
        pad = pads[0] if pads else {}
        self.square = bool(pad.get("pad_to_square", False))
        self.divisor = int(pad.get("size_divisor") or 1)
        self.fixed = _fixed(pad.get("size"), factor)
        value = pad.get("pad_val", 0)
        self.value = value.get("img", 0) if isinstance(value, Mapping) else value

    def describe(self) -> str:
        """All that the input depends on, in one line."""
        pad = f"square={self.square} divisor={self.divisor} fixed={self.fixed} value={self.value}"
        return f"long={self.long} short={self.short} {pad}"

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> Fitted:
        """Fit frames of one size, each (H, W, 3)."""
        height, width = images[0].shape[:2]
        # Rounded like mmcv.image.rescale_size, so that a frame gets the very same input as from mmdet.
        factor = min(self.long / max(height, width), self.short / min(height, width))
        inner = (int(height * factor + 0.5), int(width * factor + 0.5))
        outer = self._outer(*inner)
        pixels = np.empty((len(images), *outer, 3), np.uint8)
        pixels[:, inner[0] :] = self.value
        pixels[:, :, inner[1] :] = self.value
        for image, target in zip(images, pixels, strict=True):
            target[: inner[0], : inner[1]] = cv2.resize(image, inner[::-1], interpolation=cv2.INTER_LINEAR)
        return Fitted(pixels, (inner[1] / width, inner[0] / height), inner)

    def _outer(self, height: int, width: int) -> tuple[int, int]:
        if self.square:
            height = width = max(height, width)
        if self.divisor > 1:
            return _up(height, self.divisor), _up(width, self.divisor)
        if self.fixed and not self.square:
            return max(self.fixed[0], height), max(self.fixed[1], width)
        return height, width


def _fixed(size: Sequence[int] | None, factor: float) -> tuple[int, int] | None:
    """Height and width of a fixed pad; a changed size is rounded up to what every network's strides divide."""
    if size is None:
        return None
    width, height = (s if factor == 1 else _up(s * factor, _STRIDE) for s in size)
    return height, width


def _up(length: float, divisor: int) -> int:
    return math.ceil(length / divisor) * divisor


class FixedLetterbox:
    """The same for a network whose input has one shape: every frame is fitted into it, alone.

    Args:
        height, width: of the input, in pixels.
        value: what is padded with, one number or B, G, R.
    """

    def __init__(self, height: int, width: int, value: Sequence[int]) -> None:
        self.height, self.width = height, width
        self.value = tuple(value)

    def describe(self) -> str:
        """All that the input depends on, in one line."""
        return f"height={self.height} width={self.width} value={self.value}"

    def __call__(self, image: NDArray[np.uint8]) -> Fitted:
        """Fit a frame (H, W, 3); a batch of one."""
        height, width = image.shape[:2]
        factor = min(self.height / height, self.width / width)
        inner = (max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5)))
        pixels = np.empty((1, self.height, self.width, 3), np.uint8)
        pixels[:, inner[0] :] = self.value
        pixels[:, :, inner[1] :] = self.value
        pixels[0, : inner[0], : inner[1]] = cv2.resize(image, inner[::-1], interpolation=cv2.INTER_LINEAR)
        return Fitted(pixels, (inner[1] / width, inner[0] / height), inner)
