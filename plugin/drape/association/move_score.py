"""Evidence that boxes of two views are of one person, without a trained model: maps of the plane from their paths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

from drape.association.cells import Cells
from drape.association.clock_planes import carry, find, marks
from drape.association.clock_signals import Floats, paths, regular
from drape.association.views import ViewBoxes
from drape.boxes import Boxes

TOLERANCE = 0.04
"""Distance, in units of the picture's longer side, at which the evidence is none."""
RATE = 5.0


class Score(Protocol):
    """Evidence (C,), positive for one person, of cells of boxes (N, 4) and (M, 4) in pixels of two views by their ids.

    The cells are those of whole meetings.
    """

    def __call__(self, view_a: str, boxes_a: Boxes, view_b: str, boxes_b: Boxes, cells: Cells, /) -> Floats: ...


class PlaneScore:
    """Evidence from maps of feet and heads between every two views; a pair without maps gives 0."""

    def __init__(self, maps: dict[tuple[str, str], Floats], units: dict[str, float]) -> None:
        self.maps = maps
        self.units = units

    def __call__(self, view_a: str, boxes_a: Boxes, view_b: str, boxes_b: Boxes, cells: Cells) -> Floats:
        """1 where the boxes meet, 0 at ``TOLERANCE``, down to -1."""
        maps = self.maps.get((view_a, view_b))
        if maps is None:
            return np.zeros(len(cells.i))
        one, other = _ends(boxes_a, self.units[view_a]), _ends(boxes_b, self.units[view_b])
        apart = [np.linalg.norm(carry(maps[k], one[k])[cells.i] - other[k][cells.j], axis=-1) for k in (0, 1)]
        return np.asarray(1 - np.minimum(np.minimum(*apart) / TOLERANCE, 2))


def _ends(boxes: Boxes, unit: float) -> list[Floats]:
    """Feet and heads of boxes, (N, 2) each."""
    box = boxes.astype(np.float64) / unit
    middle = (box[:, 0] + box[:, 2]) / 2
    return [np.stack([middle, box[:, 3]], axis=1), np.stack([middle, box[:, 1]], axis=1)]


def learn(views: Sequence[ViewBoxes], start: float, stop: float, seed: int = 0) -> PlaneScore:
    """Maps between every two views from what their paths show between two times.

    Args:
        views: detections with tracklets, at corrected times.
        start, stop: seconds.
        seed: seed of the guesses.
    """
    times = regular(start, stop, RATE)
    seen = {}
    for view in views:
        width, height = view.extent()
        unit = max(width, height)
        some = [path for path in paths(view, 2.0, 0.5) if path.times[-1] >= start and path.times[0] <= stop]
        seen[view.view] = marks(some, times, (width / unit, height / unit))
    maps: dict[tuple[str, str], Floats] = {}
    for a, b in combinations(seen, 2):
        planes = find(seen[a], seen[b], RATE, seed)
        if planes is not None and len(planes.pairs):
            maps[a, b], maps[b, a] = planes.maps, np.asarray(np.linalg.inv(planes.maps), np.float64)
    return PlaneScore(maps, {view.view: max(view.extent()) for view in views})
