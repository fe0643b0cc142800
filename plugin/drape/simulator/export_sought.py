"""Which boxes a detector is asked for, of all that the truth knows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from drape.boxes import Boxes, Floats
from drape.simulator.truth import KINDS, FrameTruth

WHOLE_VISIBLE = 0.6
"""A detector draws the whole person where more than this share is visible, and else what it sees."""

PATIENT = "patient"


class Sought(NamedTuple):
    """What a detector is asked for, a row for each of the truth.

    ``boxes`` (N, 4) pixels: the whole person inside the frame, or what is visible of it. ``share`` (N,) of the whole
    person, also beyond the frame's edges, that is visible; 0 for who is not asked for: the patient under drapes,
    reflections, and pictures on screens.
    """

    boxes: Boxes
    share: Floats


def sought(truth: FrameTruth) -> Sought:
    """The boxes of a frame's truth that a person detector is asked for."""
    whole = truth.visible[:, None] > WHOLE_VISIBLE
    asked = (truth.kind == KINDS.index("person")) & (truth.role != PATIENT)
    share = np.where(asked, truth.visible * truth.in_frame, 0).astype(np.float32)
    return Sought(np.where(whole, truth.boxes, truth.visible_boxes), share)
