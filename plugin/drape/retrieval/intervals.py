"""When somebody is likely missed: stretches of a view for a curator to look at."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa

from drape import tables
from drape.retrieval.config import RetrievalConfig

JOIN_S = 1.0
"""Stretches closer than this are one."""


def likely_missed(view: str, frames: pa.Table, missed: pa.Table, config: RetrievalConfig) -> pa.Table:
    """``INTERVALS`` of one view: times at which a box of ``missed`` reaches ``interval_risk``.

    ``confidence`` is the highest probability in the stretch and ``reason`` the one most of its boxes give.
    """
    sure = np.flatnonzero(missed.column("probability").to_numpy() >= config.interval_risk)
    if len(sure) == 0:
        return tables.empty(tables.INTERVALS)
    times = frames.column("time").to_numpy()
    index = np.searchsorted(frames.column("frame").to_numpy(), missed.column("frame").to_numpy()[sure])
    steps = np.diff(times)
    shown = np.append(steps, np.median(steps) if len(steps) else 0.0)
    start, stop = times[index], times[index] + shown[index]
    first = np.flatnonzero(np.append(True, start[1:] > np.maximum.accumulate(stop)[:-1] + JOIN_S))
    probability, reasons = missed.column("probability").to_numpy()[sure], missed.column("reason").take(sure).to_pylist()
    bounds = [*first.tolist(), len(sure)]
    parts = [slice(a, b) for a, b in pairwise(bounds)]
    return tables.make(
        tables.INTERVALS,
        view=[view] * len(parts),
        start=start[first],
        stop=np.array([stop[p].max() for p in parts]),
        label=["likely_missed"] * len(parts),
        confidence=np.array([probability[p].max() for p in parts], np.float32),
        reason=[Counter(reasons[p]).most_common(1)[0][0] for p in parts],
    )
