"""Frames that a detector learns from, and the labels of rivals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drape.adaptation.rival_labels import cleaned
from drape.boxes import as_boxes
from support.teaching import BESIDE, HERE, THERE, Filmed, labels_of, place

# --- which frames


def walking(count: int = 40, fps: float = 1.0, step: float = 7.0, **more: Any) -> Filmed:
    view = Filmed(count, fps)
    for frame in range(count):
        view.person(frame, (step * frame, 40, step * frame + 30, 120), **more)
    return view


def test_near_duplicates_are_left_out() -> None:
    view = walking(count=15, step=0.02)
    assert len(labels_of(view)[1]) == 15
    assert len(labels_of(view, least_novelty=0.1)[1]) == 1
    assert len(labels_of(walking(), least_novelty=0.1)[1]) == 40


def test_the_same_places_in_another_light_are_no_duplicates() -> None:
    view = walking(count=20, step=0.02)
    view.light = True
    _, chosen = labels_of(view, least_novelty=0.1)
    looks = view.glimpses_table().column("frame").to_pylist()
    assert len(chosen) == len(looks) - 1, "the last two look the same"


def test_frames_are_so_far_apart_in_time() -> None:
    _, chosen = labels_of(walking(count=40, fps=10), least_gap_s=1.0)
    times = np.array([row["time"] for row in chosen])
    assert len(times) >= 2 and np.diff(times).min() >= 1.0


def test_few_frames_are_spread_over_the_whole_time() -> None:
    _, chosen = labels_of(walking(), images=4)
    frames = np.array([row["frame"] for row in chosen])
    assert len(frames) == 4 and np.ptp(frames) >= 25 and np.diff(frames).min() >= 6


@pytest.mark.parametrize(
    ("hard", "reason"),
    [({"source": "tracked"}, "retrieved"), ({"score": 0.3}, "low_score"), ({"beside": True}, "crowded")],
)
def test_hard_frames_come_first(hard: dict[str, Any], reason: str) -> None:
    view = Filmed(count=20)
    for frame in range(20):
        x = 4.0 * frame
        more = hard if frame == 13 else {}
        view.person(frame, (x, 40, x + 30, 120), **{k: v for k, v in more.items() if k != "beside"})
        other = x + 15 if "beside" in more else x + 60
        view.person(frame, (other, 40, other + 30, 120))
    _, chosen = labels_of(view, images=1)
    assert [(row["frame"], row["reason"]) for row in chosen] == [(13, reason)]


def test_what_a_curator_looked_at_comes_before_the_rest() -> None:
    view = walking()
    view.reviewed.append((17, THERE, 1.0))
    assert [row["frame"] for row in labels_of(view, images=1)[1]] == [17]


def test_views_give_as_many_frames_as_they_have_different_ones() -> None:
    def counts(images: int) -> list[int]:
        _, chosen = labels_of(walking(), walking(count=6), walking(), images=images)
        return [sum(row["view"] == name for row in chosen) for name in "abc"]

    assert counts(12) == [4, 4, 4]
    assert counts(30) == [12, 6, 12]


def test_a_share_of_the_frames_is_background() -> None:
    view = Filmed(count=100, light=True)
    for frame in range(30):
        view.person(frame, (7.0 * frame, 40, 7.0 * frame + 30, 120))
    rows, chosen = labels_of(view, background=0.25, images=20)
    nobody = [row["frame"] for row in chosen if row["reason"] == "background"]
    assert (len(chosen), len(nobody)) == (20, 5)
    assert min(nobody) >= 30 and not {row["frame"] for row in rows} & set(nobody)


def test_the_choice_follows_from_the_seed() -> None:
    def chosen(seed: int) -> list[int]:
        return [row["frame"] for row in labels_of(walking(), images=6, seed=seed)[1]]

    assert chosen(3) == chosen(3)
    assert len({tuple(chosen(seed)) for seed in range(4)}) > 1


def test_times_come_from_the_frames_or_else_from_what_is_known() -> None:
    view = Filmed(count=12, fps=5)
    view.person(11, HERE)
    assert [row["time"] for row in labels_of(view)[1]] == pytest.approx([2.2])
    view.times = lambda: np.arange(12) ** 2 / 10  # type: ignore[method-assign]
    assert [row["time"] for row in labels_of(view, exact=True)[1]] == pytest.approx([12.1])


# --- rivals


def rivals() -> Filmed:
    view = Filmed(count=4)
    view.person(1, HERE, existence=0.3, score=0.25)
    view.person(1, THERE, existence=0.95, score=0.65, copy=True)
    view.person(1, BESIDE, existence=0.95, score=0.19)
    view.person(1, (122, 42, 152, 122), existence=0.95, score=None, source="interpolated")
    view.candidates.append((2, HERE, 0.61))
    view.candidates.append((2, THERE, 0.59))
    return view


def test_accept_all_takes_every_retrieved_box_hard() -> None:
    rows, chosen = labels_of(rivals(), rule="accept_all")
    assert place(rows) == {(1, 20): (1.0, "accept_all"), (1, 200): (1.0, "accept_all")}
    assert not any(row["ignored"] for row in rows)
    assert [row["frame"] for row in chosen] == [0, 1, 2, 3]


def test_threshold_takes_the_detectors_own_boxes() -> None:
    rows, _ = labels_of(rivals(), rule="threshold")
    assert place(rows) == {(1, 200): (1.0, "threshold"), (2, 20): (1.0, "threshold")}


def test_rivals_take_frames_evenly_in_time() -> None:
    _, chosen = labels_of(walking(count=41), rule="threshold", images=5)
    assert [row["frame"] for row in chosen] == [0, 10, 20, 30, 40]


def test_the_papers_suppression() -> None:
    boxes = as_boxes([(0, 0, 100, 100), (10, 10, 50, 50), (60, 0, 160, 100), (30, 0, 130, 100), (200, 0, 220, 25)])
    scores = np.array([0.9, 0.95, 0.8, 0.7, 0.99], np.float32)
    assert cleaned(boxes, scores, 500).tolist() == [1, 2]
    assert cleaned(boxes, scores, 499).tolist() == [1, 2, 4]
    assert cleaned(boxes[[0, 2, 3]], scores[[0, 2, 3]], 500).tolist() == [0, 1]
