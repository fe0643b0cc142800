"""Every frame gets one decision, every person a box that holds them, and nothing unknown goes unmasked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.anonymization import ReleaseConfig, plan_view
from drape.anonymization.dilation import windows
from drape.anonymization.policy import SOLID, STATE_NAMES, grow, snap
from drape.errors import ReleaseError
from drape.recording import View
from hypothesis import given, settings
from hypothesis import strategies as st
from support.releases import covered_table

PLAIN = ReleaseConfig(margin_x=0, margin_top=0, margin_bottom=0, min_margin_px=0, temporal_padding_s=0)


def frames_table(times: list[float]) -> pa.Table:
    return tables.make(tables.FRAMES, frame=range(len(times)), pts=range(len(times)), time=times)


def people(rows: list[tuple], times: list[float]) -> pa.Table:
    """Rows of (frame, tracklet, x1, y1, x2, y2[, existence])."""
    frame = [r[0] for r in rows]
    columns = {name: [r[i] for r in rows] for i, name in ((2, "x1"), (3, "y1"), (4, "x2"), (5, "y2"))}
    tracklets = tables.make(
        tables.TRACKLETS,
        frame=frame,
        time=[times[min(f, len(times) - 1)] for f in frame],
        tracklet=[r[1] for r in rows],
        existence=[r[6] if len(r) > 6 else 0.9 for r in rows],
        source=["detected"] * len(rows),
        score=[0.9] * len(rows),
        candidate=[None] * len(rows),
        **columns,
    )
    return tables.unconfirmed(tracklets)


def view_of(count: int, width: int = 64, height: int = 48) -> View:
    return View(id="view1", name="a", media=Path("a"), width=width, height=height, num_frames=count)


def planned(rows, count=4, config=PLAIN, unknown=(), absent=(), size=(64, 48), times=None):
    times = times or [i / 10 for i in range(count)]
    covered = covered_table(count, unknown, absent)
    return plan_view(view_of(count, *size), frames_table(times), covered, people(rows, times), config)


def states(plan) -> list[str]:
    return plan.states_table().column("state").to_pylist()


def regions(plan, frame: int) -> list[list[int]]:
    return plan.boxes[plan.regions_of(frame)].tolist()


def test_every_frame_gets_exactly_one_decision() -> None:
    plan = planned([(0, 1, 10, 10, 20, 30)], count=4, unknown=[2], absent=[3])
    assert states(plan) == ["detected", "verified_empty", "unknown", "unknown"]
    assert plan.states_table().column("frame").to_pylist() == [0, 1, 2, 3]
    assert regions(plan, 0) == [[10, 10, 20, 30]]
    assert regions(plan, 1) == []


def test_an_unknown_frame_becomes_one_card_whatever_was_found_in_it() -> None:
    plan = planned([(0, 1, 10, 10, 20, 30), (1, 1, 10, 10, 20, 30)], unknown=[0], config=ReleaseConfig(fill="blur"))
    assert regions(plan, 0) == [[0, 0, 64, 48]]
    assert plan.fills[plan.regions_of(0)].tolist() == [SOLID]
    assert states(plan)[0] == "unknown"


@pytest.mark.parametrize("bad", [(np.nan, 1, 2, 3), (1, 2, np.inf, 3), (9, 2, 1, 3)])
def test_a_box_that_is_none_makes_the_frame_unknown(bad: tuple[float, ...]) -> None:
    plan = planned([(0, 1, 1, 2, 9, 9), (1, 1, *bad)])
    assert states(plan) == ["detected", "unknown", "verified_empty", "verified_empty"]


def test_a_probability_that_is_none_makes_the_frame_unknown() -> None:
    assert states(planned([(1, 1, 1, 2, 9, 9, float("nan"))]))[1] == "unknown"


def test_a_known_frame_said_twice_is_known_only_if_both_say_so() -> None:
    covered = tables.make(tables.COVERED, frame=[0, 0, 1], known=[True, False, True], reason=[None, "failed", None])
    times = [0.0, 0.1]
    plan = plan_view(view_of(2), frames_table(times), covered, people([], times), PLAIN)
    assert states(plan) == ["unknown", "verified_empty"]


def test_the_operating_point_is_inclusive() -> None:
    config = PLAIN.model_copy(update={"min_existence": 0.3})
    plan = planned([(0, 1, 1, 2, 9, 9, 0.3), (1, 1, 1, 2, 9, 9, 0.29)], config=config)
    assert states(plan)[:2] == ["detected", "verified_empty"]


def test_margins_are_shares_of_the_box_with_a_least_size() -> None:
    config = ReleaseConfig(margin_x=0.1, margin_top=0.2, margin_bottom=0.0, min_margin_px=3)
    box = np.array([[100, 100, 200, 300]], np.float32)
    assert grow(box, config).tolist() == [[90, 60, 210, 303]]


@given(st.lists(st.floats(-20, 90, width=32), min_size=4, max_size=4))
def test_snapped_boxes_are_even_inside_and_hold_the_box(values: list[float]) -> None:
    x1, x2, y1, y2 = *sorted(values[:2]), *sorted(values[2:])
    left, top, right, bottom = snap(np.array([[x1, y1, x2, y2]], np.float32), (64, 48))[0].tolist()
    assert all(v % 2 == 0 for v in (left, top, right, bottom))
    assert 0 <= left <= max(0, min(x1, 64)) and min(max(x2, 0), 64) <= right <= 64
    assert 0 <= top <= max(0, min(y1, 48)) and min(max(y2, 0), 48) <= bottom <= 48


def test_an_odd_frame_is_masked_to_its_padded_edge() -> None:
    plan = planned([(0, 1, 50, 30, 63, 47)], size=(63, 47))
    assert plan.size == (64, 48)
    assert regions(plan, 0) == [[50, 30, 64, 48]]


def test_a_person_outside_the_picture_needs_no_mask() -> None:
    assert states(planned([(0, 1, 70, 10, 90, 20)]))[0] == "verified_empty"


def test_masks_reach_into_the_frames_before_and_after() -> None:
    config = PLAIN.model_copy(update={"temporal_padding_s": 0.1})
    plan = planned([(1, 1, 10, 10, 20, 20), (2, 1, 14, 12, 24, 22)], count=5, config=config)
    assert [regions(plan, f) for f in range(5)] == [
        [[10, 10, 20, 20]],
        [[10, 10, 24, 22]],
        [[10, 10, 24, 22]],
        [[14, 12, 24, 22]],
        [],
    ]


def test_padding_counts_seconds_not_frames() -> None:
    config = PLAIN.model_copy(update={"temporal_padding_s": 0.1})
    plan = planned([(1, 1, 10, 10, 20, 20)], count=4, config=config, times=[0.0, 0.5, 0.55, 0.9])
    assert states(plan) == ["verified_empty", "detected", "detected", "verified_empty"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_windows_equal_the_slow_way(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 30))
    times = np.cumsum(data.draw(st.lists(st.integers(0, 20), min_size=count, max_size=count))) / 100
    size = data.draw(st.integers(0, 40))
    frame = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=size, max_size=size)), np.int64)
    tracklet = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), np.int32)
    corner = np.random.default_rng(0).uniform(0, 50, (size, 2))
    boxes = np.concatenate([corner, corner + 5], axis=1).astype(np.float32)
    padding = data.draw(st.sampled_from([0.0, 0.1, 0.35]))
    found = windows(frame, tracklet, boxes, times, padding)
    expected = []
    for f in range(count):
        for t in range(4):
            near = (tracklet == t) & (np.abs(times[frame] - times[f]) <= padding + 1e-6)
            if near.any():
                expected.append((f, t, *boxes[near, :2].min(axis=0), *boxes[near, 2:].max(axis=0)))
    rows = [(f, t, *b) for f, t, b in zip(found.frame, found.tracklet, found.boxes.tolist(), strict=True)]
    assert rows == expected


def test_fills_are_numbered_by_first_use_and_renewed_in_time() -> None:
    config = PLAIN.model_copy(update={"fill": "blur", "blur_refresh_s": 1.0})
    rows = [(0, 7, 1, 1, 9, 9), (0, 3, 20, 1, 29, 9), (1, 3, 20, 1, 29, 9), (2, 3, 20, 1, 29, 9), (3, 7, 1, 1, 9, 9)]
    plan = planned(rows, config=config, times=[0.0, 0.5, 1.0, 1.7])
    assert plan.fills.tolist() == [1, 2, 1, 3, 4]
    assert plan.people.tolist() == [-1, 3, 7, 3, 7]
    assert plan.intervals.tolist() == [0, 0, 0, 1, 1]


def test_tables_of_other_frames_are_refused() -> None:
    with pytest.raises(ReleaseError, match="frames the view does not have"):
        planned([(4, 1, 1, 1, 9, 9)], count=4)
    times = [0.0, 0.1]
    with pytest.raises(ReleaseError, match="frames the view does not have"):
        plan_view(view_of(2), frames_table(times), covered_table(3), people([], times), PLAIN)
    with pytest.raises(ReleaseError, match="holes or no order"):
        plan_view(view_of(3), frames_table(times), covered_table(2), people([], times), PLAIN)
    with pytest.raises(ReleaseError, match="holes or no order"):
        plan_view(view_of(2), frames_table([0.1, 0.0]), covered_table(2), people([], times), PLAIN)


def test_the_digest_sees_every_mask() -> None:
    base = planned([(0, 1, 10, 10, 20, 30)])
    assert base.digest() == planned([(0, 1, 10, 10, 20, 30)]).digest()
    assert base.digest() != planned([(0, 1, 10, 10, 22, 30)]).digest()
    assert base.digest() != planned([(1, 1, 10, 10, 20, 30)]).digest()
    assert base.digest() != planned([(0, 1, 10, 10, 20, 30)], unknown=[3]).digest()
    assert STATE_NAMES == ("unknown", "verified_empty", "detected")
