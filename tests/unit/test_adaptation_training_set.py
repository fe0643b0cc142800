"""Labelled pictures on disk: what is written is what was given, whole or not at all."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drape.adaptation import training_set
from drape.adaptation.lessons import read_lessons
from drape.adaptation.preview import contact_sheet, write_preview
from drape.adaptation.taught import LabelledFrame
from drape.adaptation.training_set import chosen_pictures, write_training_set
from drape.boxes import as_boxes
from drape.errors import AdaptationError
from support import clips

SIZE = (160, 90)
NONE = as_boxes([])


def frame(number: int, boxes: Any = (), weights: Any = (), ignored: Any = (), view: str = "view1") -> LabelledFrame:
    return LabelledFrame(view, number, as_boxes(boxes), np.array(weights, np.float32), as_boxes(ignored))


def grey(level: int = 90) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), level, np.uint8)


TAUGHT = frame(7, [(10, 20, 40, 80), (150, 50, 200, 100)], [0.9, 1], [(80, 20, 110, 80), (170, 0, 190, 50)])
EMPTY = frame(9)


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_what_is_written_is_what_was_given(tmp_path: Path) -> None:
    found = write_training_set([(TAUGHT, grey()), (EMPTY, grey(200))], tmp_path / "set")
    assert (found.images, found.boxes, found.annotations) == (2, 2, tmp_path / "set" / "annotations.json")
    taught, empty = read_lessons(found.annotations)
    assert taught.picture.name == "view1-00000007.jpg" and (taught.width, taught.height) == SIZE
    assert taught.boxes.tolist() == [[10, 20, 40, 80], [150, 50, 160, 90]]
    assert taught.weights.tolist() == pytest.approx([0.9, 1])
    assert taught.ignored.tolist() == [[80, 20, 110, 80]]
    assert len(empty.boxes) == len(empty.ignored) == 0
    assert np.abs(cv2.imread(str(empty.picture)).astype(int) - 200).max() <= 2


def test_the_list_is_in_cocos_format(tmp_path: Path) -> None:
    found = write_training_set([(TAUGHT, grey())], tmp_path / "set")
    content = json.loads(found.annotations.read_text())
    assert content["categories"] == [{"id": 1, "name": "person"}]
    person, other, ignored = content["annotations"]
    assert [one["id"] for one in content["annotations"]] == [1, 2, 3]
    assert person["bbox"] == [10, 20, 30, 60] and person["area"] == 1800 and person["category_id"] == 1
    assert (person["iscrowd"], person["ignore"], person["weight"]) == (0, 0, 0.9)
    assert (ignored["iscrowd"], ignored["ignore"], ignored["weight"]) == (1, 1, 0)
    assert other["image_id"] == content["images"][0]["id"]


def test_the_same_set_is_not_written_again_and_another_replaces_it(tmp_path: Path) -> None:
    root = tmp_path / "set"
    first = write_training_set([(TAUGHT, grey())], root)
    (root / "mark").touch()
    assert write_training_set([(TAUGHT, grey())], root) == first
    assert (root / "mark").exists()
    (root / "images" / "view1-00000007.jpg").write_bytes(b"damaged")
    assert write_training_set([(TAUGHT, grey())], root) == first
    assert not (root / "mark").exists() and read_picture(root).mean() == pytest.approx(90, abs=2)
    other = write_training_set([(TAUGHT, grey(100))], root)
    assert other.digest != first.digest, "the digest is of the pictures, too"
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def read_picture(root: Path) -> np.ndarray:
    return cv2.imread(str(root / "images" / "view1-00000007.jpg"))


class FullDisk:
    """A file on a disk that is full."""

    def __init__(self, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_and_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "set"
    write_training_set([(TAUGHT, grey())], root)
    before = files(root)
    monkeypatch.setattr(training_set, "open", FullDisk, raising=False)
    with pytest.raises(AdaptationError, match=r"No space left.*Free disk space") as told:
        write_training_set([(EMPTY, grey())], root)
    assert str(tmp_path) not in str(told.value)
    assert files(root) == before and [p.name for p in tmp_path.iterdir()] == ["set"]


def test_a_decoder_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[LabelledFrame, np.ndarray]]:
        yield TAUGHT, grey()
        raise AdaptationError("broken", "mend it")

    with pytest.raises(AdaptationError, match="broken"):
        write_training_set(broken(), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_the_rest_of_an_interrupted_run_is_cleared_away(tmp_path: Path) -> None:
    rest = tmp_path / ".set.partial" / "images"
    rest.mkdir(parents=True)
    (rest / "view1-00000099.jpg").write_bytes(b"half")
    found = write_training_set([(TAUGHT, grey())], tmp_path / "set")
    assert sorted(files(found.root)) == ["annotations.json", "images/view1-00000007.jpg"]


@pytest.mark.parametrize(
    ("frames", "what"),
    [
        ([], "no frames"),
        ([TAUGHT, TAUGHT], "twice"),
        ([frame(1, [(0, 0, 9, 9)], [1.5])], "out of range"),
        ([frame(1, [(0, 0, 9, 9)], [0.0])], "out of range"),
        ([frame(1, [(0, 0, 9, 9)], [])], "out of range"),
        ([frame(1, [(0, 0, np.nan, 9)], [1])], "out of range"),
        ([frame(1, view="../out")], "file's name"),
    ],
)
def test_what_cannot_be_taught_is_refused(tmp_path: Path, frames: list[LabelledFrame], what: str) -> None:
    with pytest.raises(AdaptationError, match=what):
        write_training_set([(one, grey()) for one in frames], tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


# --- pictures of chosen frames


def test_chosen_frames_come_with_their_own_pictures(tmp_path: Path) -> None:
    one = clips.view_of(clips.make_clip(tmp_path / "a.mp4", frames=12))
    two = clips.view_of(clips.make_clip(tmp_path / "b.mp4", frames=12, numbers=range(100, 112)), id="view2")
    told: list[tuple[int, int]] = []
    wanted = [frame(9), frame(2), frame(11, view="view2")]
    found = list(chosen_pictures([one, two], wanted, lambda done, total, _: told.append((done, total))))
    shown = [(lesson.view, lesson.frame, clips.read_stripes(picture)) for lesson, picture in found]
    assert shown == [("view1", 2, 2), ("view1", 9, 9), ("view2", 11, 111)]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_view_that_ends_before_a_chosen_frame_is_an_error(tmp_path: Path) -> None:
    view = clips.view_of(clips.make_clip(tmp_path / "a.mp4", frames=5))
    with pytest.raises(AdaptationError, match="view1 ends"):
        list(chosen_pictures([view], [frame(7)]))


# --- for people to look at


def test_the_sheet_shows_persons_ignored_regions_and_background(tmp_path: Path) -> None:
    faint = frame(8, [(10, 20, 40, 80)], [0.3])
    found = write_training_set([(TAUGHT, grey()), (faint, grey()), (EMPTY, grey())], tmp_path / "set")
    sheet = contact_sheet(found.annotations).astype(int)
    tiles = [sheet[6 : 6 + 270, 6 + k * 486 : 486 + k * 486] for k in range(3)]
    green = [tile[60:241, 29:32, 1] - tile[60:241, 29:32, 2] for tile in tiles]
    assert green[0].max() > 120 and 20 < green[1].max() < 70 and green[2].max() < 10
    inside = tiles[0][70:230, 245:325]
    assert (inside.mean(axis=2) > 130).mean() > 0.1 and np.ptp(inside, axis=2).max() < 12, "hatched in grey"
    assert tiles[1][70:230, 245:325].max() < 100
    assert tiles[2][:40].max() > 230 and tiles[1][:40].max() < 100, "marked as background"
    write_preview(found.annotations, tmp_path / "sheet.png", count=2)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 2 * 486 + 6


# --- with labels of people


def by_hand(root: Path, name: str = "photo.jpg", category: str = "person") -> Path:
    root.mkdir()
    cv2.imwrite(str(root / "photo.jpg"), grey(30))
    image = {"id": 5, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
    told = {"id": 1, "image_id": 5, "category_id": 3, "bbox": [10, 10, 20, 40], "iscrowd": 0}
    content = {"images": [image], "annotations": [told], "categories": [{"id": 3, "name": category}]}
    (root / "labels.json").write_text(json.dumps(content))
    return root / "labels.json"


@pytest.mark.parametrize("how", ["above", "linked", "category", "text"])
def test_lessons_are_not_read_from_a_set_that_cannot_be_trusted(tmp_path: Path, how: str) -> None:
    name = "../secret.jpg" if how == "above" else "photo.jpg"
    labelled = by_hand(tmp_path / "hand", name, "dog" if how == "category" else "person")
    cv2.imwrite(str(tmp_path / "secret.jpg"), grey())
    if how == "linked":
        (tmp_path / "hand" / "photo.jpg").unlink()
        (tmp_path / "hand" / "photo.jpg").symlink_to(tmp_path / "secret.jpg")
    if how == "text":
        labelled.write_text("no list")
    with pytest.raises(AdaptationError) as told:
        read_lessons(labelled)
    assert str(tmp_path) not in str(told.value)
