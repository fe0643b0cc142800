"""Training: which sets of detections are of one instant tells how the views hang together, without labels."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from drape.association.config import AssociationConfig
from drape.association.losses import edges, mutual, reprojection, synchronization
from drape.association.network import BLUR_RADIUS, Encoded, Network
from drape.association.sets import Sets, agreement
from drape.association.views import Ints

FEWEST, MOST = 8, 48
"""Instants of a batch."""
CHECKS = 12
WARM = 0.05
SMALL_WEIGHT = 0.1
BEND_COST = 1.0
CLIP = 1.0
Encode = Callable[[Tensor, Tensor], Encoded]


@dataclass
class Trace:
    """How training went, at every check: step, loss, held-out synchronization accuracy, distance of negatives (s)."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)


def floor_only(network: Network) -> Encode:
    """Encoding by floors alone: no feature, no correction."""

    def encode(boxes: Tensor, camera: Tensor) -> Encoded:
        position, radius = network.ground(boxes, camera)
        known = network.ground.known[camera]
        spread = known * (1 + radius / BLUR_RADIUS).log()
        return Encoded(torch.zeros(len(boxes), 1), position * known[:, None], spread, known)

    return encode


def sync_accuracy(network: Network, sets: Sets, chosen: Ints, gap: float, encode: Encode | None = None) -> float:
    """How often a set goes better with its own instant's than with another's, over pairs of instants and of views.

    Instants are compared that lie at least ``gap`` seconds apart; .5 is chance. Needs no label. NaN where nothing can
    be compared.
    """
    won = pair_accuracies(network, sets, chosen, gap, encode)
    return float(np.mean(list(won.values()))) if won else float("nan")


def pair_accuracies(
    network: Network, sets: Sets, chosen: Ints, gap: float, encode: Encode | None = None
) -> dict[tuple[int, int], float]:
    """The synchronization accuracy of every two views that can be compared; see :func:`sync_accuracy`."""
    encode = encode or network.encode
    count = len(chosen)
    time = sets.time[chosen]
    far = torch.from_numpy(np.abs(time[:, None] - time[None]) >= gap)
    won: dict[tuple[int, int], float] = {}
    with torch.no_grad():
        batches = [sets.batch(v, chosen) for v in range(len(sets.boxes))]
        points = [encode(b.boxes, torch.full((len(b.boxes),), v)) for v, b in enumerate(batches)]
        weight = [(b.members(count) * b.weight[:, None]).sum(0) for b in batches]
        for a, b in combinations(range(len(batches)), 2):
            evidence = network.evidence(points[a], points[b])
            of_a, of_b = agreement(evidence, batches[a], batches[b], count, network.clutter)
            score = of_a / weight[a].clamp_min(SMALL_WEIGHT)[:, None] + of_b / weight[b].clamp_min(SMALL_WEIGHT)
            both = (weight[a] > 0) & (weight[b] > 0)
            valid = far & both[:, None] & both[None]
            if valid.any():
                own = score.diagonal()
                wins = ((own[:, None] > score) & valid).sum() + ((own[None] > score) & valid).sum()
                won[(a, b)] = float(wins) / (2 * float(valid.sum()))
    return won


