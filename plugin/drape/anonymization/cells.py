"""The blur fill: a few coarse, noised colour cells of a person, which look like a blur and cannot be undone.

A plain blur is a filter, and filters can be inverted or recognized through. Here the region is reduced to three cells
along its shorter side and at most six along its longer one. A whole body, upright, is about 7.5 heads high and, with
margins, at least 3 heads wide; a cell of it is about 1.4 heads high and 1 head wide. A head with shoulders is about as
wide as high, and its cells are half a head. So a face (0.7 x 0.6 heads) of a whole or half body lies below one cell,
and even a box around nothing but a face gives fewer cells than the 7 x 10 samples at which people begin to recognize
familiar faces (Sinha, Balas, Ostrovsky, Russell: Face Recognition by Humans, Proc. IEEE 94(11), 2006, result 1).

Each cell's mean is first quantized to a few levels: that, and no more, is what any number of samples of a person who
stands still can give, because the noise comes after it and cannot serve as dither. The noise is keyed by the release's
secret, so that it cannot be subtracted once the secret is destroyed, and repeats bit for bit as long as it is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drape.anonymization.fill import Fill, Plane
from drape.anonymization.secret import ReleaseSecret

SHORT, LONG = 3, 6
"""Cells along the shorter side, most cells along the longer side."""

STEPS = (32, 16, 16)
"""Width of a level of the first quantization of y, u and v, in limited-range values; people's colours differ little."""

NOISE = (20, 10, 10)
"""Largest absolute noise; uniform, more than half a level, so that it carries a cell into the next."""

FINAL_STEP = 8
"""Width of a level of what is published."""

LOW, HIGH = 16, 235


def grid_shape(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of cells for a region in pixels; never finer than its chroma samples."""
    cell = min(width, height) / SHORT
    rows, cols = (min(max(round(side / cell), 1), LONG) for side in (height, width))
    return min(rows, height // 2), min(cols, width // 2)


def sample(
    planes: tuple[Plane, Plane, Plane],
    box: NDArray[np.int32],
    secret: ReleaseSecret,
    label: str,
    cells: tuple[int, int] | None = None,
) -> Fill:
    """Reduce one region of a source picture to a fill.

    Args:
        planes: the source's ``y`` (H, W) and ``u``, ``v`` (H / 2, W / 2) uint8.
        box: ``x1, y1, x2, y2``, even, half-open, inside the picture, not empty.
        secret: key of the noise.
        label: what makes the noise this sample's own: view, tracklet, interval.
        cells: rows and columns, if not those of `grid_shape`; fewer, never more.
    """
    x1, y1, x2, y2 = (int(value) for value in box)
    shape = grid_shape(x2 - x1, y2 - y1)
    if cells is not None:
        shape = min(cells[0], shape[0]), min(cells[1], shape[1])
    grids = []
    for name, plane, scale, step, amplitude in zip("yuv", planes, (1, 2, 2), STEPS, NOISE, strict=True):
        region = plane[y1 // scale : y2 // scale, x1 // scale : x2 // scale]
        means = cell_means(region, shape)
        noise = secret.noise(f"{label}/{name}", means.size, amplitude).reshape(shape)
        grids.append(quantize(quantize(means, step) + noise, FINAL_STEP).astype(np.uint8))
    return Fill(*grids)


def cell_means(region: Plane, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Means, rounded down, of a region cut into ``shape`` = (rows, cols) cells as equal as whole pixels allow."""
    rows, cols = (np.arange(n) * size // n for n, size in zip(shape, region.shape, strict=True))
    sums = np.add.reduceat(np.add.reduceat(region.astype(np.int64), rows, axis=0), cols, axis=1)
    heights = np.diff(np.append(rows, region.shape[0]))
    widths = np.diff(np.append(cols, region.shape[1]))
    return sums // (heights[:, None] * widths)


def quantize(values: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """The nearest multiples of ``step``, clipped to limited range; grey chroma, 128, stays grey."""
    return np.clip((values + step // 2) // step * step, LOW, HIGH)
