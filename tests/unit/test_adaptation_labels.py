"""Pseudo labels: what is taught, what is ignored, and what is background."""

from __future__ import annotations

from typing import Any

import pytest
from drape import tables
from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.labels import labelled_frames, pseudo_labels
from drape.errors import AdaptationError
from support.teaching import BESIDE, HERE, SIZE, THERE, Filmed, labels_of, place

# --- what a box is


def test_the_sure_are_taught_by_their_existence_the_doubtful_ignored_the_rest_is_background() -> None:
    view = Filmed()
    view.person(3, HERE, existence=0.91)
    view.person(3, BESIDE, existence=0.89)
    view.person(3, THERE, existence=0.14)
    rows, chosen = labels_of(view)
    assert place(rows) == {(3, 20): (0.91, "detected"), (3, 120): (0, "doubtful")}
    assert [row["ignored"] for row in rows] == [False, True]
    assert [(row["frame"], row["time"]) for row in chosen] == [(3, 3.0)]


def test_candidates_that_nobody_decided_about_are_ignored() -> None:
    view = Filmed()
    view.candidates = [(5, THERE, 0.31), (5, (250, 10, 290, 90), 0.29)]
    view.person(5, HERE)
    view.person(5, BESIDE, existence=0.05, score=0.6)
    rows, _ = labels_of(view)
    assert place(rows) == {(5, 20): (0.95, "detected"), (5, 200): (0, "leftover")}


def test_nothing_is_ignored_where_a_person_is_taught() -> None:
    view = Filmed()
    view.person(5, HERE)
    view.candidates.append((5, (22, 42, 52, 122), 0.4))
    assert place(labels_of(view)[0]) == {(5, 20): (0.95, "detected")}


def test_nobody_is_taught_twice() -> None:
    view = Filmed()
    view.person(5, HERE, existence=0.9)
    view.person(5, (22, 42, 52, 122), existence=0.97)
    assert place(labels_of(view)[0]) == {(5, 22): (0.97, "detected")}


def test_reflections_are_ignored_and_not_taught() -> None:
    view = Filmed()
    view.person(5, HERE)
    view.person(5, THERE, copy=True)
    assert place(labels_of(view)[0])[5, 200] == (0, "reflection")


def test_boxes_too_small_or_hardly_in_the_picture_are_ignored_and_boxes_are_cut_at_the_edges() -> None:
    view = Filmed()
    view.person(5, HERE)
    view.person(5, (100, 10, 107, 40))
    view.person(5, (300, 40, 360, 120))
    view.person(5, (-10, 40, 15, 120))
    rows, _ = labels_of(view)
    found = place(rows)
    assert found[5, 100] == found[5, 300] == (0, "small")
    assert found[5, 0] == (pytest.approx(0.95), "detected")
    assert max(row["x2"] for row in rows) == SIZE[0]


@pytest.mark.parametrize(
    ("ends", "length", "taught"),
    [((0.95, 0.95), 1, True), ((0.95, 0.7), 1, False), ((0.7, 0.95), 1, False), ((0.95, 0.95), 6, False)],
)
def test_a_guessed_box_is_taught_only_between_two_sound_ones_close_by(
    ends: tuple[float, float], length: int, taught: bool
) -> None:
    view = Filmed(fps=10)
    view.person(10, HERE, existence=ends[0])
    for frame in range(11, 11 + length):
        view.person(frame, HERE, score=None, source="interpolated")
    view.person(11 + length, HERE, existence=ends[1])
    view.person(11, THERE, tracklet=7)
    rows, _ = labels_of(view, least_gap_s=0)
    assert place(rows)[11, 20] == ((0.95, "interpolated") if taught else (0, "guessed"))


def test_a_guessed_box_at_the_end_of_its_tracklet_is_ignored() -> None:
    view = Filmed(fps=10)
    view.person(10, HERE)
    view.person(11, HERE, score=None, source="interpolated")
    view.person(12, HERE, tracklet=1)
    view.person(11, THERE, tracklet=7)
    assert place(labels_of(view, least_gap_s=0)[0])[11, 20] == (0, "guessed")


def standing(view: Filmed, frames: range, sway: float = 0, **more: Any) -> Filmed:
    """Somebody, or somebody's picture, at one place, beside whom somebody walks."""
    for frame in frames:
        shift = sway * (frame % 3)
        view.person(frame, (20 + shift, 40, 50 + shift, 120), **more)
        view.person(frame, (100 + 3 * frame, 40, 130 + 3 * frame, 120), tracklet=99)
    return view


def of_the_standing(view: Filmed) -> set[str]:
    rows, _ = labels_of(view)
    return {row["source"] for row in rows if row["x1"] < 60}


def test_what_never_moves_and_no_view_sees_is_a_picture() -> None:
    assert of_the_standing(standing(Filmed(), range(30), over_views=-1.0)) == {"picture"}
    assert of_the_standing(standing(Filmed(), range(30))) == {"picture"}
    rows, _ = labels_of(standing(Filmed(), range(30)))
    assert {row["source"] for row in rows if row["x1"] >= 60} == {"detected"}


