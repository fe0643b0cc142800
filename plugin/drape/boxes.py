"""Box arrays: float32, shape (N, 4), ``x1, y1, x2, y2`` in pixels of the upright frame, ``x2 > x1``, ``y2 > y1``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
Floats = NDArray[np.float32]


def as_boxes(values: object) -> Boxes:
    """Return ``values`` as a contiguous float32 array of shape (N, 4); an empty input gives (0, 4)."""
    array = np.ascontiguousarray(values, dtype=np.float32)
    return array.reshape(-1, 4)


def area(boxes: Boxes) -> Floats:
    """Areas in square pixels, shape (N,); degenerate boxes have area 0."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return (size[:, 0] * size[:, 1]).astype(np.float32)


def intersection(a: Boxes, b: Boxes) -> Floats:
    """Pairwise intersection areas in square pixels, shape (len(a), len(b))."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    size = np.maximum(high - low, 0)
    return (size[..., 0] * size[..., 1]).astype(np.float32)


def iou(a: Boxes, b: Boxes) -> Floats:
    """Pairwise intersection over union in [0, 1], shape (len(a), len(b))."""
    inter = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def coverage(a: Boxes, b: Boxes) -> Floats:
    """Share of each box of ``a`` that lies inside each box of ``b``, in [0, 1], shape (len(a), len(b))."""
    inter = intersection(a, b)
    size = area(a)[:, None]
    return np.divide(inter, size, out=np.zeros_like(inter), where=size > 0)


def clip(boxes: Boxes, width: int, height: int) -> Boxes:
    """Boxes cut at the frame's edges; boxes outside become empty (zero width or height)."""
    out = boxes.copy()
    out[:, 0::2] = np.clip(out[:, 0::2], 0, width)
    out[:, 1::2] = np.clip(out[:, 1::2], 0, height)
    return out


def expand(boxes: Boxes, share_x: float, share_y: float) -> Boxes:
    """Boxes grown on each side by a share of their own width and height (0.1 = 10 % on each side)."""
    size = boxes[:, 2:] - boxes[:, :2]
    grow = size * np.array([share_x, share_y], np.float32)
    return np.concatenate([boxes[:, :2] - grow, boxes[:, 2:] + grow], axis=1).astype(np.float32)


def nms(boxes: Boxes, scores: Floats, threshold: float) -> NDArray[np.int64]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4).
        scores: (N,); higher is kept first, ties by position.
        threshold: a box is dropped if its IoU with a kept box exceeds this.

    Returns:
        Indices of the kept boxes, best score first.
    """
    order = np.argsort(-scores, kind="stable")
    # Columns rather than rows, and no call of `iou`: hundreds of boxes a frame go through here.
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    size = area(boxes)[order]
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            rest = slice(i + 1, None)
            width = np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest])
            height = np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest])
            inter = np.maximum(width, 0) * np.maximum(height, 0)
            union = size[i] + size[rest] - inter
            alive[rest] &= np.divide(inter, union, out=np.zeros_like(inter), where=union > 0) <= threshold
    return order[alive].astype(np.int64)
