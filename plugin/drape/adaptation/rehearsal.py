"""What keeps a fine-tuned detector from forgetting what its base knows, without the data that the base learned from."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from drape.adaptation.soft_losses import inside


class Pull:
    """Draws weights back to those of the base after each step of the optimizer.

    As in L2-SP (Li, Grandvalet and Davoine, 2018) the distance to the base's weights is what costs, but it is not part
    of the loss: as with AdamW's decay (Loshchilov and Hutter, 2019), the scaling of gradients must not undo it.

    Args:
        model: the base, as training begins.
        share: share of the way back that a step goes at the highest learning rate.
        rate: the highest learning rate.
    """

    def __init__(self, model: nn.Module, share: float, rate: float) -> None:
        self._base = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        self._share = share / rate

    @torch.no_grad()
    def __call__(self, model: nn.Module, rate: float) -> None:
        """Draw the weights of ``model``, whose learning rate is ``rate`` now."""
        for name, parameter in model.named_parameters():
            if name in self._base:
                parameter.lerp_(self._base[name], min(1.0, self._share * rate))


def _scores(outputs: Any) -> list[Tensor]:
    """Maps of scores (B, C, h, w) by level: of the classes, and, after the boxes, of objectness or centredness."""
    return [level for part in outputs[::2] for level in part]


class Distillation:
    """Agreement with the base's scores where labels say nothing of their own: outside the labelled boxes.

    For the heads of which ``soft_losses`` knows the family.

    The distance is the cross-entropy between the two scores of each place, less its least value, over the number of
    places that the base takes for something at all, so that background does not dilute it.

    Args:
        model: the base as training begins; a frozen copy is kept.
        strength: weight of the loss.
    """

    def __init__(self, model: Any, strength: float) -> None:
        self._base = copy.deepcopy(model).eval().requires_grad_(False)
        self._strength = strength
        self._heard: list[Tensor] = []
        model.bbox_head.register_forward_hook(self._hear)

    def __call__(self, inputs: Tensor, samples: list[Any]) -> Tensor:
        """The loss of the batch that the model has just seen.

        Args:
            inputs: (B, 3, H, W), as the model got them.
            samples: their labels.
        """
        with torch.no_grad():
            wanted = _scores(self._base.bbox_head(self._base.extract_feat(inputs)))
        total, count = inputs.new_zeros(()), inputs.new_zeros(())
        for ours, theirs in zip(self._heard, wanted, strict=True):
            free = self._outside(ours, inputs, samples)
            aim = theirs.float().sigmoid()
            least = functional.binary_cross_entropy(aim, aim, reduction="none")
            apart = functional.binary_cross_entropy_with_logits(ours.float(), aim, reduction="none") - least
            total = total + (apart * free).sum()
            count = count + (aim * free).sum()
        self._heard = []
        return self._strength * total / count.clamp(min=1.0)

    def __deepcopy__(self, memo: dict[int, Any]) -> Distillation:
        return self  # a copy of the model that is never trained needs no base of its own

    def _hear(self, module: nn.Module, _inputs: Any, outputs: Any) -> None:
        if module.training:
            self._heard = _scores(outputs)

    @staticmethod
    def _outside(scores: Tensor, inputs: Tensor, samples: list[Any]) -> Tensor:
        """Which places of a level (B, C, h, w) lie outside all labelled boxes, (B, 1, h, w)."""
        high, wide = scores.shape[2:]
        y = (torch.arange(high, device=scores.device) + 0.5) * (inputs.shape[2] / high)
        x = (torch.arange(wide, device=scores.device) + 0.5) * (inputs.shape[3] / wide)
        places = torch.cartesian_prod(y, x).flip(1)
        taught = torch.stack([inside(places, sample.gt_instances) for sample in samples])
        return ~taught.view(len(samples), 1, high, wide)
