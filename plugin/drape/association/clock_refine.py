"""From a lag that was found roughly to the lines of a clock; and whether views are in step as their clocks say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drape.association.clock_fine import align, explained
from drape.association.clock_follow import Track
from drape.association.clock_lines import Line, pieces
from drape.association.clock_planes import find, marks
from drape.association.clock_signals import Floats, Path, regular

ROUGH = 0.15
"""Standard error of a lag in seconds before it is refined."""
FARTHEST = 0.75
"""A refined lag lies nearer to the rough one than this, in seconds."""
BACKWARDS = 6
"""Times that paths are played backwards, to see how much of them maps explain by chance."""


@dataclass(frozen=True)
class Seen:
    """What the clocks use of a view: its paths at its own or at corrected times, and its picture.

    Attributes:
        view: the view's id.
        paths: its tracklets.
        extent: width and height of the picture in units of its longer side.
        start, stop: times of its first and last frame, in seconds.
        period: seconds between frames.
    """

    view: str
    paths: list[Path]
    extent: tuple[float, float]
    start: float
    stop: float
    period: float

    def within(self, start: float, stop: float) -> list[Path]:
        """Paths that touch a stretch."""
        return [path for path in self.paths if path.times[-1] >= start and path.times[0] <= stop]


@dataclass(frozen=True)
class Stretches:
    """How much is refined: seconds of a block and of a window, most blocks, times per second, least share explained."""

    block: float
    window: float
    most: int
    rate: float
    least: float
    seed: int


def lines(seen: Seen, others: Sequence[Seen], track: Track, how: Stretches) -> tuple[list[Line], bool]:
    """The lines of a clock over a stretch in which one lag was followed, and whether maps of the plane confirm them.

    Args:
        seen: the view, at its own times.
        others: views at corrected times.
        track: the windows of the stretch, all in step.
        how: what is looked at.
    """
    start, stop = float(track.starts[0]), float(track.stops[-1])
    blocks = max(int(np.ceil((stop - start) / how.block - 0.25)), 1)
    edges = np.linspace(start, stop, blocks + 1)
    chosen = np.unique(np.linspace(0, blocks - 1, min(blocks, how.most)).astype(int))
    middles = (track.starts + track.stops) / 2
    found: list[tuple[Floats, Floats, Floats]] = []
    for block in chosen:
        inside = (middles >= edges[block]) & (middles <= edges[block + 1])
        lag = float(np.median(track.lags[inside if inside.any() else slice(None)]))
        for other in others:
            windows = _block(seen, other, float(edges[block]), float(edges[block + 1]), lag, how)
            if windows is not None:
                found.append(windows)
    if not found:
        return pieces(middles, track.lags, np.full(len(middles), ROUGH), 2 * ROUGH), False
    times, lags, errors = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(times, kind="stable")
    return pieces(times[order], lags[order], errors[order], seen.period / 2), True


def _block(
    seen: Seen, other: Seen, start: float, stop: float, lag: float, how: Stretches
) -> tuple[Floats, Floats, Floats] | None:
    """Times, lags and errors of windows between two times, or None where the maps explain too little."""
    times = regular(start, stop, how.rate)
    own, their = seen.within(start, stop), other.within(start + lag - 1, stop + lag + 1)
    if len(times) < 2 or not own or not their:
        return None
    fine = align(own, their, (seen.extent, other.extent), times, lag, how.window, how.seed)
    if fine is None or fine.explained < how.least or abs(fine.lag - lag) > FARTHEST:
        return None
    near = np.abs(fine.lags - fine.lag) < FARTHEST
    return fine.times[near], fine.lags[near], fine.errors[near]


def agreement(seen: Seen, other: Seen, lags: Sequence[float], how: Stretches) -> tuple[Floats, Floats]:
    """Share of the paths that maps explain at each lag (N,), and with the other view played backwards."""
    values = np.array([_explain(seen, other, lag, None, how) for lag in lags])
    best = lags[int(values.argmax())]
    chance = [_explain(seen, other, best, (turn + 0.5) / BACKWARDS, how) for turn in range(BACKWARDS)]
    return values, np.array(chance)


def _explain(seen: Seen, other: Seen, lag: float, backwards: float | None, how: Stretches) -> float:
    start, stop = max(seen.start, other.start - lag), min(seen.stop, other.stop - lag)
    times = regular(start, min(stop, start + how.block / 2), how.rate / 2)
    if len(times) < 2:
        return 0.0
    a, b = marks(seen.paths, times, seen.extent), marks(other.paths, times + lag, other.extent)
    b = b if backwards is None else b.backwards(backwards)
    planes = find(a, b, how.rate / 2, how.seed)
    # One pair alone is explained by many maps.
    return explained(planes.maps, a, b) if planes is not None and len(planes.pairs) > 1 else 0.0
