"""The detection stage: every frame of a view gets candidates, or is known to be unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import Boxes, Floats
from drape.detection.config import DetectionConfig
from drape.detection.detector import Detector, DeviceError
from drape.detection.glimpses import Glimpses
from drape.errors import ConfigError, DetectionError
from drape.media import read_frames
from drape.media.ahead import ahead
from drape.progress import Progress, silent
from drape.recording import View
from drape.tables import CANDIDATES, COVERED, box_columns, make

_AHEAD = 2
"""Batches that are decoded ahead of the one that the detector works on."""


class Segment(NamedTuple):
    """Frames ``start`` to ``stop`` (exclusive) of a view: their candidates, which are covered, and glimpses of some."""

    start: int
    stop: int
    candidates: pa.Table
    covered: pa.Table
    glimpses: pa.Table


_Answer: TypeAlias = tuple[Boxes, Floats] | str
"""What is known of a frame: boxes and scores, or why nothing is."""

_Row: TypeAlias = tuple[int, float, _Answer]
"""A frame's index, its time, and the answer."""


def detect_view(
    view: View, detector: Detector, config: DetectionConfig, start: int = 0, progress: Progress = silent
) -> Iterator[Segment]:
    """Candidates of a view, segment by segment, in order.

    Decoding runs ahead of the detector in a thread, by a bounded number of frames: memory does not grow with the
    length of the video. Segments have ``config.segment_frames`` frames (the last one may be shorter) and batches end
    with their segment, so a run that starts at any segment border gives the same bits as one from the beginning.

    Args:
        view: the view; if its ``num_frames`` is known, the video must have so many.
        detector: from ``build_detector``, or any other.
        config: how frames are batched.
        start: the first frame, a multiple of ``config.segment_frames``.
        progress: counts frames of the view.

    Raises:
        MediaError: the video cannot be read to its end.
        DetectionError: the detector fails on every frame of a segment, or its device does (``DeviceError``); or the
            video ends before its known end.
        ConfigError: ``start`` is not a segment border.
    """
    if start % config.segment_frames:
        raise ConfigError("Detection can only start at the beginning of a segment", "Start at a multiple of its length")
    done = start
    with ahead(read_frames(view, start), _AHEAD * config.batch_size) as frames:
        while True:
            rows: list[_Row] = []
            glimpses = Glimpses()
            while len(rows) < config.segment_frames and (batch := list(islice(frames, config.batch_size))):
                answers = _answers(detector, [frame.image for frame in batch])
                glimpses.look(batch)
                rows += [(frame.index, frame.time, answer) for frame, answer in zip(batch, answers, strict=True)]
                done += len(batch)
                progress(done, view.num_frames, f"detect {view.id}")
            if not rows:
                break
            yield _segment(view, rows, glimpses.table())
    if view.num_frames and done != view.num_frames:
        raise DetectionError(f"{view.id} ended after {done} of {view.num_frames} frames", "Ingest the recording again")


def _segment(view: View, rows: Sequence[_Row], glimpses: pa.Table) -> Segment:
    index = np.array([i for i, _, _ in rows], np.int32)
    start, stop = int(index[0]), int(index[-1]) + 1
    reasons = [answer if isinstance(answer, str) else None for _, _, answer in rows]
    if all(reasons):
        raise DetectionError(
            f"The detector failed on all frames from {start} to {stop - 1} of {view.id} ({reasons[0]})",
            "Try another preset or device",
        )
    known = [(i, time, *answer) for i, time, answer in rows if not isinstance(answer, str)]
    counts = [len(scores) for _, _, _, scores in known]
    candidates = make(
        CANDIDATES,
        frame=np.repeat(np.array([i for i, _, _, _ in known], np.int32), counts),
        time=np.repeat(np.array([time for _, time, _, _ in known], np.float64), counts),
        **box_columns(np.concatenate([boxes for _, _, boxes, _ in known])),
        score=np.concatenate([scores for _, _, _, scores in known]),
    )
    covered = make(COVERED, frame=index, known=[r is None for r in reasons], reason=reasons)
    return Segment(start, stop, candidates, covered, glimpses)


def _answers(detector: Detector, images: list[NDArray[np.uint8]]) -> list[_Answer]:
    """The detector's answers to a batch; if it fails, each frame's alone."""
    try:
        return [_checked(a) for a in _strict(detector(images), len(images))]
    except DeviceError:
        raise
    except Exception:  # a detector may raise anything
        return [_alone(detector, image) for image in images]


def _alone(detector: Detector, image: NDArray[np.uint8]) -> _Answer:
    try:
        return _checked(_strict(detector([image]), 1)[0])
    except DeviceError:
        raise
    except MemoryError as error:
        raise DeviceError("The detector ran out of memory on a single frame", "Choose a smaller `size`") from error
    except DetectionError as error:
        return error.what
    except Exception as error:  # its message may hold anything, so only its kind is kept
        return f"detector failed: {type(error).__name__}"


def _strict(answers: list[tuple[Boxes, Floats]], count: int) -> list[tuple[Boxes, Floats]]:
    if len(answers) != count:
        raise DetectionError("The detector did not answer for every frame", "Correct the detector")
    return answers


def _checked(answer: tuple[Boxes, Floats]) -> tuple[Boxes, Floats]:
    boxes, scores = (np.asarray(part, np.float32) for part in answer)
    if boxes.shape != (len(scores), 4) or scores.ndim != 1:
        raise DetectionError("The detector's boxes and scores do not agree", "Correct the detector")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise DetectionError("The detector's answer is not finite", "Use other weights")
    return boxes, scores
