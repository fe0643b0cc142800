"""Losses of mmdet's heads that believe a label as far as its weight says and learn nothing in ignored regions.

A head of RTMDet's, ATSS's or YOLOX's family is given a class derived from its own at run time; its tensors and their
names stay. A positive place's losses are multiplied by the weight of the label that it is assigned to; the sums they
are divided by are not, so that half the weight is half the pull. A place that is not positive and whose centre lies in
an ignored region has no loss.

Of every head with one sigmoid per class, the classes other than the person get no gradient: labels that speak of
persons only must not teach that there is nothing else in the world.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from drape import openmmlab


def soften(detector: Any, person: int) -> bool:
    """Make a detector's losses mind weights and ignored regions, in place.

    Samples then need ``gt_instances.weights`` (N,) and ``ignored_instances.bboxes`` (M, 4).

    Args:
        detector: an mmdet model.
        person: index of the class that labels speak of.

    Returns:
        Whether the head is of a family for which it can be done. If not, see ``batches.hardened``.
    """
    openmmlab.prepare()
    head = getattr(detector, "bbox_head", None)
    if head is None:
        return False
    _spare_other_classes(head, person)
    mixin = _family(head)
    if mixin is None:
        return False
    beliefs = _Beliefs()
    for name in mixin.weighed:
        if hasattr(head, name):
            setattr(head, name, _Weighed(getattr(head, name), beliefs, name))
    object.__setattr__(head, "beliefs", beliefs)
    head.__class__ = type(f"Soft{type(head).__name__}", (mixin, type(head)), {})
    return True


def _family(head: Any) -> type[Any] | None:
    from mmdet.models.dense_heads import ATSSHead, RTMDetHead, YOLOXHead

    known: tuple[tuple[Any, type[Any]], ...] = (
        (RTMDetHead, _SoftPoints),
        (ATSSHead, _SoftAnchors),
        (YOLOXHead, _SoftYolox),
    )
    for kind, mixin in known:
        # A head that computes targets or losses in its own way is not of the family, whatever it is derived from.
        own = ("_get_targets_single", "loss_by_feat", "loss_by_feat_single")
        if isinstance(head, kind) and all(getattr(type(head), n, None) is getattr(kind, n, None) for n in own):
            return mixin
    return None


class _Beliefs:
    """Weights on their way from the targets to the losses: of positive places (P,), and of all places (N,)."""

    def __init__(self) -> None:
        self.positive: list[Tensor] = []
        self.every: list[Tensor] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> _Beliefs:
        return _Beliefs()


class _Weighed(nn.Module):
    """A loss whose elements are multiplied by the weights at hand. It has no tensors of its own."""

    def __init__(self, loss: nn.Module, beliefs: _Beliefs, name: str) -> None:
        super().__init__()
        self.loss = loss
        self.name = name
        object.__setattr__(self, "beliefs", beliefs)

    def forward(self, found: Tensor, wanted: Tensor, weight: Tensor | None = None, **more: Any) -> Tensor:
        beliefs: Any = self.beliefs
        own = torch.cat(beliefs.every if self.name == "loss_obj" else beliefs.positive)
        if self.name in ("loss_cls", "loss_obj", "loss_l1") and found.ndim > 1:
            own = own[:, None].expand_as(found)
        result: Tensor = self.loss(found, wanted, weight=own if weight is None else own * weight, **more)
        return result


class _SoftLevels:
    """For heads whose losses are computed level by level from labels and label weights."""

    beliefs: _Beliefs
    num_classes: int
    weighed = ("loss_bbox", "loss_centerness")

    def _get_targets_single(self, *arguments: Any, **more: Any) -> Any:
        *before, wanted, meta, ignored = arguments
        targets = super()._get_targets_single(*before, wanted, meta, None, **more)  # type: ignore[misc]
        if targets[0] is None:
            return targets
        labels, weights, sampled = targets[1], targets[2].clone(), targets[-1]
        positive = labels < self.num_classes
        weights[positive] *= wanted.weights[sampled.pos_assigned_gt_inds]
        weights[~positive & inside(self._centres(before), ignored)] = 0.0
        return *targets[:2], weights, *targets[3:]

    def _believe(self, labels: Tensor, weights: Tensor) -> None:
        positive = (labels.reshape(-1) >= 0) & (labels.reshape(-1) < self.num_classes)
        self.beliefs.positive = [weights.reshape(-1)[positive]]

    def _centres(self, before: list[Any]) -> Tensor:
        raise NotImplementedError


class _SoftPoints(_SoftLevels):
    """RTMDet (Lyu et al., 2022): one point per cell, dynamic soft assignment."""

    def _centres(self, before: list[Any]) -> Tensor:
        points: Tensor = before[2][:, :2]
        return points

    def loss_by_feat_single(
        self, score: Tensor, box: Tensor, labels: Tensor, weights: Tensor, *more: Any, **named: Any
    ) -> Any:
        self._believe(labels, weights)
        return super().loss_by_feat_single(score, box, labels, weights, *more, **named)  # type: ignore[misc]


class _SoftAnchors(_SoftLevels):
    """ATSS (Zhang et al., 2020): one square anchor per cell."""

    def _centres(self, before: list[Any]) -> Tensor:
        anchors: Tensor = before[0]
        return (anchors[:, :2] + anchors[:, 2:]) / 2

    def loss_by_feat_single(
        self, anchors: Tensor, score: Tensor, box: Tensor, centre: Tensor, labels: Tensor, weights: Tensor, *more: Any,
        **named: Any,
    ) -> Any:  # fmt: skip
        self._believe(labels, weights)
        return super().loss_by_feat_single(anchors, score, box, centre, labels, weights, *more, **named)  # type: ignore[misc]


class _SoftYolox:
    """YOLOX (Ge et al., 2021): classes and boxes at positive places, objectness at all."""

    beliefs: _Beliefs
    weighed = ("loss_cls", "loss_bbox", "loss_obj", "loss_l1")

    def loss_by_feat(self, *arguments: Any, **more: Any) -> Any:
        self.beliefs.positive, self.beliefs.every = [], []
        return super().loss_by_feat(*arguments, **more)  # type: ignore[misc]

    def _get_targets_single(
        self, priors: Tensor, scores: Tensor, boxes: Tensor, objectness: Tensor, wanted: Any, meta: Any, ignored: Any
    ) -> Any:
        targets = super()._get_targets_single(priors, scores, boxes, objectness, wanted, meta, None)  # type: ignore[misc]
        positive, aims = targets[0], targets[3]
        every = torch.ones_like(objectness)
        every[inside(priors[:, :2] + priors[:, 2:] / 2, ignored)] = 0.0
        if len(wanted):
            # A positive place's aim is a copy of its label's box, so the nearest label is the one.
            own = wanted.weights[(aims[:, None] - wanted.bboxes[None]).abs().sum(-1).argmin(1)].to(every.dtype)
        else:
            own = every.new_zeros(0)
        every[positive] = own
        self.beliefs.positive.append(own)
        self.beliefs.every.append(every)
        return targets


def inside(points: Tensor, regions: Any) -> Tensor:
    """Which points (N, 2) lie in one of the regions ``regions.bboxes`` (M, 4); (N,). None: no regions."""
    if regions is None or not len(regions.bboxes):
        return torch.zeros(len(points), dtype=torch.bool, device=points.device)
    at, boxes = points[:, None], regions.bboxes[None]
    return ((at >= boxes[..., :2]) & (at <= boxes[..., 2:])).all(-1).any(-1)


def _spare_other_classes(head: Any, person: int) -> None:
    classes = getattr(head, "num_classes", 1)
    if classes < 2 or getattr(head, "cls_out_channels", 0) != classes:
        return  # one class, or a softmax, in which classes cannot be told apart

    def spare(module: nn.Module, _inputs: Any, outputs: Any) -> Any:
        if not module.training:
            return outputs
        scores, *rest = outputs
        # Dense heads give a map (B, classes, H, W) per level, DETR's (layers, B, queries, classes).
        spared = _only(scores, person, classes, -1) if isinstance(scores, Tensor) else [
            _only(level, person, classes, 1) for level in scores
        ]  # fmt: skip
        return (spared, *rest)

    head.register_forward_hook(spare)


def _only(scores: Tensor, person: int, classes: int, dim: int) -> Tensor:
    """The same scores, through which gradients reach one class only."""
    one = torch.arange(scores.shape[dim], device=scores.device) % classes == person
    shape = [1] * scores.ndim
    shape[dim] = -1
    return torch.where(one.view(shape), scores, scores.detach())
