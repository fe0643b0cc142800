"""The time of each frame: by a timestamps file, a declared frame rate, or the container, in this order."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drape.errors import MediaError
from drape.recording import View

_TIME_COLUMNS = ("time", "frame_time", "timestamp")
_VIEW_COLUMNS = ("view", "cam_id")


class FrameClock:
    """Gives each frame of a view its time on the recording's clock, in seconds.

    Args:
        view: whose ``timestamps``, ``fps`` and ``clock`` are used.
        time_base: seconds per tick of the frames' ``pts``, (numerator, denominator).

    Raises:
        MediaError: the timestamps file cannot be read.
    """

    def __init__(self, view: View, time_base: tuple[int, int]) -> None:
        self._view = view
        self._time_base = time_base
        self._stamps = None if view.timestamps is None else read_timestamps(view, view.timestamps)

    def __call__(self, index: int, pts: int) -> float:
        """Time of one frame.

        Raises:
            MediaError: the timestamps file has no entry for it.
        """
        return self._view.clock.to_recording(self._own(index, pts))

    def finish(self, num_frames: int) -> None:
        """Check, at the end of the video, that the timestamps file spoke of these frames and no others.

        Raises:
            MediaError: it holds more timestamps than there are frames.
        """
        if self._stamps is not None and len(self._stamps) != num_frames:
            raise _wrong_count(self._view, len(self._stamps), f"{num_frames} frames")

    def _own(self, index: int, pts: int) -> float:
        if self._stamps is not None:
            if index >= len(self._stamps):
                raise _wrong_count(self._view, len(self._stamps), f"at least {index + 1} frames")
            return self._stamps[index]
        if self._view.fps is not None:
            return index / self._view.fps
        return pts * self._time_base[0] / self._time_base[1]


def frame_times(view: View, pts: Sequence[int] | NDArray[np.int64], time_base: tuple[int, int]) -> NDArray[np.float64]:
    """Times on the recording's clock, in seconds, of all frames of a view, shape (N,).

    Args:
        view: whose ``timestamps``, ``fps`` and ``clock`` are used.
        pts: presentation times of all its frames in ticks, shape (N,).
        time_base: seconds per tick, (numerator, denominator).

    Raises:
        MediaError: the timestamps file is unusable, or does not hold exactly N times.
    """
    clock = FrameClock(view, time_base)
    clock.finish(len(pts))
    return np.array([clock(i, int(p)) for i, p in enumerate(pts)], np.float64)


def read_timestamps(view: View, path: Path) -> list[float]:
    """Capture times in seconds, one per frame, strictly increasing.

    The file holds either one number per line, or comma-separated values with a header: a column ``time``,
    ``frame_time`` or ``timestamp``; optionally ``frame_index``, by which rows are ordered; optionally ``view`` or
    ``cam_id``, which select the rows of this view: they hold its name, its id, or the number its name ends with.

    Raises:
        MediaError: the file is missing, malformed, says nothing of this view, or its times do not increase.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise MediaError(
            view.id, "the timestamps file cannot be read", "Check the file named in the manifest"
        ) from None
    if not lines:
        raise MediaError(view.id, "the timestamps file is empty", "Check the file named in the manifest")
    stamps = _plain(view, lines) if _is_number(lines[0]) else _table(view, lines)
    for index, stamp in enumerate(stamps):
        if not math.isfinite(stamp) or (index and stamp <= stamps[index - 1]):
            raise MediaError(view.id, "its timestamp does not come after the one before", "Correct the file", index)
    return stamps


def _plain(view: View, lines: list[str]) -> list[float]:
    return [_number(view, line, number) for number, line in enumerate(lines, start=1)]


def _table(view: View, lines: list[str]) -> list[float]:
    reader = csv.DictReader(lines, skipinitialspace=True)
    columns = [c.strip() for c in reader.fieldnames or ()]
    reader.fieldnames = columns
    time = next((c for c in _TIME_COLUMNS if c in columns), None)
    if time is None:
        raise MediaError(
            view.id,
            "the timestamps file has neither one number per line nor a column 'time', 'frame_time' or 'timestamp'",
            "Rename the column that holds the capture times in seconds",
        )
    owner = next((c for c in _VIEW_COLUMNS if c in columns), None)
    rows = [(n, r) for n, r in enumerate(reader, start=2) if owner is None or _is_of(view, r[owner])]
    if not rows:
        raise MediaError(view.id, "the timestamps file says nothing of this view", f"Check its column {owner!r}")
    if "frame_index" in columns:
        keys = [_number(view, row["frame_index"], line) for line, row in rows]
        if len(set(keys)) != len(keys):
            raise MediaError(view.id, "the timestamps file names a frame_index twice", "Correct the file")
        rows = [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0])]
    return [_number(view, row[time], line) for line, row in rows]


def _is_of(view: View, value: str | None) -> bool:
    text = (value or "").strip()
    if text in (view.name, view.id):
        return True
    digits = re.search(r"(\d+)$", view.name)
    return digits is not None and text.isdigit() and int(text) == int(digits.group(1))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(view: View, text: str | None, line: int) -> float:
    if text is None or not _is_number(text):
        raise MediaError(view.id, f"line {line} of the timestamps file holds no number", "Correct the file")
    return float(text)


def _wrong_count(view: View, stamps: int, frames: str) -> MediaError:
    return MediaError(
        view.id,
        f"the timestamps file holds {stamps} times, but the video has {frames}",
        "Give one capture time per frame, or leave the timestamps file out",
    )
