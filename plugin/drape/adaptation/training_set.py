"""A training set on disk: pictures, and a COCO file with soft weights and ignored regions; whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from drape.adaptation.lessons import Image
from drape.adaptation.taught import LabelledFrame
from drape.boxes import clip
from drape.errors import AdaptationError
from drape.media import read_frames
from drape.progress import Progress, silent
from drape.recording import View

ANNOTATIONS = "annotations.json"
PERSON = {"id": 1, "name": "person"}
_QUALITY = 95
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class TrainingSet(NamedTuple):
    """A folder of labelled pictures.

    Attributes:
        root: the folder.
        annotations: its COCO file; names of pictures are relative to ``root``.
        images: pictures, those without persons included.
        boxes: persons that are taught, ignored regions not counted.
        digest: sha256 of the COCO file, which holds that of every picture.
    """

    root: Path
    annotations: Path
    images: int
    boxes: int
    digest: str


def chosen_pictures(
    views: Sequence[View], frames: Iterable[LabelledFrame], progress: Progress = silent
) -> Iterator[tuple[LabelledFrame, Image]]:
    """Chosen frames with their pictures, decoded view by view, one picture in memory at a time.

    Args:
        views: of the recording; those without chosen frames are not opened.
        frames: chosen frames, in any order.
        progress: counts pictures.

    Raises:
        MediaError: a view cannot be decoded.
        AdaptationError: a view ends before a chosen frame.
    """
    wanted: dict[str, dict[int, LabelledFrame]] = {}
    for frame in frames:
        wanted.setdefault(frame.view, {})[frame.frame] = frame
    total, done = sum(map(len, wanted.values())), 0
    for view in views:
        left = wanted.get(view.id, {})
        if not left:
            continue
        for picture in read_frames(view, min(left)):
            found = left.pop(picture.index, None)
            if found is not None:
                yield found, picture.image
                done += 1
                progress(done, total, f"write pictures of {view.id}")
            if not left:
                break
        if left:
            raise AdaptationError(f"{view.id} ends before a chosen frame", "Run the stages again on this recording")


def write_training_set(frames: Iterable[tuple[LabelledFrame, Image]], root: Path) -> TrainingSet:
    """Write labelled pictures. The folder appears whole, and is left alone if it holds the same already.

    Args:
        frames: labels and pictures (H, W, 3) BGR; taken one at a time.
        root: the folder: ``images/VIEW-FRAME.jpg`` and ``annotations.json``. An annotation carries ``weight``; an
            ignored region has ``iscrowd`` and ``ignore`` set and weight 0. Pictures without boxes stay in, as
            background.

    Raises:
        AdaptationError: the disk is full or the folder cannot be written, there are no frames, one comes twice, or a
            label is out of range. The folder is as it was.
    """
    root = Path(root)
    with replacing(root) as partial:
        content = _written(frames, partial)
        digest = write_list(partial, content)
    boxes = sum(not one["ignore"] for one in content["annotations"])
    return TrainingSet(root, root / ANNOTATIONS, len(content["images"]), boxes, digest)


def write_list(folder: Path, content: dict[str, Any]) -> str:
    """Write the COCO file of a folder, and return its sha256."""
    text = json.dumps(content, indent=1).encode()
    _write(folder / ANNOTATIONS, text)
    return hashlib.sha256(text).hexdigest()


@contextmanager
def replacing(root: Path) -> Iterator[Path]:
    """A folder to write a set in, with a folder ``images``. It becomes ``root`` if all goes well and ``root`` does not
    hold the same already; otherwise nothing is left of it.

    Raises:
        AdaptationError: the disk is full, or the folder cannot be written.
    """
    partial = root.with_name(f".{root.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "images").mkdir(parents=True)
        yield partial
        if not _same(root, partial):
            _put(partial, root)
    except OSError as error:
        raise AdaptationError(
            f"The training pictures cannot be written ({error.strerror})", "Free disk space, then run again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _written(frames: Iterable[tuple[LabelledFrame, Image]], folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = {
        "info": {"description": "Pseudo labels: persons with weights; iscrowd regions are to be ignored"},
        "images": [],
        "annotations": [],
        "categories": [PERSON],
    }
    for number, (lesson, picture) in enumerate(frames, start=1):
        if not _NAME.fullmatch(lesson.view):
            raise AdaptationError("A view's name cannot be a file's name", "Use lower-case letters, digits, - and _")
        path = folder / "images" / f"{lesson.view}-{lesson.frame:08d}.jpg"
        if path.exists():
            raise AdaptationError("A frame was chosen twice", "Give the views of different recordings different names")
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        _write(path, data)
        height, width = picture.shape[:2]
        place = {"id": number, "file_name": f"images/{path.name}", "width": width, "height": height}
        content["images"].append({**place, "sha256": hashlib.sha256(data).hexdigest()})
        content["annotations"] += _annotations(lesson, (width, height), number, len(content["annotations"]) + 1)
    if not content["images"]:
        raise AdaptationError("There are no frames to learn from", "Give a longer recording")
    return content


def _annotations(lesson: LabelledFrame, size: tuple[int, int], image: int, first: int) -> list[dict[str, Any]]:
    """Annotations of one picture, cut at its edges; of what is not inside there are none."""
    weights = np.asarray(lesson.weights, np.float64)
    boxes = clip(np.concatenate([lesson.boxes, lesson.ignored]).astype(np.float32), *size).astype(np.float64).round(3)
    if len(weights) != len(lesson.boxes) or not ((weights > 0) & (weights <= 1)).all() or not np.isfinite(boxes).all():
        raise AdaptationError("A label is out of range", "Run the stages again on this recording")
    every = np.concatenate([weights, np.zeros(len(lesson.ignored))])
    rows = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    return [annotation(first + k, image, boxes[row], float(every[row])) for k, row in enumerate(rows.tolist())]


def annotation(number: int, image: int, box: Sequence[float], weight: float) -> dict[str, Any]:
    """One COCO annotation of a box ``x1, y1, x2, y2``; of weight 0: an ignored region."""
    x1, y1, x2, y2 = (float(value) for value in box)
    ignored = int(weight == 0)
    return {
        "id": number,
        "image_id": image,
        "category_id": PERSON["id"],
        "bbox": [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)],
        "area": round((x2 - x1) * (y2 - y1), 3),
        "iscrowd": ignored,
        "ignore": ignored,
        "weight": round(weight, 4),
    }


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _same(root: Path, other: Path) -> bool:
    """Whether two folders hold the same list, and the first all its pictures."""
    lists = [folder / ANNOTATIONS for folder in (root, other)]
    if not lists[0].is_file() or lists[0].read_bytes() != lists[1].read_bytes():
        return False
    files = [(root / image["file_name"], image["sha256"]) for image in json.loads(lists[0].read_text())["images"]]
    return all(file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == known for file, known in files)


def _put(partial: Path, root: Path) -> None:
    """Rename the finished folder into its place."""
    old = root.with_name(f".{root.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if root.exists():
        root.rename(old)
    partial.rename(root)
    shutil.rmtree(old, ignore_errors=True)
