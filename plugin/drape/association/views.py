"""What association sees of a view: boxes with times, and how the frames of several views meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import Boxes, as_boxes
from drape.errors import RecordingError
from drape.tables import boxes_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ViewBoxes:
    """Detections of one view, sorted by frame.

    Attributes:
        view: the view's id.
        size: width and height of the upright frame in pixels; None takes the extent of the boxes.
        frame: (N,) frame of each detection.
        index: (N,) its row within its view and frame, as the tables count it.
        time: (N,) seconds on the clock that all views share.
        boxes: (N, 4) pixels.
        scores: (N,) in [0, 1]; 1 where the detector gives none.
        tracklet: (N,) the view's own tracklet, -1 where there is none.
        instants: (F,) times of all frames of the view, empty ones too, rising; None: only frames with boxes are known.
    """

    view: str
    size: tuple[int, int] | None
    frame: Ints
    index: Ints
    time: Floats
    boxes: Boxes
    scores: NDArray[np.float32]
    tracklet: Ints
    instants: Floats | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def times(self) -> Floats:
        """Times of the view's frames, rising, (F,)."""
        return np.unique(self.time) if self.instants is None else self.instants

    def period(self) -> float:
        """Seconds between frames: the median over the view; 0 for fewer than two frames."""
        times = self.times()
        return float(np.median(np.diff(times))) if len(times) > 1 else 0.0

    def extent(self) -> tuple[float, float]:
        """Width and height that boxes are measured by, in pixels."""
        if self.size is not None:
            return float(self.size[0]), float(self.size[1])
        if not len(self):
            return 1.0, 1.0
        return float(max(self.boxes[:, 2].max(), 1)), float(max(self.boxes[:, 3].max(), 1))

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> ViewBoxes:
        """The same view with some of its detections."""
        return ViewBoxes(
            self.view,
            self.size,
            self.frame[rows],
            self.index[rows],
            self.time[rows],
            self.boxes[rows],
            self.scores[rows],
            self.tracklet[rows],
            self.times(),
        )

    def at_times(self, time: Floats, instants: Floats | None = None) -> ViewBoxes:
        """The same detections with corrected times, e.g. after the clock was estimated."""
        return ViewBoxes(
            self.view, self.size, self.frame, self.index, time, self.boxes, self.scores, self.tracklet, instants
        )


def plain(
    view: str,
    frame: object,
    time: object,
    boxes: object,
    scores: object = None,
    tracklet: object = None,
    size: tuple[int, int] | None = None,
    instants: object = None,
) -> ViewBoxes:
    """Detections given as arrays or lists, in any order; ``index`` counts the rows of each frame in the given order.

    Raises:
        RecordingError: boxes are empty or endless, or the columns differ in length.
    """
    frames: Ints = np.asarray(frame, np.int64).reshape(-1)
    order = np.argsort(frames, kind="stable")
    frames = frames[order]
    array = as_boxes(boxes)
    times = np.asarray(time, np.float64).reshape(-1)
    if not len(array) == len(frames) == len(times):
        raise RecordingError(
            f"The columns of {view} differ in length", "Give every detection a frame, a time and a box"
        )
    if not np.isfinite(array).all() or (array[:, 2:] <= array[:, :2]).any():
        raise RecordingError(f"The detections of {view} hold empty or endless boxes", "Remove them")
    starts = np.searchsorted(frames, frames)
    score = np.ones(len(frames), np.float32) if scores is None else np.asarray(scores, np.float32).reshape(-1)
    track = np.full(len(frames), -1, np.int64) if tracklet is None else np.asarray(tracklet, np.int64).reshape(-1)
    known = None if instants is None else np.asarray(instants, np.float64).reshape(-1)
    return ViewBoxes(
        view,
        size,
        frames,
        np.arange(len(frames)) - starts,
        times[order],
        array[order],
        score[order],
        track[order],
        known,
    )


