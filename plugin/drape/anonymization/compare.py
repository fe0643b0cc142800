"""How far a decoded picture is from its fills: the measurement behind the verifier's pixel check."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.anonymization.fill import Fill, Plane, paint

BLOCK = 8
"""Side of a luma block in pixels: the largest transform of the encoder, and half the smallest patch to be found."""

RIM = 4
"""Width in luma pixels of the rim of a fill, on which deblocking and transforms across the edge leave their marks."""

FEW = BLOCK * BLOCK // 2
"""A block with fewer masked pixels counts as if it had this many: single pixels at an edge say nothing."""

FEW_OF_REGION = 4 * BLOCK * BLOCK
"""The same for a rectangle or a frame: of a smaller one, its blocks say more."""

_SCALES = (1, 2, 2)
_Rect = tuple[int, int, int, int]


@dataclass
class Errors:
    """Coding errors of masked samples in 8-bit levels: the worst plane, and the worst frame so far.

    Samples nearer than ``RIM`` to an edge of a fill are the rim, the others are inner.

    Attributes:
        inner_block: largest mean absolute error of the inner samples of a block.
        rim_block: the same for the rim.
        region: largest mean absolute error of the inner samples of a masked rectangle.
        rms: largest root mean square error of the inner samples of a frame.
    """

    inner_block: float = 0.0
    rim_block: float = 0.0
    region: float = 0.0
    rms: float = 0.0

    def add(self, other: Errors) -> None:
        """Take over another plane's or frame's errors where they are larger."""
        for field in fields(self):
            setattr(self, field.name, max(getattr(self, field.name), getattr(other, field.name)))


class Measured(NamedTuple):
    """One frame: its errors, and the share of the picture that is masked."""

    errors: Errors
    masked: float


def measure(
    planes: tuple[Plane, Plane, Plane], boxes: NDArray[np.int32], fills: list[Fill], which: NDArray[np.int32]
) -> Measured:
    """Compare a decoded picture with the fills it must show.

    Args:
        planes: decoded ``y`` (H, W) and ``u``, ``v`` (H / 2, W / 2) uint8, H and W even.
        boxes: (N, 4) masked rectangles in painting order, not empty, inside the picture.
        fills: all fills of the view.
        which: (N,) number of each rectangle's fill.
    """
    if not len(boxes):
        return Measured(Errors(), 0.0)
    window = _window(boxes, planes[0].shape)
    found = tuple(_cut(plane, window, scale) for plane, scale in zip(planes, _SCALES, strict=True))
    boxes = boxes - np.array([window[0], window[1]] * 2, np.int32)
    expected = (found[0].copy(), found[1].copy(), found[2].copy())
    label = np.zeros(found[1].shape, np.uint16)
    for box, number in zip(boxes, which, strict=True):
        paint(expected, box, fills[number])
        x1, y1, x2, y2 = (int(value) // 2 for value in box)
        label[y1:y2, x1:x2] = int(number) % 65535 + 1
    inner, filled = _inner(label), (label > 0).astype(np.uint8)
    counts = cv2.integral(inner), cv2.integral(filled)
    errors = Errors()
    for a, b, scale in zip(found, expected, _SCALES, strict=True):
        errors.add(_errors(cv2.absdiff(a, b), inner, counts, boxes // scale, scale))
    return Measured(errors, float(np.count_nonzero(label)) / planes[1].size)


def _window(boxes: NDArray[np.int32], shape: tuple[int, ...]) -> _Rect:
    """Whole blocks around all boxes and a sample more, where the picture goes on: all that needs to be looked at."""
    x1, y1 = (max(0, (int(value) - 2) // BLOCK * BLOCK) for value in boxes[:, :2].min(axis=0))
    x2, y2 = (-(-(int(value) + 2) // BLOCK) * BLOCK for value in boxes[:, 2:].max(axis=0))
    return x1, y1, min(x2, shape[1]), min(y2, shape[0])


def _cut(plane: Plane, window: _Rect, scale: int) -> Plane:
    x1, y1, x2, y2 = (value // scale for value in window)
    return plane[y1:y2, x1:x2]


def _inner(label: NDArray[np.uint16]) -> Plane:
    """1 where all samples closer than ``RIM`` have the same label, not 0; an edge of the picture is no edge."""
    kernel = np.ones((RIM + 1, RIM + 1), np.uint8)
    same = cv2.erode(label, kernel) == cv2.dilate(label, kernel)
    return (same & (label > 0)).astype(np.uint8)


def _errors(
    difference: Plane,
    inner: Plane,
    counts: tuple[NDArray[np.int32], NDArray[np.int32]],
    boxes: NDArray[np.int32],
    scale: int,
) -> Errors:
    """Errors of one plane.

    Args:
        difference: absolute errors of the plane; 0 where nothing is masked.
        inner: mask of inner chroma samples, 0 or 1.
        counts: integral images of ``inner`` and of the mask of all filled chroma samples.
        boxes: the masked rectangles in samples of the plane.
        scale: luma samples per sample of the plane.
    """
    side, weight = BLOCK // scale, 4 // scale**2
    few, few_of_region = FEW // scale**2, FEW_OF_REGION // scale**2
    if scale == 1:
        inner = cv2.resize(inner, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    inside = cv2.multiply(difference, inner)
    table, inner_counts = cv2.integral(inside), counts[0]
    sums, numbers = _grid(table, side), _grid(inner_counts, BLOCK // 2) * weight
    all_sums, all_numbers = _grid(cv2.integral(difference), side), _grid(counts[1], BLOCK // 2) * weight
    halved = boxes * scale // 2
    count = int(inner_counts[-1, -1]) * weight
    return Errors(
        inner_block=_worst(sums, numbers, few),
        rim_block=_worst(all_sums - sums, all_numbers - numbers, few),
        region=_worst(_rects(table, boxes), _rects(inner_counts, halved) * weight, few_of_region),
        rms=float(np.sqrt(cv2.norm(inside, cv2.NORM_L2SQR) / max(count, few_of_region))),
    )


def _worst(sums: NDArray[np.int32], counts: NDArray[np.int32], few: int) -> float:
    return float((sums / np.maximum(counts, few)).max())


def _grid(table: NDArray[np.int32], side: int) -> NDArray[np.int32]:
    """Sums over the cells of a grid of ``side`` samples, from an integral image; those at the end may be narrower."""
    rows, cols = (np.append(np.arange(0, size - 1, side), size - 1) for size in table.shape)
    # Sums of a very large picture wrap around; their differences are right all the same.
    return np.diff(np.diff(table[np.ix_(rows, cols)], axis=0), axis=1)


def _rects(table: NDArray[np.int32], boxes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sums over rectangles, from an integral image; shape (N,)."""
    x1, y1, x2, y2 = boxes.T
    return table[y2, x2] - table[y1, x2] - table[y2, x1] + table[y1, x1]
