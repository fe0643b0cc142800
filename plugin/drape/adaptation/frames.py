"""Rows of a table by frame, and which frames are held out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def by_frame(frames: NDArray[np.integer], *tables: pa.Table) -> Iterator[tuple[slice, ...]]:
    """For each of ``frames`` the rows of it in each table (sorted by ``frame``), as slices."""
    spans = []
    for table in tables:
        at = table.column("frame").to_numpy()
        spans.append((np.searchsorted(at, frames, "left"), np.searchsorted(at, frames, "right")))
    for k in range(len(frames)):
        yield tuple(slice(int(start[k]), int(stop[k])) for start, stop in spans)


def held_out(times: NDArray[np.float64], start: float, stop: float, blocks: int, every: int) -> NDArray[np.bool_]:
    """Which times lie in held-out blocks, shape (N,).

    Blocks rather than single frames, for the frame beside a held-out one shows the same.

    Args:
        times: (N,) seconds of the recording.
        start, stop: first and last time of the recording, over all its views.
        blocks: equal parts into which the recording is cut.
        every: of so many blocks in a row, the middle one is held out.
    """
    length = max(stop - start, 1e-9)
    block = np.minimum((np.asarray(times) - start) / length * blocks, blocks - 1).astype(np.int64)
    return np.asarray(block % every == every // 2)


def only(table: pa.Table, frames: NDArray[np.integer]) -> pa.Table:
    """The rows of a table that belong to these frames."""
    return table.filter(pa.array(np.isin(table.column("frame").to_numpy(), frames)))
