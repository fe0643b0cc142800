"""A detector as one function of pixels: what is exported, from raw frames to a score and a box for every grid point."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from drape.errors import ConfigError


class Points(nn.Module):
    """A detector of the RTMDet or YOLOX family, from pixels to the points of its grids, before suppression.

    Args:
        model: the detector, as ``drape.openmmlab.build_model`` gives it, with its weights.
        shape: height and width of the input in pixels, multiples of 32.
        person: index of the class person.

    Raises:
        ConfigError: the detector is of another family, or prepares its input in another way than by mean and deviation.
    """

    def __init__(self, model: Any, shape: tuple[int, int], person: int) -> None:
        super().__init__()
        from mmdet.models.data_preprocessors import DetDataPreprocessor
        from mmdet.models.dense_heads import RTMDetHead, YOLOXHead

        head, entrance = getattr(model, "bbox_head", None), model.data_preprocessor
        if not isinstance(head, (RTMDetHead, YOLOXHead)):
            raise ConfigError("Only detectors of the families RTMDet and YOLOX can be exported", "Choose one of those")
        if type(entrance) is not DetDataPreprocessor:
            raise ConfigError("The detector prepares its input in a way that cannot be exported", "Choose another one")
        if any(length % 32 for length in shape):
            raise ConfigError("The input's height and width must be multiples of 32", "Round them up")
        self._model = model
        self._person = person
        self._side_by_side = isinstance(head, YOLOXHead)
        self._swapped = bool(entrance._channel_conversion)
        normalized = bool(entrance._enable_normalize)
        self.register_buffer("_mean", entrance.mean if normalized else torch.zeros(3, 1, 1))
        self.register_buffer("_deviation", entrance.std if normalized else torch.ones(3, 1, 1))
        generator = head.prior_generator
        grids = [(shape[0] // high, shape[1] // wide) for wide, high in generator.strides]
        self.register_buffer("_grid", torch.cat(generator.grid_priors(grids, device="cpu", with_stride=True)))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Score (B, N) in [0, 1] of the class person and box (B, N, 4), in pixels of the input, of every grid point.

        Args:
            pixels: uint8, (B, height, width, 3), BGR.
        """
        planes = pixels.permute(0, 3, 1, 2).float()
        planes = planes.flip(1) if self._swapped else planes
        normalized = (planes - self.get_buffer("_mean")) / self.get_buffer("_deviation")
        classes, sizes, *objectness = self._model.bbox_head(self._model.extract_feat(normalized))
        scores = _probability(_flat(classes)[..., self._person])
        for levels in objectness:
            scores = scores * _probability(_flat(levels)[..., 0])
        return scores, self._boxes(_flat(sizes))

    def _boxes(self, sizes: Tensor) -> Tensor:
        """Boxes from distances to their four sides (RTMDet), or from middle and logarithmic size (YOLOX)."""
        grid = self.get_buffer("_grid")
        if not self._side_by_side:
            return torch.cat([grid[:, :2] - sizes[..., :2], grid[:, :2] + sizes[..., 2:]], -1)
        middle = grid[:, :2] + sizes[..., :2] * grid[:, 2:]
        half = sizes[..., 2:].exp() * grid[:, 2:] / 2
        return torch.cat([middle - half, middle + half], -1)


def _flat(levels: Any) -> Tensor:
    """Maps (B, C, h, w) of all levels as one list of points, (B, N, C)."""
    return torch.cat([level.permute(0, 2, 3, 1).flatten(1, 2) for level in levels], 1)


def _probability(logits: Tensor) -> Tensor:
    # The difference is 0, or not a number where a logit is infinite: the sigmoid alone would hide that.
    return logits.sigmoid() + (logits - logits)
