"""How much two frames of a fixed view differ: where its persons stand, and how a small grey picture looks."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.adaptation.marking import Marks
from drape.adaptation.still import decoded
from drape.boxes import Boxes

GRID = (9, 16)
"""Rows and columns of the grid on which persons are laid."""
LOOK = (18, 32)
GREY = 10.0
"""A tenth of the grey range, as the mean over the picture, counts as wholly different."""


class Looks:
    """Descriptions of frames of one view that can be compared.

    Args:
        frames: (P,) indices of the frames, ascending.
        times: (P,) their times in seconds.
        marks: boxes of the view; those with a weight count.
        glimpses: ``GLIMPSES`` of the view.
        size: width and height of the view.
    """

    def __init__(
        self,
        frames: NDArray[np.integer],
        times: NDArray[np.float64],
        marks: Marks,
        glimpses: pa.Table,
        size: tuple[int, int],
    ) -> None:
        self._places = np.zeros((len(frames), GRID[0] * GRID[1]), np.float32)
        taught = marks.take((marks.weight > 0) & np.isin(marks.frame, frames))
        row = np.searchsorted(frames, taught.frame)
        np.maximum.at(self._places, row, laid(taught.boxes, size))
        self._covered = self._places.sum(axis=1)
        self._seen, self._grey = _greys(times, glimpses)

    def __len__(self) -> int:
        return len(self._places)

    def to(self, k: int) -> NDArray[np.float32]:
        """Difference of every frame to the ``k``-th, (P,) from 0 to 1.

        The greater of two: the share of the area of persons that is not common, and the mean difference of the small
        grey pictures nearest in time.
        """
        mine = self._places[k]
        common = np.minimum(self._places, mine).sum(axis=1)
        all_of = self._covered + self._covered[k] - common
        moved = 1 - np.divide(common, all_of, out=np.ones_like(common), where=all_of > 0)
        if not len(self._grey):
            return np.asarray(moved, np.float32)
        change = np.abs(self._grey - self._grey[self._seen[k]]).mean(axis=1)
        return np.asarray(np.maximum(moved, np.minimum(change * GREY, 1)[self._seen]), np.float32)


def laid(boxes: Boxes, size: tuple[int, int]) -> NDArray[np.float32]:
    """Boxes laid on the grid: the covered share of each cell, (N, rows * columns)."""
    across = _covered(boxes[:, 0], boxes[:, 2], size[0], GRID[1])
    down = _covered(boxes[:, 1], boxes[:, 3], size[1], GRID[0])
    return (down[:, :, None] * across[:, None, :]).reshape(len(boxes), GRID[0] * GRID[1])


def _covered(start: NDArray[np.float32], stop: NDArray[np.float32], length: int, cells: int) -> NDArray[np.float32]:
    edges = np.linspace(0, length, cells + 1, dtype=np.float32)
    part = np.minimum(stop[:, None], edges[1:]) - np.maximum(start[:, None], edges[:-1])
    return np.asarray(np.clip(part, 0, None) * cells / length, np.float32)


def _greys(times: NDArray[np.float64], glimpses: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each frame the number of its glimpse, and the small pictures of these: (G, pixels) as shares of white."""
    at = glimpses.column("time").to_numpy()
    if not len(at):
        return np.zeros(len(times), np.int64), np.zeros((0, LOOK[0] * LOOK[1]), np.float32)
    middles = (at[1:] + at[:-1]) / 2
    used, seen = np.unique(np.searchsorted(middles, times), return_inverse=True)
    small = np.empty((len(used), LOOK[0] * LOOK[1]), np.float32)
    for k, row in enumerate(used.tolist()):
        grey = decoded(glimpses.column("picture")[row].as_py())
        small[k] = cv2.resize(grey, LOOK[::-1], interpolation=cv2.INTER_AREA).ravel() / 255
        small[k] -= np.median(small[k])
    return seen.astype(np.int64), small
