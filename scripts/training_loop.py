"""The training of the example detector: RTMDet's own losses, AdamW, a cosine schedule, averaged weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from drape import openmmlab
from torch import Tensor, nn
from training_samples import Sample, Stills, draw_sample


@dataclass(frozen=True)
class Schedule:
    """How long and how fast the network learns.

    ``rate`` is the highest learning rate, reached after ``warm_up`` steps and lowered along a cosine to 3 % of it.
    ``memory`` is the decay of the averaged weights. ``keep_every`` steps the averaged weights are handed out.
    """

    steps: int
    batch: int = 16
    rate: float = 2e-3
    warm_up: int = 150
    weight_decay: float = 0.05
    memory: float = 0.995
    largest_gradient: float = 10.0
    seed: int = 0
    keep_every: int = 250

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate * min(1.0, (step + 1) / self.warm_up) * (0.03 + 0.97 * cosine)


Batch = TypeVar("Batch")
Report = Callable[[int, dict[str, float], float], None]
"""Told of the step, the mean losses since the last report, and the seconds since the start."""


def new_network(config: Any, seed: int) -> Any:
    """The network of an mmdet configuration with fresh weights."""
    torch.manual_seed(seed)
    network: Any = openmmlab.build_model(config.model, "mmdet")
    with openmmlab.scope("mmdet"):
        network.init_weights()
    return network.to(memory_format=torch.channels_last)


def train(
    network: Any,
    stills: Stills,
    size: tuple[int, int],
    schedule: Schedule,
    keep: Callable[[dict[str, Tensor], int], None],
    report: Report,
) -> dict[str, Tensor]:
    """Train a network; returns its averaged weights, which ``keep`` also gets from time to time."""
    network.train()
    _leave_alone(network.bbox_head)
    average = copy.deepcopy(network).eval()
    optimizer = optimizer_for(network, schedule)
    batches = _batches(stills, size, schedule)
    begun, losses = time.monotonic(), []
    for step, samples in enumerate(ahead(batches, schedule.steps)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step)
        parts = _losses(network, samples)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        nn.utils.clip_grad_norm_(network.parameters(), schedule.largest_gradient)
        optimizer.step()
        blend(average, network, min(schedule.memory, (1 + step) / (10 + step)))
        losses.append({name: value.item() for name, value in parts.items()})
        if (step + 1) % 50 == 0:
            means = {name: float(np.mean([part[name] for part in losses])) for name in losses[0]}
            report(step + 1, means, time.monotonic() - begun)
            losses = []
        if (step + 1) % schedule.keep_every == 0:
            keep(average.state_dict(), step + 1)
    return dict(average.state_dict())


def optimizer_for(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """AdamW that leaves norms and biases undecayed, as RTMDet's recipe does (Lyu et al., 2022)."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    decayed = {"params": weights, "weight_decay": schedule.weight_decay}
    return torch.optim.AdamW([decayed, {"params": others, "weight_decay": 0.0}], lr=schedule.rate)


def _batches(stills: Stills, size: tuple[int, int], schedule: Schedule) -> Iterator[list[Sample]]:
    rng = np.random.default_rng(schedule.seed)
    order: list[int] = []
    while True:
        while len(order) < schedule.batch:
            order += rng.permutation(len(stills)).tolist()
        chosen, order = order[: schedule.batch], order[schedule.batch :]
        yield [draw_sample(stills, i, size, rng) for i in chosen]


def ahead(batches: Iterator[Batch], count: int) -> Iterator[Batch]:
    """The first batches, each drawn while the network still learns from the one before."""
    with ThreadPoolExecutor(1) as drawing:
        coming = drawing.submit(next, batches)
        for _ in range(count):
            samples = coming.result()
            coming = drawing.submit(next, batches)
            yield samples


def _losses(network: Any, samples: list[Sample]) -> dict[str, Tensor]:
    from mmengine.structures import InstanceData

    shape = samples[0].pixels.shape[:2]
    pixels = torch.from_numpy(np.stack([s.pixels for s in samples])).permute(0, 3, 1, 2).float()
    inputs = pixels.sub_(network.data_preprocessor.mean).div_(network.data_preprocessor.std)
    wanted = [
        InstanceData(bboxes=torch.from_numpy(s.boxes), labels=torch.zeros(len(s.boxes), dtype=torch.long))
        for s in samples
    ]
    ignored = [InstanceData(bboxes=torch.from_numpy(s.ignored)) for s in samples]
    meta = [{"img_shape": shape, "batch_input_shape": shape, "pad_shape": shape} for _ in samples]
    outputs = network.bbox_head(network.extract_feat(inputs))
    parts = network.bbox_head.loss_by_feat(*outputs, wanted, meta, ignored)
    return {name: torch.stack(list(levels)).sum() for name, levels in parts.items()}


def _leave_alone(head: Any) -> None:
    """Let the head's losses skip the places inside ignored regions, which RTMDet's own targets take for background."""
    targets = head._get_targets_single

    def skipping(
        scores: Tensor, boxes: Tensor, anchors: Tensor, valid: Tensor, wanted: Any, meta: Any, ignored: Any, **more: Any
    ) -> Any:
        places, labels, weights, *rest = targets(scores, boxes, anchors, valid, wanted, meta, None, **more)
        at, regions = anchors[:, None, :2], ignored.bboxes[None]
        inside = ((at >= regions[..., :2]) & (at <= regions[..., 2:])).all(-1).any(-1)
        weights = weights.masked_fill(inside & (labels == head.num_classes), 0.0)
        return places, labels, weights, *rest

    head._get_targets_single = skipping


@torch.no_grad()
def blend(average: nn.Module, network: nn.Module, memory: float) -> None:
    """Move averaged weights towards the network's: ``memory`` is the share of the old ones that stays."""
    for old, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - memory)
        else:
            old.copy_(new)


def write_weights(state: dict[str, Tensor], path: Path) -> None:
    """Write weights as a table of half-precision tensors. Step counters of norms, which no one needs, are left out."""
    kept = {k: v.half().contiguous() for k, v in state.items() if not k.endswith("num_batches_tracked")}
    partial = path.with_suffix(".partial")
    torch.save({"state_dict": kept, "meta": {"dataset_meta": {"classes": ("person",)}}}, partial)
    partial.replace(path)
