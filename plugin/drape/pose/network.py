"""A top-down mmpose model's forward pass for a batch of persons, and what its head's outputs mean.

SimCC heads are read for the whole batch on the device. Any other head (heat maps, regression) is read by mmpose's own
decoder.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drape import openmmlab
from drape.boxes import Floats
from drape.errors import ConfigError
from drape.pose.estimator import PoseError
from drape.pose.scores import SimccScale, doubted, heatmap_scores, simcc_scale, simcc_scores
from drape.pose.skeleton import MIRROR


class Read(NamedTuple):
    """Points (N, K, 2) in pixels of the input, and scores (N, K) in [0, 1]."""

    points: NDArray[np.float32]
    scores: Floats


class Network:
    """The model on its device: normalized pixels in, points out.

    The backbone computes in 16 bits where ``half``; the head always in 32, because its peaks are compared bin by bin.

    Args:
        model: mmpose's ``TopdownPoseEstimator``; it is changed for inference and can no longer be trained.
        device: where it runs.
        half: whether the backbone computes in 16 bits.
        flip: whether the mirrored input is looked at too.
    """

    def __init__(self, model: nn.Module, device: torch.device, half: bool, flip: bool) -> None:
        ready: Any = openmmlab.for_inference(model).to(device)
        self._model, self._head = ready, ready.head
        self._device, self._half, self._flip = device, half, flip
        self._indices = ready.test_cfg.get("output_keypoint_indices")
        self._scale = simcc_scale(ready.head.decoder, ready.head.loss_module) if _is_simcc(ready.head) else None
        self._entrance = _Entrance(ready.data_preprocessor)

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[np.uint8]) -> Read:
        """Read the poses of inputs (N, H, W, 3), BGR.

        Raises:
            PoseError: an output is not finite.
        """
        inputs = self._entrance(torch.from_numpy(pixels).to(self._device, non_blocking=True))
        with (
            openmmlab.quiet(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        ):
            for half in (True, False) if self._half else (False,):
                features = [self._features(x, half) for x in ((inputs, inputs.flip(-1)) if self._flip else (inputs,))]
                read = self._read_simcc(features, self._scale) if self._scale else self._read_any(features)
                if np.isfinite(read.points).all() and np.isfinite(read.scores).all():
                    return self._selected(read)
        raise PoseError("The pose model's outputs are not finite", "Use other weights")

    def _features(self, inputs: Tensor, half: bool) -> tuple[Tensor, ...]:
        with torch.autocast(self._device.type, torch.float16, enabled=half):
            features = self._model.extract_feat(inputs)
        return tuple(f.float() for f in features)

    def _read_simcc(self, features: list[tuple[Tensor, ...]], scale: SimccScale) -> Read:
        x, y = self._head.forward(features[0])
        if self._flip:
            mirror = torch.as_tensor(MIRROR[: x.shape[1]], device=x.device)
            other_x, other_y = self._head.forward(features[1])
            x, y = (x + other_x[:, mirror].flip(-1)) * 0.5, (y + other_y[:, mirror]) * 0.5
        decoder = self._head.decoder
        (peak_x, place_x), (peak_y, place_y) = x.max(dim=-1), y.max(dim=-1)
        peaks = torch.stack([peak_x, peak_y], dim=-1)
        if scale.softmax:
            peaks = torch.stack([_share(x, scale.beta), _share(y, scale.beta)], dim=-1)
        scores = simcc_scores(peaks.cpu().numpy(), scale)
        if decoder.decode_visibility:
            sharp = [decoder.decode_beta * float(s) for s in np.broadcast_to(decoder.sigma, (2,))]
            scores = doubted(scores, torch.minimum(_share(x, sharp[0]), _share(y, sharp[1])).cpu().numpy())
        points = torch.stack([place_x, place_y], dim=-1).cpu().numpy() / np.float32(decoder.simcc_split_ratio)
        # The place of a maximum is a number even where the outputs are not.
        return Read(points.astype(np.float32), np.where(np.isfinite(peaks.cpu().numpy()).all(-1), scores, np.nan))

    def _read_any(self, features: list[tuple[Tensor, ...]]) -> Read:
        from mmpose.structures import PoseDataSample

        sample = PoseDataSample(metainfo={"flip_indices": MIRROR[: self._head.out_channels].tolist()})
        given = features if self._flip else features[0]
        found = self._head.predict(given, [sample] * len(features[0][-1]), test_cfg=self._model.test_cfg)
        found = found[0] if isinstance(found, tuple) else found
        points = np.stack([_numpy(f.keypoints)[0, :, :2] for f in found])
        seen = [f.keypoints_visible if "keypoints_visible" in f else f.keypoint_scores for f in found]
        return Read(points, heatmap_scores(np.stack([_numpy(s)[0] for s in seen])))

    def _selected(self, read: Read) -> Read:
        if self._indices is None:
            return read
        return Read(read.points[:, self._indices], read.scores[:, self._indices])


def _share(outputs: Tensor, beta: float) -> Tensor:
    """The highest value of softmax(beta * outputs) over the last axis."""
    return 1 / torch.exp(beta * (outputs - outputs.amax(dim=-1, keepdim=True))).sum(dim=-1)


def _numpy(values: Any) -> NDArray[np.float32]:
    array = values.float().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return array.astype(np.float32)


def _is_simcc(head: Any) -> bool:
    """Whether a head's outputs are SimCC vectors whose highest bins are the answer.

    Raises:
        ConfigError: there is no head, or it cannot read its own outputs.
    """
    from mmpose.codecs import SimCCLabel
    from mmpose.models.heads import RTMCCHead, RTMWHead, SimCCHead

    decoder = getattr(head, "decoder", None)
    if decoder is None:
        raise ConfigError("The model's head has no decoder", "Name the codec as its `decoder` in the configuration")
    return isinstance(head, (RTMCCHead, RTMWHead, SimCCHead)) and type(decoder) is SimCCLabel and not decoder.use_dark


class _Entrance:
    """The model's data pre-processor, computed in one buffer that is used again where it is mmpose's ordinary one."""

    def __init__(self, preprocessor: Any) -> None:
        from mmpose.models.data_preprocessors import PoseDataPreprocessor

        self._general = preprocessor
        self._plain = type(preprocessor) is PoseDataPreprocessor and preprocessor.pad_size_divisor == 1
        self._buffer = torch.empty(0)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Normalized input, float (N, 3, H, W), of pixels, uint8 (N, H, W, 3)."""
        # (N, H, W, 3) seen as (N, 3, H, W) is the channels-last layout that the model has.
        pixels = pixels.permute(0, 3, 1, 2)
        if not self._plain:
            from mmpose.structures import PoseDataSample

            samples = [PoseDataSample() for _ in pixels]
            inputs: Tensor = self._general({"inputs": list(pixels), "data_samples": samples}, False)["inputs"]
            return inputs
        if self._buffer.shape != pixels.shape or self._buffer.device != pixels.device:
            layout = torch.channels_last
            self._buffer = torch.empty(pixels.shape, device=pixels.device).to(memory_format=layout)
        out = self._buffer.copy_(pixels.flip(1) if self._general._channel_conversion else pixels)
        if self._general._enable_normalize:
            out.sub_(self._general.mean).div_(self._general.std)
        return out
