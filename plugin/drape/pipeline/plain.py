"""Association and retrieval of plain detections: no video, no workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from drape import tables
from drape.association import AssociationConfig, ViewBoxes, from_tables
from drape.progress import Progress, silent
from drape.retrieval import RetrievalConfig, RetrievalView, Retrieved, retrieve, untracked

if TYPE_CHECKING:
    from drape.association import AssociatedRecording


@dataclass(frozen=True)
class Detections:
    """A view that is known by its detections alone.

    Attributes:
        id: the view.
        frames, candidates: ``FRAMES`` and ``CANDIDATES``.
        tracklets: ``TRACKLETS``, or None where its frames are too far apart to be tracked.
    """

    id: str
    frames: pa.Table
    candidates: pa.Table
    tracklets: pa.Table | None

    def size(self) -> tuple[int, int]:
        """Width and height that the boxes reach to, in pixels."""
        boxes = tables.boxes_of(self.candidates)
        return (int(boxes[:, 2].max()) + 1, int(boxes[:, 3].max()) + 1) if len(boxes) else (1, 1)


def associate_detections(
    views: Sequence[Detections],
    config: AssociationConfig | None = None,
    train: Sequence[Detections] = (),
    model: Path | None = None,
    progress: Progress = silent,
) -> AssociatedRecording:
    """Associate views without video.

    Args:
        views: whose detections are matched.
        config: settings.
        train: unlabelled detections to learn from; empty: ``views``.
        model: file of a model that is used as it is, instead of learning.
        progress: counts steps of learning, then instants.

    Raises:
        RecordingError, WeightsError: the detections or the model cannot be used.
    """
    from drape.association import associate_recording

    boxes, learned_from = ([_boxes_of(view) for view in group] for group in (views, train))
    return associate_recording(boxes, config or AssociationConfig(), learned_from or None, model, progress=progress)


def retrieve_detections(
    views: Sequence[Detections],
    association: AssociatedRecording | None,
    config: RetrievalConfig | None = None,
    progress: Progress = silent,
) -> Retrieved:
    """Retrieve persons without video; ``association`` as of :func:`associate_detections`, or None for one view."""
    seen = [
        RetrievalView(
            view.id,
            view.size(),
            view.frames,
            view.candidates,
            untracked(view.candidates) if view.tracklets is None else view.tracklets,
            tracked=view.tracklets is not None,
        )
        for view in views
    ]
    evidence: dict[str, pa.Table] = {}
    if association is not None:
        evidence = {kind: getattr(association, kind) for kind in ("pairs", "identities", "expected")}
    return retrieve(seen, **evidence, config=config, progress=progress)


def _boxes_of(view: Detections) -> ViewBoxes:
    return from_tables(view.id, view.candidates, view.tracklets, None, view.frames)
