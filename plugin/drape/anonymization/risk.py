"""Who may be seen in a release although nobody found them: the expected missed persons outside every mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.anonymization.policy import Plan

COVERED = 0.95
"""Share of an expected box that masks must cover for nobody to be seen there."""

LIKELY = 0.5
"""Somebody is likely missed in an interval whose largest probability is at least this."""

GAP_S = 1.0
"""Longer gaps, in seconds, end an interval."""

CONFIDENCE = 0.95
_CANTELLI = np.sqrt(CONFIDENCE / (1 - CONFIDENCE))


@dataclass(frozen=True)
class Interval:
    """A stretch in which one expected person is outside every mask. Times are seconds of the recording."""

    start: float
    stop: float
    person_seconds: float
    """How long somebody would be seen, if there is somebody."""
    probability: float
    """Mean probability, weighted by time."""
    likely: bool

    @property
    def expected(self) -> float:
        """Expected person-seconds."""
        return self.probability * self.person_seconds


@dataclass(frozen=True)
class ViewRisk:
    """What is expected to be missed in one view.

    Attributes:
        missed: expected missed person-seconds, masked or not.
        intervals: those outside every mask, by time.
    """

    missed: float
    intervals: tuple[Interval, ...]

    @property
    def exposed(self) -> float:
        """Expected person-seconds outside every mask."""
        return sum(interval.expected for interval in self.intervals)


def view_risk(missed: pa.Table, times: NDArray[np.float64], plan: Plan) -> ViewRisk:
    """What is expected to be missed in a view, before and after masking.

    Args:
        missed: table ``MISSED`` of the view.
        times: (F,) time of each of its frames in seconds.
        plan: what is masked, fixed regions included.
    """
    if not missed.num_rows:
        return ViewRisk(0.0, ())
    frame = missed.column("frame").to_numpy()
    probability = missed.column("probability").to_numpy().astype(np.float64)
    lasts = np.diff(times, append=times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 0.0))[frame]
    bare = coverage(tables.boxes_of(missed), frame, plan) < COVERED
    who = np.stack([missed.column(n).combine_chunks().fill_null(-1).to_numpy() for n in ("tracklet", "person")], axis=1)
    intervals = _intervals(who[bare], times[frame[bare]], lasts[bare], probability[bare])
    return ViewRisk(float((probability * lasts).sum()), intervals)


def coverage(boxes: NDArray[np.float32], frame: NDArray[np.int32], plan: Plan) -> NDArray[np.float64]:
    """Share of each box's part inside the picture that the masks of its frame cover; 1 where no part is inside.

    Args:
        boxes: (N, 4) float32.
        frame: (N,) its frame.
        plan: what is masked.
    """
    out = np.ones(len(boxes))
    limit = np.array([*plan.size, *plan.size], np.float32)
    # Masks lie on even coordinates, so samples of 2 x 2 pixels lose nothing but the fractions of the box itself.
    for i, (box, f) in enumerate(zip(np.clip(boxes, 0, limit), frame, strict=True)):
        x1, y1 = (int(v) for v in np.floor(box[:2] / 2))
        x2, y2 = (int(v) for v in np.ceil(box[2:] / 2))
        if x2 <= x1 or y2 <= y1:
            continue
        seen = np.ones((y2 - y1, x2 - x1), bool)
        for a, b, c, d in plan.boxes[plan.regions_of(int(f))] // 2 - np.array([x1, y1, x1, y1]):
            seen[max(0, b) : max(0, d), max(0, a) : max(0, c)] = False
        out[i] = 1 - seen.mean()
    return out


def upper_bound(intervals: tuple[Interval, ...]) -> float:
    """What the exposed person-seconds exceed with a probability of at most 5 %.

    Each interval shows somebody for all of its person-seconds or nobody at all, independently of the others; their sum
    is bounded by Cantelli's one-sided inequality and by the sum of all of them. It holds as far as the probabilities
    are calibrated; of persons whom no table expects it says nothing.
    """
    seconds = np.array([interval.person_seconds for interval in intervals])
    p = np.array([interval.probability for interval in intervals])
    spread = np.sqrt((p * (1 - p) * seconds**2).sum())
    return float(min(seconds.sum(), (p * seconds).sum() + _CANTELLI * spread))


def summary(views: Mapping[str, ViewRisk] | None) -> dict[str, Any]:
    """What the manifest says of the risk; ``{"known": False}`` where nobody estimated it."""
    if views is None:
        return {"known": False}
    everything = tuple(interval for risk in views.values() for interval in risk.intervals)
    return {
        "known": True,
        "confidence": CONFIDENCE,
        "covered_share": COVERED,
        **_numbers(everything, sum(risk.missed for risk in views.values())),
        "views": {view: _numbers(risk.intervals, risk.missed) for view, risk in views.items()},
    }


def _numbers(intervals: tuple[Interval, ...], missed: float) -> dict[str, Any]:
    return {
        "missed_person_seconds": round(missed, 3),
        "exposed_person_seconds": round(sum(interval.expected for interval in intervals), 3),
        "exposed_person_seconds_upper": round(upper_bound(intervals), 3),
        "likely_missed_intervals": sum(interval.likely for interval in intervals),
        "longest_interval_s": round(max((i.stop - i.start for i in intervals if i.likely), default=0.0), 3),
    }


def worst(views: Mapping[str, ViewRisk], count: int = 3) -> list[tuple[str, Interval]]:
    """The intervals with the most expected person-seconds: what to review first."""
    found = [(view, interval) for view, risk in views.items() for interval in risk.intervals]
    return sorted(found, key=lambda pair: (-pair[1].expected, pair[0], pair[1].start))[:count]


def _intervals(
    who: NDArray[np.int32], time: NDArray[np.float64], lasts: NDArray[np.float64], probability: NDArray[np.float64]
) -> tuple[Interval, ...]:
    order = np.lexsort((time, who[:, 1], who[:, 0]))
    who, time, lasts, probability = who[order], time[order], lasts[order], probability[order]
    new = (np.diff(who, axis=0) != 0).any(axis=1) | (np.diff(time) - lasts[:-1] > GAP_S)
    cuts = [0, *(np.flatnonzero(new) + 1), len(time)] if len(time) else [0]
    found = []
    for start, stop in pairwise(cuts):
        rows = slice(start, stop)
        seconds = float(lasts[rows].sum())
        expected = float((probability[rows] * lasts[rows]).sum())
        found.append(
            Interval(
                start=float(time[start]),
                stop=float(time[stop - 1] + lasts[stop - 1]),
                person_seconds=seconds,
                probability=expected / seconds if seconds > 0 else 0.0,
                likely=bool(probability[rows].max() >= LIKELY),
            )
        )
    return tuple(sorted(found, key=lambda interval: (interval.start, interval.stop)))
