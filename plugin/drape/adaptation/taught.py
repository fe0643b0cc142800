"""What one picture teaches: persons with weights, and regions of which nothing is learned."""

from __future__ import annotations

from typing import NamedTuple

from drape.boxes import Boxes, Floats


class LabelledFrame(NamedTuple):
    """Labels of one frame, in pixels of the upright frame.

    Attributes:
        view: id of the view.
        frame: index of the frame, from 0.
        boxes: (N, 4) persons.
        weights: (N,) in (0, 1]; how far each is believed.
        ignored: (M, 4) regions in which nothing is to be learned.
    """

    view: str
    frame: int
    boxes: Boxes
    weights: Floats
    ignored: Boxes
