"""The z-buffer rasteriser (numba). Single precision, one thread, the same bits on every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile without fast-math, so that results do not depend on how the compiler reorders sums.

    Compiled code is kept beside the source, or in the user's cache where that folder cannot be written, or in the
    folder that the environment variable ``NUMBA_CACHE_DIR`` names. Where there is none of them, it is not kept.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True, fastmath=False)(function))
    except RuntimeError:  # numba found no folder to write to
        return cast(Function, njit(nogil=True, fastmath=False)(function))


@kernel
def rasterise(
    uv: NDArray[np.float32],
    inverse_depth: NDArray[np.float32],
    faces: NDArray[np.int32],
    bits: NDArray[np.uint32],
    first: int,
    facing: int,
    depth: NDArray[np.float32],
    triangle: NDArray[np.int32],
    second: NDArray[np.float32],
    third: NDArray[np.float32],
    cover: NDArray[np.uint32],
) -> None:
    """Draw triangles into buffers (H, W).

    Args:
        uv: (V, 2) pixels.
        inverse_depth: (V,) 1 / metres; 0 drops every triangle of the vertex.
        faces: (F, 3).
        bits: (F,) or-ed into ``cover`` for every fragment, hidden or not: whole silhouettes.
        first: number of the first triangle.
        facing: draw triangles whose corners run anticlockwise in the picture (-1), clockwise (1), or all (0).
        depth: nearest 1 / depth so far; a fragment must exceed it.
        triangle: number of the nearest triangle.
        second: perspective-correct barycentric weight of its second vertex.
        third: of its third vertex.
        cover: see ``bits``.
    """
    height, width = depth.shape
    one, half = np.float32(1.0), np.float32(0.5)
    for i in range(faces.shape[0]):
        a, b, c = faces[i, 0], faces[i, 1], faces[i, 2]
        za, zb, zc = inverse_depth[a], inverse_depth[b], inverse_depth[c]
        if za <= 0 or zb <= 0 or zc <= 0:
            continue
        ax, ay, bx, by, cx, cy = uv[a, 0], uv[a, 1], uv[b, 0], uv[b, 1], uv[c, 0], uv[c, 1]
        x0 = max(0, int(np.ceil(min(ax, bx, cx) - half)))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx) - half)))
        y0 = max(0, int(np.ceil(min(ay, by, cy) - half)))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy) - half)))
        if x0 > x1 or y0 > y1:
            continue
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if -1e-9 < area < 1e-9 or facing * area < 0:
            continue
        inverse = one / area
        mark = bits[i]
        step_b, step_c = (cy - ay) * inverse, -(by - ay) * inverse
        for y in range(y0, y1 + 1):
            py = np.float32(y + half) - ay
            px = np.float32(x0 + half) - ax
            wb = (px * (cy - ay) - (cx - ax) * py) * inverse
            wc = ((bx - ax) * py - px * (by - ay)) * inverse
            for x in range(x0, x1 + 1):
                wa = one - wb - wc
                if wa >= 0 and wb >= 0 and wc >= 0:
                    cover[y, x] |= mark
                    z = wa * za + wb * zb + wc * zc
                    if z > depth[y, x]:
                        depth[y, x] = z
                        triangle[y, x] = first + i
                        second[y, x] = wb * zb / z
                        third[y, x] = wc * zc / z
                wb += step_b
                wc += step_c


@kernel
def measure(
    triangle: NDArray[np.int32],
    cover: NDArray[np.uint32],
    owner: NDArray[np.int32],
    head: NDArray[np.bool_],
    people: int,
    window: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """What each person covers, in buffer pixels.

    Args:
        triangle: (H, W) number of the triangle seen, or -1.
        cover: (H, W) bit p: person p's silhouette; bit 16 + p: that of the head.
        owner: (F,) person of each triangle.
        head: (F,) whether the triangle is of the head.
        people: how many.
        window: (4,) x1, y1, x2, y2: where to look.

    Returns:
        Visible boxes (P, 4) and silhouette boxes (P, 4), half-open, with x2 = -1 where there is none; and counts
        (P, 4): visible, silhouette, visible of the head, silhouette of the head.
    """
    visible = np.empty((people, 4), np.int32)
    visible[:, :2] = 1 << 30
    visible[:, 2:] = -1
    full = visible.copy()
    count = np.zeros((people, 4), np.int32)
    for y in range(window[1], window[3]):
        for x in range(window[0], window[2]):
            bits = cover[y, x]
            if bits == 0:
                continue
            for p in range(people):
                if (bits >> np.uint32(p)) & np.uint32(1):
                    count[p, 1] += 1
                    if (bits >> np.uint32(p + 16)) & np.uint32(1):
                        count[p, 3] += 1
                    full[p, 0] = min(full[p, 0], x)
                    full[p, 1] = min(full[p, 1], y)
                    full[p, 2] = max(full[p, 2], x + 1)
                    full[p, 3] = max(full[p, 3], y + 1)
            seen = triangle[y, x]
            if seen >= 0:
                p = owner[seen]
                count[p, 0] += 1
                if head[seen]:
                    count[p, 2] += 1
                visible[p, 0] = min(visible[p, 0], x)
                visible[p, 1] = min(visible[p, 1], y)
                visible[p, 2] = max(visible[p, 2], x + 1)
                visible[p, 3] = max(visible[p, 3], y + 1)
    return visible, full, count


@kernel
def label(
    window: NDArray[np.int64],
    triangle: NDArray[np.int32],
    owner: NDArray[np.int32],
    numbers: NDArray[np.uint8],
    ss: int,
    out: NDArray[np.uint8],
) -> None:
    """Write into ``out`` (H, W) the number (P,) of the person seen at the middle sample of each pixel, if any."""
    for y in range(window[1] // ss, window[3] // ss):
        for x in range(window[0] // ss, window[2] // ss):
            seen = triangle[y * ss + ss // 2, x * ss + ss // 2]
            if seen >= 0 and numbers[owner[seen]] > 0:
                out[y, x] = numbers[owner[seen]]
