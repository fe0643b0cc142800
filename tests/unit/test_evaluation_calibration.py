"""Reliability, calibration error and Brier score against plain loops and known answers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from drape.errors import EvaluationError
from drape.evaluation.calibration import (
    brier,
    equal_counts,
    expected_calibration_error,
    maximum_calibration_error,
    reliability,
)
from hypothesis import given, settings
from hypothesis import strategies as st

pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40)


def test_reliability_by_hand() -> None:
    table = reliability([0.0, 0.1, 0.25, 0.5, 0.9, 1.0], [0, 1, 1, 0, 1, 1], 4).to_pydict()
    assert table["low"] == [0.0, 0.25, 0.5, 0.75] and table["high"] == [0.25, 0.5, 0.75, 1.0]
    assert table["count"] == [2, 1, 1, 2]
    assert table["predicted"] == pytest.approx([0.05, 0.25, 0.5, 0.95])
    assert table["observed"] == [0.5, 1.0, 0.0, 1.0]


def test_an_empty_bin_says_nothing() -> None:
    table = reliability([0.9], [True], 2)
    assert table.to_pydict()["predicted"] == [None, 0.9]
    assert expected_calibration_error(table) == pytest.approx(0.1)


def _error_by_loop(rows: list[tuple[float, bool]], edges: np.ndarray) -> tuple[float, float]:
    total, worst = 0.0, 0.0
    for number, (low, high) in enumerate(pairwise(edges)):
        last = number == len(edges) - 2
        inside = [(p, y) for p, y in rows if low <= p < high or (last and p == high)]
        if inside:
            distance = abs(sum(p for p, _ in inside) - sum(y for _, y in inside)) / len(inside)
            total, worst = total + len(inside) * distance, max(worst, distance)
    return total / len(rows), worst


@settings(max_examples=80, deadline=None)
@given(pairs.filter(bool), st.integers(1, 12))
def test_errors_agree_with_a_plain_loop(rows: list[tuple[float, bool]], bins: int) -> None:
    p, y = [row[0] for row in rows], [row[1] for row in rows]
    for edges in (np.linspace(0, 1, bins + 1), equal_counts(p, bins)):
        table = reliability(p, y, edges)
        expected, worst = _error_by_loop(rows, edges)
        assert sum(table.column("count").to_pylist()) == len(rows)
        assert expected_calibration_error(table) == pytest.approx(expected, abs=1e-12)
        assert maximum_calibration_error(table) == pytest.approx(worst, abs=1e-12)
    assert brier(p, y) == pytest.approx(sum((a - b) ** 2 for a, b in rows) / len(rows))


def test_calibrated_probabilities_have_little_error_and_others_have_much() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=40_000)
    y = rng.uniform(size=len(p)) < p
    assert expected_calibration_error(reliability(p, y)) < 0.01
    assert expected_calibration_error(reliability(p**3, y)) > 0.15
    assert brier(p, y) == pytest.approx(1 / 6, abs=0.005)


def test_equal_counts_hold_equally_many() -> None:
    p = np.random.default_rng(1).beta(0.3, 4, 1000)
    assert set(reliability(p, p > 0.5, equal_counts(p, 5)).column("count").to_pylist()) == {200}
    assert equal_counts([0.2] * 10, 5).tolist() == [0.0, 0.2, 1.0]


def test_without_predictions_nothing_is_known() -> None:
    table = reliability([], [])
    assert len(table) == 10
    assert np.isnan([expected_calibration_error(table), maximum_calibration_error(table), brier([], [])]).all()


@pytest.mark.parametrize(
    ("p", "y", "bins"),
    [
        ([0.5], [1, 0], 10),
        ([1.5], [1], 10),
        ([np.nan], [1], 10),
        ([0.5], [2], 10),
        ([0.5], [1], 0),
        ([0.5], [1], [0, 0.5]),
        ([0.5], [1], [0, 0.5, 0.5, 1]),
    ],
)
def test_what_cannot_be_is_refused(p: list, y: list, bins) -> None:
    with pytest.raises(EvaluationError):
        reliability(p, y, bins)
