"""The measures of association against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.evaluation.association import average_precision, fpr_at_recall, score
from hypothesis import given
from hypothesis import strategies as st


def identities(rows: list[tuple[str, int, int, int]]) -> pa.Table:
    """``IDENTITIES`` from (view, frame, index, person)."""
    view, frame, index, person = zip(*rows, strict=True)
    return tables.make(
        tables.IDENTITIES, view=view, frame=frame, index=index, person=person, copy=np.zeros(len(rows), bool)
    )


def pairs(rows: list[tuple[str, int, int, str, int, int, float, bool]]) -> pa.Table:
    """``PAIRS`` from (view_a, frame_a, index_a, view_b, frame_b, index_b, probability, matched)."""
    names = ("view_a", "frame_a", "index_a", "view_b", "frame_b", "index_b", "probability", "matched")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {name: [] for name in names}
    return tables.make(tables.PAIRS, time=np.zeros(len(rows)), **columns)


TRUTH = identities([("a", 0, 0, 1), ("a", 0, 1, 2), ("a", 0, 2, 3), ("b", 0, 0, 2), ("b", 0, 1, 1), ("b", 0, 2, 4)])


def test_perfect_matches_score_one() -> None:
    found = pairs([("a", 0, 0, "b", 0, 1, 0.9, True), ("a", 0, 1, "b", 0, 0, 0.8, True)])
    s = score(found, TRUTH)
    assert (s.ap, s.fpr95, s.precision, s.recall, s.accuracy, s.ipaa100, s.pairs) == (1, 0, 1, 1, 1, 1, 1)


def test_a_wrong_match_costs_everywhere() -> None:
    # Person 1 is matched rightly; 2 (in a) with 4 (in b): of persons 1, 2, 3, 4 only 1 and 3 are judged right.
    found = pairs(
        [("a", 0, 0, "b", 0, 1, 0.9, True), ("a", 0, 1, "b", 0, 2, 0.8, True), ("a", 0, 1, "b", 0, 0, 0.3, False)]
    )
    s = score(found, TRUTH)
    assert (s.precision, s.recall, s.accuracy) == (0.5, 0.5, 0.5)
    assert s.ap == pytest.approx((1 + 2 / 3) / 2)
    assert s.fpr95 == pytest.approx(1 / 7)  # one of seven false cells lies above the lower true cell
    assert (s.ipaa100, s.ipaa80) == (0, 0)


def test_matches_may_name_the_views_in_any_order() -> None:
    found = pairs([("b", 0, 1, "a", 0, 0, 0.9, True), ("b", 0, 0, "a", 0, 1, 0.8, True)])
    assert score(found, TRUTH).accuracy == 1


def test_nothing_matched_leaves_only_the_lone_persons_right() -> None:
    s = score(pairs([]), TRUTH)
    assert math.isnan(s.precision)
    assert (s.recall, s.accuracy, s.fpr95) == (0, 0.5, 1)
    assert s.ap == pytest.approx(2 / 9)


def test_unknown_persons_are_left_out() -> None:
    truth = identities([("a", 0, 0, 1), ("a", 0, 1, -1), ("b", 0, 0, 1), ("b", 0, 1, -1)])
    found = pairs([("a", 0, 0, "b", 0, 0, 0.9, True), ("a", 0, 1, "b", 0, 1, 0.9, True)])
    s = score(found, truth)
    assert (s.precision, s.recall, s.accuracy, s.pairs) == (1, 1, 1, 1)


def test_shares_of_picture_pairs() -> None:
    # Frame 0: all right. Frame 1: two shared persons, one missed: half right. Three views give three pairs in frame 0.
    truth = identities(
        [("a", 0, 0, 1), ("b", 0, 0, 1), ("c", 0, 0, 1), ("a", 1, 0, 1), ("a", 1, 1, 2), ("b", 1, 0, 1), ("b", 1, 1, 2)]
    )
    found = pairs([(v, 0, 0, w, 0, 0, 0.9, True) for v, w in ("ab", "ac", "bc")] + [("a", 1, 0, "b", 1, 0, 0.9, True)])
    s = score(found, truth)
    assert s.pairs == 4
    assert s.ipaa100 == s.ipaa80 == 0.75
    assert s.accuracy == pytest.approx(4 / 5)


def test_frames_of_another_number_do_not_meet() -> None:
    truth = identities([("a", 0, 0, 1), ("b", 1, 0, 1)])
    s = score(pairs([("a", 0, 0, "b", 1, 0, 0.9, True)]), truth)
    assert s.pairs == 0
    assert math.isnan(s.accuracy)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=1, max_size=30), st.randoms()
)
def test_ties_make_no_order(cells: list[tuple[bool, float]], random: object) -> None:
    true, value = (np.array(x) for x in zip(*cells, strict=True))
    order = np.array(random.sample(range(len(cells)), len(cells)))  # type: ignore[attr-defined]
    for measure in (average_precision, fpr_at_recall):
        assert measure(true, value) == pytest.approx(measure(true[order], value[order]), nan_ok=True)


def test_false_share_at_recall_counts_from_the_threshold_down() -> None:
    true = np.array([True] * 20 + [False] * 10)
    value = np.concatenate([np.arange(20, 0, -1), np.arange(10, 0, -1)]) / 20
    assert fpr_at_recall(true, value) == pytest.approx(0.9)  # 19 of 20 reach 2 / 20; nine false cells do as well
