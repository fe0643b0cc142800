"""The expected exposure counts what no mask covers, in seconds, and its bound holds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.anonymization.policy import STATE_NAMES, Plan
from drape.anonymization.risk import Interval, ViewRisk, coverage, summary, upper_bound, view_risk, worst

SIZE = (64, 48)
TIMES = np.arange(100) / 10


def plan_of(regions: dict[int, list[tuple[int, int, int, int]]], count: int = 100) -> Plan:
    rows = [regions.get(frame, []) for frame in range(count)]
    boxes = np.array([box for row in rows for box in row], np.int32).reshape(-1, 4)
    return Plan(
        size=SIZE,
        pts=np.arange(count),
        states=np.full(count, STATE_NAMES.index("detected"), np.int8),
        offsets=np.concatenate([[0], np.cumsum([len(row) for row in rows])]),
        boxes=boxes,
        fills=np.zeros(len(boxes), np.int32),
        people=np.array([-1], np.int32),
        intervals=np.array([0], np.int32),
    )


def missed(rows: list[tuple]) -> pa.Table:
    """Rows of (frame, box, probability, tracklet)."""
    return tables.make(
        tables.MISSED,
        frame=[r[0] for r in rows],
        time=[TIMES[r[0]] for r in rows],
        probability=[r[2] for r in rows],
        reason=["interrupted"] * len(rows),
        tracklet=[r[3] for r in rows],
        person=[None] * len(rows),
        **tables.box_columns(np.array([r[1] for r in rows], np.float32).reshape(-1, 4)),
    )


BOX = (10.0, 10.0, 20.0, 30.0)


def test_nobody_expected_is_no_risk() -> None:
    assert view_risk(tables.empty(tables.MISSED), TIMES, plan_of({})) == ViewRisk(0.0, ())


def test_person_seconds_are_probability_times_time() -> None:
    rows = [(frame, BOX, 0.4, 7) for frame in range(20, 30)]
    risk = view_risk(missed(rows), TIMES, plan_of({}))
    assert risk.missed == pytest.approx(0.4) and risk.exposed == pytest.approx(0.4)
    (interval,) = risk.intervals
    assert (interval.start, interval.stop) == pytest.approx((2.0, 3.0))
    assert interval.person_seconds == pytest.approx(1.0) and not interval.likely


def test_what_masks_cover_is_not_exposed() -> None:
    rows = [(frame, BOX, 0.9, 7) for frame in range(10)]
    covering = {frame: [(10, 10, 16, 30), (16, 8, 20, 30)] for frame in range(5)}
    risk = view_risk(missed(rows), TIMES, plan_of(covering))
    assert risk.missed == pytest.approx(0.9) and risk.exposed == pytest.approx(0.45)
    assert risk.intervals[0].start == pytest.approx(0.5) and risk.intervals[0].likely


def test_coverage_is_of_the_part_inside_the_picture() -> None:
    boxes = np.array([[10, 10, 20, 30], [-20, 0, 4, 10], [70, 0, 90, 10], [10, 10, 20, 30]], np.float32)
    plan = plan_of({0: [(10, 10, 20, 20), (0, 0, 4, 10)], 1: [(0, 0, 64, 48)]})
    assert coverage(boxes, np.array([0, 0, 0, 1]), plan).tolist() == [0.5, 1.0, 1.0, 1.0]


def test_persons_and_gaps_divide_intervals() -> None:
    rows = [(f, BOX, 0.6, 7) for f in range(5)] + [(f, BOX, 0.6, 7) for f in range(40, 45)]
    rows += [(f, BOX, 0.3, 8) for f in range(3)]
    risk = view_risk(missed(sorted(rows)), TIMES, plan_of({}))
    found = [(round(i.start, 1), round(i.stop, 1), i.likely) for i in risk.intervals]
    assert found == [(0.0, 0.3, False), (0.0, 0.5, True), (4.0, 4.5, True)]


def test_the_bound_holds_in_simulated_releases() -> None:
    """Of many draws of who really is there, not more than one in twenty exceeds it; and it is not absurdly wide."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        count = int(rng.integers(1, 40))
        p, seconds = rng.uniform(0, 1, count), rng.exponential(3.0, count)
        intervals = tuple(Interval(0, 1, float(s), float(q), True) for s, q in zip(seconds, p, strict=True))
        bound = upper_bound(intervals)
        sums = (rng.random((4000, count)) < p) @ seconds
        assert (sums > bound + 1e-9).mean() <= 0.05
        assert (p * seconds).sum() <= bound <= seconds.sum() + 1e-9
    many = tuple(Interval(0, 1, 1.0, 0.5, True) for _ in range(400))
    assert upper_bound(many) == pytest.approx(200 + np.sqrt(19) * 10)
    assert upper_bound(()) == 0


def test_the_summary_adds_views_up_and_says_when_nobody_knows() -> None:
    assert summary(None) == {"known": False}
    one = ViewRisk(2.0, (Interval(0, 2, 2.0, 0.5, True), Interval(5, 6, 1.0, 0.1, False)))
    two = ViewRisk(0.5, (Interval(1, 2, 1.0, 0.5, True),))
    said = summary({"view1": one, "view2": two})
    assert said["known"] and said["missed_person_seconds"] == 2.5
    assert said["exposed_person_seconds"] == pytest.approx(1.6)
    assert said["likely_missed_intervals"] == 2 and said["longest_interval_s"] == 2
    assert said["views"]["view2"]["exposed_person_seconds"] == 0.5
    assert [(view, i.start) for view, i in worst({"view1": one, "view2": two}, 2)] == [("view1", 0), ("view2", 1)]