def from_tables(
    view: str,
    candidates: pa.Table,
    tracklets: pa.Table | None = None,
    size: tuple[int, int] | None = None,
    frames: pa.Table | None = None,
    least_score: float = 0.0,
) -> ViewBoxes:
    """A view's ``CANDIDATES``, with the tracklet of each where ``TRACKLETS`` names one.

    Args:
        view: the view's id.
        candidates: its ``CANDIDATES``.
        tracklets: its ``TRACKLETS``.
        size: width and height of the upright frame, in pixels.
        frames: its ``FRAMES``, for the times of frames without candidates.
        least_score: candidates below it are left out (``index`` still counts them).
    """
    instants = None if frames is None else frames.column("time").to_numpy()
    columns = {name: candidates.column(name).to_numpy() for name in ("frame", "time", "score")}
    boxes = plain(view, columns["frame"], columns["time"], boxes_of(candidates), columns["score"], size=size)
    owner = np.full(len(boxes), -1, np.int64)
    if tracklets is not None and len(boxes):
        known = tracklets.filter(tracklets.column("candidate").is_valid())
        frame, candidate = known.column("frame").to_numpy(), known.column("candidate").to_numpy()
        owner[np.searchsorted(boxes.frame, frame) + candidate] = known.column("tracklet").to_numpy()
    joined = ViewBoxes(view, size, boxes.frame, boxes.index, boxes.time, boxes.boxes, boxes.scores, owner, instants)
    return joined.select(np.flatnonzero(boxes.scores >= least_score)) if least_score > 0 else joined


@dataclass(frozen=True)
class Instants:
    """Where the frames of several views meet.

    Attributes:
        time: (T,) seconds, rising.
        rows: per view (T, 2): first and last-plus-one row of the view's detections at each instant; empty where
            the view shows nothing.
        present: (T, V) whether the view has a frame at the instant.
    """

    time: Floats
    rows: tuple[Ints, ...]
    present: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)


def meet(views: Sequence[ViewBoxes], period: float | None = None) -> Instants:
    """Instants at the pace of the slowest view; every other view shows its nearest frame within half a period.

    Args:
        views: at least one; times are on one clock.
        period: seconds between instants where the pace of the views is not what is wanted.
    """
    times = [view.times() for view in views]
    paces = [view.period() for view in views]
    pace = max(paces) if period is None else period
    grid = _grid(times, paces, pace)
    reach = pace / 2 * (1 + 1e-6) + 1e-9
    rows: list[Ints] = []
    present = np.zeros((len(grid), len(views)), bool)
    for k, (view, known) in enumerate(zip(views, times, strict=True)):
        near = _nearest(known, grid)
        if near is None:
            rows.append(np.zeros((len(grid), 2), np.int64))
            continue
        present[:, k] = np.abs(known[near] - grid) <= reach
        span = np.stack([np.searchsorted(view.time, known[near], side=s) for s in ("left", "right")], axis=1)
        span[~present[:, k]] = 0
        rows.append(span.astype(np.int64))
    return Instants(grid, tuple(rows), present)


def _grid(times: list[Floats], paces: list[float], pace: float) -> Floats:
    """Times of the slowest view, and of others where it is absent, no closer together than the pace."""
    order = sorted(range(len(times)), key=lambda k: (-paces[k], k))
    grid = np.zeros(0)
    for k in order:
        new = times[k]
        near = _nearest(grid, new)
        if near is not None:
            new = new[np.abs(grid[near] - new) > pace / 2 * (1 + 1e-6)]
        if len(new) > 1 and pace > 0:
            new = new[_thin(new, pace)]
        grid = np.sort(np.concatenate([grid, new]))
    return grid


def _thin(times: Floats, pace: float) -> Ints:
    """Rows of rising times that lie about a pace apart (the first of every cell)."""
    step = float(np.median(np.diff(times)))
    if step > 0.75 * pace:
        return np.arange(len(times))
    return np.unique(np.floor((times - times[0]) / pace + 1e-6).astype(np.int64), return_index=True)[1]


def _nearest(known: Floats, wanted: Floats) -> Ints | None:
    """For every wanted time the position of the nearest known one; None if none is known."""
    if not len(known):
        return None
    right = np.clip(np.searchsorted(known, wanted), 1, max(len(known) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(known) - 1)
    return np.where(np.abs(known[left] - wanted) <= np.abs(known[right] - wanted), left, right).astype(np.int64)
