"""Pictures on which an adapted detector is compared with its base: canary pictures of other sites, labelled ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from drape import tables
from drape.adaptation.guard import Labelled
from drape.adaptation.lessons import read_lessons
from drape.adaptation.sight import Detect, LabelledPicture
from drape.boxes import Boxes, Floats
from drape.detection.canary import PERSONS, canary_image
from drape.errors import AdaptationError
from drape.evaluation.detection import average_precision, curve, detection
from drape.simulator import Family, stills
from drape.simulator.export_sought import sought

FAMILIES: tuple[Family, ...] = ("source", "gowned")
FIRST_SITE = 7000
PER_SITE = 6
VISIBLE, HEIGHT = 0.5, 40.0
"""Persons that are asked for on rendered pictures: half of them seen, so many pixels high."""
ANNOTATIONS = "annotations.json"


def canary_pictures(sites: int) -> list[LabelledPicture]:
    """The built-in canary picture, and pictures of so many rendered rooms that no detector has learned of."""
    pictures = [LabelledPicture(canary_image(), PERSONS)]
    for site in range(sites):
        family = FAMILIES[site % len(FAMILIES)]
        for image, truth in islice(stills(family, FIRST_SITE + site, PER_SITE, antialias=False), PER_SITE):
            boxes, share = sought(truth)
            tall = boxes[:, 3] - boxes[:, 1] >= HEIGHT
            pictures.append(LabelledPicture(image, boxes[(share >= VISIBLE) & tall]))
    return pictures


def folder_pictures(folder: Path) -> Iterator[LabelledPicture]:
    """The pictures of a folder with a COCO file ``annotations.json``.

    Raises:
        AdaptationError: the file or a picture cannot be read.
    """
    for lesson in read_lessons(folder / ANNOTATIONS):
        image = cv2.imread(str(lesson.picture), cv2.IMREAD_COLOR)
        if image is None:
            raise AdaptationError("A labelled picture cannot be read", "Bring it back, or leave it out of the list")
        yield LabelledPicture(np.asarray(image, np.uint8), lesson.boxes)


def folder_digest(folder: Path | None) -> str:
    """What a labelled folder holds: the digest of its COCO file, or ``none``.

    Raises:
        AdaptationError: there is no such file.
    """
    if folder is None:
        return "none"
    path = folder / ANNOTATIONS
    if not path.is_file():
        raise AdaptationError("The labelled folder has no annotations.json", "Name a folder with a COCO file")
    return tables.sha256(path)


def on_labels(detect: Detect, folder: Path, score: float) -> Labelled:
    """AP50, and recall at ``score``, on labelled pictures of the site."""
    truth: list[tuple[Boxes, Floats]] = []
    found: list[tuple[Boxes, Floats]] = []
    for picture in folder_pictures(folder):
        truth.append((picture.persons, np.ones(len(picture.persons), np.float32)))
        found.append(detect([picture.image])[0])
    wanted, given = _table(truth), _table(found)
    sure = given.filter(pa.array(given.column("score").to_numpy() >= score))
    return Labelled(average_precision(curve(wanted, given)), detection(wanted, sure).recall)


def _table(rows: list[tuple[Boxes, Floats]]) -> pa.Table:
    frame = np.repeat(np.arange(len(rows), dtype=np.int32), [len(boxes) for boxes, _ in rows])
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(boxes for boxes, _ in rows)])
    score = np.concatenate([np.zeros(0, np.float32), *(scores for _, scores in rows)])
    return tables.make(
        tables.CANDIDATES, frame=frame, time=frame.astype(np.float64), **tables.box_columns(boxes), score=score
    )
