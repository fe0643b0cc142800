"""How much of every head masks hide, counted in pixels: hair, cap, ears and neck identify as the face does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.errors import EvaluationError
from drape.evaluation.matching import pairs
from drape.tables import boxes_of, make

Bools = NDArray[np.bool_]

HEADS = pa.schema(
    [
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("id", pa.int32(), nullable=False),
        *(pa.field(name, pa.float32(), nullable=False) for name in ("x", "y", "width", "height", "angle")),
    ]
)
"""Heads as ellipses: centre, full axes in pixels, and by how many degrees the first axis is turned clockwise."""

WHOLE = 0.99
"""Share of a head's pixels that must be masked for the head to count as hidden."""


class HeadPixels(NamedTuple):
    """The pixels of one head: ``mask`` (h, w) is true on the head, its top left pixel is (x, y) of the picture."""

    frame: int
    x: int
    y: int
    mask: Bools


@dataclass(frozen=True)
class HeadCoverage:
    """How much of heads is hidden.

    Attributes:
        pixels: masked share of all head pixels (head-pixel coverage recall); 1 if there are none.
        whole: share of heads of which at least ``WHOLE`` is masked; 1 if there are none.
        heads: number of heads with a pixel in the picture.
        shares: (N,) masked share of each head, NaN where none of it is in the picture.
    """

    pixels: float
    whole: float
    heads: int
    shares: NDArray[np.float64]


def ellipse_pixels(heads: pa.Table) -> list[HeadPixels]:
    """The pixels whose centres lie in the ellipses of a table ``HEADS``, row by row.

    Raises:
        EvaluationError: an axis is not positive.
    """
    names = ("x", "y", "width", "height", "angle")
    x, y, width, height, angle = (heads.column(name).to_numpy().astype(np.float64) for name in names)
    if (width <= 0).any() or (height <= 0).any():
        raise EvaluationError("A head has no width or no height", "Leave such heads out")
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    reach_x = np.hypot(width * cos, height * sin) / 2
    reach_y = np.hypot(width * sin, height * cos) / 2
    low = np.floor(np.stack([x - reach_x, y - reach_y], axis=1)).astype(int)
    high = np.ceil(np.stack([x + reach_x, y + reach_y], axis=1)).astype(int)
    found = []
    for row, frame in enumerate(heads.column("frame").to_numpy()):
        dx = np.arange(low[row, 0], high[row, 0])[None, :] + 0.5 - x[row]
        dy = np.arange(low[row, 1], high[row, 1])[:, None] + 0.5 - y[row]
        along, across = dx * cos[row] + dy * sin[row], dy * cos[row] - dx * sin[row]
        inside = (2 * along / width[row]) ** 2 + (2 * across / height[row]) ** 2 <= 1
        found.append(HeadPixels(int(frame), int(low[row, 0]), int(low[row, 1]), inside))
    return found


def head_coverage(heads: Sequence[HeadPixels], masks: pa.Table, size: tuple[int, int]) -> HeadCoverage:
    """How much of the heads of one view its masks hide.

    Args:
        heads: N heads with their pixels (``ellipse_pixels``, or those of a segmentation).
        masks: table with ``frame`` and box columns. A pixel is masked if its centre lies in a box; for ``REGIONS``
            this is exact.
        size: width and height of the frame; pixels outside are not seen and do not count.
    """
    frames = pa.table({"frame": np.array([head.frame for head in heads], np.int32)})
    boxes = boxes_of(masks).astype(np.float64)
    inside, hidden = np.zeros(len(heads), np.int64), np.zeros(len(heads), np.int64)
    for _, rows, these in pairs(frames, masks):
        for row in rows:
            shown = _shown(heads[row], size)
            inside[row] = shown.sum()
            hidden[row] = (shown & _painted(boxes[these], heads[row])).sum()
    shares = np.divide(hidden, inside, out=np.full(len(heads), np.nan), where=inside > 0)
    seen = inside > 0
    return HeadCoverage(
        pixels=float(hidden.sum() / inside.sum()) if seen.any() else 1.0,
        whole=float((shares[seen] >= WHOLE).mean()) if seen.any() else 1.0,
        heads=int(seen.sum()),
        shares=shares,
    )


def over_masking(truth: Iterable[HeadPixels], masks: pa.Table, size: tuple[int, int]) -> float:
    """Masked pixels that belong to nobody, as a share of all masked pixels; 0 if nothing is masked.

    Args:
        truth: what had to be masked, in pixels: heads, or whole persons. In other frames nothing had to be.
        masks: as for ``head_coverage``.
        size: width and height of the frame.
    """
    by_frame: dict[int, list[HeadPixels]] = {}
    for pixels in truth:
        by_frame.setdefault(pixels.frame, []).append(pixels)
    picture = HeadPixels(0, 0, 0, np.ones((size[1], size[0]), bool))
    boxes, frame = boxes_of(masks).astype(np.float64), masks.column("frame").to_numpy()
    masked = needless = 0
    for number in np.unique(frame):
        hidden = _painted(boxes[frame == number], picture)
        masked += int(hidden.sum())
        for pixels in by_frame.get(int(number), []):
            left, top = max(-pixels.x, 0), max(-pixels.y, 0)
            window = hidden[pixels.y + top :, pixels.x + left :]
            part = pixels.mask[top : top + window.shape[0], left : left + window.shape[1]]
            window[: part.shape[0], : part.shape[1]] &= ~part
        needless += int(hidden.sum())
    return needless / masked if masked else 0.0


def head_table(frame: NDArray, identity: NDArray, ellipses: NDArray) -> pa.Table:
    """Table ``HEADS`` of ellipses (N, 5): x, y, width, height, angle."""
    columns = {name: ellipses[:, i].astype(np.float32) for i, name in enumerate(HEADS.names[2:])}
    return make(HEADS, frame=frame.astype(np.int32), id=identity.astype(np.int32), **columns)


def _shown(head: HeadPixels, size: tuple[int, int]) -> Bools:
    height, width = head.mask.shape
    columns, rows = np.arange(head.x, head.x + width), np.arange(head.y, head.y + height)
    inside = ((rows >= 0) & (rows < size[1]))[:, None] & ((columns >= 0) & (columns < size[0]))[None, :]
    return head.mask & inside


def _painted(boxes: NDArray[np.float64], window: HeadPixels) -> Bools:
    """Pixels of a window whose centres lie in a box."""
    height, width = window.mask.shape
    # Pixel k is inside [x1, x2) if x1 <= k + .5 < x2.
    corners = np.ceil(boxes - 0.5).astype(int) - np.array([window.x, window.y] * 2)
    corners = np.clip(corners, 0, [width, height, width, height])
    hidden = np.zeros((height, width), bool)
    for x1, y1, x2, y2 in corners:
        hidden[y1:y2, x1:x2] = True
    return hidden
