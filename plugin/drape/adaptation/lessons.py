"""Labelled pictures as they lie on disk: COCO files with soft weights and ignored regions, and their decoded pixels."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes, Floats, as_boxes
from drape.errors import AdaptationError

Image = NDArray[np.uint8]


class Lesson(NamedTuple):
    """What one picture teaches, in pixels of the picture.

    ``boxes`` (N, 4) persons with ``weights`` (N,) in (0, 1]. ``ignored`` (M, 4): nothing is to be learned there.
    """

    picture: Path
    width: int
    height: int
    boxes: Boxes
    weights: Floats
    ignored: Boxes


def read_lessons(annotations: Path) -> list[Lesson]:
    """Lessons of a COCO file, in the order of its images.

    Of the categories only ``person`` counts. ``weight`` of an annotation (1 if absent) is how far it is to be
    believed; one with ``iscrowd`` or ``ignore`` set, or of weight 0, is an ignored region. Names of pictures are
    relative to the file's folder, or to a folder ``images`` in it.

    Raises:
        AdaptationError: the file is missing or is no such file, names no person or a picture outside its folder, or
            holds no pictures.
    """
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
        persons = {c["id"] for c in content["categories"] if str(c["name"]).lower() == "person"}
        if not persons:
            raise AdaptationError("The labelled set knows no category person", "Name the category `person`")
        told: dict[Any, list[Any]] = defaultdict(list)
        for one in content["annotations"]:
            if one["category_id"] in persons:
                told[one["image_id"]].append(one)
        lessons = [_lesson(image, told[image["id"]], annotations.parent) for image in content["images"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdaptationError(
            f"The labelled pictures' list cannot be read ({type(error).__name__})", "Name a file in COCO's format"
        ) from error
    if not lessons:
        raise AdaptationError("There are no labelled pictures to learn from", "Choose more frames")
    return lessons


def _lesson(image: dict[str, Any], told: list[dict[str, Any]], root: Path) -> Lesson:
    width, height = int(image["width"]), int(image["height"])
    if width < 1 or height < 1:
        raise ValueError("a picture without size")
    boxes = as_boxes([one["bbox"] for one in told])
    boxes[:, 2:] += boxes[:, :2]
    boxes[:, 0::2] = np.clip(boxes[:, 0::2], 0, width)
    boxes[:, 1::2] = np.clip(boxes[:, 1::2], 0, height)
    weights = np.array([0.0 if _is_ignored(one) else float(one.get("weight", 1.0)) for one in told], np.float32)
    if not (np.isfinite(boxes).all() and ((weights >= 0) & (weights <= 1)).all()):
        raise ValueError("a box or a weight out of range")
    solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    taught = solid & (weights > 0)
    return Lesson(
        _inside(root, str(image["file_name"])), width, height, boxes[taught], weights[taught], boxes[solid & ~taught]
    )


def _is_ignored(one: dict[str, Any]) -> bool:
    return bool(one.get("iscrowd")) or bool(one.get("ignore"))


def _inside(root: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise AdaptationError("The labelled set names a picture outside its own folder", "Use names relative to it")
    path = root / name if (root / name).is_file() else root / "images" / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise AdaptationError("The labelled set names a picture outside its own folder", "Put the pictures into it")
    return path


class Pictures:
    """Decoded pictures, kept in memory up to a bound, so that each is decoded once.

    Args:
        room: bytes that may be kept.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: dict[Path, Image] = {}

    def __call__(self, lesson: Lesson) -> Image:
        """The picture, (H, W, 3) BGR; not to be written to.

        Raises:
            AdaptationError: it is missing, damaged, or not of the size that the list says.
        """
        if lesson.picture in self._kept:
            return self._kept[lesson.picture]
        pixels = cv2.imread(str(lesson.picture), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None or pixels.shape[:2] != (lesson.height, lesson.width):
            what = "cannot be read" if pixels is None else "is not of the size that its list says"
            raise AdaptationError(f"A labelled picture {what}", "Write the labelled pictures again")
        picture = np.asarray(pixels, np.uint8)
        if picture.nbytes <= self._room:
            self._room -= picture.nbytes
            self._kept[lesson.picture] = picture
        return picture
