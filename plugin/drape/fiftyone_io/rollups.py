"""What a curator filters recordings by: counts per view, kept on the sample so that the sidebar stays fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fiftyone as fo
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.pipeline import Workspace

ACCEPTED = 0.5
"""Existence probability from which on a person counts."""

LIKELY_MISSED = "likely_missed"
SYNCHRONY = ("unsynchronized", "camera_moved")
"""Labels of intervals."""

Counts = dict[str, int]


def person_counts(persons: pa.Table, num_frames: int) -> Counts:
    """Roll-ups of one view's accepted persons; mirror images are not counted.

    Returns:
        ``num_persons`` (most at once), ``num_tracklets``, ``num_interpolated`` (boxes), ``num_empty`` (frames without
        a person).
    """
    accepted = persons.column("existence").to_numpy() >= ACCEPTED
    accepted &= ~persons.column("copy").to_numpy(zero_copy_only=False)
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
        found = [fo.TemporalDetection(label="unknown", support=list(span)) for span in spans]
        _write_intervals(dataset, ws.recording.id, view.id, "unknown", found)
    _write_counts(dataset, ws, counts)


@database()
def write_person_counts(dataset: fo.Dataset, ws: Workspace, persons: dict[str, pa.Table]) -> None:
    """Write the roll-ups of every view's persons.

    Raises:
        DatasetError: the recording is not in the dataset.
    """
    counts = {name: person_counts(table, ws.recording.view(name).num_frames) for name, table in persons.items()}
    _write_counts(dataset, ws, counts, greatest=("num_persons",))


@database()
def write_missed_counts(dataset: fo.Dataset, ws: Workspace) -> None:
    """Write ``num_missed``, ``missed_risk``, ``longest_exposure`` and the intervals "likely_missed" of a recording.

    ``num_missed`` counts the intervals "likely_missed", ``missed_risk`` is the expected number of person-seconds that
    are missed, ``longest_exposure`` the seconds of the longest such interval.

    Raises:
        DatasetError: the recording is not in the dataset.
        WorkspaceError: a table is damaged.
    """
    _write_labelled(dataset, ws, ws.whole("intervals"), (LIKELY_MISSED,))
    counts: dict[str, dict[str, float]] = {}
    for view in ws.recording.views:
        times = ws.frames(view.id).column("time").to_numpy()
        mine = [row for row in ws.whole("intervals").to_pylist() if row["view"] == view.id]
        lengths = [row["stop"] - row["start"] for row in mine]
        counts[view.id] = {
            "num_missed": len(lengths),
            "missed_risk": missed_person_seconds(ws.missed(view.id), times),
            "longest_exposure": float(max(lengths, default=0.0)),
        }
    _write_counts(dataset, ws, counts, greatest=("longest_exposure",))


@database()
def write_head_counts(dataset: fo.Dataset, ws: Workspace) -> None:
    """Write ``num_fallback_heads``: heads that were not read from key points of their own frame.

    Raises:
        DatasetError: the recording is not in the dataset.
        WorkspaceError: a table is missing or damaged.
    """
    rules = {view.id: ws.read("heads", view.id).column("rule") for view in ws.recording.views}
    counts = {
        view: {"num_fallback_heads": pc.sum(pc.not_equal(rule, "key_points")).as_py() or 0}
        for view, rule in rules.items()
    }
    _write_counts(dataset, ws, counts)


@database()
def write_synchrony(dataset: fo.Dataset, ws: Workspace) -> None:
    """Write where views of an associated recording are out of step, and where a camera was moved, as intervals.

    Raises:
        DatasetError: the recording is not in the dataset.
        WorkspaceError: a table is damaged.
    """
    _write_labelled(dataset, ws, ws.whole("synchrony"), SYNCHRONY)


@database()
def has_missed(dataset: fo.Dataset, recording: str) -> bool:
    """Whether the dataset says of a recording where somebody is likely missed."""
    return any(value is not None for value in datasets.flat(dataset, recording).values("num_missed"))


def missed_person_seconds(missed: pa.Table, times: NDArray[np.float64]) -> float:
    """Expected person-seconds missed in a view.

    Args:
        missed: ``MISSED`` of the view.
        times: (F,) time of each of its frames, in seconds.
    """
    if not missed.num_rows:
        return 0.0
    lasts = np.diff(times, append=times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 0.0))
    return float((missed.column("probability").to_numpy() * lasts[missed.column("frame").to_numpy()]).sum())


def _write_labelled(dataset: fo.Dataset, ws: Workspace, table: pa.Table, labels: tuple[str, ...]) -> None:
    rows = table.to_pylist()
    for view in ws.recording.views:
        times = ws.frames(view.id).column("time").to_numpy()
        for label in labels:
            found = [_interval(row, times) for row in rows if row["view"] == view.id and row["label"] == label]
            _write_intervals(dataset, ws.recording.id, view.id, label, found)


def _interval(row: dict[str, Any], times: NDArray[np.float64]) -> fo.TemporalDetection:
    first = int(np.clip(np.searchsorted(times, row["start"]), 0, len(times) - 1))
    last = int(np.clip(np.searchsorted(times, row["stop"]) - 1, first, len(times) - 1))
    return fo.TemporalDetection(
        label=row["label"], support=[first + 1, last + 1], confidence=row["confidence"], reason=row["reason"]
    )


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


def _write_counts(
    dataset: fo.Dataset, ws: Workspace, counts: Mapping[str, Mapping[str, float]], greatest: tuple[str, ...] = ()
) -> None:
    """The mosaic stands for the recording in the grid: it gets the sums over the views, or the greatest."""
    ids = datasets.slice_ids(dataset, ws.recording.id)
    for name in next(iter(counts.values())):
        values = {ids[view]: found[name] for view, found in counts.items()}
        whole = max(values.values()) if name in greatest else sum(values.values())
        _set(dataset, name, values | {ids[schema.MOSAIC]: whole})


def _write_intervals(
    dataset: fo.Dataset, recording: str, view: str, label: str, ours: list[fo.TemporalDetection]
) -> None:
    """Replace the intervals of one label; those of other labels stay."""
    collection, sample = datasets.one(dataset, recording, view)
    present = sample[schema.INTERVALS]
    others = [d for d in present.detections if d.label != label] if present else []
    value = fo.TemporalDetections(detections=others + ours)
    collection.set_values(schema.INTERVALS, {sample.id: value}, key_field="id")


def _set(dataset: fo.Dataset, field: str, values: Mapping[str, object]) -> None:
    datasets.flat(dataset, mosaic=True).select(list(values)).set_values(field, values, key_field="id")
