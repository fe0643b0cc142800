"""Pictures on walls and screens: boxes that never move, look the same all the time, and are seen in no other view."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.adaptation.config_labels import LabelConfig
from drape.boxes import Boxes, iou
from drape.tables import boxes_of

SAME_PLACE = 0.7
"""IoU of the middles of two tracklets at one place."""
LOOKS = 12
"""Glimpses of a place that are compared."""
FEW_LOOKS = 3
NEAR_S = 2.5
"""Seconds within which a row of a tracklet vouches that the box was there at a glimpse: their distance."""
STEADY = 0.9
"""Share of a still tracklet's boxes that lie where the others do."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def pictures(persons: pa.Table, glimpses: pa.Table, size: tuple[int, int], asked: Bools, config: LabelConfig) -> Bools:
    """(N,) which of the ``asked`` rows of ``PERSONS`` belong to a picture of a person rather than to one.

    Tracklets at one place count together, for a picture may be lost and found again. Where no glimpse tells how the
    place looked, a box that never moves is taken for a picture: its region is ignored, which harms nobody.

    Args:
        persons: rows of one view.
        glimpses: ``GLIMPSES`` of the view.
        size: width and height of the view.
        asked: (N,) rows that would be learned.
        config: settings.
    """
    out = np.zeros(len(asked), bool)
    rows = np.flatnonzero(asked)
    tracklet = persons.column("tracklet").to_numpy()[rows]
    time, boxes = persons.column("time").to_numpy()[rows], boxes_of(persons)[rows]
    views = persons.column("over_views").to_numpy(zero_copy_only=False).astype(np.float64)[rows]
    parts = _still_tracklets(tracklet, boxes, config.still_move)
    for place in _places(parts, boxes):
        mine = np.concatenate([parts[k] for k in place])
        lasting = sum(float(np.ptp(time[parts[k]])) for k in place)
        known = views[mine][np.isfinite(views[mine])]
        vouched = len(known) > 0 and float(np.median(known)) > 0
        if lasting < config.still_s or vouched:
            continue
        if _change(np.median(boxes[mine], axis=0), np.sort(time[mine]), glimpses, size) <= config.still_change:
            out[rows[mine]] = True
    return out


def _still_tracklets(tracklet: NDArray[np.integer], boxes: Boxes, most: float) -> list[Ints]:
    """Rows of each tracklet whose borders hardly leave their medians, measured in heights."""
    order = np.argsort(tracklet, kind="stable")
    cuts = np.flatnonzero(np.diff(tracklet[order])) + 1
    still = []
    for part in np.split(order, cuts):
        if len(part) < 2:
            continue
        middle = np.median(boxes[part], axis=0)
        away = np.abs(boxes[part] - middle).max(axis=1)
        if np.quantile(away, STEADY) <= most * max(float(middle[3] - middle[1]), 1.0):
            still.append(part)
    return still


def _places(parts: list[Ints], boxes: Boxes) -> list[list[int]]:
    """Numbers of tracklets that stand at one place."""
    if not parts:
        return []
    middles = np.stack([np.median(boxes[part], axis=0) for part in parts]).astype(np.float32)
    free = np.ones(len(parts), bool)
    places = []
    for k in range(len(parts)):
        if free[k]:
            here = np.flatnonzero(free & (iou(middles[k : k + 1], middles)[0] >= SAME_PLACE))
            free[here] = False
            places.append(here.tolist())
    return places


def _change(box: NDArray[np.floating], times: NDArray[np.float64], glimpses: pa.Table, size: tuple[int, int]) -> float:
    """Typical change of a place over time in grey levels, whole changes of light apart; 0 where nothing is known."""
    at = glimpses.column("time").to_numpy()
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    distance = np.minimum(np.abs(times[after] - at), np.abs(times[after - 1] - at))
    there = np.flatnonzero(distance <= NEAR_S)
    if len(there) < FEW_LOOKS:
        return 0.0
    there = there[np.unique(np.linspace(0, len(there) - 1, LOOKS).round().astype(np.int64))]
    looks = []
    for row in there.tolist():
        grey = decoded(glimpses.column("picture")[row].as_py())
        scale = np.array(grey.shape[::-1] * 2) / np.array(size * 2)
        x1, y1, x2, y2 = np.round(np.asarray(box) * scale).astype(int)
        cut = grey[max(y1, 0) : max(y2, y1 + 1), max(x1, 0) : max(x2, x1 + 1)]
        looks.append(cut - np.median(cut))
    return float(np.stack(looks).std(axis=0).mean())


def decoded(picture: bytes) -> NDArray[np.float32]:
    """The grey picture of a glimpse, (h, w) float32."""
    grey = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    return np.asarray(grey, np.float32)
