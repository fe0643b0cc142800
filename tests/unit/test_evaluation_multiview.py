"""Recall over views, its groups and its intervals, against cases worked out by hand and plain loops."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from drape.errors import EvaluationError
from drape.evaluation.bootstrap import ratio, resampled
from drape.evaluation.multiview import hard_recall, multi_view_recall, recall, scene_instant_recall
from drape.evaluation.observations import OBSERVATIONS, by_column, by_edges, by_size, by_time, joined, observe
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evaluation import tracks

TIMES = np.arange(40) / 2


def _view(view: str, rows: list[tuple[int, int, bool]], **labels) -> pa.Table:
    """Sights of one view from rows ``frame, person, covered``."""
    truth = tracks([(f, p, 0, 0, 10, 20) for f, p, _ in rows])
    return observe(view, truth, [c for _, _, c in rows], TIMES, **labels)


def _row(table: pa.Table, group: str = "all") -> dict:
    return next(row for row in table.to_pylist() if row["group"] == group)


def test_a_person_must_be_found_in_every_view_that_shows_them() -> None:
    """Instant 0: person 1 missed in b. Instant 1: both found, person 2 in one view only. Instant 2: nobody found."""
    a = _view("a", [(0, 1, True), (0, 2, True), (1, 1, True), (1, 2, True), (2, 1, False)])
    b = _view("b", [(0, 1, False), (0, 2, True), (1, 1, True), (2, 1, False)])
    sights = joined([a, b])
    assert _row(recall(sights))["recall"] == pytest.approx(6 / 9)
    whole = _row(multi_view_recall(sights))
    assert (whole["count"], whole["successes"], whole["recall"]) == (5, 3, pytest.approx(0.6))
    scene = _row(scene_instant_recall(sights))
    assert (scene["count"], scene["successes"]) == (3, 1)


def test_views_meet_by_instant_and_not_by_frame() -> None:
    late = observe("b", tracks([(1, 1, 0, 0, 9, 9)]), [False], TIMES, instants=np.arange(40) - 1)
    sights = joined([_view("a", [(0, 1, True)]), late])
    assert sights.column("instant").to_pylist() == [0, 0]
    assert _row(multi_view_recall(sights))["successes"] == 0
    apart = joined([_view("a", [(0, 1, True)]), _view("b", [(1, 1, False)])])
    assert _row(multi_view_recall(apart))["successes"] == 1


def test_persons_whom_nobody_knows_stand_alone() -> None:
    sights = joined([_view("a", [(0, -1, True), (1, -1, False)]), _view("b", [(0, -1, False)])])
    assert _row(multi_view_recall(sights))["count"] == 3


def test_groups_by_role_visibility_size_and_time() -> None:
    rows = [(0, 1, True), (30, 2, False)]
    sights = _view("a", rows, role=["patient", None], visibility=[0.3, 1.0])
    by_role = recall(sights, by_column(sights, "role"))
    assert by_role.column("group").to_pylist() == ["patient", "unknown", "all"]
    assert by_role.column("recall").to_pylist() == [1.0, 0.0, 0.5]
    by_visibility = recall(sights, by_edges(sights.column("visibility"), [0, 0.25, 0.5, 0.75, 1]))
    assert by_visibility.column("group").to_pylist() == ["0.25-0.5", "0.75-1", "all"]
    assert set(by_size(sights)) == {"small"}
    assert by_time(sights, 10).tolist() == ["0-10", "10-20"]
    assert multi_view_recall(sights, by_time(sights, 10)).column("successes").to_pylist() == [1, 0, 1]


def test_labels_of_values_beyond_the_edges() -> None:
    assert by_edges([-1, 0, 1, 2, 3, np.nan], [0, 1, 2]).tolist() == ["< 0", "0-1", "1-2", "1-2", "> 2", "unknown"]


def test_sizes_are_those_of_coco() -> None:
    truth = tracks([(0, n, 0, 0, side, side) for n, side in enumerate((31, 32, 95, 96))])
    sights = observe("a", truth, [True] * 4, TIMES)
    assert by_size(sights).tolist() == ["small", "medium", "medium", "large"]


def test_hard_cases() -> None:
    hit, hard = np.array([True, False, True]), np.array([False, True, True])
    assert hard_recall(hit, hard) == 0.5
    assert np.isnan(hard_recall(hit, np.zeros(3, bool)))


def test_what_does_not_fit_is_refused() -> None:
    truth = tracks([(50, 1, 0, 0, 9, 9)])
    with pytest.raises(EvaluationError, match="no time"):
        observe("a", truth, [True], TIMES)
    with pytest.raises(EvaluationError, match="length"):
        _view("a", [(0, 1, True)], role=["patient", "nurse"])
    with pytest.raises(EvaluationError, match="columns"):
        joined([_view("a", [(0, 1, True)]), _view("b", [(0, 1, True)], role=["nurse"])])


def test_without_sights_there_is_nothing_to_say() -> None:
    row = _row(multi_view_recall(OBSERVATIONS.empty_table()))
    assert row["count"] == 0 and np.isnan(row["recall"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=20), st.integers(0, 99))
def test_an_interval_is_the_quantiles_of_the_resampled_ratios(blocks: list[tuple[int, int]], seed: int) -> None:
    above, below = np.array(blocks, float).T
    result = ratio(above, below, draws=50, level=0.9, seed=seed)
    weights = np.concatenate(list(resampled(len(blocks), 50, seed)))
    assert (weights.sum(axis=1) == len(blocks)).all()
    if not below.sum():
        assert np.isnan(result).all()
        return
    values = []
    for row in weights:
        drawn = np.repeat(np.arange(len(blocks)), row)
        if below[drawn].sum():
            values.append(above[drawn].sum() / below[drawn].sum())
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))
    assert result == ratio(above, below, draws=50, level=0.9, seed=seed)


def test_draws_do_not_depend_on_how_they_are_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(resampled(30, 100, 7)))
    monkeypatch.setattr("drape.evaluation.bootstrap._CELLS", 100)
    parts = list(resampled(30, 100, 7))
    assert len(parts) > 10
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_intervals_hold_the_truth_as_often_as_they_say_and_know_of_tracks() -> None:
    """40 tracks of 10 frames that fail together: by tracks the intervals hold, frames by themselves are too sure."""
    rng = np.random.default_rng(3)
    held = {"tracks": 0, "frames": 0}
    for trial in range(60):
        hits = rng.binomial(10, rng.beta(0.8, 0.2, 40)).astype(float)
        by_track = ratio(hits, np.full(40, 10.0), draws=200, seed=trial)
        by_frame = ratio(np.repeat([1.0, 0.0], [int(hits.sum()), 400 - int(hits.sum())]), np.ones(400), 200, seed=trial)
        held["tracks"] += by_track.low <= 0.8 <= by_track.high
        held["frames"] += by_frame.low <= 0.8 <= by_frame.high
    assert held["tracks"] >= 51
    assert held["frames"] <= 42


def test_an_impossible_interval_is_refused() -> None:
    with pytest.raises(EvaluationError, match="level"):
        ratio([1.0], [1.0], level=1.0)
    with pytest.raises(EvaluationError, match="different blocks"):
        ratio([1.0], [1.0, 2.0])
