"""The strict first pass over a view: every frame is decoded once, and what was found is written down."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from drape import tables
from drape.media import images
from drape.media.digest import digest
from drape.media.probe import probe
from drape.media.reader import upright_frames
from drape.progress import Progress, silent
from drape.recording import View

_REPORT_EVERY = 50


def scan(view: View, progress: Progress = silent) -> tuple[View, pa.Table]:
    """Decode a view completely and take down its facts.

    Args:
        view: a video or an image sequence.
        progress: called with frames done and frames promised (0 if the header does not say).

    Returns:
        The view with ``sha256``, ``num_frames``, ``width``, ``height`` and ``time_base`` filled in, and its table of
        frames (`drape.tables.FRAMES`; times in seconds of the recording's clock). The sha256 is that of `digest`.

    Raises:
        MediaError: the view is damaged, incomplete, or contradicts itself.
    """
    found = probe(view)
    pts: list[int] = []
    times: list[float] = []
    for index, ticks, time in _walk(view):
        pts.append(ticks)
        times.append(time)
        if index % _REPORT_EVERY == 0:
            progress(index + 1, max(found.num_frames, index + 1), view.id)
    progress(len(pts), len(pts), view.id)
    table = tables.make(tables.FRAMES, frame=range(len(pts)), pts=pts, time=times)
    facts = {
        "sha256": digest(view),
        "num_frames": len(pts),
        "width": found.width,
        "height": found.height,
        "time_base": found.time_base,
    }
    return view.model_copy(update=facts), table


def _walk(view: View) -> Iterator[tuple[int, int, float]]:
    if view.kind == "images":
        for index, pts, time, _ in images.read_images(view):
            yield index, pts, time
        return
    for index, time, frame, _ in upright_frames(view):
        yield index, frame.pts, time
