"""Write the masked video of one view: fills go into the decoded planes, and nothing unmasked reaches the encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drape.anonymization.cells import sample
from drape.anonymization.config import ReleaseConfig
from drape.anonymization.fill import Fill, paint, solid
from drape.anonymization.policy import Plan
from drape.anonymization.secret import ReleaseSecret
from drape.errors import MediaError
from drape.media import Planes, VideoWriter, probe, read_planes
from drape.progress import Progress, silent
from drape.recording import View

REPORT_EVERY = 25
"""Frames between two calls of a progress."""


class Renderer:
    """Fills the regions of a plan, frame by frame, in order.

    Args:
        plan: what is masked.
        config: settings of the release.
        secret: key of the noise of blur fills.
        label: what makes the noise this view's own.
    """

    def __init__(self, plan: Plan, config: ReleaseConfig, secret: ReleaseSecret, label: str) -> None:
        self._plan = plan
        self._secret = secret
        self._label = label
        # The rectangles of a shape would each show a whole grid of cells, so a shape's fill is one colour.
        self._cells = (1, 1) if config.shaped else None
        self.fills: list[Fill] = [solid(config.grey)]

    def mask(self, index: int, planes: tuple[NDArray[np.uint8], ...]) -> None:
        """Fill the regions of frame ``index`` in place; frames must come in order, each once.

        Inside a solid region the result does not depend on what was there. Inside a blurred one it depends on it
        through the cells of the first frame in which the fill is used, and those alone.
        """
        y, u, v = planes
        rows = self._plan.regions_of(index)
        boxes, numbers = self._plan.boxes[rows], self._plan.fills[rows]
        for number in numbers:
            if number == len(self.fills):  # before anything is painted: a sample is of the source
                person, interval = self._plan.people[number], self._plan.intervals[number]
                label = f"{self._label}/{person}/{interval}"
                own = boxes[numbers == number]
                around = np.concatenate([own[:, :2].min(axis=0), own[:, 2:].max(axis=0)])
                self.fills.append(sample((y, u, v), around, self._secret, label, self._cells))
        for box, number in zip(boxes, numbers, strict=True):
            paint((y, u, v), box, self.fills[number])


def render_view(
    view: View,
    plan: Plan,
    config: ReleaseConfig,
    secret: ReleaseSecret,
    path: Path,
    progress: Progress = silent,
) -> list[Fill]:
    """Write the masked video of a view. Memory does not grow with its length.

    Args:
        view: the view with its facts.
        plan: of this view.
        config: fill and encoder.
        secret: key of the noise of blur fills.
        path: file to write.
        progress: counts frames.

    Returns:
        The fills, by number.

    Raises:
        MediaError: the media cannot be read, or are not those the plan was made of.
    """
    facts = probe(view)
    renderer = Renderer(plan, config, secret, view.id)
    writer = VideoWriter(
        path,
        *plan.size,
        time_base=view.time_base,
        colour=facts.colour,
        crf=config.crf,
        preset=config.encoder_preset,
        threads=config.encoder_threads,
        sample_aspect_ratio=facts.sample_aspect_ratio,
    )
    count = 0
    with writer:
        for planes in read_planes(view):
            _check(view, plan, planes)
            renderer.mask(planes.index, (planes.y, planes.u, planes.v))
            writer.write(planes.pts, planes.y, planes.u, planes.v)
            count = planes.index + 1
            if count % REPORT_EVERY == 0:
                progress(count, plan.num_frames, f"export {view.id}")
        if count != plan.num_frames:
            raise _changed(view, count)
    progress(count, plan.num_frames, f"export {view.id}")
    return renderer.fills


def _check(view: View, plan: Plan, planes: Planes) -> None:
    sound = planes.index < plan.num_frames and planes.pts == plan.pts[planes.index]
    if not sound or planes.y.shape != (plan.size[1], plan.size[0]):
        raise _changed(view, planes.index)


def _changed(view: View, frame: int) -> MediaError:
    return MediaError(view.id, "the media are not those that were ingested", "Ingest the recording again", frame)
