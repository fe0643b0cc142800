"""A contact sheet of labelled pictures, for people to look at what a detector is taught."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from drape.adaptation.lessons import Image, Lesson, Pictures, read_lessons
from drape.errors import AdaptationError

COLUMNS, WIDTH, GAP = 4, 480, 6
GREEN, GREY, WHITE = (80, 220, 60), (150, 150, 150), (255, 255, 255)
HATCH = 12
"""Pixels between the lines over ignored regions."""


def write_preview(annotations: Path, path: Path, count: int = 24) -> None:
    """Write the contact sheet of a training set as PNG; the file is whole or absent.

    Args:
        annotations: the set's COCO file.
        path: file to be made.
        count: most pictures on it.

    Raises:
        AdaptationError: the set cannot be read, or the disk is full.
    """
    sheet = contact_sheet(annotations, count)
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise AdaptationError(
            f"The picture of the labels cannot be written ({error.strerror})", "Free disk space, then run again"
        ) from error


def contact_sheet(annotations: Path, count: int = 24) -> Image:
    """Labelled pictures side by side, (H, W, 3) BGR.

    Persons are framed in green, the more opaque the more they are believed; ignored regions are hatched in grey;
    pictures that show nobody are framed in white and marked as background. Evenly spread over the set.

    Args:
        annotations: the set's COCO file.
        count: most pictures.

    Raises:
        AdaptationError: the set cannot be read.
    """
    lessons = read_lessons(annotations)
    shown = [lessons[k] for k in np.unique(np.linspace(0, len(lessons) - 1, count).round().astype(int)).tolist()]
    pictures = Pictures(0)
    tiles = [drawn(lesson, pictures(lesson)) for lesson in shown]
    height = max(tile.shape[0] for tile in tiles) + GAP
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * height + GAP, columns * (WIDTH + GAP) + GAP, 3), 32, np.uint8)
    for k, tile in enumerate(tiles):
        top, left = GAP + k // columns * height, GAP + k % columns * (WIDTH + GAP)
        sheet[top : top + tile.shape[0], left : left + WIDTH] = tile
    return sheet


def drawn(lesson: Lesson, picture: Image) -> Image:
    """One picture, ``WIDTH`` pixels wide, with its labels drawn on it."""
    scale = WIDTH / lesson.width
    size = (WIDTH, max(1, round(lesson.height * scale)))
    tile = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    for box in lesson.ignored * scale:
        _hatch(tile, box)
    for box, weight in zip(lesson.boxes * scale, lesson.weights, strict=True):
        over = tile.copy()
        _frame(over, box, GREEN)
        tile = np.asarray(cv2.addWeighted(over, float(weight), tile, 1 - float(weight), 0), np.uint8)
    if not len(lesson.boxes) and not len(lesson.ignored):
        _frame(tile, np.array([1, 1, size[0] - 2, size[1] - 2]), WHITE)
        cv2.putText(tile, "background", (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, WHITE, 1, cv2.LINE_AA)
    return tile


def _frame(tile: Image, box: np.ndarray, colour: tuple[int, int, int]) -> None:
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    cv2.rectangle(tile, (x1, y1), (x2, y2), colour, 2)


def _hatch(tile: Image, box: np.ndarray) -> None:
    """Slanted lines over a region, and its frame."""
    x1, y1 = np.floor(np.maximum(box[:2], 0)).astype(int)
    x2, y2 = np.ceil(box[2:]).astype(int)
    region = tile[y1:y2, x1:x2]
    if region.size:
        rows, columns = np.indices(region.shape[:2])
        region[(rows + columns) % HATCH < 2] = GREY
        _frame(tile, box, GREY)
