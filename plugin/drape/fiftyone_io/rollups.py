"""What a curator filters recordings by: counts per view, kept on the sample so that the sidebar stays fast."""

from __future__ import annotations

from collections.abc import Mapping

import fiftyone as fo
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.pipeline import Workspace

ACCEPTED = 0.5
"""Existence probability from which on a person counts."""

Counts = dict[str, int]


def person_counts(persons: pa.Table, num_frames: int) -> Counts:
    """Roll-ups of one view's accepted persons.

    Returns:
        ``num_persons`` (most at once), ``num_tracklets``, ``num_interpolated`` (boxes), ``num_empty`` (frames without
        a person).
    """
    accepted = persons.column("existence").to_numpy() >= ACCEPTED
    frames = persons.column("frame").to_numpy()[accepted]
    sources = persons.column("source").to_numpy(zero_copy_only=False)[accepted]
    per_frame = np.bincount(frames, minlength=num_frames)
    return {
        "num_persons": int(per_frame.max(initial=0)),
        "num_tracklets": len(np.unique(persons.column("tracklet").to_numpy()[accepted])),
        "num_interpolated": int((sources == "interpolated").sum()),
        "num_empty": int((per_frame[:num_frames] == 0).sum()),
    }


def unknown_intervals(covered: pa.Table) -> list[tuple[int, int]]:
    """Runs of frames of which the detector could say nothing, as first and last frame number, from 1, inclusive."""
    known = covered.column("known").to_numpy(zero_copy_only=False)
    frames = covered.column("frame").to_numpy()[~known]
    if not len(frames):
        return []
    breaks: NDArray[np.int64] = np.flatnonzero(np.diff(frames) > 1)
    firsts, lasts = np.r_[frames[0], frames[breaks + 1]], np.r_[frames[breaks], frames[-1]]
    return [(int(a) + 1, int(b) + 1) for a, b in zip(firsts, lasts, strict=True)]


@database()
def write_unknown(dataset: fo.Dataset, ws: Workspace) -> None:
    """Write ``num_unknown`` and the "unknown" intervals of a detected recording.

    Raises:
        DatasetError: the recording is not in the dataset.
        WorkspaceError: detection has not run.
    """
    counts: dict[str, Counts] = {}
    for view in ws.recording.views:
        spans = unknown_intervals(ws.covered(view.id))
        counts[view.id] = {"num_unknown": sum(last - first + 1 for first, last in spans)}
        _write_intervals(dataset, ws.recording.id, view.id, "unknown", spans)
    _write_counts(dataset, ws, counts)


@database()
def write_person_counts(dataset: fo.Dataset, ws: Workspace, persons: dict[str, pa.Table]) -> None:
    """Write the roll-ups of every view's persons.

    Raises:
        DatasetError: the recording is not in the dataset.
    """
    counts = {name: person_counts(table, ws.recording.view(name).num_frames) for name, table in persons.items()}
    _write_counts(dataset, ws, counts)


@database()
def write_release_status(dataset: fo.Dataset, recording: str, status: str) -> None:
    """Write ``release_status`` on every slice of a recording.

    Args:
        dataset: of recordings.
        recording: its id.
        status: ``"none"``, ``"verified"``, or ``"outdated"`` (persons have changed since).
    """
    ids = datasets.slice_ids(dataset, recording).values()
    _set(dataset, "release_status", dict.fromkeys(ids, status))


@database()
def outdate_release(dataset: fo.Dataset, recording: str) -> None:
    """Say that a recording's release, if there is one, was made of other persons."""
    if "verified" in datasets.flat(dataset, recording).distinct("release_status"):
        write_release_status(dataset, recording, "outdated")


def _write_counts(dataset: fo.Dataset, ws: Workspace, counts: dict[str, Counts]) -> None:
    """The mosaic gets the sums, and of ``num_persons`` the greatest: it stands for the recording in the grid."""
    ids = datasets.slice_ids(dataset, ws.recording.id)
    for name in next(iter(counts.values())):
        values = {ids[view]: found[name] for view, found in counts.items()}
        whole = max(values.values()) if name == "num_persons" else sum(values.values())
        _set(dataset, name, values | {ids[schema.MOSAIC]: whole})


def _write_intervals(dataset: fo.Dataset, recording: str, view: str, label: str, spans: list[tuple[int, int]]) -> None:
    """Replace the intervals of one label; those of other labels stay."""
    collection, sample = datasets.one(dataset, recording, view)
    present = sample[schema.INTERVALS]
    others = [d for d in present.detections if d.label != label] if present else []
    ours = [fo.TemporalDetection(label=label, support=list(span)) for span in spans]
    value = fo.TemporalDetections(detections=others + ours)
    collection.set_values(schema.INTERVALS, {sample.id: value}, key_field="id")


def _set(dataset: fo.Dataset, field: str, values: Mapping[str, object]) -> None:
    datasets.flat(dataset, mosaic=True).select(list(values)).set_values(field, values, key_field="id")
