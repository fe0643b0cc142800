"""What a round of adaptation learns from: pseudo labels of the stretches that are not held out, and their pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.adaptation.config import AdaptationConfig
from drape.adaptation.frames import held_out, only
from drape.adaptation.labels import LabelledFrame, labelled_frames, pseudo_labels
from drape.adaptation.preview import write_preview
from drape.adaptation.training_set import TrainingSet, chosen_pictures, write_training_set
from drape.errors import AdaptationError
from drape.pipeline.workspace import Workspace, write_text
from drape.progress import Progress

Frames = dict[str, NDArray[np.int32]]
_DONE = "training.json"


class Split(NamedTuple):
    """Frames of each view to learn from, and those held out; frames the detector could not say anything of are in
    neither."""

    learned: Frames
    held: Frames


def split(base: Workspace, config: AdaptationConfig) -> Split:
    """Cut a recording into stretches to learn from and to judge by, the same in all views."""
    times = {view.id: base.frames(view.id).column("time").to_numpy() for view in base.recording.views}
    start, stop = min(t[0] for t in times.values()), max(t[-1] for t in times.values())
    found = Split({}, {})
    for view, time in times.items():
        held = held_out(time, start, stop, config.blocks, config.held_every)
        known = np.zeros(len(time), bool)
        covered = base.covered(view)
        known[covered.column("frame").to_numpy()] = covered.column("known").to_numpy(zero_copy_only=False)
        frames = np.arange(len(time), dtype=np.int32)
        found.learned[view], found.held[view] = frames[known & ~held], frames[known & held]
    return found


def label(
    room: Workspace, frames: Frames, config: AdaptationConfig, home: Workspace | None = None
) -> tuple[pa.Table, pa.Table]:
    """Pseudo labels from the persons of a room, in these frames only.

    Args:
        room: whose persons are learned from.
        frames: of each view.
        config: settings.
        home: the workspace that holds what curators have decided; the room itself if it is not another's.

    Returns:
        ``LABELS`` and ``CHOSEN`` of the recording.
    """
    views = room.recording.views
    return pseudo_labels(
        persons={v.id: only(room.persons(v.id), frames[v.id]) for v in views},
        covered={v.id: only(room.covered(v.id), frames[v.id]) for v in views},
        candidates={v.id: only(room.candidates(v.id), frames[v.id]) for v in views},
        sizes={v.id: (v.width, v.height) for v in views},
        glimpses={v.id: only(room.read("glimpses", v.id), frames[v.id]) for v in views},
        config=config.labels,
        reviewed={v.id: only((home or room).reviewed(v.id), frames[v.id]) for v in views},
        missed={v.id: only(room.missed(v.id), frames[v.id]) for v in views},
        frames={v.id: room.frames(v.id) for v in views},
    )


def teach(
    rooms: Sequence[Workspace], taught: Sequence[tuple[pa.Table, pa.Table]], folder: Path, progress: Progress
) -> TrainingSet:
    """Write the pictures and labels of a round, unless the same are there already.

    Args:
        rooms: one per recording of the site.
        taught: ``LABELS`` and ``CHOSEN`` of each.
        folder: of the training set.

    Raises:
        AdaptationError: no frame was chosen.
    """
    stamp = labels_digest(taught)
    marker = folder / _DONE
    if marker.is_file():
        known = json.loads(marker.read_text())
        if known["labels"] == stamp:
            return TrainingSet(folder, folder / known["annotations"], known["images"], known["boxes"], known["digest"])
        marker.unlink()
    if not any(chosen.num_rows for _, chosen in taught):
        raise AdaptationError(
            "No frame of the recording can teach a detector", "Give a longer recording, or lower the labels' demands"
        )
    found = write_training_set(_pictures(rooms, taught, progress), folder)
    write_preview(found.annotations, folder / "preview.png")
    facts = {"images": found.images, "boxes": found.boxes, "digest": found.digest}
    place = found.annotations.relative_to(folder).as_posix()
    write_text(marker, json.dumps({"labels": stamp, "annotations": place, **facts}, sort_keys=True))
    return found


def labels_digest(taught: Sequence[tuple[pa.Table, pa.Table]]) -> str:
    """A digest of label tables."""
    digest = hashlib.sha256()
    for table in (table for pair in taught for table in pair):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        digest.update(sink.getvalue())
    return digest.hexdigest()


def _pictures(
    rooms: Sequence[Workspace], taught: Sequence[tuple[pa.Table, pa.Table]], progress: Progress
) -> Iterator[tuple[LabelledFrame, NDArray[np.uint8]]]:
    """Chosen frames with their pictures; views of several recordings are told apart."""
    for number, (room, pair) in enumerate(zip(rooms, taught, strict=True), start=1):
        for lesson, picture in chosen_pictures(room.recording.views, labelled_frames(*pair), progress):
            name = lesson.view if len(rooms) == 1 else f"r{number}-{lesson.view}"
            yield lesson._replace(view=name), picture
