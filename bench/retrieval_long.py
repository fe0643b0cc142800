"""Made-up recordings of many hours, for measurements of time and memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from drape import tables
from drape.boxes import as_boxes
from drape.retrieval import RetrievalView
from numpy.typing import NDArray


def long_recording(
    hours: float, views: int = 4, people: int = 10, fps: float = 15.0
) -> tuple[list[RetrievalView], pa.Table]:
    """People who stroll on circles, each seen in every view, and ``PAIRS`` of who is whom."""
    count = round(hours * 3600 * fps)
    rng = np.random.default_rng(0)
    frame = np.repeat(np.arange(count, dtype=np.int32), people)
    person = np.tile(np.arange(people, dtype=np.int32), count)
    phase = rng.uniform(0, 6, people)[person] + frame / fps * rng.uniform(0.05, 0.2, people)[person]
    made = []
    for v in range(views):
        x = 640 + 450 * np.cos(phase + v) + rng.normal(0, 2, len(frame))
        y = 300 + 150 * np.sin(phase + v) + rng.normal(0, 2, len(frame))
        columns = tables.box_columns(as_boxes(np.stack([x, y, x + 60, y + 160], axis=1)))
        score = np.clip(rng.normal(0.7, 0.15, len(frame)), 0.1, 0.99)
        common = {"frame": frame, "time": frame / fps, "score": score, **columns}
        candidates = tables.make(tables.CANDIDATES, **common)
        index = np.arange(count, dtype=np.int32)
        source = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(frame), np.int32)), ["detected"]).cast(
            pa.string()
        )
        tracklets = tables.make(
            tables.TRACKLETS, **common, tracklet=person, existence=np.sqrt(score), source=source, candidate=person
        )
        frames = tables.make(tables.FRAMES, frame=index, pts=index, time=index / fps)
        made.append(RetrievalView(f"view{v + 1}", (1280, 720), frames, candidates, tracklets))
    return made, _same(frame, person, views, fps)


def _same(frame: NDArray[np.int32], person: NDArray[np.int32], views: int, fps: float) -> pa.Table:
    parts = []
    for a in range(views):
        for b in range(a + 1, views):
            names = [
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(frame), np.int32)), [f"view{k + 1}"]).cast(
                    "string"
                )
                for k in (a, b)
            ]
            parts.append(
                tables.make(
                    tables.PAIRS,
                    time=frame / fps,
                    view_a=names[0],
                    frame_a=frame,
                    index_a=person,
                    view_b=names[1],
                    frame_b=frame,
                    index_b=person,
                    probability=np.full(len(frame), 0.9, np.float32),
                    matched=np.ones(len(frame), bool),
                )
            )
    return pa.concat_tables(parts)
