"""From evidence to matches: calibration, marginals, assignment, clusters."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from drape.association.calibration import STAYING_IOU, fit_overlap, fit_ratio, marginals, strangers
from drape.association.cells import meetings
from drape.association.clustering import cluster
from drape.association.identities import Evidence, as_table, identify, make_nodes
from drape.association.matching import Matches, assign
from drape.association.views import meet, plain
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray


def exact(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Marginals by counting all partial matchings of a (N, M) matrix of odds."""
    n, m = odds.shape
    total, out = 0.0, np.zeros((n, m))
    padded = np.concatenate([odds, np.ones((n, n))], axis=1)
    seen = set()
    for columns in permutations(range(m + n), n):
        key = tuple(c if c < m else -1 for c in columns)
        if key in seen:
            continue
        seen.add(key)
        weight = float(np.prod([padded[i, c] if c < m else 1.0 for i, c in enumerate(columns)]))
        total += weight
        for i, c in enumerate(columns):
            if c < m:
                out[i, c] += weight
    return out / total


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 10_000))
def test_marginals_are_near_those_of_all_matchings(n: int, m: int, seed: int) -> None:
    ratio = np.exp(np.random.default_rng(seed).normal(0, 2, (n, m)))
    found = marginals(ratio[None], np.array([0.7]))[0]
    assert np.abs(found - exact(0.7 * ratio)).max() < 0.08


def test_a_single_cell_is_exact() -> None:
    assert marginals(np.array([[[4.0]]]), np.array([0.5]))[0, 0, 0] == pytest.approx(2 / 3)


def test_density_ratio_of_a_known_mixture() -> None:
    rng = np.random.default_rng(0)
    apart = rng.normal(-6, 2, 200_000)
    together = np.concatenate([rng.normal(0, 1, 10_000), rng.normal(-6, 2, 30_000)])
    curve = fit_ratio(together, apart)
    assert curve is not None
    at = np.array([-2.0, -1.5, -1.0])
    true = (-0.5 * at**2) - (-0.5 * ((at + 6) / 2) ** 2 - np.log(2))
    assert np.abs(np.interp(at, *curve) - true).max() < 0.4
    assert (np.diff(curve[1]) >= 0).all()


def test_too_little_to_learn_a_ratio_from() -> None:
    assert fit_ratio(np.zeros(10), np.zeros(1000)) is None


def test_overlap_of_sets_is_found() -> None:
    rng = np.random.default_rng(1)
    spans = np.stack([np.arange(300) * 5, np.arange(300) * 5 + 5], axis=1)
    cells = meetings(spans, spans)
    ratio = np.exp(rng.normal(-3, 1, len(cells.i)))
    own = (cells.i == cells.j) & (cells.i % 5 < 3)
    ratio[own] = np.exp(rng.normal(4, 1, own.sum()))
    assert fit_overlap(ratio, cells, np.arange(300)) == pytest.approx(0.6, abs=0.06)


def test_who_stood_still_is_no_stranger() -> None:
    times = np.arange(40.0)
    still = np.tile([100.0, 100, 140, 200], (40, 1))
    walks = still + np.stack([times * 30, times * 0, times * 30, times * 0], axis=1)
    frame = np.repeat(np.arange(40), 2)
    a = plain("a", frame, frame.astype(float), np.stack([still, walks], axis=1).reshape(-1, 4))
    b = plain("b", np.arange(40), times, walks)
    met = meet([a, b])
    cells = strangers((a, b), met, (0, 1), 5.0)
    assert STAYING_IOU < 1
    assert len(cells.i) > 0
    assert set(a.index[cells.i].tolist()) == {1}
    assert (np.abs(a.time[cells.i] - b.time[cells.j]) >= 5).all()


def test_assignment_leaves_alone_who_has_no_partner() -> None:
    cells = meetings(np.array([[0, 2]]), np.array([[0, 3]]))
    ratio = np.array([[500.0, 0.1, 0.1], [20.0, 0.01, 0.02]]).ravel()
    probability, log_odds, matched = assign(ratio, cells, 0.5, 0.25)
    assert matched.reshape(2, 3).tolist() == [[True, False, False], [False, False, False]]
    assert probability[0] > 0.9
    assert log_odds[3] > 0 > np.log(probability[3] / (1 - probability[3]))  # alone a likely match, but taken by another