@dataclass
class Trainer:
    """One network learning from sets.

    Attributes:
        train, held: instants to learn from and to check on.
        gaps: distances of negatives in seconds, wide to near. Training begins with the widest and takes the next as
            soon as the held-out synchronization accuracy at the present one is high: near negatives look almost like
            the positive, and a network that knows nothing yet does not learn from them.
    """

    network: Network
    sets: Sets
    train: Ints
    held: Ints
    gaps: tuple[float, ...]
    config: AssociationConfig
    seed: int
    trace: Trace = field(default_factory=Trace)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.level = 0
        views = range(len(self.sets.boxes))
        self.usable = [v for v in views if int(np.diff(self.sets.spans[v][self.train], axis=1).sum()) > 0]
        mean = np.mean([np.diff(self.sets.spans[v][self.train], axis=1).mean() for v in self.usable] or [1.0])
        self.count = min(int(np.clip(self.config.batch_boxes / max(mean, 1), FEWEST, MOST)), len(self.train))

    def fit_floors(self, tick: Callable[[], None]) -> float:
        """Fit floors alone; the best state is kept. Returns its held-out synchronization accuracy."""
        ground = self.network.ground
        ground_only = [{"params": [ground.bend], "lr": 2.5 * self.config.learning_rate}]
        widths = [{"params": [self.network.log_floor_width, self.network.clutter], "lr": 5 * self.config.learning_rate}]
        encode = floor_only(self.network)
        return self._run(self.config.floor_steps, torch.optim.Adam([*ground_only, *widths]), encode, False, tick)

    def fit(self, tick: Callable[[], None]) -> float:
        """Fit the whole network; the best state is kept. Returns its held-out synchronization accuracy."""
        network, rate = self.network, self.config.learning_rate
        scales = [network.log_width, network.log_floor_width, network.log_gain, network.clutter]
        special = {id(p) for p in [*scales, network.ground.bend]}
        rest = [p for p in network.parameters() if id(p) not in special and p.requires_grad]
        grounded = bool(network.ground.known.any())
        groups = [
            {"params": rest, "lr": rate if grounded else rate / 2},
            {"params": scales, "lr": 3 * rate},
            {"params": [network.ground.bend], "lr": 0.3 * rate},
        ]
        return self._run(self.config.steps, torch.optim.Adam(groups), network.encode, True, tick)

    def _run(
        self, steps: int, optimizer: torch.optim.Optimizer, encode: Encode, whole: bool, tick: Callable[[], None]
    ) -> float:
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / steps))
        best, state, since = self.check(encode), copy.deepcopy(self.network.state_dict()), 0
        every = max(1, steps // CHECKS)
        running: list[float] = []
        for step in range(1, steps + 1):
            loss, sync = self.loss(encode, whole)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            running.append(sync)
            tick()
            if step % every == 0 or step == steps:
                accuracy = self.check(encode)
                self._note(step, float(np.mean(running)), accuracy)
                running.clear()
                if accuracy >= best or not math.isfinite(best):
                    best, state, since = accuracy, copy.deepcopy(self.network.state_dict()), 0
                else:
                    since += 1
                if self.level + 1 < len(self.gaps) and accuracy >= self.config.gap_accuracy:
                    self.level += 1
                    best = self.check(encode)
                    state, since = copy.deepcopy(self.network.state_dict()), 0
                if since >= self.config.patience:
                    break
        self.network.load_state_dict(state)
        return best

    def check(self, encode: Encode) -> float:
        """Held-out synchronization accuracy at the present distance of negatives."""
        return sync_accuracy(self.network, self.sets, self.held, self.gaps[self.level], encode)

    def _note(self, step: int, loss: float, accuracy: float) -> None:
        before = self.trace.step[-1] if self.trace.step else 0
        last = getattr(self, "_offset", 0)
        if step + last <= before:
            self._offset = last = before
        self.trace.step.append(step + last)
        self.trace.loss.append(loss)
        self.trace.accuracy.append(accuracy)
        self.trace.gap.append(self.gaps[self.level])

    def loss(self, encode: Encode, whole: bool) -> tuple[Tensor, float]:
        """Loss of a random batch, and its synchronization part; ``whole`` adds re-projection and edges."""
        config, network = self.config, self.network
        views = sorted(int(v) for v in self.rng.permutation(self.usable)[: config.views_per_step])
        chosen = np.sort(self.rng.choice(self.train, self.count, replace=False))
        time = torch.from_numpy(self.sets.time[chosen])
        near = ((time[:, None] - time[None]).abs() < self.gaps[self.level]) & ~torch.eye(len(chosen), dtype=torch.bool)
        batches = [self.sets.batch(v, chosen) for v in views]
        points = [encode(b.boxes, torch.full((len(b.boxes),), v)) for v, b in zip(views, batches, strict=True)]
        seen = [b.members(len(chosen)).any(0) for b in batches]
        with_edges = whole and config.edge_weight > 0 and not bool(network.ground.known.any())
        sync, other = torch.zeros(()), torch.zeros(())
        pairs = list(combinations(range(len(views)), 2))
        for i, j in pairs:
            evidence = network.evidence(points[i], points[j])
            of_i, of_j = agreement(evidence, batches[i], batches[j], len(chosen), network.clutter)
            scores = config.temperature * of_i, config.temperature * of_j
            sync = sync + synchronization(scores, (seen[i], seen[j]), near) / len(pairs)
            if with_edges:
                matched = mutual(evidence, batches[i], batches[j], network.clutter)
                edge = edges(network, batches[i], batches[j], (views[i], views[j]), matched, self.generator)
                other = other + config.edge_weight * edge / len(pairs)
        if whole:
            for v, batch, p in zip(views, batches, points, strict=True):
                error = reprojection(network, p, batch.boxes, torch.full((len(batch.boxes),), v))
                other = other + config.reprojection_weight * error / len(views)
        return sync + other + BEND_COST * network.ground.bend.square().sum(), float(sync.detach())


def _rate(done: float) -> float:
    """Share of the highest learning rate after a share of the steps: a short rise, then a cosine to zero."""
    return min(done / WARM + 0.02, 1.0) * (1 + math.cos(math.pi * min(done, 1.0))) / 2
