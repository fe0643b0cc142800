"""Higher order tracking accuracy: how well persons are found and how well they are kept apart, in one figure.

Luiten et al., "HOTA: a higher order metric for evaluating multi-object tracking", IJCV 2021. The matching of a frame
prefers identities that go together over the whole sequence, as in the authors' own evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from drape.errors import EvaluationError
from drape.evaluation.matching import exact_iou, pairs
from drape.tables import boxes_of

Floats = NDArray[np.float64]

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""Least IoU of a match at each of the 19 points that are averaged."""
_EDGE = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Hota:
    """Means over ``ALPHAS``, each in [0, 1]; ``at_alpha`` is HOTA at each of them.

    Attributes:
        hota: geometric mean of detection and association accuracy, taken at each alpha.
        detection, detection_recall, detection_precision: DetA, DetRe, DetPr.
        association, association_recall, association_precision: AssA, AssRe, AssPr.
        localization: LocA, mean IoU of the matches.
        at_alpha: (19,).
    """

    hota: float
    detection: float
    detection_recall: float
    detection_precision: float
    association: float
    association_recall: float
    association_precision: float
    localization: float
    at_alpha: tuple[float, ...]


@dataclass
class _Frame:
    """True and found identities of a frame, numbered from 0, and their IoU (n, m)."""

    truth: NDArray[np.int64]
    found: NDArray[np.int64]
    overlap: Floats


def hota(truth: pa.Table, tracks: pa.Table) -> Hota:
    """HOTA of one view, or of several (see ``matching.stacked``): then identities must hold over views.

    Args:
        truth: table ``TRACKS``.
        tracks: table ``TRACKS``; every row counts.

    Raises:
        EvaluationError: the truth has no rows, or an identity is twice in a frame.
    """
    if not len(truth):
        raise EvaluationError("The truth has no boxes in these frames", "Choose frames that the truth speaks of")
    frames, sizes = _frames(truth, tracks)
    count_a = _counts([frame.truth for frame in frames], sizes[0])
    count_b = _counts([frame.found for frame in frames], sizes[1])
    alignment = _alignment(frames, count_a, count_b)
    # Identities that meet at all, numbered: few of all the pairs there could be.
    a, b = np.nonzero(alignment)
    number = np.full(alignment.shape, -1, np.int32)
    number[a, b] = np.arange(len(a))
    hits, overlap, together = np.zeros(len(ALPHAS)), np.zeros(len(ALPHAS)), np.zeros((len(ALPHAS), len(a)))
    for frame in frames:
        weight = alignment[frame.truth[:, None], frame.found[None, :]] * frame.overlap
        rows, columns = linear_sum_assignment(weight, maximize=True)
        value = frame.overlap[rows, columns]
        rows, columns, value = rows[value > 0], columns[value > 0], value[value > 0]
        reached = value >= ALPHAS[:, None] - _EDGE
        hits += reached.sum(axis=1)
        overlap += (reached * value).sum(axis=1)
        together[:, number[frame.truth[rows], frame.found[columns]]] += reached
    return _summary(hits, overlap, together, (count_a[a], count_b[b]), (len(truth), len(tracks)))


def _summary(
    hits: Floats, overlap: Floats, together: Floats, lengths: tuple[Floats, Floats], totals: tuple[int, int]
) -> Hota:
    """The means over alphas.

    Args:
        hits, overlap: (19,) matches and their sum of IoU.
        together: (19, K) matches of each pair of identities.
        lengths: (K,) boxes of the true and of the found identity of each pair.
        totals: true and found boxes.
    """
    detection = hits / (totals[0] + totals[1] - hits)
    wholes = (lengths[0] + lengths[1] - together, lengths[0], lengths[1])
    association, recall, precision = (
        (together * together / whole).sum(axis=1) / np.maximum(hits, 1) for whole in wholes
    )
    at_alpha = np.sqrt(detection * association)
    # Where nothing matches, there is no error of place: 1, as in the authors' evaluation.
    place = np.where(hits > 0, overlap / np.maximum(hits, 1), 1.0)
    return Hota(
        float(at_alpha.mean()),
        float(detection.mean()),
        float((hits / totals[0]).mean()),
        float((hits / max(totals[1], 1)).mean()),
        float(association.mean()),
        float(recall.mean()),
        float(precision.mean()),
        float(place.mean()),
        tuple(at_alpha.tolist()),
    )


def _frames(truth: pa.Table, tracks: pa.Table) -> tuple[list[_Frame], tuple[int, int]]:
    """Every frame, and how many true and found identities there are."""
    a, b = boxes_of(truth), boxes_of(tracks)
    ids_a, number_a = np.unique(truth.column("id").to_numpy(), return_inverse=True)
    ids_b, number_b = np.unique(tracks.column("id").to_numpy(), return_inverse=True)
    frames = [_Frame(number_a[i], number_b[j], exact_iou(a[i], b[j])) for _, i, j in pairs(truth, tracks)]
    for frame in frames:
        if len(np.unique(frame.truth)) < len(frame.truth) or len(np.unique(frame.found)) < len(frame.found):
            raise EvaluationError("An identity is twice in a frame", "Give each box its own identity")
    return frames, (len(ids_a), len(ids_b))


def _counts(numbers: list[NDArray[np.int64]], size: int) -> Floats:
    return np.bincount(np.concatenate(numbers), minlength=size).astype(np.float64)


def _alignment(frames: list[_Frame], count_a: Floats, count_b: Floats) -> Floats:
    """How well each true identity goes with each found one over all frames, (A, B): a soft IoU of their tracks."""
    shared = np.zeros((len(count_a), len(count_b)))
    for frame in frames:
        s = frame.overlap
        whole = s.sum(axis=0)[None, :] + s.sum(axis=1)[:, None] - s
        shared[frame.truth[:, None], frame.found[None, :]] += np.divide(
            s, whole, out=np.zeros(s.shape), where=whole > _EDGE
        )
    return shared / (count_a[:, None] + count_b[None, :] - shared)
