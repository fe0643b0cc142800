"""Other trackers on the same candidates: run here where that needs no dependency of ours, or measured elsewhere."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from drape.boxes import as_boxes
from drape.evaluation.summary import Row
from drape.evaluation.truth import TRACKS
from drape.tables import box_columns, boxes_of, make
from numpy.typing import NDArray

DETECTOR_THRESHOLDS = (0.5, 0.3)

MEASURED_ELSEWHERE_ON = (
    "RTMDet-nano at 480x640, candidates > .05; PETS2009 S2L1, view 1, frames 1-400; matched at IoU .5. "
    "Retrieval rule: Chen et al., arXiv 2602.02850, re-implemented; 'mended': without its published code's faults."
)

_PUBLISHED_KEYS = ("recall", "precision", "mota", "idf1", "gap_mean", "gap_max", "often_found")

MEASURED_ELSEWHERE: dict[str, Row] = {
    name: dict(zip(_PUBLISHED_KEYS, figures, strict=True))
    for name, figures in {
        "supervision ByteTrack, default": (0.927, 0.782, 0.661, 0.725, 9.7, 52, 0.50),
        "supervision ByteTrack, threshold .5": (0.900, 0.939, 0.836, 0.808, 11.7, 75, 0.60),
        "supervision ByteTrack, threshold .5, interpolated ≤ 20": (0.909, 0.928, 0.834, 0.806, 11.0, 75, 0.60),
        "boxmot ByteTrack, default": (0.890, 0.957, 0.846, 0.797, 12.9, 75, 0.60),
        "boxmot ByteTrack, threshold .5": (0.920, 0.921, 0.835, 0.786, 8.5, 40, 0.60),
        "boxmot OC-SORT with byte": (0.922, 0.818, 0.711, 0.780, 10.9, 59, 0.50),
        "Roboflow trackers BoT-SORT, no camera motion": (0.901, 0.962, 0.860, 0.803, 11.9, 59, 0.50),
        "Roboflow trackers SORT (> .5)": (0.870, 0.943, 0.813, 0.807, 17.6, 111, 0.20),
        "retrieval rule, both ways, as coded": (0.909, 0.817, 0.674, 0.499, 14.0, 91, 0.50),
        "retrieval rule, mended": (0.922, 0.860, 0.740, 0.766, 11.6, 81, 0.70),
        "retrieval rule, mended, interpolated ≤ 20": (0.933, 0.844, 0.744, 0.771, 10.7, 81, 0.70),
        "retrieval rule with a second view, as coded": (0.928, 0.713, 0.508, 0.459, 6.0, 18, 0.50),
        "retrieval rule with a second view, mended": (0.935, 0.742, 0.563, 0.704, 4.9, 18, 0.80),
    }.items()
}
"""Trackers measured elsewhere on the same candidates (``MEASURED_ELSEWHERE_ON``), not run by this benchmark."""


def above(candidates: pa.Table, threshold: float) -> pa.Table:
    """The candidates whose score is higher than ``threshold``."""
    return candidates.filter(pc.greater(candidates.column("score"), threshold))


def live(candidates: pa.Table, num_frames: int) -> Iterator[tuple[str, pa.Table]]:
    """Every peer that can run here, with its result: a plain threshold, and ByteTrack if supervision (< 0.29) is there.

    Args:
        candidates: table ``CANDIDATES``.
        num_frames: frames to track over, from frame 0.
    """
    for threshold in DETECTOR_THRESHOLDS:
        yield f"detector > {_short(threshold)}", above(candidates, threshold)
    if has_bytetrack():
        yield "supervision ByteTrack, default, run here", bytetrack(candidates, num_frames, None)
        yield "supervision ByteTrack, threshold .5, run here", bytetrack(candidates, num_frames, 0.5)


def has_bytetrack() -> bool:
    """Whether a supervision that still has ByteTrack is installed."""
    if importlib.util.find_spec("supervision") is None:
        return False
    import supervision

    return hasattr(supervision, "ByteTrack")


def bytetrack(candidates: pa.Table, num_frames: int, threshold: float | None) -> pa.Table:
    """Tracks of supervision's ByteTrack, all settings but the activation threshold at their defaults.

    Args:
        candidates: table ``CANDIDATES``.
        num_frames: frames to track over, from frame 0.
        threshold: activation threshold; ``None`` for the default.

    Returns:
        Table ``TRACKS``.
    """
    import supervision

    tracker = supervision.ByteTrack(**({} if threshold is None else {"track_activation_threshold": threshold}))
    boxes, score, frame = boxes_of(candidates), candidates.column("score").to_numpy(), candidates.column("frame")
    rows = np.searchsorted(frame.to_numpy(), np.arange(num_frames + 1))
    frames: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    ids: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    found = [as_boxes([])]
    for index in range(num_frames):
        part = slice(rows[index], rows[index + 1])
        seen = supervision.Detections(boxes[part], confidence=score[part], class_id=np.zeros(len(score[part]), int))
        tracked = tracker.update_with_detections(seen)
        frames.append(np.full(len(tracked), index, np.int32))
        ids.append(np.asarray(tracked.tracker_id, np.int32))
        found.append(as_boxes(tracked.xyxy))
    return make(TRACKS, frame=np.concatenate(frames), id=np.concatenate(ids), **box_columns(np.concatenate(found)))


def _short(value: float) -> str:
    return f"{value:g}".removeprefix("0")
