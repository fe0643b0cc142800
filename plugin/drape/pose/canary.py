"""A picture in which every pose model must find people's joints, and the check that weights do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes, as_boxes
from drape.errors import WeightsError
from drape.pose.skeleton import BODY

if TYPE_CHECKING:
    from drape.pose.estimator import Image, PoseEstimator

PERSONS: Boxes = as_boxes(
    [[44.1, 27.7, 115.9, 212.3], [200.8, 27.7, 279.2, 212.3], [364.7, 27.7, 435.3, 212.3], [517, 27.7, 603, 212.3]]
)
"""The four persons of the picture, by its renderer's geometry."""

_X = (
    (90, 94, 87, 102, 83, 111, 69, 102, 68, 77, 89, 90, 70, 84, 59, 77, 52),
    (251, 256, 247, 262, 242, 270, 227, 271, 213, 253, 219, 246, 226, 240, 215, 233, 209),
    (399, 401, 395, 399, 384, 409, 372, 419, 374, 426, 378, 404, 388, 417, 394, 419, 394),
    (541, 544, 536, 550, 531, 570, 523, 582, 528, 590, 534, 573, 553, 584, 560, 595, 571),
)
_Y = (
    (46, 43, 42, 43, 41, 64, 60, 97, 92, 95, 97, 117, 114, 161, 156, 198, 191),
    (49, 45, 44, 44, 42, 66, 60, 101, 91, 118, 111, 118, 114, 161, 155, 195, 185),
    (46, 42, 42, 41, 43, 59, 65, 89, 98, 116, 127, 114, 118, 156, 162, 195, 201),
    (47, 43, 44, 41, 44, 61, 66, 93, 100, 121, 128, 117, 119, 161, 163, 197, 197),
)
JOINTS: NDArray[np.float32] = np.stack([_X, _Y], axis=-1).astype(np.float32)
"""(4, 17, 2) points of their bodies."""

NEEDED, OFF = 2, 0.25
"""So many persons must have at least half of their joints within ``OFF`` times the root of their box's area. The
example model is .04 to .06 off; random weights, and the middle of the box, .5 and more."""


def canary_image() -> Image:
    """Four rendered persons side by side, (240, 640, 3) BGR."""
    data = np.frombuffer(Path(__file__).with_name("canary.jpg").read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def check_sight(estimator: PoseEstimator) -> int:
    """Show the estimator the canary picture.

    Returns:
        Of how many of ``PERSONS`` it finds the joints.

    Raises:
        WeightsError: of fewer than ``NEEDED``.
    """
    points, _ = estimator([canary_image()], [PERSONS])[0]
    size = np.sqrt(np.prod(PERSONS[:, 2:] - PERSONS[:, :2], axis=1))
    off = np.median(np.linalg.norm(points[:, BODY] - JOINTS, axis=-1), axis=1) / size
    found = int((off < OFF).sum())
    if found < NEEDED:
        raise WeightsError(
            f"The pose model finds the joints of {found} of {len(PERSONS)} clearly visible persons in the built-in "
            "test picture, so its weights cannot be trusted",
            "Use other weights",
        )
    return found