def test_empty_frames_match_nothing() -> None:
    cells = meetings(np.array([[0, 0], [0, 1]]), np.array([[0, 2], [2, 2]]))
    probability, _, matched = assign(np.zeros(0), cells, 0.5, 0.25)
    assert len(probability) == len(matched) == 0


def split(label: NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(label == c).tolist()) for c in np.unique(label)}


def test_a_chain_over_three_views_is_one_person() -> None:
    label = cluster(*nodes([0, 1, 2]), *edges([(0, 1, 3.0), (1, 2, 3.0)]))
    assert split(label) == {frozenset({0, 1, 2})}


def test_a_cycle_that_disagrees_breaks_at_its_weakest() -> None:
    label = cluster(*nodes([0, 1, 2]), *edges([(0, 1, 3.0), (1, 2, 1.0), (0, 2, -2.0)]))
    assert split(label) == {frozenset({0, 1}), frozenset({2})}


def test_no_view_shows_a_person_twice_at_one_time() -> None:
    label = cluster(*nodes([0, 0, 1]), *edges([(0, 2, 5.0), (1, 2, 4.0)]))
    assert split(label) == {frozenset({0, 2}), frozenset({1})}


def test_tracklets_of_one_view_may_follow_each_other() -> None:
    view, start, stop = np.array([0, 0, 1]), np.array([0.0, 5.0, 0.0]), np.array([4.0, 9.0, 9.0])
    label = cluster(view, start, stop, *edges([(0, 2, 5.0), (1, 2, 4.0)]))
    assert split(label) == {frozenset({0, 1, 2})}


@given(st.integers(0, 10_000))
def test_clusters_hold_the_constraint_and_are_no_worse_than_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    view = rng.integers(0, 3, 12)
    start = rng.uniform(0, 10, 12)
    stop = start + rng.uniform(0, 5, 12)
    some = [(i, j, float(rng.normal(0, 2))) for i in range(12) for j in range(i + 1, 12) if view[i] != view[j]]
    label = cluster(view, start, stop, *edges(some))
    for i in range(12):
        for j in range(i + 1, 12):
            if label[i] == label[j] and view[i] == view[j]:
                assert stop[i] < start[j] or stop[j] < start[i]
    assert sum(w for i, j, w in some if label[i] == label[j]) >= 0


def test_a_second_image_in_one_view_is_a_copy() -> None:
    # View a shows tracklets 0 and 1 all the time; both go with b's and c's only tracklet, 0 better.
    times = np.arange(10)
    box = [(0.0, 0.0, 10.0, 20.0)]
    a = plain("a", np.repeat(times, 2), np.repeat(times, 2), box * 20, tracklet=np.tile([0, 1], 10))
    b, c = (plain(name, times, times, box * 10, tracklet=np.zeros(10)) for name in "bc")
    views = [a, b, c]
    evidence = Evidence(make_nodes(views), 1.0)
    for k in range(10):
        rows = [(0, 2 * k, 1, k, 0.9), (0, 2 * k + 1, 1, k, 0.1), (0, 2 * k, 2, k, 0.9), (0, 2 * k + 1, 2, k, 0.1)]
        va, i, vb, j, p = (np.array(column) for column in zip(*[*rows, (1, k, 2, k, 0.9)], strict=True))
        evidence.add(Matches(np.full(5, k), va, i, vb, j, p, np.full(5, 2.0), p > 0.5))
    table = as_table(identify(evidence, views), views).to_pandas()
    assert set(table["person"]) == {0}
    assert table["copy"].tolist() == [False, True] * 10 + [False] * 20


def nodes(views: list[int]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    return np.array(views), np.zeros(len(views)), np.ones(len(views))


def edges(rows: list[tuple[int, int, float]]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    first, second, weight = zip(*rows, strict=True)
    return np.array(first), np.array(second), np.array(weight, np.float64)
