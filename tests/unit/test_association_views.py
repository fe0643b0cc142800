"""Detections of a view, and how the frames of views meet."""

from __future__ import annotations

import numpy as np
import pytest
from drape import tables
from drape.association import from_tables, plain
from drape.association.views import meet
from drape.errors import RecordingError

BOX = (0.0, 0.0, 10.0, 20.0)


def view(name: str, times: list[float]) -> object:
    """One box per frame."""
    return plain(name, np.arange(len(times)), times, [BOX] * len(times))


def test_index_counts_within_the_frame_in_the_given_order() -> None:
    found = plain("a", [3, 1, 3], [3.0, 1.0, 3.0], [BOX, BOX, (5, 0, 9, 9)], [0.1, 0.2, 0.3])
    assert found.frame.tolist() == [1, 3, 3]
    assert found.index.tolist() == [0, 0, 1]
    assert found.scores.tolist() == pytest.approx([0.2, 0.1, 0.3])


def test_empty_boxes_are_refused() -> None:
    with pytest.raises(RecordingError, match="empty or endless"):
        plain("a", [0], [0.0], [(5, 5, 5, 9)])


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(RecordingError, match="length"):
        plain("a", [0, 1], [0.0], [BOX])


def test_tracklets_are_joined_by_candidate() -> None:
    boxes = np.array([BOX, BOX, BOX], np.float32)
    candidates = tables.make(
        tables.CANDIDATES, frame=[0, 0, 1], time=[0.0, 0.0, 0.5], score=[0.9, 0.05, 0.8], **tables.box_columns(boxes)
    )
    tracklets = tables.make(
        tables.TRACKLETS,
        frame=[0, 1, 2],
        time=[0.0, 0.5, 1.0],
        tracklet=[7, 7, 7],
        existence=[0.9, 0.9, 0.6],
        source=["detected", "detected", "interpolated"],
        score=[0.9, 0.8, None],
        candidate=[1, 0, None],
        **tables.box_columns(boxes),
    )
    found = from_tables("a", candidates, tracklets)
    assert found.tracklet.tolist() == [-1, 7, 7]
    assert from_tables("a", candidates, tracklets, least_score=0.1).index.tolist() == [0, 0]


def test_views_of_different_rates_meet_by_time() -> None:
    fast = view("a", [k / 25 for k in range(100)])
    slow = view("b", [0.01 + k / 10 for k in range(40)])
    met = meet([fast, slow])
    assert len(met) == 40
    assert met.present.all()
    times = np.array([fast.time[low] for low, _ in met.rows[0]])
    assert np.abs(times - met.time).max() <= 0.02 + 1e-9


def test_a_view_without_a_frame_within_half_a_period_is_absent() -> None:
    steady = view("a", [float(k) for k in range(10)])
    gappy = view("b", [0.0, 1.0, 2.0, 7.3, 8.3, 9.3])
    met = meet([steady, gappy])
    low, high = met.rows[1].T
    assert met.time.tolist() == [float(k) for k in range(10)]
    assert met.present[:, 1].tolist() == [True] * 3 + [False] * 4 + [True] * 3
    assert (high - low).tolist() == [1] * 3 + [0] * 4 + [1] * 3


def test_the_slowest_view_sets_the_pace_and_others_fill_its_absence() -> None:
    slow = view("a", [0.0, 1.0, 2.0])
    fast = view("b", [k / 4 for k in range(40)])
    met = meet([slow, fast])
    assert np.diff(met.time).min() > 0.5
    assert met.time[-1] > 8
    assert met.present[:, 1].all()


def test_empty_frames_count_as_present() -> None:
    full = view("a", [0.0, 1.0, 2.0])
    empty = plain("b", [1], [1.0], [BOX], instants=[0.0, 1.0, 2.0])
    assert meet([full, empty]).present.all()
