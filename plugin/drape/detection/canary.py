"""A picture that every person detector must see something in, and the check that weights do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drape.boxes import Boxes, as_boxes, iou
from drape.errors import WeightsError

if TYPE_CHECKING:
    from drape.detection.detector import Detector, Image

PERSONS: Boxes = as_boxes(
    [
        [387.0, 152.5, 489.5, 406.0],
        [121.5, 137.0, 233.0, 394.0],
        [712.0, 204.5, 867.0, 489.5],
        [211.0, 154.0, 314.5, 390.5],
    ]
)
"""The four persons of the picture that stand free, by its renderer's geometry. Two more are half hidden."""

NEEDED = 2
"""So many of them must be found. A weak detector finds three or four; two leave room for one made for another angle."""

SCORE, OVERLAP, MOST = 0.3, 0.5, 60
"""A person counts as found by a box of this score and IoU. More boxes of that score than ``MOST`` in a picture of six
people are a detector that fires everywhere, which would hit them by chance."""


def canary_image() -> Image:
    """A rendered operating room with six persons, (540, 960, 3) BGR."""
    data = np.frombuffer(Path(__file__).with_name("canary.jpg").read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def check_sight(detector: Detector) -> int:
    """Show the detector the canary picture.

    Returns:
        How many of ``PERSONS`` it finds.

    Raises:
        WeightsError: it finds fewer than ``NEEDED``, or boxes all over the picture.
    """
    boxes, scores = detector([canary_image()])[0]
    sure = boxes[scores >= SCORE]
    found = int((iou(PERSONS, sure) >= OVERLAP).any(axis=1).sum()) if len(sure) else 0
    if found < NEEDED or len(sure) > MOST:
        what = f"{found} of {len(PERSONS)} clearly visible persons" if len(sure) <= MOST else "persons everywhere"
        raise WeightsError(
            f"The detector finds {what} in the built-in test picture, so its weights cannot be trusted",
            "Use other weights, or a larger input size",
        )
    return found
