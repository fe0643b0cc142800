"""A clock as pieces of a view's time, and the stretches in which a view only repeats itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from drape import tables
from drape.association.clock_lines import runs
from drape.association.views import ViewBoxes


@dataclass(frozen=True)
class Piece:
    """A stretch of a view's own time and what its clock is there."""

    start: float
    stop: float
    offset: float
    drift: float
    confidence: float
    in_sync: bool


def joined(found: list[Piece], end: float) -> list[Piece]:
    """Pieces that cover a view without gaps, to its end."""
    ends = [*(piece.stop for piece in found[:-1]), end]
    return [replace(piece, stop=stop) for piece, stop in zip(found, ends, strict=True)]


def frozen(view: ViewBoxes, least: float) -> list[tuple[float, float]]:
    """Stretches in which the same boxes come again and again, as no camera's noise lets them."""
    frames, first = np.unique(view.frame, return_index=True)
    if len(frames) < 2:
        return []
    mix = np.random.default_rng(0).normal(size=4)
    prints = np.add.reduceat(view.boxes.astype(np.float64) @ mix, first)
    again = (np.diff(prints) == 0) & (np.diff(frames) == 1)
    spans = [(float(view.time[first[low]]), float(view.time[first[high]])) for low, high in runs(again)]
    return [(start, stop) for start, stop in spans if stop - start >= least]


def less(found: list[Piece], away: list[tuple[float, float]]) -> list[Piece]:
    """Pieces with some stretches taken out of step."""
    for start, stop in away:
        out = []
        for piece in found:
            inner = (max(start, piece.start), min(stop, piece.stop))
            if inner[0] >= inner[1] or not piece.in_sync:
                out.append(piece)
                continue
            out += [replace(piece, stop=inner[0])] if inner[0] > piece.start else []
            out.append(Piece(*inner, 0.0, 0.0, 0.0, False))
            out += [replace(piece, start=inner[1])] if inner[1] < piece.stop else []
        found = out
    return found


def table(clocks: dict[str, list[Piece]]) -> pa.Table:
    """``CLOCKS`` of views by their ids."""
    rows = [(view, piece) for view, found in sorted(clocks.items()) for piece in found]
    return tables.make(
        tables.CLOCKS,
        view=[view for view, _ in rows],
        **{
            name: [getattr(piece, name) for _, piece in rows]
            for name in ("start", "stop", "offset", "drift", "confidence", "in_sync")
        },
    )
