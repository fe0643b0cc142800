"""What the network learns from: synchronization, re-projection and edges (Chen et al., "Self-MVA", CVPR 2025)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from drape.association.network import Encoded, Network
from drape.association.sets import Batch

MOST_EDGES = 192
IMPOSSIBLE = -1e4


def synchronization(scores: tuple[Tensor, Tensor], seen: tuple[Tensor, Tensor], near: Tensor) -> Tensor:
    """Cross-entropy of telling, for the set of one view, which instant of the other view is its own.

    The source contrasts one instant with one other at a time; here all instants of the batch are negatives at once.

    Args:
        scores: (B, B) each, what the detections of either view say of (instant of the first, instant of the second).
        seen: (B,) each, whether the view shows anybody.
        near: (B, B) instants too near in time to be negatives of each other.
    """
    both = torch.nonzero(seen[0] & seen[1])[:, 0]
    if len(both) < 2:
        return scores[0].sum() * 0
    forward = scores[0].masked_fill(near | ~seen[1][None], IMPOSSIBLE)[both]
    backward = scores[1].masked_fill(near | ~seen[0][:, None], IMPOSSIBLE).T[both]
    return (cross_entropy(forward, both) + cross_entropy(backward, both)) / 2


def reprojection(network: Network, points: Encoded, boxes: Tensor, camera: Tensor) -> Tensor:
    """Mean absolute error of the own view's box decoded from features."""
    return (network.decode(points.feature, camera) - boxes).abs().mean()


def mutual(evidence: Tensor, a: Batch, b: Batch, clutter: Tensor) -> Tensor:
    """Pairs of one instant that are each other's best and likelier than clutter, (K, 2) rows."""
    here = evidence.detach().masked_fill(a.instant[:, None] != b.instant[None], IMPOSSIBLE)
    if not here.numel():
        return torch.zeros(0, 2, dtype=torch.long)
    value, best_b = here.max(1)
    back = here.argmax(0)[best_b]
    rows = torch.nonzero((back == torch.arange(len(here))) & (value > clutter.detach()))[:, 0]
    return torch.stack([rows, best_b[rows]], dim=1)


def edges(
    network: Network, a: Batch, b: Batch, cameras: tuple[int, int], pairs: Tensor, generator: torch.Generator
) -> Tensor:
    """Virtual persons half-way between two matched persons must match as well (pairwise edge association).

    The half-way box has the mean foot point, width and height of the two, which is the mean of their boxes. Every
    half-way box must find its partner among those of the whole batch.

    Args:
        pairs: (K, 2) matched rows of the two batches.
    """
    first, second = torch.triu_indices(len(pairs), len(pairs), 1)
    same = a.instant[pairs[first, 0]] == a.instant[pairs[second, 0]]
    first, second = first[same], second[same]
    if len(first) < 2:
        return network.log_width.sum() * 0
    some = torch.randperm(len(first), generator=generator)[:MOST_EDGES]
    i, j = pairs[first[some]], pairs[second[some]]
    half = (a.boxes[i[:, 0]] + a.boxes[j[:, 0]]) / 2, (b.boxes[i[:, 1]] + b.boxes[j[:, 1]]) / 2
    points = [network.encode(h, torch.full((len(h),), c)) for h, c in zip(half, cameras, strict=True)]
    evidence = network.evidence(points[0], points[1])
    target = torch.arange(len(evidence))
    return (cross_entropy(evidence, target) + cross_entropy(evidence.T, target)) / 2
