"""How well a detector sees on pictures with labels that are not from the site: recall, and boxes per picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes, Floats, iou

Image = NDArray[np.uint8]
Detect = Callable[[Sequence[Image]], list[tuple[Boxes, Floats]]]
SAME = 0.5


class LabelledPicture(NamedTuple):
    """A picture (H, W, 3) BGR and the boxes (N, 4) of the persons that must be found in it, in its pixels."""

    image: Image
    persons: Boxes


class Sight(NamedTuple):
    """Found share of the persons (NaN if there are none), boxes per picture, and how many persons were asked for."""

    recall: float
    boxes: float
    persons: int


def look(detect: Detect, pictures: Iterable[LabelledPicture], score: float) -> Sight:
    """Show pictures to a detector, one at a time.

    Args:
        detect: gives boxes and scores for pictures.
        pictures: from other sites than the one adapted to.
        score: boxes below are not looked at.
    """
    found = persons = boxes = shown = 0
    for picture in pictures:
        given, scores = detect([picture.image])[0]
        sure = given[scores >= score]
        shown += 1
        boxes += len(sure)
        persons += len(picture.persons)
        found += int((iou(picture.persons, sure) >= SAME).any(axis=1).sum()) if len(sure) else 0
    return Sight(found / persons if persons else float("nan"), boxes / max(shown, 1), persons)
