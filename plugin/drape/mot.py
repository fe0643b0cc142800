"""Detections and tracks as MOT Challenge text: ``frame,id,x,y,w,h,conf,…``, frames from 1, boxes by left, top, size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.boxes import as_boxes
from drape.errors import ConfigError, RecordingError


def read_detections(path: Path, fps: float, role: str) -> tuple[pa.Table, pa.Table]:
    """Read MOT detections.

    Args:
        path: the text file; columns after the seventh are ignored.
        fps: frames per second; frame ``n`` is at ``(n - 1) / fps`` seconds.
        role: how errors name the file.

    Returns:
        ``FRAMES`` (every frame up to the last one named) and ``CANDIDATES``.

    Raises:
        RecordingError: the file is missing or is not MOT text.
    """
    try:
        rows = np.loadtxt(path, delimiter=",", ndmin=2, usecols=range(7))
    except OSError as error:
        raise RecordingError(f"The detections of {role} cannot be read", "Check the path after --mot") from error
    except ValueError as error:
        raise RecordingError(
            f"The detections of {role} are not MOT text", "Write frame,id,x,y,w,h,conf in every line, numbers only"
        ) from error
    if len(rows) and (rows[:, 0].min() < 1 or (rows[:, 0] % 1).any()):
        raise RecordingError(f"The frame numbers of {role} are not whole numbers from 1", "Count frames from 1")
    if not np.isfinite(rows).all() or (rows[:, 4:6] <= 0).any():
        raise RecordingError(f"The detections of {role} hold empty or endless boxes", "Remove them")
    if len(rows) and (rows[:, 6].min() < 0 or rows[:, 6].max() > 1):
        raise RecordingError(f"The scores of {role} are not within 0 and 1", "Scale them to 0..1")
    count = int(rows[:, 0].max()) if len(rows) else 0
    index = np.arange(count)
    frames = tables.make(tables.FRAMES, frame=index, pts=index, time=index / fps)
    frame = rows[:, 0].astype(np.int64) - 1
    order = np.argsort(frame, kind="stable")
    boxes = as_boxes(np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1))[order]
    candidates = tables.make(
        tables.CANDIDATES,
        frame=frame[order],
        time=frame[order] / fps,
        score=rows[order, 6].astype(np.float32),
        **tables.box_columns(boxes),
    )
    return frames, candidates


def named_files(items: list[str], option: str = "--mot") -> dict[str, Path]:
    """{view: file} of options written ``VIEW=FILE``.

    Raises:
        ConfigError: one is written otherwise, or a view is named twice.
    """
    files: dict[str, Path] = {}
    for item in items:
        name, separator, path = item.partition("=")
        if not separator or not name or Path(name).name != name or name in files:
            raise ConfigError(f"{option} takes VIEW=FILE, each view once, its name without slashes", "Correct it")
        files[name] = Path(path)
    return files


def write_tracks(persons: pa.Table, path: Path, ids: NDArray[np.int64] | None = None) -> None:
    """Write persons as MOT text, sorted by frame; the confidence is the existence probability, ids count from 1.

    Args:
        persons: ``TRACKLETS`` or ``PERSONS``.
        path: the file; folders are made.
        ids: (N,) identity of each row, from 0; None: its tracklet.
    """
    boxes = tables.boxes_of(persons)
    frame, tracklet = persons.column("frame").to_numpy(), persons.column("tracklet").to_numpy()
    tracklet = tracklet if ids is None else ids
    exists = persons.column("existence").to_numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        for f, k, (x1, y1, x2, y2), p in zip(frame, tracklet, boxes, exists, strict=True):
            file.write(f"{f + 1},{k + 1},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{p:.4f},-1,-1,-1\n")
