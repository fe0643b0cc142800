"""The file that the App plays for a view: the view's own, or, where browsers could not step through it frame by frame,
a copy in the workspace."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import fiftyone as fo
import numpy as np
import pyarrow as pa

from drape import media
from drape.pipeline import Workspace
from drape.progress import Progress, silent
from drape.recording import View

_CONTAINERS = {
    ".mp4": {"h264", "av1"},
    ".m4v": {"h264"},
    ".mov": {"h264"},
    ".webm": {"vp8", "vp9", "av1"},
}
_MIME = {".mp4": "video/mp4", ".m4v": "video/x-m4v", ".mov": "video/quicktime", ".webm": "video/webm"}
_EIGHT_BIT = {"yuv420p", "yuvj420p"}
_JITTER = 0.1
"""Frames may lie this share of a frame's duration beside the even grid by which the App finds them."""


class Playable(NamedTuple):
    """A video whose frame ``n`` (counted from 1) the App shows at ``(n - 1) / rate`` seconds."""

    path: Path
    rate: float
    width: int
    height: int
    num_frames: int

    def metadata(self) -> fo.VideoMetadata:
        """The facts as FiftyOne keeps them; nothing is read from the file but its size."""
        return fo.VideoMetadata(
            size_bytes=self.path.stat().st_size,
            mime_type=_MIME[self.path.suffix.lower()],
            frame_width=self.width,
            frame_height=self.height,
            frame_rate=self.rate,
            total_frame_count=self.num_frames,
            duration=self.num_frames / self.rate,
        )


def playable(ws: Workspace, view: View, progress: Progress = silent) -> Playable:
    """The view's own file if the App can step through it exactly, else a copy at a constant rate (made if missing).

    A copy is needed for image folders, other codecs, turned or non-square pictures, and uneven frame times.

    Raises:
        MediaError: the view cannot be read.
        WorkspaceError: the copy cannot be written.
    """
    table = ws.frames(view.id)
    probe = media.probe(view)
    if _plays(view, probe) and _even(table):
        rate = _rate(table, view.time_base, probe.average_rate)
        return Playable(view.media, float(rate), probe.width, probe.height, view.num_frames)
    rate = _rate(table, view.time_base, probe.average_rate).limit_denominator(1001)
    path = ws.root / "playback" / f"{view.id}-{view.sha256[:8]}.mp4"
    width, height = (probe.width + 1) // 2 * 2, (probe.height + 1) // 2 * 2
    if not path.is_file():
        _copy(view, path, rate, (width, height), probe, progress)
    return Playable(path, float(rate), width, height, view.num_frames)


def _plays(view: View, probe: media.Probe) -> bool:
    return (
        view.kind == "video"
        and probe.codec in _CONTAINERS.get(view.media.suffix.lower(), set())
        and probe.pixel_format in _EIGHT_BIT
        and not probe.rotation
        and not probe.flip
        and probe.sample_aspect_ratio == 1
        and view.stream in (None, 0)
    )


def _even(table: pa.Table) -> bool:
    """Whether the frames begin at zero and lie on an even grid."""
    pts = table.column("pts").to_numpy()
    if len(pts) < 2:
        return bool(len(pts)) and int(pts[0]) == 0
    step = (pts[-1] - pts[0]) / (len(pts) - 1)
    grid = step * np.arange(len(pts))
    return bool(step > 0 and np.abs(pts - grid).max() <= _JITTER * step)


def _rate(table: pa.Table, time_base: tuple[int, int], fallback: Fraction | None) -> Fraction:
    """Frames per second on average, from the frames' own times."""
    pts = table.column("pts").to_numpy()
    ticks = int(pts[-1] - pts[0]) if len(pts) > 1 else 0
    if ticks <= 0:
        return fallback or Fraction(25)
    return Fraction(len(pts) - 1, ticks) / Fraction(*time_base)


def _copy(
    view: View, path: Path, rate: Fraction, size: tuple[int, int], probe: media.Probe, progress: Progress
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    tick = (rate.denominator, rate.numerator)
    with media.VideoWriter(
        partial, *size, tick, colour=probe.colour, sample_aspect_ratio=probe.sample_aspect_ratio
    ) as writer:
        for planes in media.read_planes(view):
            writer.write(planes.index, planes.y, planes.u, planes.v)
            progress(planes.index + 1, view.num_frames, f"playback copy of {view.id}")
    partial.replace(path)
