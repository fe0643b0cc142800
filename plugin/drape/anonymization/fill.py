"""What stands inside masked rectangles: a small grid of cells per plane, painted alike by renderer and verifier."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.errors import VerificationError
from drape.tables import FILLS, make

Plane = NDArray[np.uint8]

NEUTRAL = 128
"""Chroma of grey."""

MOST_CELLS = 36
"""More cells than any fill of ours has, per plane."""


class Fill(NamedTuple):
    """Grids of limited-range YCbCr values, each of shape (rows, cols); 1 x 1 is one colour."""

    y: Plane
    u: Plane
    v: Plane

    @property
    def flat(self) -> bool:
        """Whether this is one colour."""
        return self.y.size == 1


def solid(grey: int) -> Fill:
    """One grey, ``grey`` in 16..235."""
    return Fill(*(np.full((1, 1), value, np.uint8) for value in (grey, NEUTRAL, NEUTRAL)))


def paint(planes: tuple[Plane, Plane, Plane], box: NDArray[np.int32], fill: Fill) -> None:
    """Fill one rectangle of a 4:2:0 picture in place.

    Args:
        planes: ``y`` (H, W) and ``u``, ``v`` (H / 2, W / 2) uint8.
        box: ``x1, y1, x2, y2``, even, half-open, inside the picture, not empty.
        fill: what to fill with. A grid is stretched over the rectangle bilinearly, in fixed-point arithmetic that
            gives the same bits everywhere.
    """
    x1, y1, x2, y2 = (int(value) for value in box)
    for plane, grid, scale in zip(planes, fill, (1, 2, 2), strict=True):
        target = plane[y1 // scale : y2 // scale, x1 // scale : x2 // scale]
        if grid.size == 1:
            target[...] = grid[0, 0]
        else:
            target[...] = cv2.resize(grid, (target.shape[1], target.shape[0]), interpolation=cv2.INTER_LINEAR_EXACT)


def fills_table(fills: list[Fill]) -> pa.Table:
    """Fills, numbered by their position, as table ``FILLS``."""
    return make(
        FILLS,
        fill=range(len(fills)),
        kind=["solid" if fill.flat else "blur" for fill in fills],
        rows=[fill.y.shape[0] for fill in fills],
        cols=[fill.y.shape[1] for fill in fills],
        **{name: [getattr(fill, name).reshape(-1) for fill in fills] for name in ("y", "u", "v")},
    )


def read_fills(table: pa.Table, view: str) -> list[Fill]:
    """Fills of a table ``FILLS``.

    Raises:
        VerificationError: the table does not hold numbered grids of few cells.
    """
    fills = []
    for number, row in enumerate(table.to_pylist()):
        rows, cols = row["rows"], row["cols"]
        sound = row["fill"] == number and rows >= 1 and cols >= 1 and rows * cols <= MOST_CELLS
        sound = sound and row["kind"] == ("solid" if rows * cols == 1 else "blur")
        if not sound or any(len(row[name]) != rows * cols for name in ("y", "u", "v")):
            raise VerificationError(f"{view}: fill {number} is not a grid of few cells", "Do not use this release")
        fills.append(Fill(*(np.array(row[name], np.uint8).reshape(rows, cols) for name in ("y", "u", "v"))))
    return fills
