"""Clocks from detections alone: offset, drift, steps, and what is not in step."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.association.clock_lines import fit, pieces
from drape.association.clocks import ClocksConfig, apply, estimate, unsynchronized
from drape.association.views import ViewBoxes, plain

from tests.support.ground import Scene, scene

FPS = (10.0, 8.0, 12.5)
OFFSET = (0.0, 3.2, -17.0)
DRIFT = (0.0, 5e-5, -1e-4)


def retimed(view: ViewBoxes, time: object) -> ViewBoxes:
    """The view with its own clock changed by a function."""
    return view.at_times(time(view.time), time(view.times()))  # type: ignore[operator]


def errors(clocks: pa.Table, made: Scene, offset: tuple[float, ...], drift: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Corrected time of every view less the reference's own time at the same true time, once per second."""
    rows = clocks.to_pylist()
    reference = next(
        k
        for k, v in enumerate(made.views)
        if {"view": v.view, "offset": 0.0, "drift": 0.0}.items()
        <= next(row for row in rows if row["view"] == v.view).items()
    )
    out = {}
    for view, shift, rate in zip(made.views, offset, drift, strict=True):
        own = np.arange(view.times()[0], view.times()[-1])
        true = shift + (1 + rate) * own
        out[view.view] = apply(clocks, view.view, own) - (true - offset[reference]) / (1 + drift[reference])
    return out


@pytest.fixture(scope="module")
def three() -> Scene:
    return scene(views=3, people=6, seconds=120, fps=FPS, offset=OFFSET, drift=DRIFT, seed=3, miss=0.05, clutter=0.5)


@pytest.fixture(scope="module")
def clocks(three: Scene) -> pa.Table:
    return estimate(three.views)


@pytest.mark.slow
def test_offsets_and_drifts_of_three_views_are_found_to_a_fraction_of_a_frame(three: Scene, clocks: pa.Table) -> None:
    assert clocks.schema.equals(tables.CLOCKS)
    assert all(clocks.column("in_sync").to_pylist())
    assert min(clocks.column("confidence").to_pylist()) > 0.99
    for view, error in errors(clocks, three, OFFSET, DRIFT).items():
        assert np.abs(error).max() < 0.25 / max(FPS), view


@pytest.mark.slow
def test_the_same_views_give_the_same_clocks(three: Scene) -> None:
    assert estimate(three.views[:2]).equals(estimate(three.views[:2]))


@pytest.mark.slow
def test_every_frame_has_a_corrected_time(three: Scene, clocks: pa.Table) -> None:
    for view in three.views:
        assert np.isfinite(apply(clocks, view.view, view.times())).all()


@pytest.mark.slow
def test_an_unknown_view_keeps_its_times(clocks: pa.Table) -> None:
    times = np.array([0.0, 1.5, 7.0])
    assert np.array_equal(apply(clocks, "another", times), times)


@pytest.mark.slow
def test_a_step_in_the_middle_is_found_on_both_sides() -> None:
    made = scene(views=3, people=6, seconds=180, fps=FPS, seed=5, miss=0.05, clutter=0.5)
    views = [*made.views[:2], retimed(made.views[2], lambda t: t + np.where(t >= 90, 2.5, 0.0))]
    found = estimate(views)
    own = np.arange(0.0, 180.0)
    corrected = apply(found, "view3", own + np.where(own >= 90, 2.5, 0.0))
    reference = apply(found, "view1", own)
    error = np.abs(corrected - reference)
    assert np.nanmax(np.where(np.abs(own - 90) > 6, error, np.nan)) < 0.05
    assert np.isfinite(corrected).mean() > 0.95


@pytest.mark.slow
def test_a_view_of_other_people_is_not_in_step_and_the_others_are() -> None:
    made = scene(views=3, people=6, seconds=120, fps=8.0, seed=5, miss=0.05, clutter=0.5)
    stranger = scene(views=3, people=6, seconds=120, fps=8.0, seed=99, miss=0.05, clutter=0.5).views[2]
    found = estimate([*made.views[:2], stranger])
    state = {row["view"]: row["in_sync"] for row in found.to_pylist()}
    assert state == {"view1": True, "view2": True, "view3": False}
    assert np.isnan(apply(found, "view3", stranger.times())).all()
    warned = unsynchronized(found)
    assert warned.schema.equals(tables.INTERVALS)
    assert warned.column("view").to_pylist() == ["view3"]
    assert warned.column("label").to_pylist() == ["unsynchronized"]


@pytest.mark.slow
def test_a_frozen_stretch_is_out_of_step_and_the_rest_is_not() -> None:
    made = scene(views=2, people=6, seconds=120, fps=8.0, seed=7, miss=0.05, clutter=0.5)
    found = estimate([made.views[0], frozen(made.views[1], 50.0, 70.0)])
    state = np.isfinite(apply(found, "view2", np.arange(0.0, 120.0)))
    assert not state[52:69].any()
    assert state[:49].all() and state[72:].all()


def test_without_tracklets_the_given_clocks_stand_and_say_that_nothing_is_known() -> None:
    made = scene(views=2, people=4, seconds=20, seed=1)
    views = [plain(v.view, v.frame, v.time, v.boxes, v.scores, size=v.size, instants=v.times()) for v in made.views]
    rows = estimate(views).to_pylist()
    assert [row["in_sync"] for row in rows] == [True, True]
    assert [row["confidence"] for row in rows] == [0.0, 0.0]


def test_a_single_view_is_its_own_clock() -> None:
    made = scene(views=1, people=3, seconds=20, seed=1)
    assert np.array_equal(apply(estimate(made.views), "view1", made.views[0].times()), made.views[0].times())


@pytest.mark.slow
def test_progress_is_told_to_the_end(three: Scene) -> None:
    told: list[tuple[int, int]] = []
    estimate(three.views[:2], ClocksConfig(), lambda done, total, _what: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == 2


def test_a_line_holds_outliers_back_and_a_step_splits_it() -> None:
    rng = np.random.default_rng(0)
    times, errors_ = np.arange(0.0, 3600, 10), np.full(360, 0.02)
    lags = 0.4 + 5e-5 * times + rng.normal(0, 0.02, 360)
    lags[::25] += 0.6
    line = fit(times, lags, errors_)
    assert line.offset == pytest.approx(0.4, abs=0.01)
    assert line.drift == pytest.approx(5e-5, abs=5e-6)
    lags[200:] += 0.2
    two = pieces(times, lags, errors_, 0.02)
    assert len(two) == 2
    assert two[1].start == pytest.approx(2000, abs=30)
    assert two[1].offset - two[0].offset == pytest.approx(0.2, abs=0.05)


def frozen(view: ViewBoxes, start: float, stop: float) -> ViewBoxes:
    """The view repeating the boxes of one frame between two times."""
    last = view.time[(view.time < start)].max()
    still = np.flatnonzero(view.time == last)
    keep = np.flatnonzero((view.time < start) | (view.time >= stop))
    every = np.flatnonzero((view.times() >= start) & (view.times() < stop))
    first = int(view.frame[0] - np.searchsorted(view.times(), view.time[0]))
    frames = np.repeat(every + first, len(still))
    return plain(
        view.view,
        np.concatenate([view.frame[keep], frames]),
        np.concatenate([view.time[keep], np.repeat(view.times()[every], len(still))]),
        np.concatenate([view.boxes[keep], np.tile(view.boxes[still], (len(every), 1))]),
        np.concatenate([view.scores[keep], np.tile(view.scores[still], len(every))]),
        np.concatenate([view.tracklet[keep], np.tile(view.tracklet[still], len(every))]),
        view.size,
        view.times(),
    )
