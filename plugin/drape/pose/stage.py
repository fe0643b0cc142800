"""The pose stage: every person of a view who will be masked gets key points, or is known to have none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.boxes import Boxes, Floats
from drape.errors import ConfigError
from drape.media import Frame, read_frames
from drape.media.ahead import ahead
from drape.pose.config import PoseConfig
from drape.pose.estimator import DeviceError, Image, Points, PoseError, PoseEstimator
from drape.pose.rows import RAW, raw_table
from drape.progress import Progress, silent
from drape.recording import View
from drape.tables import boxes_of

_AHEAD = 2
"""Batches that are decoded ahead of the one that the estimator works on."""


class PoseSegment(NamedTuple):
    """Frames ``start`` to ``stop`` (exclusive) of a view, and their persons' poses as they were found (``RAW``)."""

    start: int
    stop: int
    poses: pa.Table


_Answer: TypeAlias = tuple[Points, Floats]


def estimate_view(
    view: View,
    persons: pa.Table,
    estimator: PoseEstimator,
    config: PoseConfig,
    start: int = 0,
    progress: Progress = silent,
) -> Iterator[PoseSegment]:
    """Poses of a view's persons, segment by segment, in order; ``smooth_segments`` makes the final table of them.

    Decoding runs ahead of the estimator in a thread, by a bounded number of frames: memory does not grow with the
    length of the video. Segments have ``config.segment_frames`` frames (the last one may be shorter) and batches end
    with their segment, so a run that starts at any segment border gives the same bits as one from the beginning.

    A person on whom the estimator fails gets an unknown pose: points that are not numbers, scores of 0.

    Args:
        view: the view; if its ``num_frames`` is known, the video must have so many.
        persons: ``PERSONS`` of the view, everybody who may be masked; rows sorted by frame.
        estimator: from ``build_estimator``, or any other.
        config: whose poses are wanted, and how frames are batched.
        start: the first frame, a multiple of ``config.segment_frames``.
        progress: counts frames of the view.

    Raises:
        MediaError: the video cannot be read to its end.
        PoseError: the estimator fails on every person of a segment, or its device does (``DeviceError``); or the video
            ends before its known end, or before the last person.
        ConfigError: ``start`` is not a segment border.
    """
    if start % config.segment_frames:
        raise ConfigError("Poses can only start at the beginning of a segment", "Start at a multiple of its length")
    wanted = _wanted(persons, config)
    done = start
    with ahead(read_frames(view, start), _AHEAD * config.frames_at_once) as frames:
        while True:
            first = done
            answers: list[_Answer | None] = []
            while done - first < config.segment_frames and (batch := list(islice(frames, config.frames_at_once))):
                answers += _batch(estimator, batch, wanted)
                done += len(batch)
                progress(done, view.num_frames, f"pose {view.id}")
            if done == first:
                break
            yield _segment(view, first, done, wanted.slice(first, done), answers, estimator.points)
    last = max(view.num_frames, wanted.last + 1)
    if done < last or (view.num_frames and done != view.num_frames):
        raise PoseError(f"{view.id} ended after {done} of {last} frames", "Ingest the recording again")


class _Wanted:
    """The persons whose poses are wanted, with their row within their frame, looked up by frame."""

    def __init__(self, persons: pa.Table, keep: NDArray[np.bool_]) -> None:
        frames = persons.column("frame").to_numpy()
        index = np.arange(len(frames)) - np.searchsorted(frames, frames)
        self._frames = frames[keep]
        self._rows = persons.filter(pa.array(keep)).append_column("index", pa.array(index[keep], pa.int32()))
        self._boxes = boxes_of(self._rows)
        self.last = int(self._frames[-1]) if len(self._frames) else -1

    def boxes(self, frame: int) -> Boxes:
        """Boxes (N, 4) of a frame's persons."""
        first, stop = np.searchsorted(self._frames, (frame, frame + 1))
        return self._boxes[first:stop]

    def slice(self, start: int, stop: int) -> pa.Table:
        """Rows of the frames ``start`` to ``stop`` (exclusive)."""
        first, last = np.searchsorted(self._frames, (start, stop))
        return self._rows.slice(first, last - first)


def _wanted(persons: pa.Table, config: PoseConfig) -> _Wanted:
    keep = pc.greater_equal(persons.column("existence"), config.min_existence).to_numpy(zero_copy_only=False)
    return _Wanted(persons, keep.astype(bool))


def _batch(estimator: PoseEstimator, batch: list[Frame], wanted: _Wanted) -> list[_Answer | None]:
    """Answers for the persons of some frames, one per frame that has any; or, where that fails, one per person."""
    boxes = [wanted.boxes(frame.index) for frame in batch]
    images = [frame.image for frame, found in zip(batch, boxes, strict=True) if len(found)]
    boxes = [found for found in boxes if len(found)]
    if not boxes:
        return []
    try:
        return list(_strict(estimator, images, boxes))
    except DeviceError:
        raise
    except Exception:  # an estimator may raise anything
        whose = [(image, box[None]) for image, found in zip(images, boxes, strict=True) for box in found]
        return [_alone(estimator, image, box) for image, box in whose]


def _alone(estimator: PoseEstimator, image: Image, box: Boxes) -> _Answer | None:
    try:
        return _strict(estimator, [image], [box])[0]
    except DeviceError:
        raise
    except MemoryError as error:
        raise DeviceError("The pose model ran out of memory on a single person", "Choose a smaller preset") from error
    except Exception:  # counted as unknown, and an error where nobody of a segment is known
        return None


def _strict(estimator: PoseEstimator, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[_Answer]:
    """The estimator's answers, which must hold what the protocol says.

    Raises:
        PoseError: they do not.
    """
    answers = estimator(images, boxes)
    if len(answers) != len(boxes):
        raise PoseError("The estimator did not answer for every frame", "Correct the estimator")
    checked = []
    for found, (points, scores) in zip(boxes, answers, strict=True):
        points, scores = np.asarray(points, np.float32), np.asarray(scores, np.float32)
        if points.shape != (len(found), estimator.points, 2) or scores.shape != points.shape[:2]:
            raise PoseError("The estimator's answer has another shape than the persons", "Correct the estimator")
        if not (np.isfinite(points).all() and (scores >= 0).all() and (scores <= 1).all()):
            raise PoseError("The estimator's answer is not finite or not on the scale from 0 to 1", "Use other weights")
        checked.append((points, scores))
    return checked


def _segment(
    view: View, start: int, stop: int, rows: pa.Table, answers: list[_Answer | None], count: int
) -> PoseSegment:
    if not rows.num_rows:
        return PoseSegment(start, stop, RAW.empty_table())
    nothing = (np.full((1, count, 2), np.nan, np.float32), np.zeros((1, count), np.float32))
    if all(answer is None for answer in answers):
        raise PoseError(
            f"The pose model failed on all persons of the frames from {start} to {stop - 1} of {view.id}",
            "Try another preset or device",
        )
    points, scores = zip(*(answer or nothing for answer in answers), strict=True)
    return PoseSegment(start, stop, raw_table(rows, np.concatenate(points), np.concatenate(scores)))
