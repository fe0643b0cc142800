"""A teacher's answers as labels: on many more frames than pseudo labels have, each box believed as far as its score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.adaptation.frames import only
from drape.adaptation.student_config import DenseConfig
from drape.tables import CHOSEN, LABELS, box_columns, boxes_of, make

SOURCE = REASON = "teacher"


def dense_labels(
    labels: pa.Table,
    chosen: pa.Table,
    candidates: Mapping[str, pa.Table],
    times: Mapping[str, NDArray[np.float64]],
    frames: Mapping[str, NDArray[np.int32]],
    config: DenseConfig,
) -> tuple[pa.Table, pa.Table]:
    """Add frames with the teacher's answers to pseudo labels; a frame that these speak of stays as it is.

    Args:
        labels, chosen: ``LABELS`` and ``CHOSEN`` of the recording.
        candidates: the teacher's ``CANDIDATES`` by view.
        times: of every frame of a view, in seconds of the recording.
        frames: which of a view's frames may be learned from, ascending.
        config: how many, and how far boxes are believed.

    Returns:
        ``LABELS`` and ``CHOSEN`` with the added frames, evenly spread over the recording, after the old ones.
    """
    taken = _spread(chosen, frames, config.frames)
    views = [view for view in sorted(taken) if len(taken[view])]
    answers = [_of_view(view, only(candidates[view], taken[view]), config) for view in views]
    picked = [
        make(
            CHOSEN,
            view=[view] * len(taken[view]),
            frame=taken[view],
            time=times[view][taken[view]],
            reason=[REASON] * len(taken[view]),
        )
        for view in views
    ]
    return pa.concat_tables([labels, *answers]), pa.concat_tables([chosen, *picked])


def _spread(chosen: pa.Table, frames: Mapping[str, NDArray[np.int32]], count: int) -> dict[str, NDArray[np.int32]]:
    """Of the frames that are not chosen yet, ``count`` at equal distances, views in proportion to their length."""
    old = chosen.select(["view", "frame"]).to_pydict()
    free = {
        view: np.setdiff1d(some, [f for v, f in zip(old["view"], old["frame"], strict=True) if v == view])
        for view, some in frames.items()
    }
    every = sum(len(some) for some in free.values())
    share = min(1.0, count / every) if every else 0.0
    return {
        view: some[np.unique(np.linspace(0, len(some) - 1, round(share * len(some))).astype(int))].astype(np.int32)
        for view, some in free.items()
    }


def _of_view(view: str, found: pa.Table, config: DenseConfig) -> pa.Table:
    score = found.column("score").to_numpy()
    found = found.filter(pa.array(score >= config.doubtful))
    score = found.column("score").to_numpy()
    ignored = score < config.sure
    return make(
        LABELS,
        view=[view] * len(score),
        frame=found.column("frame").to_numpy(),
        time=found.column("time").to_numpy(),
        **box_columns(boxes_of(found)),
        weight=np.where(ignored, 0.0, score).astype(np.float32),
        ignored=ignored,
        source=[SOURCE] * len(score),
    )
