"""A first guess at the geometry of all views, put into a network: the views' floors, and how they lie together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from drape.association.floor import Floor, fit_floor, footed
from drape.association.network import Network
from drape.association.sets import unit_boxes
from drape.association.views import Floats, Instants, Ints, ViewBoxes
from drape.association.votes import FAR, arrange, together


@dataclass(frozen=True)
class Placing:
    """Floors of views in one common floor.

    Attributes:
        floors: by view number; views without a floor, or that nothing ties to the others, are missing.
        matrices: (3, 3) by view number: homogeneous points in longer sides to the common floor, in person heights.
        votes: by view number, how far the meetings exceed chance, in standard deviations.
    """

    floors: dict[int, Floor]
    matrices: dict[int, Floats]
    votes: dict[int, float]


def place_views(views: Sequence[ViewBoxes], instants: Instants, gap: float, rng: np.random.Generator) -> Placing:
    """Find floors and how they lie together.

    Args:
        gap: seconds by which times must differ to count as unrelated.
    """
    fitted = {v: floor for v, view in enumerate(views) if (floor := fit_floor(view, rng)) is not None}
    coordinates = {v: _own_floor(views[v], floor) for v, floor in fitted.items()}
    usable: list[Ints] = [np.zeros(len(view), np.int64) for view in views]
    for v, x in coordinates.items():
        usable[v] = ((np.hypot(x[:, 0], x[:, 1]) < FAR) & footed(views[v])).astype(np.int64)
    rows = {(a, b): together(instants, a, b, usable, gap, rng) for a, b in combinations(sorted(fitted), 2)}
    poses = arrange(coordinates, rows)
    return Placing(
        {v: fitted[v] for v in poses},
        {v: pose.matrix() @ fitted[v].matrix for v, pose in poses.items()},
        {v: pose.votes for v, pose in poses.items()},
    )


def apply(placing: Placing, network: Network, views: Sequence[ViewBoxes]) -> None:
    """Put floors into a network whose cameras are ``views``."""
    ground = network.ground
    for v, matrix in placing.matrices.items():
        floor = placing.floors[v]
        width, height = views[v].extent()
        ground.matrix[v] = torch.from_numpy(matrix).float()
        ground.own[v] = torch.from_numpy(floor.matrix).float()
        ground.slope[v] = torch.from_numpy(floor.slope).float()
        ground.bottom[v] = height / max(width, height)
        ground.known[v] = 1.0


def _own_floor(view: ViewBoxes, floor: Floor) -> Floats:
    """Floor coordinates (N, 2) of all boxes of a view, the camera above the origin."""
    boxes = unit_boxes(view).numpy().astype(np.float64)
    points = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], np.ones(len(boxes))], axis=1) @ floor.matrix.T
    out: Floats = points[:, :2] / np.maximum(points[:, 2:], 1e-3)
    return out
