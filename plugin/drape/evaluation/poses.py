"""How well poses are found: object keypoint similarity, and COCO's average precision over it.

Sources: Lin et al., "Microsoft COCO", 2014, and COCO's keypoint evaluation for the 17 points of the body; Jin et al.,
"Whole-body human pose estimation in the wild", 2020, for the 133 of the whole body.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.errors import EvaluationError
from drape.evaluation.coco import Coco, Picture, groups, score_pictures

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_BODY = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)
_FEET = (68, 66, 66, 92, 94, 94)
_CONTOUR = (42, 43, 44, 43, 40, 35, 31, 25, 20, 23, 29, 32, 37, 38, 43, 41, 45)
_BROWS = (13, 12, 11, 11, 12, 12, 11, 11, 13, 15)
_NOSE = (9, 7, 7, 7, 12, 9, 8, 16, 10)
_EYES = (17, 11, 9, 11, 9, 7, 13, 8, 11, 12, 10, 34)
_MOUTH = (8, 8, 9, 8, 8, 7, 10, 8, 9, 9, 9, 7, 7, 8, 11, 8, 8, 8, 10, 8)
_HAND = (29, 22, 35, 37, 47, 26, 25, 24, 35, 18, 24, 22, 26, 17, 21, 21, 32, 20, 19, 22, 31)

BODY_SIGMAS: Floats = np.array(_BODY) / 1000
"""(17,) deviation of annotators at each point of the body, as a share of the root of the person's area."""
WHOLEBODY_SIGMAS: Floats = np.array(_BODY + _FEET + _CONTOUR + _BROWS + _NOSE + _EYES + _MOUTH + _HAND + _HAND) / 1000
"""(133,) the same for body, feet, face, left and right hand, in this order."""

MOST_POSES = 20
"""How many found persons of a picture count, as in COCO."""


class TruePoses(NamedTuple):
    """Annotated persons, N of them with K points.

    ``picture``: (N,) number of the picture; ``points``: (N, K, 3) column, row, and 0 not labelled, 1 hidden, 2 visible;
    ``boxes``: (N, 4) x1, y1, x2, y2; ``area``: (N,) square pixels of the person; ``crowd``: (N,).
    """

    picture: NDArray[np.int32]
    points: Floats
    boxes: Floats
    area: Floats
    crowd: Bools


class FoundPoses(NamedTuple):
    """Found persons, M of them with K points: ``picture`` (M,), ``points`` (M, K, 2), ``score`` (M,)."""

    picture: NDArray[np.int32]
    points: Floats
    score: Floats


def oks(found: Floats, points: Floats, boxes: Floats, area: Floats, sigmas: Floats = BODY_SIGMAS) -> Floats:
    """Object keypoint similarity: the mean over labelled points of exp(-d² / (2 area (2 sigma)²)).

    Args:
        found: (M, K, 2) pixels.
        points: (N, K, 3) as in ``TruePoses``. Of a person without labelled points it counts how far the found points
            lie outside the person's box grown by its own size on each side.
        boxes: (N, 4).
        area: (N,) square pixels.
        sigmas: (K,) as ``BODY_SIGMAS``.

    Returns:
        (M, N) in [0, 1].

    Raises:
        EvaluationError: the numbers of points differ.
    """
    if not found.shape[1] == points.shape[1] == len(sigmas):
        raise EvaluationError("The poses have different numbers of points", "Compare poses of one skeleton")
    labelled = points[:, :, 2] > 0
    unknown = labelled.sum(axis=1) == 0
    size = boxes[:, 2:] - boxes[:, :2]
    low, high = (boxes[:, :2] - size)[:, None], (boxes[:, 2:] + size)[:, None]
    similarity = np.zeros((len(found), len(points)))
    scale = 2 * (2 * sigmas) ** 2 * (area[:, None] + np.spacing(1))
    for row, pose in enumerate(found):
        distance = pose[None] - points[:, :, :2]
        outside = np.maximum(low - pose, 0) + np.maximum(pose - high, 0)
        distance = np.where(unknown[:, None, None], outside, distance)
        likeness = np.exp(-(distance**2).sum(axis=2) / scale)
        similarity[row] = likeness.mean(axis=1, where=labelled | unknown[:, None])
    return similarity


def coco_poses(truth: TruePoses, found: FoundPoses, sigmas: Floats = BODY_SIGMAS, most: int = MOST_POSES) -> Coco:
    """COCO's scores of poses. Crowds and persons without a labelled point are ignored.

    Args:
        truth, found: poses with as many points as there are sigmas.
        sigmas: (K,).
        most: how many found persons of a picture count, the best first.

    Raises:
        EvaluationError: the numbers of points differ.
    """
    return score_pictures(list(_pictures(truth, found, sigmas)), most)


def _pictures(truth: TruePoses, found: FoundPoses, sigmas: Floats) -> Iterator[Picture]:
    ignore = truth.crowd | ((truth.points[:, :, 2] > 0).sum(axis=1) == 0)
    # COCO measures a found person by the points of its body alone, also where hands and face are found.
    extent = np.ptp(found.points[:, : len(_BODY)], axis=1)
    area = extent[:, 0] * extent[:, 1]
    for i, j in groups(truth.picture, found.picture, found.score):
        similarity = oks(found.points[j], truth.points[i], truth.boxes[i], truth.area[i], sigmas)
        yield Picture(similarity, found.score[j], area[j], truth.area[i], ignore[i], truth.crowd[i])
