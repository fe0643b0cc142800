"""After a camera was moved: learn its new place alone, everything else stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch

from drape.association.losses import synchronization
from drape.association.model import AssociationModel
from drape.association.network import Network
from drape.association.sets import Sets, agreement, gather
from drape.association.threads import one_thread
from drape.association.views import Instants, Ints, ViewBoxes, meet
from drape.errors import RecordingError

SHIFTS = np.linspace(-0.16, 0.16, 9)
"""Shifts of the picture that are tried first, in longer sides: 10 degrees of a usual lens to either side."""
BATCH = 24
RATE = 5e-3
FEWEST_INSTANTS = 8
NEAR_S = 2.0


@one_thread
def fit_camera(
    model: AssociationModel,
    views: Sequence[ViewBoxes],
    moved: str,
    like: str,
    steps: int = 150,
    seed: int = 0,
) -> AssociationModel:
    """A model that knows a camera in its new place.

    Its picture is mapped back to what the camera showed before, by an affine map that is found by trying shifts and
    then by gradient on the synchronization loss, together with the camera's token. Half a minute of people who walk
    suffices.

    Args:
        model: it knows ``like`` and the other views.
        views: detections of the span in which the camera stands in its new place; one of them has the id ``moved``.
        moved: key of the camera in its new place; not yet known to the model.
        like: key of the same camera before.
        steps: steps of the gradient.

    Raises:
        RecordingError: the span shows too little to learn from.
        WeightsError: the model does not know ``like`` or one of the other views.
    """
    own = [view.view for view in views].index(moved)
    numbers = [model.number(like) if k == own else model.number(view.view) for k, view in enumerate(views)]
    new = len(model.cameras)
    numbers[own] = new
    instants = _with(meet(views), own)
    if len(instants) < FEWEST_INSTANTS:
        raise RecordingError("A moved camera shows too few people to learn its new place", "Leave the view out")
    sets = gather(views, instants, [np.ones(len(view), np.float32) for view in views])
    before = model.number(like)
    networks = []
    for k, known in enumerate(model.networks):
        network = known.with_camera(before)
        _try_shifts(network, sets, own, numbers)
        _descend(network, sets, own, numbers, steps, np.random.default_rng(seed + k))
        networks.append(network.eval())
    extents = (*model.extents, views[own].extent())
    grown = replace(model, cameras=(*model.cameras, moved), extents=extents, networks=networks)
    return grown.calibrated(views, NEAR_S, instants)


def _with(instants: Instants, own: int) -> Instants:
    """Instants at which the moved view and another show somebody."""
    shown = np.stack([rows[:, 1] > rows[:, 0] for rows in instants.rows], axis=1)
    chosen = np.flatnonzero(shown[:, own] & (shown.sum(axis=1) > 1))
    return Instants(instants.time[chosen], tuple(rows[chosen] for rows in instants.rows), instants.present[chosen])


def _loss(network: Network, sets: Sets, chosen: Ints, own: int, numbers: list[int]) -> torch.Tensor:
    """Synchronization loss of the moved view with every other."""
    count = len(chosen)
    time = torch.from_numpy(sets.time[chosen])
    near = ((time[:, None] - time[None]).abs() < NEAR_S) & ~torch.eye(count, dtype=torch.bool)
    batches = [sets.batch(v, chosen) for v in range(len(numbers))]
    points = [network.encode(b.boxes, torch.full((len(b.boxes),), c)) for b, c in zip(batches, numbers, strict=True)]
    seen = [b.members(count).any(0) for b in batches]
    total = torch.zeros(())
    for v in range(len(numbers)):
        if v != own:
            scores = agreement(
                network.evidence(points[own], points[v]), batches[own], batches[v], count, network.clutter
            )
            total = total + synchronization(scores, (seen[own], seen[v]), near)
    return total / (len(numbers) - 1)


def _try_shifts(network: Network, sets: Sets, own: int, numbers: list[int]) -> None:
    chosen = np.unique(np.linspace(0, len(sets) - 1, min(BATCH, len(sets))).astype(np.int64))
    start = network.turn[numbers[own], :, 2].clone()
    best = (np.inf, 0.0, 0.0)
    with torch.no_grad():
        for dx, dy in product(SHIFTS, SHIFTS[::2]):
            network.turn[numbers[own], :, 2] = start + torch.tensor([dx, dy], dtype=torch.float32)
            best = min(best, (float(_loss(network, sets, chosen, own, numbers)), float(dx), float(dy)))
        network.turn[numbers[own], :, 2] = start + torch.tensor(best[1:], dtype=torch.float32)


def _descend(network: Network, sets: Sets, own: int, numbers: list[int], steps: int, rng: np.random.Generator) -> None:
    """Gradient steps on the camera's affine map and token; the rows of other cameras are held."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    learned = [network.turn, network.camera]
    for parameter in learned:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam([{"params": learned[:1], "lr": RATE}, {"params": learned[1:], "lr": RATE / 5}])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = np.sort(rng.choice(len(sets), min(BATCH, len(sets)), replace=False))
        optimizer.zero_grad()
        _loss(network, sets, chosen, own, numbers).backward()
        for parameter in learned:
            if parameter.grad is not None:
                held = torch.arange(len(parameter)) != numbers[own]
                parameter.grad[held] = 0
        optimizer.step()
        schedule.step()
    for parameter in network.parameters():
        parameter.requires_grad_(parameter is not network.turn)
