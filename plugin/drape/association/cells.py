"""Cells: every detection of one view with every detection of another at one instant, as flat lists of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from drape.association.network import Encoded, Network
from drape.association.views import Floats, Ints

CHUNK = 2048
"""Cells worked on at once: what they need fits a processor's cache."""
WHOLE = 200_000
"""Places of padded meetings worked on at once."""


@dataclass(frozen=True)
class Cells:
    """Cells of two views, instant by instant.

    Attributes:
        i, j: (C,) rows of the first and the second view.
        group: (C,) which meeting of two frames each cell is of.
        starts: (G + 1,) first cell of each meeting.
        shape: (G, 2) detections of the first and second view in each meeting.
        first: (G, 2) first row of either view in each meeting.
    """

    i: Ints
    j: Ints
    group: Ints
    starts: Ints
    shape: Ints
    first: Ints

    def where(self, keep: NDArray[np.bool_]) -> Cells:
        """Some of the cells; meetings are no longer whole, so that they cannot be ``padded``."""
        return Cells(self.i[keep], self.j[keep], self.group[keep], self.starts, self.shape, self.first)

    def of(self, groups: Ints) -> Ints:
        """Numbers of the cells of some meetings, one after the other."""
        count = self.starts[groups + 1] - self.starts[groups]
        before = np.cumsum(count) - count
        out: Ints = np.arange(int(count.sum())) + np.repeat(self.starts[groups] - before, count)
        return out

    def places(self, groups: Ints) -> NDArray[np.bool_]:
        """Which places of (len(groups), N, M) are cells, the meetings being padded to the largest."""
        n, m = (int(x) for x in self.shape[groups].max(axis=0))
        rows, columns = (np.arange(size) < self.shape[groups, k, None] for k, size in enumerate((n, m)))
        out: NDArray[np.bool_] = rows[:, :, None] & columns[:, None, :]
        return out

    def padded(self, values: Floats, fill: float, groups: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """Values (C,) of some meetings as (len(groups), N, M), and which places are cells."""
        real = self.places(groups)
        out = np.full(real.shape, fill)
        out[real] = values[self.of(groups)]
        return out, real

    def alike(self) -> list[Ints]:
        """Meetings in which both views show somebody, in groups of like size, so that padding wastes little."""
        groups: Ints = np.flatnonzero(self.shape.min(axis=1, initial=1) > 0)
        size = np.ceil(np.log2(np.maximum(self.shape[groups].max(axis=1), 1))).astype(np.int64)
        return [groups[size == s] for s in np.unique(size)]


def meetings(spans_a: Ints, spans_b: Ints) -> Cells:
    """All cells of frames that meet: (G, 2) first and last-plus-one rows in either view."""
    shape = np.stack([spans_a[:, 1] - spans_a[:, 0], spans_b[:, 1] - spans_b[:, 0]], axis=1)
    total = shape[:, 0] * shape[:, 1]
    starts = np.concatenate([[0], np.cumsum(total)])
    group = np.repeat(np.arange(len(total)), total)
    place = np.arange(len(group)) - starts[group]
    wide = np.maximum(shape[group, 1], 1)
    first = np.stack([spans_a[:, 0], spans_b[:, 0]], axis=1)
    return Cells(spans_a[group, 0] + place // wide, spans_b[group, 0] + place % wide, group, starts, shape, first)


def evidence(networks: list[Network], a: list[Encoded], b: list[Encoded], cells: Cells) -> Floats:
    """Mean log-kernel of the networks for each cell, (C,), whichever cells there are.

    Args:
        a, b: per network, points of all rows of the two views.
    """
    out = np.zeros(len(cells.i))
    with torch.no_grad():
        for low in range(0, len(out), CHUNK):
            i, j = (torch.from_numpy(rows[low : low + CHUNK]) for rows in (cells.i, cells.j))
            for network, x, y in zip(networks, a, b, strict=True):
                value = network.paired(Encoded(*(f[i] for f in x)), Encoded(*(f[j] for f in y)))
                out[low : low + CHUNK] += value.numpy()
    return out / len(networks)


def whole_evidence(networks: list[Network], a: list[Encoded], b: list[Encoded], cells: Cells) -> Floats:
    """``evidence`` of whole meetings, many times faster: one product of matrices for many of them."""
    out = np.zeros(len(cells.i))
    with torch.no_grad():
        for alike in cells.alike():
            width = int(cells.shape[alike].max()) ** 2
            for low in range(0, len(alike), max(1, WHOLE // width)):
                groups = alike[low : low + max(1, WHOLE // width)]
                real = cells.places(groups)
                rows = [_rows(cells, groups, k, real.shape[1 + k]) for k in (0, 1)]
                at = cells.of(groups)
                for network, x, y in zip(networks, a, b, strict=True):
                    value = network.meeting(Encoded(*(f[rows[0]] for f in x)), Encoded(*(f[rows[1]] for f in y)))
                    out[at] += value.numpy()[real]
    return out / len(networks)


def _rows(cells: Cells, groups: Ints, side: int, size: int) -> torch.Tensor:
    """Rows (len(groups), size) of one view; beyond a meeting's end its first row again."""
    place = np.arange(size)
    inside = place < cells.shape[groups, side, None]
    return torch.from_numpy(cells.first[groups, side, None] + np.where(inside, place, 0))
