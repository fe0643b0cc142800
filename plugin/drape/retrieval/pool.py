"""The candidates of all views as one set of arrays, and how other tables point into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.boxes import Boxes
from drape.errors import WorkspaceError
from drape.retrieval.config import RetrievalConfig
from drape.retrieval.pairing import Floats, Ints, log_odds, logistic


@dataclass(frozen=True)
class RetrievalView:
    """What retrieval knows of a view.

    Attributes:
        id: the view.
        size: width and height of the upright frame in pixels.
        frames: ``FRAMES``.
        candidates: ``CANDIDATES``.
        tracklets: ``TRACKLETS`` made from these candidates, by a tracker or by ``untracked``.
        tracked: whether a tracker made the tracklets; if not, their existence is a detector's score.
        second: ``CANDIDATES`` of another detector on the same frames, or None.
    """

    id: str
    size: tuple[int, int]
    frames: pa.Table
    candidates: pa.Table
    tracklets: pa.Table
    tracked: bool = True
    second: pa.Table | None = None


@dataclass(frozen=True)
class Pool:
    """Candidates of all views.

    Attributes:
        names: ids of the V views.
        offsets: (V + 1,) where each view's rows begin; within a view, rows are those of ``CANDIDATES``.
        view, frame: (N,) position of the view, frame index.
        time: (N,) seconds.
        boxes: (N, 4) pixels.
        score: (N,) the detector's.
        own: (N,) existence as the own view knows it: of the tracklet's box, or else from the score alone.
        row: (N,) row of the view's tracklets whose box the candidate stands behind, -1 for none.
        tracklet: (N,) number of that tracklet, -1 for none.
        reviewed: (N,) whether ``own`` is what a reviewer has said.
    """

    names: tuple[str, ...]
    offsets: Ints
    view: Ints
    frame: Ints
    time: Floats
    boxes: Boxes
    score: Floats
    own: Floats
    row: Ints
    tracklet: Ints
    reviewed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.view)

    def part(self, view: int) -> slice:
        """Rows of a view."""
        return slice(int(self.offsets[view]), int(self.offsets[view + 1]))

    def group(self) -> Ints:
        """(N,) a number that is equal for candidates of one frame of one view, and increases."""
        if len(self) == 0:
            return np.zeros(0, np.int64)
        return self.view * (int(self.frame.max()) + 1) + self.frame

    def rows_of(self, view: NDArray, frame: NDArray, index: NDArray) -> Ints:
        """Rows of detections named by the position of their view, frame and index within it.

        Raises:
            WorkspaceError: a detection is not among the candidates.
        """
        out = np.zeros(len(view), np.int64)
        for v in range(len(self.names)):
            mine, part = view == v, self.frame[self.part(v)]
            row = np.searchsorted(part, frame[mine]) + index[mine]
            if len(row) and (row.max() >= len(part) or (part[row] != frame[mine]).any()):
                raise WorkspaceError("The association speaks of candidates that are not there", "Run it again")
            out[mine] = row + self.offsets[v]
        return out


def pool_views(views: Sequence[RetrievalView], config: RetrievalConfig) -> Pool:
    """Put the candidates of all views together.

    Raises:
        WorkspaceError: tracklets were made from other candidates.
    """
    counts = [len(v.candidates) for v in views]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = {
        name: np.concatenate([v.candidates.column(name).to_numpy() for v in views])
        for name in ("frame", "time", "score")
    }
    rows = [_tracklet_rows(v) for v in views]
    score = columns["score"].astype(np.float64)
    own = logistic(config.score_slope * log_odds(score) + config.score_bias)
    tracklet = np.full(len(own), -1, np.int64)
    for v, (view, row) in enumerate(zip(views, rows, strict=True)):
        known = np.flatnonzero(row >= 0)
        at = known + offsets[v]
        tracklet[at] = view.tracklets.column("tracklet").to_numpy()[row[known]]
        if view.tracked:
            own[at] = view.tracklets.column("existence").to_numpy()[row[known]]
    return Pool(
        names=tuple(v.id for v in views),
        offsets=offsets,
        view=np.repeat(np.arange(len(views)), counts),
        frame=columns["frame"].astype(np.int64),
        time=columns["time"].astype(np.float64),
        boxes=np.concatenate([tables.boxes_of(v.candidates) for v in views]),
        score=score,
        own=own,
        row=np.concatenate(rows),
        tracklet=tracklet,
        reviewed=np.zeros(len(own), bool),
    )


def _tracklet_rows(view: RetrievalView) -> Ints:
    """For each candidate of a view, the row of its tracklets that it stands behind, or -1."""
    out = np.full(len(view.candidates), -1, np.int64)
    candidate = view.tracklets.column("candidate").combine_chunks()
    known = np.flatnonzero(candidate.is_valid().to_numpy(zero_copy_only=False))
    index = candidate.fill_null(-1).to_numpy()[known]
    frame = view.tracklets.column("frame").to_numpy()[known]
    frames = view.candidates.column("frame").to_numpy()
    row = np.searchsorted(frames, frame) + index
    if len(row) and (row.max() >= len(frames) or (frames[row] != frame).any()):
        raise WorkspaceError("The tracklets were made from other candidates", "Run tracking again")
    out[row] = known
    return out
