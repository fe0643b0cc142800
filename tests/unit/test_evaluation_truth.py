"""MOT text becomes tables, and only well-formed text does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape.errors import EvaluationError
from drape.evaluation.truth import TRACKS, accepted, between, read_tracks, read_truth
from drape.tables import TRACKLETS, box_columns, boxes_of, make
from support.evaluation import pets_truth_file, random_tracks


def _write(folder: Path, text: str) -> Path:
    path = folder / "mot.txt"
    path.write_text(text)
    return path


def test_frames_count_from_zero_and_boxes_have_corners(tmp_path: Path) -> None:
    truth = read_truth(_write(tmp_path, "2,7,10,20,30,40,1,1,1\n1,3,1.5,2,3,4,1,1,1\n"))
    assert truth.schema.equals(TRACKS)
    assert truth.column("frame").to_pylist() == [0, 1]
    assert truth.column("id").to_pylist() == [3, 7]
    np.testing.assert_array_equal(boxes_of(truth), [[1.5, 2, 4.5, 6], [10, 20, 40, 60]])


def test_only_considered_pedestrians_are_truth(tmp_path: Path) -> None:
    text = "1,1,0,0,5,5,1,1,1\n1,2,0,0,5,5,0,1,1\n1,3,0,0,5,5,1,3,1\n1,4,0,0,5,5,1,1,0.2\n"
    path = _write(tmp_path, text)
    assert read_truth(path).column("id").to_pylist() == [1, 4]
    assert read_truth(path, minimum_visibility=0.25).column("id").to_pylist() == [1]


def test_world_coordinates_are_not_a_class(tmp_path: Path) -> None:
    """In the ten columns of MOT15 the eighth is a place, not a class."""
    assert len(read_truth(_write(tmp_path, "1,1,88,99,61.08,218.56,1,4.4852,5.5016,0\n"))) == 1


def test_tracks_below_one_half_are_not_accepted(tmp_path: Path) -> None:
    path = _write(tmp_path, "1,1,0,0,5,5,-1,-1,-1,-1\n1,2,0,0,5,5,.49,-1,-1,-1\n1,3,0,0,5,5,.5,-1,-1,-1\n")
    assert read_tracks(path).column("id").to_pylist() == [1, 3]


def test_an_empty_result_has_no_rows(tmp_path: Path) -> None:
    assert read_tracks(_write(tmp_path, "\n")).schema.equals(TRACKS)
    assert len(read_tracks(_write(tmp_path, ""))) == 0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1,1,0,0,5\n", "lacks columns"),
        ("1,1,0,0,5,nan,1\n", "no numbers"),
        ("1,1,0,0,five,5,1\n", "not MOT text"),
        ("1,1,0,0,5,5,1\n2,1,0,0,5,5\n", "not MOT text"),
        ("0,1,0,0,5,5,1\n", "frame below 1"),
        ("1,1.5,0,0,5,5,1\n", "broken identity"),
        ("1,1,0,0,-5,5,1\n", "without width or height"),
        ("1,1,0,0,5,5,1\n1,1,9,9,5,5,1\n", "twice in a frame"),
    ],
)
def test_malformed_text_is_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(EvaluationError, match=what):
        read_truth(_write(tmp_path, text))


def test_a_missing_file_is_named_by_its_role_alone(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="The truth cannot be read") as caught:
        read_truth(tmp_path / "mueller.txt")
    assert "mueller" not in str(caught.value)


def test_accepted_persons_keep_their_tracklet_as_identity() -> None:
    boxes = np.array([[0, 0, 4, 4], [1, 1, 5, 5], [2, 2, 6, 6]], np.float32)
    persons = make(
        TRACKLETS,
        frame=[0, 0, 1],
        time=[0.0, 0.0, 1.0],
        tracklet=[5, 4, 4],
        existence=np.array([0.9, 0.5, 0.49], np.float32),
        source=["detected"] * 3,
        score=[0.9, None, None],
        candidate=[0, None, None],
        **box_columns(boxes),
    )
    result = accepted(persons)
    assert result.schema.equals(TRACKS)
    assert result.column("id").to_pylist() == [4, 5]
    np.testing.assert_array_equal(boxes_of(result), boxes[[1, 0]])


def test_between_keeps_a_half_open_range() -> None:
    assert set(between(random_tracks(0), 3, 5).column("frame").to_pylist()) == {3, 4}


def test_pets_truth_is_read_whole(shared: Path) -> None:
    truth = read_truth(pets_truth_file(shared))
    assert len(truth) == 2396
    assert len(set(truth.column("id").to_pylist())) == 10
    assert (truth.column("frame").to_numpy().min(), truth.column("frame").to_numpy().max()) == (0, 399)
