"""Average precision and recall as COCO counts them (Lin et al., 2014), equal to pycocotools to the last digit.

Truths that are to be ignored (crowds, other sizes) are neither demanded nor held against what finds them; a crowd may
be found any number of times. ``coco_boxes`` is of boxes, ``poses.coco_poses`` of keypoints; both go by ``Picture``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.evaluation.matching import exact_area, exact_intersection, exact_iou
from drape.tables import boxes_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10, dtype=np.float64)
LEVELS: Floats = np.linspace(0.0, 1.0, 101, dtype=np.float64)
SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of area in square pixels; a truth on the edge belongs to both."""
_EVERY_SIZE = (0.0, 1e10)


class Picture(NamedTuple):
    """Found and true objects of one picture, D and G of them, the found ones sorted by score, best first.

    ``similarity``: (D, G) IoU or OKS; ``score``, ``found_area``: (D,); ``area``, ``ignore``, ``crowd``: (G,).
    """

    similarity: Floats
    score: Floats
    found_area: Floats
    area: Floats
    ignore: Bools
    crowd: Bools


class Outcomes(NamedTuple):
    """What became of the found objects of all pictures, best score first; T thresholds, D found.

    ``score``: (D,); ``hit``, ``false``: (T, D), neither where the object is ignored; ``truths``: number demanded.
    """

    score: Floats
    hit: Bools
    false: Bools
    truths: int


@dataclass(frozen=True)
class Coco:
    """Average precision and recall over the thresholds .50:.95, at .50 and .75, and by size (area in square pixels:
    small < 32², large > 96²). NaN where there are no truths."""

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_small: float
    ar_medium: float
    ar_large: float


def coco_boxes(truth: pa.Table, found: pa.Table, most: int = 100) -> Coco:
    """The scores of boxes.

    Args:
        truth: table with ``frame`` and box columns. Where it has them, the boolean columns ``crowd`` and ``ignore`` and
            the column ``area`` (square pixels, by default that of the box) count.
        found: table with ``frame``, box columns and ``score``.
        most: how many found boxes of a picture count, the best first.
    """
    return score_pictures(list(box_pictures(truth, found)), most)


def box_pictures(truth: pa.Table, found: pa.Table) -> Iterator[Picture]:
    """The pictures of two tables as for ``coco_boxes``, by rising frame."""
    a, b = boxes_of(truth), boxes_of(found)
    crowd = _column(truth, "crowd", np.zeros(len(truth), bool))
    ignore = _column(truth, "ignore", np.zeros(len(truth), bool)) | crowd
    area = _column(truth, "area", exact_area(a))
    score = found.column("score").to_numpy().astype(np.float64)
    for i, j in groups(truth.column("frame").to_numpy(), found.column("frame").to_numpy(), score):
        overlap = _overlap(b[j], a[i], crowd[i])
        yield Picture(overlap, score[j], exact_area(b[j]), area[i], ignore[i], crowd[i])


