"""A training set on disk: pictures, and a COCO file with soft weights and ignored regions."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.adaptation.labels import LabelledFrame
from drape.boxes import clip
from drape.errors import AdaptationError

ANNOTATIONS = "annotations.json"
_QUALITY = 95
_PERSON = 1


class TrainingSet(NamedTuple):
    """A training set. ``annotations``: its COCO file. ``boxes``: persons that are taught. ``digest``: of everything."""

    root: Path
    annotations: Path
    images: int
    boxes: int
    digest: str


def write_training_set(frames: Iterable[tuple[LabelledFrame, NDArray[np.uint8]]], root: Path) -> TrainingSet:
    """Write labelled pictures so that the folder is either whole or as it was.

    Args:
        frames: labels and pictures (H, W, 3) BGR; taken one at a time.
        root: the folder: ``images/`` and ``annotations.json``. An annotation carries ``weight``; an ignored region has
            ``iscrowd`` and ``ignore`` set and weight 0. Pictures without boxes stay in, as background.

    Raises:
        AdaptationError: the disk is full, or the folder cannot be written.
    """
    partial = root.with_name(f".{root.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "images").mkdir(parents=True)
        content, digest = _written(frames, partial)
        text = json.dumps(content, indent=1)
        (partial / ANNOTATIONS).write_text(text, encoding="utf-8")
        digest.update(text.encode())
        if root.exists():
            shutil.rmtree(root)
        partial.replace(root)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise AdaptationError(
            f"The training pictures cannot be written ({error.strerror})", "Free disk space, then run again"
        ) from error
    taught = sum(not one["ignore"] for one in content["annotations"])
    return TrainingSet(root, root / ANNOTATIONS, len(content["images"]), taught, digest.hexdigest())


def _written(frames: Iterable[tuple[LabelledFrame, NDArray[np.uint8]]], folder: Path) -> tuple[dict[str, Any], Any]:
    content: dict[str, Any] = {
        "info": {"description": "Pseudo labels: persons with weights; iscrowd regions are to be ignored"},
        "images": [],
        "annotations": [],
        "categories": [{"id": _PERSON, "name": "person"}],
    }
    digest = hashlib.sha256()
    for number, (lesson, picture) in enumerate(frames, start=1):
        height, width = picture.shape[:2]
        name = f"images/{lesson.view}-{lesson.frame:08d}.jpg"
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        (folder / name).write_bytes(data)
        digest.update(data)
        content["images"].append({"id": number, "file_name": name, "width": width, "height": height})
        told = [(box, float(weight)) for box, weight in zip(lesson.boxes, lesson.weights, strict=True)]
        told += [(box, 0.0) for box in lesson.ignored]
        for box, weight in told:
            annotation = _annotation(len(content["annotations"]) + 1, number, box, weight, (width, height))
            if annotation is not None:
                content["annotations"].append(annotation)
    return content, digest


def _annotation(
    number: int, image: int, box: NDArray[np.float32], weight: float, size: tuple[int, int]
) -> dict[str, Any] | None:
    """One annotation, cut at the picture's edges; None if nothing of it is inside."""
    x1, y1, x2, y2 = (round(float(v), 3) for v in clip(box[None], *size)[0])
    if x2 <= x1 or y2 <= y1:
        return None
    ignored = int(weight == 0)
    return {
        "id": number,
        "image_id": image,
        "category_id": _PERSON,
        "bbox": [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)],
        "area": round((x2 - x1) * (y2 - y1), 3),
        "iscrowd": ignored,
        "ignore": ignored,
        "weight": round(weight, 4),
    }
