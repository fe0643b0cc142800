"""Exposures of persons as a data-protection officer asks for them: how often, how long, of whom, and how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.evaluation.bootstrap import ratio
from drape.evaluation.continuity import runs
from drape.evaluation.multiview import EVERYTHING
from drape.evaluation.observations import by_column
from drape.tables import make

ABSENCE = 2.0
"""Seconds out of a view after which a person who returns begins a new track: a new chance to leak at an entry."""

EXPOSURES = pa.schema(
    [
        pa.field("view", pa.string(), nullable=False),
        pa.field("person", pa.int32(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("time", pa.float64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("onset", pa.bool_(), nullable=False),
        pa.field("offset", pa.bool_(), nullable=False),
    ]
)
"""One row per exposure: an uncovered run of ``frames`` frames of a person in a view from ``frame`` on, when it begins,
how long it lasts, and whether it begins with the track (the person enters uncovered) or ends with it."""

RATES = pa.schema(
    [
        pa.field("group", pa.string(), nullable=False),
        pa.field("tracks", pa.int64(), nullable=False),
        pa.field("person_seconds", pa.float64(), nullable=False),
        pa.field("exposed_seconds", pa.float64(), nullable=False),
        pa.field("exposed_share", pa.float64()),
        pa.field("exposed_share_low", pa.float64()),
        pa.field("exposed_share_high", pa.float64()),
        pa.field("events", pa.int64(), nullable=False),
        pa.field("events_per_person_hour", pa.float64()),
        pa.field("events_per_person_hour_low", pa.float64()),
        pa.field("events_per_person_hour_high", pa.float64()),
        pa.field("events_per_hour", pa.float64()),
        pa.field("longest_seconds", pa.float64(), nullable=False),
        pa.field("fully_covered_rate", pa.float64()),
        pa.field("fully_covered_low", pa.float64()),
        pa.field("fully_covered_high", pa.float64()),
        pa.field("onset_seconds", pa.float64()),
        pa.field("onset_longest", pa.float64(), nullable=False),
        pa.field("offset_seconds", pa.float64()),
        pa.field("offset_longest", pa.float64(), nullable=False),
    ]
)
"""Per group of sights: tracks, exposed and all person-seconds and their ratio, exposures, also per hour of a person's
presence and per hour of video, the longest, the share of tracks without an exposed frame, and the mean and longest leak
at the begin and at the end of a track. Intervals resample tracks; null where undefined. An exposure counts in the group
in which it begins, a leak in the group of the track's first or last frame."""


@dataclass(frozen=True)
class _Runs:
    """Sights in the order of their tracks, and the uncovered runs among them.

    ``order``: (N,) the row of each sorted sight; ``track``, ``covered``, ``seconds``: (N,) sorted; ``starts``,
    ``frames``, ``duration``, ``onset``, ``offset``: (E,) sorted sight with which a run begins, its frames and seconds,
    and whether it touches the track's begin and end; ``first``, ``last``: (T,) sorted sights.
    """

    order: NDArray[np.int64]
    track: NDArray[np.int64]
    covered: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    starts: NDArray[np.int64]
    frames: NDArray[np.int64]
    duration: NDArray[np.float64]
    onset: NDArray[np.bool_]
    offset: NDArray[np.bool_]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def exposures(observations: pa.Table, absence: float = ABSENCE) -> pa.Table:
    """Every exposure, longest first.

    Args:
        observations: ``OBSERVATIONS`` in which ``covered`` says that masks hide the person; the person is known.
        absence: seconds as ``ABSENCE``.

    Returns:
        Table ``EXPOSURES``.
    """
    found = _runs(observations, absence)
    by_length = np.argsort(-found.duration, kind="stable")
    at_begin = observations.take(pa.array(found.order[found.starts[by_length]]))
    return make(
        EXPOSURES,
        view=at_begin.column("view"),
        person=at_begin.column("person"),
        frame=at_begin.column("frame"),
        frames=found.frames[by_length],
        time=at_begin.column("time"),
        seconds=found.duration[by_length],
        onset=found.onset[by_length],
        offset=found.offset[by_length],
    )


