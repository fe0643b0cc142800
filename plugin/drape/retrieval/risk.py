"""Where somebody is expected in a view and nobody was accepted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from drape import tables
from drape.boxes import as_boxes
from drape.retrieval.config import RetrievalConfig
from drape.retrieval.endings import Endings, Events, endings
from drape.retrieval.expected import Expected
from drape.retrieval.gaps import USUAL_LOSS, Holes, lost_share
from drape.retrieval.hypotheses import REASON, Calibration, Hypotheses, hypotheses, merged, together
from drape.retrieval.motion import Skill
from drape.retrieval.pairing import Floats, Ints, log_odds, logistic
from drape.retrieval.persons import ACCEPTED
from drape.retrieval.pool import RetrievalView
from drape.retrieval.rows import Rows
from drape.retrieval.suppression import covered

STAYS = 0.5
"""Probability that a person whose tracklet ends inside the room is still there, at once; it falls with time."""
LEAVES = 0.15
"""The same at a border or door while the view shows fewer heads than before and after."""
HEADS_S = 5.0
"""Seconds before and after that a number of heads is compared with."""
DENIAL = 1.5
"""Log-odds that a guess loses where other views expect nobody within the overlap ``NEAR_IOU``."""
NEAR_IOU = 0.1
KEEN = 1.2
"""Log-odds that guesses gain per log-odds of the persons a view loses, beyond the usual."""
SECOND = 0.5
"""Score from which on another detector's box counts, and its weight."""

CALIBRATION = Calibration.of(
    interrupted=(1.0, -1.7),
    began_inside=(1.0, -0.8),
    ended_inside=(1.0, -0.8),
    fewer_heads=(1.0, -0.8),
    low_score=(1.0, -0.8),
)
"""Chosen on simulated recordings and PETS view 1, frames 1-400: what one view alone suspects is mostly nobody."""


SHARPER = (1.7, 1.05)
"""Slope and bias of merged guesses' log-odds where other views are heard, chosen likewise: they tell the few who are
missed from the many who are not."""


def risk(
    view: RetrievalView, rows: Rows, gaps: Holes, expected: Expected, skill: Skill, config: RetrievalConfig
) -> Hypotheses:
    """Guesses where persons are missed in one view, one per person and frame, sorted by frame.

    Args:
        view: the view.
        rows: its persons; those of at least ``mask_existence`` are not missed.
        gaps: persons of other views that this one lacks.
        expected: where persons of other views should appear.
        skill: how well their boxes are guessed.
        config: settings.
    """
    frame, time = view.frames.column("frame").to_numpy().astype(np.int64), view.frames.column("time").to_numpy()
    if len(frame) == 0:
        return together([_low(rows, config)])
    parts = [_low(rows, config)]
    # A guess may be near enough to find the person without covering him by half.
    near = gaps.there * gaps.near(skill)
    parts.append(hypotheses("seen_elsewhere", gaps.frame, gaps.time, gaps.guess.boxes, near, -1, gaps.person))
    if view.tracked:
        seen = endings(rows, float(time[0]), float(time[-1]), view.size, config.max_gap_s)
        parts += [_interrupted(seen, rows, frame, time)]
        parts += _alone(seen, rows, frame, time, config)
    if view.second is not None:
        parts.append(_differ(view.second))
    found = _in_proportion(_believed(together(parts), expected), lost_share(gaps, expected))
    accepted = rows.take(rows.existence >= config.mask_existence)
    found = found.take(~covered(found.frame, found.boxes, accepted.frame, accepted.boxes, config.same_person_iou))
    found = merged(CALIBRATION(found))
    if len(expected):
        found = found.with_probability(logistic(SHARPER[0] * log_odds(found.probability) + SHARPER[1]))
    return found.take(found.probability >= config.min_risk)


def _believed(found: Hypotheses, expected: Expected) -> Hypotheses:
    """Guesses, less probable where other views are heard and expect nobody near."""
    order = np.argsort(expected.frame, kind="stable")
    heard = np.isin(found.frame, expected.frame)
    known = covered(found.frame, found.boxes, expected.frame[order], expected.boxes[order], NEAR_IOU)
    denied = heard & ~known & (found.reason != REASON["seen_elsewhere"])
    return found.with_probability(np.where(denied, logistic(log_odds(found.probability) - DENIAL), found.probability))


def _in_proportion(found: Hypotheses, lost: float) -> Hypotheses:
    """Guesses, more probable in a view that misses more of the persons whom others see (a prior shift, Saerens et al.
    2002); what others see themselves is left as it is."""
    shift = KEEN * float(log_odds(lost) - log_odds(USUAL_LOSS))
    own = found.reason != REASON["seen_elsewhere"]
    return found.with_probability(np.where(own, logistic(log_odds(found.probability) + shift), found.probability))


