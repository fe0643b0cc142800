"""Small tables for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from drape.boxes import as_boxes
from drape.evaluation.truth import TRACKS
from drape.tables import CANDIDATES, box_columns, make

PETS_SIZE = (768, 576)


def tracks(rows: Sequence[tuple[float, ...]]) -> pa.Table:
    """Table ``TRACKS`` of rows ``frame, id, x1, y1, x2, y2``."""
    array = np.asarray(rows, np.float64).reshape(-1, 6)
    return make(
        TRACKS,
        frame=array[:, 0].astype(np.int32),
        id=array[:, 1].astype(np.int32),
        **box_columns(as_boxes(array[:, 2:])),
    )


def candidates(rows: Sequence[tuple[float, ...]]) -> pa.Table:
    """Table ``CANDIDATES`` of rows ``frame, score, x1, y1, x2, y2``, one frame a second."""
    array = np.asarray(rows, np.float64).reshape(-1, 6)
    return make(
        CANDIDATES,
        frame=array[:, 0].astype(np.int32),
        time=array[:, 0],
        score=array[:, 1].astype(np.float32),
        **box_columns(as_boxes(array[:, 2:])),
    )


def random_tracks(seed: int, persons: int = 5, frames: int = 12, jitter: float = 0.0, drop: float = 0.0) -> pa.Table:
    """Persons who walk through 100 x 80 pixels; the same seed gives the same walks, whatever jitter and drop are."""
    walk = np.random.default_rng(seed)
    noise = np.random.default_rng(seed + 1000)
    start, step = walk.uniform(0, 70, (persons, 2)), walk.uniform(-2, 2, (persons, 2))
    size = walk.uniform(8, 25, (persons, 2))
    rows = []
    for frame in range(frames):
        for person in range(persons):
            corner = start[person] + frame * step[person] + noise.normal(0, 1, 2) * jitter
            if noise.random() >= drop:
                rows.append((frame, person, *corner, *(corner + size[person])))
    return tracks(rows)


def pets_candidates(shared: Path) -> pa.Table:
    """RTMDet-nano's boxes of PETS view 1 (all 795 frames), at the 7 frames a second of the recording."""
    with np.load(shared / "data/pets_2view/pets_001_rtmdet_nano_640.npz") as file:
        frame = file["frame"].astype(np.int32)
        return make(CANDIDATES, frame=frame, time=frame / 7, score=file["score"], **box_columns(file["xyxy"]))


def pets_truth_file(shared: Path) -> Path:
    """Truth of PETS view 1, frames 1-400."""
    return shared / "data/pets_2view/gt_view001_frames_1-400_mot.txt"
