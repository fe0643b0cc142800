"""Exposures, their rates and their groups against cases worked out by hand; ``bench.metrics`` has the plain loops."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from drape.evaluation.continuity import continuity
from drape.evaluation.exposure_rates import EXPOSURES, RATES, exposure_rates, exposures
from drape.evaluation.observations import OBSERVATIONS, by_column, by_time, joined, observe
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evaluation import tracks

HALF_SECONDS = np.arange(200) / 2


def _view(view: str, persons: dict[int, str], times: np.ndarray = HALF_SECONDS, **labels) -> pa.Table:
    """Sights of one view: per person a text of ``x`` (covered), ``.`` (exposed) and blanks (absent), a sign a frame."""
    rows = [(f, p, sign == "x") for p, text in persons.items() for f, sign in enumerate(text) if sign != " "]
    truth = tracks([(f, p, 0, 0, 10, 20) for f, p, _ in rows])
    return observe(view, truth, [c for _, _, c in rows], times, **labels)


def _all(table: pa.Table) -> dict:
    return table.to_pylist()[-1]


def test_exposures_by_hand() -> None:
    sights = joined([_view("a", {1: "..xx.xx...", 2: "xxxx"}), _view("b", {1: "xx..xx"})])
    found = exposures(sights).to_pylist()
    expected = [
        ("a", 1, 7, 3, 3.5, 1.5, False, True),
        ("a", 1, 0, 2, 0.0, 1.0, True, False),
        ("b", 1, 2, 2, 1.0, 1.0, False, False),
        ("a", 1, 4, 1, 2.0, 0.5, False, False),
    ]
    assert [tuple(row.values()) for row in found] == expected


def test_rates_by_hand() -> None:
    sights = joined([_view("a", {1: "..xx.xx...", 2: "xxxx"}), _view("b", {1: "xx..xx"})])
    row = _all(exposure_rates(sights, footage=200.0))
    assert (row["tracks"], row["events"], row["longest_seconds"]) == (3, 4, 1.5)
    assert (row["person_seconds"], row["exposed_seconds"], row["exposed_share"]) == (10.0, 4.0, 0.4)
    assert row["events_per_person_hour"] == pytest.approx(4 / (10 / 3600))
    assert row["events_per_hour"] == pytest.approx(4 * 3600 / 200)
    assert row["fully_covered_rate"] == pytest.approx(1 / 3)
    assert (row["onset_seconds"], row["onset_longest"]) == (pytest.approx(1 / 3), 1.0)
    assert (row["offset_seconds"], row["offset_longest"]) == (pytest.approx(0.5), 1.5)
    assert row["exposed_share_low"] <= 0.4 <= row["exposed_share_high"] <= 0.6
    assert (row["fully_covered_low"], row["fully_covered_high"]) == (0.0, 1.0)


def test_who_returns_begins_a_new_track() -> None:
    """Away for 2 s the person remains the same track, away for 2.5 s a new one that leaks at its entry."""
    short, long = _view("a", {1: "xx    .x"}), _view("a", {1: "xx     .x"})
    assert (_all(exposure_rates(short))["tracks"], _all(exposure_rates(long))["tracks"]) == (1, 2)
    assert exposures(short).column("onset").to_pylist() == [False]
    assert exposures(long).column("onset").to_pylist() == [True]
    assert _all(exposure_rates(long))["fully_covered_rate"] == 0.5
    assert _all(exposure_rates(long, absence=10.0))["tracks"] == 1


def test_groups_share_out_what_is_exposed() -> None:
    roles = ["patient"] * 6 + ["nurse"] * 4
    sights = joined(
        [_view("a", {1: "x....x", 2: "xxx."}, role=roles), _view("b", {1: "xxxxxx", 2: ".xxx"}, role=roles)]
    )
    by_role = {row["group"]: row for row in exposure_rates(sights, by_column(sights, "role")).to_pylist()}
    assert [by_role[g]["exposed_seconds"] for g in ("nurse", "patient", "all")] == [1.0, 2.0, 3.0]
    assert [by_role[g]["tracks"] for g in ("nurse", "patient", "all")] == [2, 2, 4]
    assert by_role["patient"]["fully_covered_rate"] == 0.5
    footage = {"a": 100.0, "all": 200.0}
    by_view = {row["group"]: row for row in exposure_rates(sights, by_column(sights, "view"), footage).to_pylist()}
    assert by_view["a"]["events_per_hour"] == pytest.approx(2 * 36)
    assert by_view["b"]["events_per_hour"] is None
    assert by_view["all"]["events_per_hour"] == pytest.approx(3 * 18)


def test_an_exposure_counts_where_it_begins() -> None:
    """A run over the border of two stretches is one event of the first, its seconds belong to both."""
    sights = _view("a", {1: "xxxxxxxx....xxxxxxxx"})
    first, second, whole = exposure_rates(sights, by_time(sights, 5)).to_pylist()
    assert [row["events"] for row in (first, second, whole)] == [1, 0, 1]
    assert [row["exposed_seconds"] for row in (first, second, whole)] == [1.0, 1.0, 2.0]
    assert [row["longest_seconds"] for row in (first, second)] == [2.0, 0.0]
    assert [row["onset_seconds"] is None for row in (first, second)] == [False, True]
    assert [row["offset_seconds"] is None for row in (first, second)] == [True, False]


def test_without_sights_nothing_is_exposed() -> None:
    row = _all(exposure_rates(OBSERVATIONS.empty_table()))
    assert (row["tracks"], row["events"], row["exposed_seconds"], row["exposed_share"]) == (0, 0, 0.0, None)
    assert exposures(OBSERVATIONS.empty_table()).schema == EXPOSURES


def test_the_tables_keep_their_schema() -> None:
    assert exposure_rates(_view("a", {1: "x.x"})).schema == RATES


texts = st.dictionaries(st.integers(0, 5), st.text("x. ", min_size=1, max_size=30), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(texts.filter(lambda d: any(t.strip() for t in d.values())), st.integers(0, 99))
def test_rates_agree_with_continuity_and_do_not_depend_on_the_order(persons: dict[int, str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 1.0, 40))
    sights = _view("a", persons, times)
    columns = [sights.column(name).to_numpy(zero_copy_only=False) for name in ("person", "frame", "covered")]
    durations = np.append(np.diff(times), np.median(np.diff(times)))
    expected = continuity(*columns, durations)
    row = _all(exposure_rates(sights, absence=1e9))
    assert (row["tracks"], row["events"]) == (expected.persons, expected.events)
    assert row["exposed_seconds"] == pytest.approx(expected.exposed_seconds)
    assert row["longest_seconds"] == pytest.approx(expected.longest_seconds_max)
    assert row["fully_covered_rate"] == pytest.approx(expected.fully_covered / expected.persons)
    shuffled = exposure_rates(sights.take(pa.array(rng.permutation(len(sights)))), absence=1e9)
    assert _all(shuffled)["onset_seconds"] == pytest.approx(row["onset_seconds"])
    assert _all(shuffled)["events"] == row["events"]