def test_a_picture_that_is_lost_and_found_again_is_one_still() -> None:
    view = standing(standing(Filmed(), range(15)), range(20, 35), tracklet=1)
    assert of_the_standing(view) == {"picture"}


@pytest.mark.parametrize(
    ("change", "filmed"),
    [
        ({"over_views": 1.0}, {}),
        ({"sway": 5.0}, {}),
        ({}, {"flicker": (20, 40, 50, 120)}),
    ],
    ids=["seen by others", "moves", "looks different"],
)
def test_who_moves_or_changes_or_is_seen_elsewhere_is_a_person(change: dict[str, Any], filmed: dict[str, Any]) -> None:
    assert of_the_standing(standing(Filmed(**filmed), range(30), **change)) == {"detected"}


def test_who_stands_still_for_a_short_time_is_a_person() -> None:
    assert of_the_standing(standing(Filmed(), range(15))) == {"detected"}


# --- what a curator says


def test_a_reviewed_person_is_taught_with_full_weight() -> None:
    view = Filmed(reviewed=[(5, HERE, 0.7)])
    view.person(5, (22, 42, 52, 122), existence=0.9)
    view.person(9, THERE, existence=0.9)
    rows, chosen = labels_of(view)
    assert place(rows) == {(5, 20): (1.0, "reviewed"), (9, 200): (0.9, "detected")}
    assert [row["reason"] for row in chosen] == ["reviewed", "persons"]


def test_where_a_curator_saw_nobody_is_background() -> None:
    view = Filmed(reviewed=[(5, BESIDE, 0.0), (5, THERE, 0.0), (6, BESIDE, 0.0)])
    view.person(5, HERE)
    view.person(5, BESIDE, existence=0.95)
    view.person(5, THERE, existence=0.6)
    view.person(6, BESIDE, existence=0.6)
    rows, chosen = labels_of(view, background=0.5)
    assert place(rows) == {(5, 20): (0.95, "detected")}
    assert (6, "background") in [(row["frame"], row["reason"]) for row in chosen]


# --- what may be missed, what is not known


def test_where_somebody_is_likely_missed_is_ignored() -> None:
    view = Filmed(missed=[(5, THERE, 0.06), (5, BESIDE, 0.04)])
    view.person(5, HERE)
    assert place(labels_of(view)[0]) == {(5, 20): (0.95, "detected"), (5, 200): (0, "missed")}


def test_only_frames_in_which_surely_nobody_is_are_background() -> None:
    view = Filmed(count=8, unknown={7}, light=True)
    view.person(1, HERE)
    view.person(2, HERE, existence=0.5)
    view.candidates.append((3, HERE, 0.5))
    view.missed.append((4, HERE, 0.5))
    view.candidates.append((5, HERE, 0.2))
    chosen = [labels_of(view, background=0.5, seed=seed)[1] for seed in range(12)]
    assert {row["frame"] for rows in chosen for row in rows} == {0, 1, 5, 6}


def test_unknown_frames_are_never_chosen() -> None:
    view = Filmed(count=10, unknown=set(range(5)))
    for frame in range(10):
        view.person(frame, HERE)
    assert {row["frame"] for row in labels_of(view)[1]} == set(range(5, 10))
    assert {row["frame"] for row in labels_of(view, rule="accept_all")[1]} == set(range(5, 10))


def test_a_recording_without_sure_persons_teaches_nothing() -> None:
    view = Filmed()
    view.person(5, HERE, existence=0.7)
    assert labels_of(view, background=0.5) == ([], [])


def test_times_that_nothing_tells_are_an_error() -> None:
    none = Filmed(count=5)
    view = {"a": none.persons_table()}
    candidates = {"a": tables.empty(tables.CANDIDATES)}
    with pytest.raises(AdaptationError, match="times"):
        pseudo_labels(view, {"a": none.covered_table()}, candidates, {"a": SIZE}, {"a": tables.empty(tables.GLIMPSES)})


# --- frames as a trainer wants them


def test_labelled_frames_tell_persons_from_ignored_regions() -> None:
    view = Filmed(count=20)
    view.person(3, HERE, existence=0.9)
    view.person(3, THERE, existence=0.5)
    tables_ = pseudo_labels(
        {"a": view.persons_table()},
        {"a": view.covered_table()},
        {"a": view.boxes_table(tables.CANDIDATES, view.candidates, "score")},
        {"a": SIZE},
        {"a": view.glimpses_table()},
        LabelConfig(background=0.5),
    )
    taught, empty = sorted(labelled_frames(*tables_), key=lambda frame: -len(frame.boxes))
    assert (taught.view, taught.frame) == ("a", 3)
    assert taught.boxes.tolist() == [list(HERE)] and taught.ignored.tolist() == [list(THERE)]
    assert taught.weights.tolist() == pytest.approx([0.9])
    assert empty.boxes.shape == empty.ignored.shape == (0, 4)
