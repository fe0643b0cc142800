"""Cells: every detection of one view with every detection of another at one instant, as flat lists of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from drape.association.network import Encoded, Network
from drape.association.views import Floats, Ints

CHUNK = 50_000


@dataclass(frozen=True)
class Cells:
    """Cells of two views, instant by instant.

    Attributes:
        i, j: (C,) rows of the first and the second view.
        group: (C,) which meeting of two frames each cell is of.
        starts: (G + 1,) first cell of each meeting.
        shape: (G, 2) detections of the first and second view in each meeting.
    """

    i: Ints
    j: Ints
    group: Ints
    starts: Ints
    shape: Ints

    def where(self, keep: NDArray[np.bool_]) -> Cells:
        """Some of the cells; meetings are no longer whole, so that they cannot be ``padded``."""
        return Cells(self.i[keep], self.j[keep], self.group[keep], self.starts, self.shape)

    def padded(self, values: Floats, fill: float, groups: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """Values (C,) of some meetings as (len(groups), N, M), and which places are cells."""
        n, m = (int(x) for x in self.shape[groups].max(axis=0))
        out = np.full((len(groups), n, m), fill)
        real = np.zeros(out.shape, bool)
        for k, g in enumerate(groups):
            a, b = self.shape[g]
            out[k, :a, :b] = values[self.starts[g] : self.starts[g + 1]].reshape(a, b)
            real[k, :a, :b] = True
        return out, real


def meetings(spans_a: Ints, spans_b: Ints) -> Cells:
    """All cells of frames that meet: (G, 2) first and last-plus-one rows in either view."""
    shape = np.stack([spans_a[:, 1] - spans_a[:, 0], spans_b[:, 1] - spans_b[:, 0]], axis=1)
    total = shape[:, 0] * shape[:, 1]
    starts = np.concatenate([[0], np.cumsum(total)])
    group = np.repeat(np.arange(len(total)), total)
    place = np.arange(len(group)) - starts[group]
    wide = np.maximum(shape[group, 1], 1)
    return Cells(spans_a[group, 0] + place // wide, spans_b[group, 0] + place % wide, group, starts, shape)


def evidence(networks: list[Network], a: list[Encoded], b: list[Encoded], cells: Cells) -> Floats:
    """Mean log-kernel of the networks for each cell, (C,).

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
