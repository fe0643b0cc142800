"""Frame labels to tables, in bulk: what a curator drew or moved, and what is written where."""

from __future__ import annotations

from typing import NamedTuple

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes, as_boxes
from drape.errors import DatasetError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io.connection import database

_NOWHERE = (np.nan,) * 4


class Labels(NamedTuple):
    """The labels of one field of one slice, one row per box.

    Attributes:
        frames: frame index from 0, (N,).
        boxes: pixels of the slice's video, (N, 4).
        tracklets: the label's ``index`` or -1, (N,).
    """

    frames: NDArray[np.int64]
    boxes: Boxes
    tracklets: NDArray[np.int64]


@database()
def read_labels(dataset: fo.Dataset, recording: str, name: str, field: str) -> Labels:
    """All boxes of a Detections field of one slice.

    Args:
        dataset: of recordings.
        recording: the recording's id.
        name: the slice: a view's id or ``"mosaic"``.
        field: ``"frames.persons"`` or another.

    Raises:
        DatasetError: the dataset has no such slice, or a box has no area or no finite place.
    """
    collection, sample = datasets.one(dataset, recording, name)
    size = sample.metadata.frame_width, sample.metadata.frame_height
    root = f"{field}.detections"
    paths = ["frames.frame_number", f"{root}.bounding_box", f"{root}.index"]
    numbers, boxes, index = (found[0] or [] for found in collection.values(paths))
    frames = np.repeat(np.array(numbers, np.int64) - 1, [len(found or ()) for found in boxes])
    flat = [box or _NOWHERE for found in boxes for box in found or ()]
    order = np.argsort(frames, kind="stable")
    pixels = _pixels(np.array(flat, np.float64).reshape(-1, 4), *size)
    _sound(name, frames, pixels)
    indexes = np.array([-1 if i is None else i for found in index for i in found or ()], np.int64)
    return Labels(frames[order], pixels[order], indexes[order])


def _pixels(boxes: NDArray[np.float64], width: int, height: int) -> Boxes:
    """The inverse of ``write.normalised``."""
    scale = np.array([width, height], np.float64)
    low = boxes[:, :2] * scale
    return as_boxes(np.concatenate([low, low + boxes[:, 2:] * scale], axis=1))


def _sound(name: str, frames: NDArray[np.int64], boxes: Boxes) -> None:
    bad = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    if bad.any():
        raise DatasetError(
            f"A box in {name}, frame {int(frames[bad][0]) + 1}, covers nothing",
            "Draw it again, or delete it in the App",
        )