def exposure_rates(
    observations: pa.Table,
    labels: NDArray[np.str_] | None = None,
    footage: float | Mapping[str, float] | None = None,
    absence: float = ABSENCE,
    seed: int = 0,
) -> pa.Table:
    """How often and how long persons are exposed, by group.

    Args:
        observations: as for ``exposures``, N rows.
        labels: (N,) the group of each sight (``observations.by_column`` and its like); a last row ``all`` is added.
        footage: seconds of video, all views together; or of each group by name, ``all`` included. Without it, or for
            a group it does not name, exposures per hour of video are null.
        absence: seconds as ``ABSENCE``.
        seed: of the resampling.

    Returns:
        Table ``RATES``, groups by name.
    """
    found = _runs(observations, absence)
    hours = footage if isinstance(footage, Mapping) else {EVERYTHING: footage} if footage else {}
    sorted_labels = None if labels is None else labels[found.order]
    groups = [] if sorted_labels is None else [(str(n), sorted_labels == n) for n in np.unique(sorted_labels)]
    everything = (EVERYTHING, np.ones(len(found.order), bool))
    rows = [(name, *_rates(found, inside, hours.get(name), seed)) for name, inside in [*groups, everything]]
    return make(RATES, **dict(zip(RATES.names, zip(*rows, strict=True), strict=True)))


def _rates(found: _Runs, inside: NDArray[np.bool_], footage: float | None, seed: int) -> tuple[float, ...]:
    """The columns of ``RATES`` after the first, of the sights ``inside`` a group; NaN where undefined."""
    present, index = np.unique(found.track[inside], return_inverse=True)
    seconds, bare = found.seconds[inside], ~found.covered[inside]
    person = np.bincount(index, weights=seconds, minlength=len(present))
    exposed = np.bincount(index, weights=seconds * bare, minlength=len(present))
    clean = np.bincount(index, weights=bare, minlength=len(present)) == 0
    begun = inside[found.starts]
    events = np.bincount(np.searchsorted(present, found.track[found.starts[begun]]), minlength=len(present))
    return (
        len(present),
        float(person.sum()),
        float(exposed.sum()),
        *ratio(exposed, person, seed=seed),
        int(begun.sum()),
        *ratio(events, person / 3600, seed=seed),
        float(begun.sum()) * 3600 / footage if footage else float("nan"),
        float(found.duration[begun].max(initial=0)),
        *ratio(clean, np.ones(len(present)), seed=seed),
        *_leak(found, found.onset, inside[found.first]),
        *_leak(found, found.offset, inside[found.last]),
    )


def _leak(found: _Runs, touches: NDArray[np.bool_], counted: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean and longest seconds of the exposures that touch an end of a track, over the tracks that are counted."""
    leak: NDArray[np.float64] = np.zeros(len(counted))
    leak[found.track[found.starts[touches]]] = found.duration[touches]
    leak = leak[counted]
    return (float(leak.mean()) if len(leak) else float("nan")), float(leak.max(initial=0))


def _runs(observations: pa.Table, absence: float) -> _Runs:
    names = ("person", "frame", "time", "seconds")
    person, frame, time, seconds = (observations.column(name).to_numpy() for name in names)
    view: NDArray[np.int64] = np.unique(by_column(observations, "view"), return_inverse=True)[1]
    order = np.lexsort((frame, person, view))
    view, person, frame, time, seconds = (x[order] for x in (view, person, frame, time, seconds))
    covered = observations.column("covered").to_numpy(zero_copy_only=False)[order]
    away = np.diff(time) - seconds[:-1] > absence
    fresh = np.append(True, (np.diff(view) != 0) | (np.diff(person) != 0) | away)[: len(order)]
    track = np.cumsum(fresh) - 1
    starts, stops = runs(track.astype(np.int32), frame, covered)
    elapsed = np.append(0.0, np.cumsum(seconds))
    first = np.flatnonzero(fresh)
    end = np.append(first[1:], len(order))[: len(first)]
    return _Runs(
        order,
        track,
        covered,
        seconds,
        starts,
        stops - starts,
        elapsed[stops] - elapsed[starts],
        np.isin(starts, first),
        np.isin(stops, end),
        first,
        end - 1,
    )