def groups(truth: NDArray[np.int32], found: NDArray[np.int32], score: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Rows of the truths and rows of the found objects of each picture; the found ones best score first.

    Args:
        truth: (G,) the picture of each truth.
        found, score: (D,) the picture and the score of each found object.
    """
    order_a, order_b = np.argsort(truth, kind="stable"), np.lexsort((-score, found))
    pictures = np.union1d(truth, found)
    bounds_a = np.searchsorted(truth[order_a], pictures), np.searchsorted(truth[order_a], pictures, "right")
    bounds_b = np.searchsorted(found[order_b], pictures), np.searchsorted(found[order_b], pictures, "right")
    for start_a, stop_a, start_b, stop_b in zip(*bounds_a, *bounds_b, strict=True):
        yield order_a[start_a:stop_a], order_b[start_b:stop_b]


def score_pictures(pictures: Sequence[Picture], most: int) -> Coco:
    """The scores of pictures in their order (it decides between found objects of equal score)."""
    precision, recall = _levels(outcomes(pictures, most=most))
    of_size = {name: _levels(outcomes(pictures, edges, most)) for name, edges in SIZES.items()}
    precisions = {f"ap_{name}": float(levels[0].mean()) for name, levels in of_size.items()}
    recalls = {f"ar_{name}": float(levels[1].mean()) for name, levels in of_size.items()}
    return Coco(
        ap=float(precision.mean()),
        ap50=float(precision[0].mean()),
        ap75=float(precision[5].mean()),
        ar=float(recall.mean()),
        ar50=float(recall[0]),
        ar75=float(recall[5]),
        **precisions,
        **recalls,
    )


def outcomes(
    pictures: Sequence[Picture],
    areas: tuple[float, float] = _EVERY_SIZE,
    most: int = 100,
    thresholds: Floats = THRESHOLDS,
) -> Outcomes:
    """Match the found objects of every picture: in the order of score, each takes the free truth most like it.

    Args:
        pictures: as ``Picture``.
        areas: truths of other areas are ignored, and so are found objects of other areas that match nothing.
        most: how many found objects of a picture count.
        thresholds: (T,) least similarity of a match.
    """
    kept = [_first(picture, most) for picture in pictures]
    score = np.concatenate([np.zeros(0), *(picture.score for picture in kept)])
    hits: list[Bools] = [np.zeros((len(thresholds), 0), bool)]
    falses: list[Bools] = [np.zeros((len(thresholds), 0), bool)]
    truths = 0
    for picture in kept:
        ignore = picture.ignore | (picture.area < areas[0]) | (picture.area > areas[1])
        matched, ignored = _match(picture, ignore, thresholds)
        outside = (picture.found_area < areas[0]) | (picture.found_area > areas[1])
        hits.append(matched & ~ignored)
        falses.append(~matched & ~outside)
        truths += int((~ignore).sum())
    order = np.argsort(-score, kind="stable")
    hit, false = np.concatenate(hits, axis=1), np.concatenate(falses, axis=1)
    return Outcomes(score[order], hit[:, order], false[:, order], truths)


def _levels(result: Outcomes) -> tuple[Floats, Floats]:
    """Best precision at no lower recall at each of ``LEVELS``, (T, 101), and highest recall, (T,)."""
    count = len(result.hit)
    if not result.truths:
        return np.full((count, len(LEVELS)), np.nan), np.full(count, np.nan)
    hits, falses = np.cumsum(result.hit, axis=1), np.cumsum(result.false, axis=1)
    recall = hits / result.truths
    precision = np.divide(hits, hits + falses, out=np.zeros(hits.shape), where=hits > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.concatenate([envelope, np.zeros((count, 1))], axis=1)
    reached = np.stack([row[np.searchsorted(line, LEVELS)] for row, line in zip(padded, recall, strict=True)])
    return reached, recall.max(axis=1, initial=0.0)


def _match(picture: Picture, ignore: Bools, thresholds: Floats) -> tuple[Bools, Bools]:
    """Which found objects match a truth, and which of those match one that is ignored, (T, D) each."""
    count, size = picture.similarity.shape
    matched, ignored = np.zeros((len(thresholds), count), bool), np.zeros((len(thresholds), count), bool)
    taken = np.zeros((len(thresholds), size), bool)
    least = np.minimum(thresholds, 1 - 1e-10)[:, None]
    for d in np.flatnonzero((picture.similarity >= least.min()).any(axis=1)):
        row = picture.similarity[d]
        free = (row >= least) & (~taken | picture.crowd)
        demanded = free & ~ignore
        # Only an object that matches no demanded truth may hide behind an ignored one.
        choice = np.where(demanded.any(axis=1, keepdims=True), demanded, free)
        best = size - 1 - np.argmax(np.where(choice, row, -1.0)[:, ::-1], axis=1)  # the last of equals, as pycocotools
        found = choice.any(axis=1)
        matched[:, d], ignored[:, d] = found, found & ignore[best]
        taken[found, best[found]] = True
    return matched, ignored


def _first(picture: Picture, most: int) -> Picture:
    return picture._replace(
        similarity=picture.similarity[:most], score=picture.score[:most], found_area=picture.found_area[:most]
    )


def _overlap(found: Boxes, truth: Boxes, crowd: Bools) -> Floats:
    """IoU (D, G); of a crowd the share of the found box that lies in it."""
    own = exact_area(found)[:, None]
    inside = np.divide(exact_intersection(found, truth), own, out=np.zeros((len(found), len(truth))), where=own > 0)
    return np.where(crowd, inside, exact_iou(found, truth))


def _column(table: pa.Table, name: str, default: NDArray) -> NDArray:
    return table.column(name).to_numpy(zero_copy_only=False) if name in table.column_names else default
