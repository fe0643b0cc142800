"""Offset and drift between views, from nothing but the paths of their tracklets.

1. A signal over time sums up where the people of a view are. The lag at which the signals of two views depend on each
   other is found over all lags at once, followed window by window, and compared with the views played backwards.
2. Two maps of the plane, of feet and of heads, carry the paths of one view to those of the other; with them the lag is
   known to a fraction of a frame.
3. Lines through the windows' lags give offset and drift, with steps where a clock jumped.

No model is trained and nothing is calibrated, so that the association can be trained on views that are in step.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from drape import tables
from drape.association.clock_follow import Track
from drape.association.clock_lines import Line
from drape.association.clock_pieces import Piece, frozen, joined, less, table
from drape.association.clock_refine import Seen, Stretches, agreement, lines
from drape.association.clock_signals import Floats, Signal, moved, paths, signal
from drape.association.lags import STARTS, certainty, likely, search, unrelated
from drape.association.views import ViewBoxes
from drape.config import StageConfig
from drape.progress import Progress, silent

OTHERS = 2
"""Views in step that a further view is compared with."""
TRIED = 4
"""Lags that maps of the plane are tried at where no lag stands out."""
SPREAD = 2.0
"""Least standard deviation of the evidence that chance gives, in nats."""
LITTLE_S = 20.0
"""A recording shorter than this proves no clock wrong."""


class ClocksConfig(StageConfig):
    """Settings of the clocks.

    Chosen on made-up scenes and PETS S2L1; there the lag is found for widths of 24 to 48, rates of 5 to 30 per second
    and running means of 3 to 15 s.
    """

    reach_s: float = Field(60, gt=0, le=600, description="Largest offset between two views that is looked for, in s")
    rate: float = Field(10, ge=2, le=30, description="Values per second of the signals")
    width: int = Field(40, ge=8, le=128, description="Random features of a signal")
    slow_s: float = Field(8, ge=1, le=60, description="Seconds of the running mean that is taken out")
    window_s: float = Field(10, ge=1, le=60, description="Seconds that are looked at alone")
    min_overlap: float = Field(1 / 3, gt=0, le=1, description="Least share of the shorter view that must overlap")
    max_gap_s: float = Field(2, gt=0, le=10, description="Longest gap within a path, in seconds")
    min_path_s: float = Field(0.5, gt=0, le=10, description="Shortest path that is used, in seconds")
    stretch_s: float = Field(300, ge=30, le=1200, description="Seconds on which the lag is first looked for")
    block_s: float = Field(120, ge=20, le=600, description="Seconds that one map of the plane is fitted to")
    max_blocks: int = Field(12, ge=1, description="Blocks between two views that the lag is refined on")
    min_explained: float = Field(0.5, ge=0, le=1, description="Least share of people that the maps must explain")
    frozen_s: float = Field(2, gt=0, le=60, description="A view repeats itself if its boxes stand still so long")
    min_confidence: float = Field(0.98, ge=0, le=1, description="Below this the view is taken as not in step")
    seed: int = Field(0, ge=0, description="Seed of the features and guesses")


def estimate(views: Sequence[ViewBoxes], config: ClocksConfig | None = None, progress: Progress = silent) -> pa.Table:
    """Clocks of all views against the one with most evidence.

    Args:
        views: detections with tracklets, at the times that the recording's clocks give them.
        config: settings.
        progress: told after each pair and each view.

    Returns:
        ``CLOCKS``, sorted by view and start. ``confidence`` is the probability that chance would look less like being
        in step; where it is below the settings' least, ``in_sync`` is false. Where there is too little to judge by (no
        tracklets in a view or fewer than 20 s of both), the recording's own clock stands, with confidence 0.
    """
    config = config or ClocksConfig()
    seen = [_seen(view, config) for view in views]
    judged = [k for k, view in enumerate(seen) if view.paths]
    clocks: dict[int, list[Piece]] = {k: [_given(view)] for k, view in enumerate(seen)}
    total = len(judged) * (len(judged) - 1) // 2 + len(judged) - 1
    evidence = np.zeros((len(seen), len(seen)))
    done = 0
    for i, a in enumerate(judged):
        for b in judged[i + 1 :]:
            evidence[a, b] = evidence[b, a] = _between(seen[a], seen[b], config)
            done += 1
            progress(done, total, "clocks")
    if len(judged) > 1:
        first = max(judged, key=lambda k: float(evidence[k].sum()))
        clocks[first] = [Piece(seen[first].start, _end(seen[first]), 0.0, 0.0, 1.0, True)]
        aligned, left = [first], [k for k in judged if k != first]
        while left:
            nearest = max(left, key=lambda k: float(evidence[k, aligned].max()))
            left.remove(nearest)
            best = sorted(aligned, key=lambda k: -float(evidence[nearest, k]))[:OTHERS]
            others = [_corrected(seen[k], clocks[k]) for k in best]
            clocks[nearest] = _clock(seen[nearest], others, config)
            if any(piece.in_sync for piece in clocks[nearest]):
                aligned.append(nearest)
            done += 1
            progress(done, total, "clocks")
        clocks = {k: less(found, frozen(views[k], config.frozen_s)) for k, found in clocks.items()}
    return table({seen[k].view: found for k, found in clocks.items()})


def apply(clocks: pa.Table, view: str, times: NDArray[np.float64]) -> Floats:
    """Corrected times (N,) of a view's own times (N,) in seconds; NaN where the view is not in step.

    A view that ``clocks`` does not name keeps its times.
    """
    times = np.asarray(times, np.float64)
    rows = [row for row in clocks.to_pylist() if row["view"] == view]
    if not rows:
        return times.copy()
    out = np.full(len(times), np.nan)
    for row in rows:
        if row["in_sync"]:
            inside = (times >= row["start"]) & (times < row["stop"])
            out[inside] = row["offset"] + (1 + row["drift"]) * times[inside]
    return out


def unsynchronized(clocks: pa.Table) -> pa.Table:
    """``INTERVALS`` of the stretches in which a view is associated with no other."""
    rows = [row for row in clocks.to_pylist() if not row["in_sync"]]
    return tables.make(
        tables.INTERVALS,
        view=[row["view"] for row in rows],
        start=[row["start"] for row in rows],
        stop=[row["stop"] for row in rows],
        label=["unsynchronized"] * len(rows),
        confidence=[1 - row["confidence"] for row in rows],
        reason=["The view moves with no other: it stands still, or its clock is not known" for _ in rows],
    )


def _seen(view: ViewBoxes, config: ClocksConfig) -> Seen:
    times = view.times()
    width, height = view.extent()
    unit = max(width, height)
    start, stop = (float(times[0]), float(times[-1])) if len(times) else (0.0, 0.0)
    found = paths(view, config.max_gap_s, config.min_path_s)
    return Seen(view.view, found, (width / unit, height / unit), start, stop, view.period())


def _end(seen: Seen) -> float:
    """A time just after the last frame."""
    return seen.stop + max(seen.period, 1e-3)


def _given(seen: Seen) -> Piece:
    return Piece(seen.start, _end(seen), 0.0, 0.0, 0.0, True)


def _signal(seen: Seen, start: float, stop: float, config: ClocksConfig) -> Signal:
    # Each view has features of its own: the same waves in two pictures would mean nothing.
    seed = config.seed + zlib.crc32(seen.view.encode())
    return signal(seen.paths, start, stop, config.rate, config.width, config.slow_s, seed)


def _least(a: Seen, others: Sequence[Seen], config: ClocksConfig) -> float:
    return config.min_overlap * min(view.stop - view.start for view in (a, *others))


def _between(a: Seen, b: Seen, config: ClocksConfig) -> float:
    one, other = (_signal(view, view.start, view.stop, config) for view in (a, b))
    starts = likely(one, [other], config.reach_s, _least(a, [b], config), config.stretch_s, 1)
    track = search(one, [other], starts, config.reach_s, config.window_s)
    return 0.0 if track is None else max(float(track.evidence.sum()), 0.0)


def _corrected(seen: Seen, clock: list[Piece]) -> Seen:
    """A view at corrected times, without the stretches in which it is not in step."""
    known_clock = table({seen.view: clock})
    found = [piece for path in seen.paths for piece in moved(path, apply(known_clock, seen.view, path.times))]
    known = [piece for piece in clock if piece.in_sync]
    start, stop = (
        piece.offset + (1 + piece.drift) * time
        for piece, time in ((known[0], known[0].start), (known[-1], min(known[-1].stop, seen.stop)))
    )
    return Seen(seen.view, found, seen.extent, start, stop, seen.period)


def _clock(seen: Seen, others: list[Seen], config: ClocksConfig) -> list[Piece]:
    """The clock of a view against others at corrected times."""
    own = _signal(seen, seen.start, seen.stop, config)
    start, stop = min(view.start for view in others), max(view.stop for view in others)
    theirs = [_signal(view, start, stop, config) for view in others]
    least = _least(seen, others, config)
    starts = likely(own, theirs, config.reach_s, least, config.stretch_s, TRIED)
    track = search(own, theirs, starts[:STARTS], config.reach_s, config.window_s)
    if track is None:
        return [_given(seen)]
    part = own.liveliest(config.stretch_s)
    near = [b.cut(part.start - config.reach_s, part.stop() + config.reach_s) for b in theirs[:1]]
    chance = unrelated(part, near, config.reach_s, least, config.window_s, config.seed)
    out: list[Piece] = []
    for low, high in _parts(track.lags, 1.5 / config.rate):
        some = Track(*(column[low:high] for column in (track.starts, track.stops, track.lags, track.evidence)))
        out += _pieces(seen, others, some, chance, config)
    if sum(piece.stop - piece.start for piece in out if piece.in_sync) < 0.5 * (seen.stop - seen.start):
        out = _by_planes(seen, others, [0.0, *starts], config) or out
    return joined(out, _end(seen))


def _parts(lags: Floats, step: float) -> list[tuple[int, int]]:
    """Ranges of windows (W,) whose lags go on from each other, or are all unknown."""
    known = np.isfinite(lags)
    steps = np.abs(np.diff(np.where(known, lags, 0.0)))
    edges = np.flatnonzero((np.diff(known.astype(np.int8)) != 0) | (known[1:] & (steps > step))) + 1
    bounds = [0, *(int(e) for e in edges), len(lags)]
    return list(pairwise(bounds))


def _strongest(track: Track, stretch: float) -> float:
    """The most evidence that lies within so many seconds."""
    sums = np.concatenate([[0.0], np.cumsum(track.evidence)])
    last = np.searchsorted(track.starts, track.starts + stretch, side="left")
    return float((sums[last] - sums[:-1]).max())


def _pieces(seen: Seen, others: list[Seen], track: Track, chance: Floats, config: ClocksConfig) -> list[Piece]:
    """The clock over windows of one lag."""
    start, stop = float(track.starts[0]), float(track.stops[-1])
    evidence = _strongest(track, config.stretch_s)
    if not np.isfinite(track.lags[0]) or certainty(evidence, chance, SPREAD) < config.min_confidence:
        return [Piece(start, stop, 0.0, 0.0, 0.0, False)]
    found, confirmed = lines(seen, others, track, _how(config))
    sure = certainty(evidence if confirmed else evidence / 2, chance, SPREAD)
    if sure < config.min_confidence:
        return [Piece(start, stop, 0.0, 0.0, sure, False)]
    return _as_pieces(found, start, stop, sure)


def _as_pieces(found: list[Line], start: float, stop: float, sure: float) -> list[Piece]:
    starts = [start, *(line.start for line in found[1:])]
    ends = [*starts[1:], stop]
    return [
        Piece(low, high, line.offset, line.drift, sure, True)
        for line, low, high in zip(found, starts, ends, strict=True)
    ]


def _how(config: ClocksConfig) -> Stretches:
    return Stretches(config.block_s, config.window_s, config.max_blocks, config.rate, config.min_explained, config.seed)


def _by_planes(seen: Seen, others: list[Seen], lags: list[float], config: ClocksConfig) -> list[Piece]:
    """The clock where no lag stands out in the signals, as in short recordings: the lag at which maps explain most.

    Nothing where none explains more than chance does; the recording's own clock where there is little to judge by.
    """
    values, chance = agreement(seen, others[0], lags, _how(config))
    best = int(values.argmax())
    sure = certainty(float(values[best]), chance, 0.03) ** len(lags)
    if values[best] >= config.min_explained and sure >= config.min_confidence:
        whole = (np.array([v]) for v in (seen.start, seen.stop, lags[best], 0.0))
        found, confirmed = lines(seen, others, Track(*whole), _how(config))
        if confirmed:
            return _as_pieces(found, seen.start, seen.stop, sure)
    if min(seen.stop, others[0].stop) - max(seen.start, others[0].start) < LITTLE_S:
        return [_given(seen)]
    return []