def missed_table(found: Hypotheses) -> pa.Table:
    """Guesses as ``MISSED``."""
    reasons = pa.DictionaryArray.from_arrays(pa.array(found.reason, pa.int32()), list(tables.REASONS))
    return tables.make(
        tables.MISSED,
        frame=found.frame.astype(np.int32),
        time=found.time,
        probability=found.probability.astype(np.float32),
        reason=reasons.cast(pa.string()),
        tracklet=pa.array(found.tracklet.astype(np.int32), mask=found.tracklet < 0),
        person=pa.array(found.person.astype(np.int32), mask=found.person < 0),
        **tables.box_columns(found.boxes),
    )


def _low(rows: Rows, config: RetrievalConfig) -> Hypotheses:
    """Boxes that were not accepted, at their own existence."""
    low = np.flatnonzero((rows.existence < config.mask_existence) & (rows.existence >= config.min_risk))
    return hypotheses(
        "low_score",
        rows.frame[low],
        rows.time[low],
        rows.boxes[low],
        rows.existence[low],
        rows.tracklet[low],
        rows.person[low],
    )


def _interrupted(seen: Endings, rows: Rows, frame: Ints, time: Floats) -> Hypotheses:
    """Frames between an ending and the beginning that continues it, on the line between their boxes."""
    k, at = _frames_between(seen.ended.time, seen.began.time, time)
    share = ((time[at] - seen.ended.time[k]) / (seen.began.time - seen.ended.time)[k])[:, None]
    boxes = as_boxes((1 - share) * seen.ended.boxes[k] + share * seen.began.boxes[k])
    row = seen.ended.row[k]
    return hypotheses("interrupted", frame[at], time[at], boxes, seen.fit[k], rows.tracklet[row], rows.person[row])


def _alone(seen: Endings, rows: Rows, frame: Ints, time: Floats, config: RetrievalConfig) -> list[Hypotheses]:
    """Frames just after an ending, and just before a beginning, that nothing explains."""
    lacking = _fewer_heads(rows, frame, time)
    out = []
    for reason, events, sign in (("ended_inside", seen.lost, 1.0), ("began_inside", seen.found, -1.0)):
        k, at = _frames_beside(events, sign, config.reach_s, time)
        since = np.abs(time[at] - events.time[k])
        stays = STAYS * np.exp(-2 * since / config.reach_s)
        stays = 1 - (1 - stays) * np.where(lacking[at] > 0, 1 - STAYS / 2, 1.0)
        out.append(_at_event(reason, events, k, at, stays, rows, frame, time))
    k, at = _frames_beside(seen.left, 1.0, HEADS_S, time)
    few = lacking[at] > 0
    k, at = k[few], at[few]
    out.append(_at_event("fewer_heads", seen.left, k, at, np.full(len(k), LEAVES), rows, frame, time))
    return out


def _at_event(
    reason: str, events: Events, k: Ints, at: Ints, probability: Floats, rows: Rows, frame: Ints, time: Floats
) -> Hypotheses:
    row = events.row[k]
    return hypotheses(reason, frame[at], time[at], events.boxes[k], probability, rows.tracklet[row], rows.person[row])


def _fewer_heads(rows: Rows, frame: Ints, time: Floats) -> Ints:
    """(F,) by how many heads fewer a frame shows than some frame before it and some frame after it."""
    accepted = rows.frame[rows.existence >= ACCEPTED]
    count = np.bincount(np.searchsorted(frame, accepted), minlength=len(frame))[: len(frame)]
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    reach = int(np.clip(round(HEADS_S / max(step, 1e-6)), 1, 10_000))
    return np.asarray(np.minimum(_running_max(count, reach), _running_max(count[::-1], reach)[::-1]) - count)


def _running_max(values: Ints, reach: int) -> Ints:
    """(N,) maximum of each value and the ``reach`` before it, by doubling (van Herk 1992 for one width)."""
    out, width = values.copy(), 1
    while width <= reach:
        step = min(width, reach + 1 - width)
        out[step:] = np.maximum(out[step:], out[:-step].copy()) if step < len(out) else out[step:]
        width += step
    return out


def _frames_between(start: Floats, stop: Floats, time: Floats) -> tuple[Ints, Ints]:
    """All (interval, frame position) with ``start < time < stop``."""
    low, high = np.searchsorted(time, start, "right"), np.searchsorted(time, stop, "left")
    counts = np.maximum(high - low, 0)
    k = np.repeat(np.arange(len(start)), counts)
    return k, np.arange(len(k)) - np.repeat(np.cumsum(counts) - counts - low, counts)


def _frames_beside(events: Events, sign: float, reach: float, time: Floats) -> tuple[Ints, Ints]:
    other = events.time + sign * reach
    return _frames_between(np.minimum(events.time, other), np.maximum(events.time, other), time)


def _differ(second: pa.Table) -> Hypotheses:
    """Another detector's confident boxes."""
    score = second.column("score").to_numpy().astype(np.float64)
    sure = np.flatnonzero(score >= SECOND)
    frame = second.column("frame").to_numpy().astype(np.int64)[sure]
    time = second.column("time").to_numpy()[sure]
    return hypotheses("detectors_differ", frame, time, tables.boxes_of(second)[sure], SECOND * score[sure])
