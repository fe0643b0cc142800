"""What masks leave visible of persons, and what they hide besides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import Boxes, clip, iou
from drape.errors import EvaluationError
from drape.evaluation.continuity import Continuity, continuity
from drape.evaluation.matching import pairs
from drape.tables import boxes_of

COVERED = 0.9
"""Share of a person's box that masks must hide for the person to count as covered."""


@dataclass(frozen=True)
class Masking:
    """How much of the picture is masked, as means over all frames of shares of the frame's area.

    Attributes:
        masked: share of the picture under masks.
        outside: share of the picture under masks and outside every true box: over-masking.
    """

    masked: float
    outside: float


def union_area(boxes: Boxes) -> float:
    """Exact area of the union of boxes in square pixels, by coordinate compression; boxes without area add nothing."""
    boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])].astype(np.float64)
    x, y = np.unique(boxes[:, 0::2]), np.unique(boxes[:, 1::2])
    columns = (boxes[:, :1] <= x[:-1]) & (x[1:] <= boxes[:, 2:3])
    rows = (boxes[:, 1:2] <= y[:-1]) & (y[1:] <= boxes[:, 3:])
    hidden = (rows.T.astype(np.float32) @ columns.astype(np.float32)) > 0
    return float(np.diff(y) @ hidden @ np.diff(x))


def hidden_share(truth: pa.Table, masks: pa.Table, size: tuple[int, int] | None = None) -> NDArray[np.float64]:
    """Share of each true box that lies in the union of its frame's masks, in [0, 1].

    Args:
        truth: table with ``frame`` and box columns, N rows.
        masks: table with ``frame`` and box columns (``REGIONS``, or boxes of persons).
        size: width and height of the frame; true boxes are cut at its edges, because what lies outside is not seen.

    Returns:
        (N,); NaN where nothing of the box lies in the frame.
    """
    a, b = boxes_of(truth), boxes_of(masks)
    if size is not None:
        a = clip(a, *size)
    share = np.full(len(a), np.nan)
    for _, i, j in pairs(truth, masks):
        for row in i:
            x1, y1, x2, y2 = a[row]
            if x2 > x1 and y2 > y1:
                whole = (float(x2) - float(x1)) * (float(y2) - float(y1))
                inside = np.concatenate([np.maximum(b[j, :2], (x1, y1)), np.minimum(b[j, 2:], (x2, y2))], axis=1)
                share[row] = union_area(inside) / whole
    return share


def exposure(
    truth: pa.Table,
    masks: pa.Table,
    durations: NDArray[np.float64],
    size: tuple[int, int] | None = None,
    share: float = COVERED,
) -> Continuity:
    """How long persons are not covered by masks.

    Args:
        truth: table ``TRACKS``.
        masks: table with ``frame`` and box columns.
        durations: (F,) seconds for which each frame is shown, F > the last frame of the truth.
        size: width and height of the frame; person-frames outside it do not count.
        share: least hidden share of a covered box.
    """
    hidden = hidden_share(truth, masks, size)
    seen = ~np.isnan(hidden)
    person, frame = truth.column("id").to_numpy()[seen], truth.column("frame").to_numpy()[seen]
    return continuity(person, frame, hidden[seen] >= share, durations)


def detection_gaps(
    truth: pa.Table, found: pa.Table, durations: NDArray[np.float64], threshold: float = 0.5
) -> Continuity:
    """How long no found box reaches an IoU threshold with a person; arguments as for ``exposure``.

    One found box may stand for two persons: unlike in ``detection``, the question is who is left out, not who is who.
    """
    a, b = boxes_of(truth), boxes_of(found)
    covered = np.zeros(len(truth), bool)
    for _, i, j in pairs(truth, found):
        covered[i] = (iou(a[i], b[j]) >= threshold).any(axis=1)
    return continuity(truth.column("id").to_numpy(), truth.column("frame").to_numpy(), covered, durations)


def masking(truth: pa.Table, masks: pa.Table, size: tuple[int, int], num_frames: int) -> Masking:
    """How much is masked, and how much of that needlessly.

    Args:
        truth: table with ``frame`` and box columns.
        masks: likewise.
        size: width and height of the frame.
        num_frames: number of frames, from 0, the two tables speak of; frames without masks count.

    Raises:
        EvaluationError: a table goes beyond ``num_frames``.
    """
    if any(len(table) and table.column("frame").to_numpy().max() >= num_frames for table in (truth, masks)):
        raise EvaluationError("The tables hold frames that are not evaluated", "Cut them to the evaluated frames first")
    a, b = clip(boxes_of(truth), *size), clip(boxes_of(masks), *size)
    masked = outside = 0.0
    for _, i, j in pairs(truth, masks):
        masked += union_area(b[j])
        outside += union_area(np.concatenate([a[i], b[j]])) - union_area(a[i])
    whole = float(size[0] * size[1] * num_frames)
    return Masking(masked / whole, outside / whole)
