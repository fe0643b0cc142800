"""A camera that was moved: noticed in how well the views agree and in the room behind the people, and what follows.

The agreement of two views is the mean evidence of their matched persons at each instant. It falls and stays low when
one of the two cameras is moved; the camera is the one whose agreement with every other view falls. From then on the
view is another camera to the association, with a token of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from drape import tables
from drape.association.background import Move
from drape.association.cells import meetings
from drape.association.move_score import Score
from drape.association.views import Floats, Ints, ViewBoxes, meet
from drape.config import StageConfig

CHUNK = 1024
"""Instants worked on at once."""

Series = tuple[Floats, Floats]
"""Times (T,) in seconds, rising, and the agreement (T,) of two views at each; NaN where one of them shows nobody."""


class MovesConfig(StageConfig):
    """Settings of the moved camera.

    The agreement is averaged over ``block_s`` and compared with its usual level and spread, learned in ``calm_s``. A
    fall by four standard deviations is noticed in five blocks, one by two in twenty-four.
    """

    block_s: float = Field(1.0, gt=0, le=60, description="Seconds that are averaged")
    calm_s: float = Field(30.0, ge=5, le=600, description="Seconds in which the usual agreement is learned")
    slack: float = Field(
        1.0, gt=0, description="Fall, in standard deviations, that means nothing however long it lasts"
    )
    alarm: float = Field(12.0, gt=0, description="Sum of the falls beyond the slack at which the camera was moved")
    cap: float = Field(4.0, gt=0, description="Standard deviations that one block counts at most")
    least_fall: float = Field(
        0.3, gt=0, description="Least fall of every pair of a moved camera, as a share of its level"
    )
    together_s: float = Field(20.0, gt=0, description="Signs of a move within so many seconds are of one move")


@dataclass(frozen=True)
class Alarm:
    """A lasting fall of the agreement: since when, in seconds, when it was sure, and by how many deviations."""

    time: float
    noticed: float
    fall: float


def agreement(views: Sequence[ViewBoxes], score: Score) -> dict[tuple[str, str], Series]:
    """How well every two views agree at every instant.

    Args:
        views: detections at corrected times (rows whose time is not known are left out by the caller).
        score: evidence that boxes of two views are of one person; positive speaks for it.
    """
    found = meet(views)
    out: dict[tuple[str, str], Series] = {}
    for a, b in combinations(range(len(views)), 2):
        values = [
            _agreement(views[a], found.rows[a][low : low + CHUNK], views[b], found.rows[b][low : low + CHUNK], score)
            for low in range(0, len(found), CHUNK)
        ]
        out[views[a].view, views[b].view] = (found.time, np.concatenate(values or [np.zeros(0)]))
    return out


def _agreement(one: ViewBoxes, rows: Ints, other: ViewBoxes, other_rows: Ints, score: Score) -> Floats:
    """Mean evidence of the matched at some instants, from (T, 2) rows of either view; NaN where one shows nobody."""
    spans, boxes = [], []
    for view, span in ((one, rows), (other, other_rows)):
        shown = span[span[:, 1] > span[:, 0]]
        low, high = (int(shown[:, 0].min()), int(shown[:, 1].max())) if len(shown) else (0, 0)
        boxes.append(view.boxes[low:high])
        spans.append(np.where(span[:, 1:] > span[:, :1], span - low, 0))
    cells = meetings(*spans)
    values = score(one.view, boxes[0], other.view, boxes[1], cells)
    out = np.full(len(rows), np.nan)
    for t in np.flatnonzero(cells.shape.min(axis=1) > 0):
        evidence = values[cells.starts[t] : cells.starts[t + 1]].reshape(cells.shape[t])
        out[t] = evidence[linear_sum_assignment(evidence, maximize=True)].mean()
    return out


def alarms(series: Series, config: MovesConfig) -> list[Alarm]:
    """Lasting falls of one series: a cumulative sum against its usual level (Page 1954), begun anew after each."""
    times, values = _blocks(series, config.block_s)
    calm = max(int(config.calm_s / config.block_s), 4)
    out: list[Alarm] = []
    begin = 0
    while len(times) - begin > calm:
        level, spread = _usual(values[begin : begin + calm])
        total, since = 0.0, begin + calm
        for at in range(begin + calm, len(times)):
            fall = float(np.clip((level - values[at]) / spread, -config.cap, config.cap))
            if total <= 0:
                since = at
            total = max(total + fall - config.slack, 0.0)
            if total >= config.alarm:
                low = float((level - np.median(values[since : at + 1])) / spread)
                out.append(Alarm(float(times[since]), float(times[at] + config.block_s), low))
                begin = at + 1
                break
        else:
            break
    return out


def _blocks(series: Series, seconds: float) -> Series:
    """Beginnings and means of blocks with a value."""
    times, values = series
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(0), np.zeros(0)
    place = np.floor(times[known] / seconds).astype(np.int64)
    blocks, row = np.unique(place, return_inverse=True)
    return blocks * seconds, np.bincount(row, values[known]) / np.bincount(row)


def _usual(values: Floats) -> tuple[float, float]:
    """Median and robust standard deviation."""
    level = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - level)))
    return level, max(spread, 0.05 * abs(level), 1e-6)


def suspects(pairs: Mapping[tuple[str, str], Series], config: MovesConfig | None = None) -> dict[str, list[Alarm]]:
    """Which cameras the agreement says were moved, and when.

    The agreement of a view is that of its pairs together; alarms of any views at about one time are one event. To blame
    is the view all of whose pairs fell most, if they fell by a good share of their usual level. Of two views alone
    either may have been moved, and both are suspected.
    """
    config = config or MovesConfig()
    blocks = {pair: _blocks(series, config.block_s) for pair, series in pairs.items()}
    views = sorted({view for pair in pairs for view in pair})
    found = [alarm for view in views for alarm in alarms(_together(blocks, view, config), config)]
    out: dict[str, list[Alarm]] = {}
    for event in _events(found, config.together_s):
        depth = {view: _depth(blocks, view, event, config) for view in views}
        deepest = max(depth.values())
        for view in views:
            if deepest >= config.least_fall and depth[view] == deepest:
                out.setdefault(view, []).append(event)
    return out


def _together(blocks: Mapping[tuple[str, str], Series], view: str, config: MovesConfig) -> Series:
    """Mean over the pairs of a view, each less its usual level."""
    calm = max(int(config.calm_s / config.block_s), 4)
    some = [(t, v - np.median(v[:calm])) for pair, (t, v) in blocks.items() if view in pair and len(v)]
    if not some:
        return np.zeros(0), np.zeros(0)
    times, row = np.unique(np.concatenate([t for t, _ in some]), return_inverse=True)
    return times, np.bincount(row, np.concatenate([v for _, v in some])) / np.bincount(row)


def _events(found: Sequence[Alarm], within: float) -> list[Alarm]:
    """Alarms at about one time as one: the deepest's beginning, the first's notice."""
    out: list[Alarm] = []
    for alarm in sorted(found, key=lambda each: -each.fall):
        same = next((k for k, event in enumerate(out) if abs(event.time - alarm.time) <= within), None)
        if same is None:
            out.append(alarm)
        elif alarm.noticed < out[same].noticed and alarm.noticed > out[same].time:
            out[same] = Alarm(out[same].time, alarm.noticed, out[same].fall)
    return sorted(out, key=lambda event: event.time)


def _depth(blocks: Mapping[tuple[str, str], Series], view: str, event: Alarm, config: MovesConfig) -> float:
    """The least fall among the pairs of a view at an event, as a share of their usual level."""
    falls = []
    for pair, (times, values) in blocks.items():
        before = values[(times < event.time) & (times >= event.time - config.calm_s)]
        after = values[(times >= event.time) & (times <= event.noticed + config.block_s)]
        if view in pair and len(before) and len(after):
            usual = float(np.median(before))
            falls.append((usual - float(np.median(after))) / max(abs(usual), 1e-6))
    return min(falls, default=0.0)


def _near(falls: Sequence[Alarm], time: float, within: float) -> Alarm | None:
    return next((fall for fall in falls if abs(fall.time - time) <= within), None)


def moved_intervals(
    background: Mapping[str, Sequence[Move]],
    suspected: Mapping[str, Sequence[Alarm]],
    config: MovesConfig | None = None,
) -> pa.Table:
    """Both signs of moved cameras together.

    Args:
        background: per view the moves seen in its pictures; a view without pictures is absent.
        suspected: per view the alarms of its agreement with the others.
        config: settings.

    Returns:
        ``INTERVALS`` labelled ``camera_moved``, from the last instant at the old place to the first at the new one.
        The pictures decide: where a view has some and they show the room in its place, an alarm of the agreement is
        not taken for a move.
    """
    config = config or MovesConfig()
    rows: list[tuple[str, float, float, float, str]] = []
    for view in sorted({*background, *suspected}):
        for move in background.get(view, ()):
            also = _near(suspected.get(view, ()), move.after, config.together_s) is not None
            sure = 1 - (1 - move.confidence) * (0.5 if also else 1.0)
            rows.append((view, move.before, move.after, sure, _reason(move, also)))
        if view not in background:
            rows += [
                (view, fall.time - config.block_s, fall.time, 0.5, "Its people match those of other views worse")
                for fall in suspected[view]
            ]
    names = ("view", "start", "stop", "confidence", "reason")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return tables.make(tables.INTERVALS, label=["camera_moved"] * len(rows), **columns)


def _reason(move: Move, also: bool) -> str:
    if np.isnan(move.shift):
        what = "Nothing of what it showed is seen any more"
    else:
        what = f"What it shows is shifted by {100 * move.shift:.1f} % of the picture's width"
    return f"{what}, and its people match those of other views worse" if also else what


def token_keys(intervals: pa.Table, view: str, times: Floats) -> NDArray[np.str_]:
    """The camera that a view is at its times (T,): its id, and after the n-th move ``id#n``.

    Between the last instant at the old place and the first at the new one it is already the new camera.
    """
    rows = [row for row in intervals.to_pylist() if row["view"] == view and row["label"] == "camera_moved"]
    edges = np.sort(np.array([row["start"] for row in rows], np.float64))
    place = np.searchsorted(edges, np.asarray(times, np.float64), side="left")
    return np.array([view if not n else f"{view}#{n}" for n in place], dtype=np.str_)
