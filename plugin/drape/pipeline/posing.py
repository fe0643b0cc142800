"""Poses and head regions on a workspace."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from drape import tables
from drape.pipeline.execution import Counts, each_view, made, segment_folder, whole_recording
from drape.pipeline.ingestion import check_source
from drape.pipeline.workspace import Workspace
from drape.pose import PoseConfig, build_estimator, estimate_view, smooth_segments
from drape.pose.head_config import HeadConfig
from drape.pose.heads import heads_of_views
from drape.pose.rows import RAW, points_of
from drape.progress import Progress, silent
from drape.recording import View


def estimate_poses(
    ws: Workspace,
    config: PoseConfig | None = None,
    progress: Progress = silent,
    heads: HeadConfig | None = None,
) -> dict[str, Any]:
    """Find the key points of every person of every view who will be masked, smoothed over their tracklets, then the
    head regions (``find_heads``).

    Persons are those of the retrieval, before it those of tracking, and those that a curator added.

    Returns:
        The run record of the poses; that of the head regions is ``heads``.

    Raises:
        WorkspaceError: tracking has not run.
        ConfigError, WeightsError, PoseError: the pose model cannot be used.
        MediaError: the media have changed since ingest, or cannot be read any more.
    """
    config = config or PoseConfig()
    holder: list[Any] = []

    def work(view: View, stamp: str) -> Counts:
        check_source(view)
        if not holder:
            holder.append(build_estimator(config))
        folder = segment_folder(ws, "pose", view, stamp)
        start = _finished_frames(folder)
        persons = ws.everyone(view.id)
        for segment in estimate_view(view, persons, holder[0], config, start=start, progress=progress):
            tables.write(segment.poses, folder / f"{segment.start:09d}-{segment.stop:09d}.raw")
        counts = _smooth(folder, config, ws.path("poses", view.id))
        shutil.rmtree(folder)
        return counts

    def inputs(view: View) -> dict[str, str]:
        made(ws, "tracklets", view)
        return {"media": view.sha256, "frames": tables.sha256(ws.path("frames", view.id)), **_person_digests(ws, view)}

    def about() -> dict[str, Any]:
        return {"estimator": {"name": holder[0].name, **holder[0].fingerprint}}

    record = each_view(ws, "pose", "pose", config, inputs, ("poses",), work, about)
    find_heads(ws, heads, progress)
    return record


def find_heads(ws: Workspace, config: HeadConfig | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Find the head region of every person of every view, from the poses where there are any.

    Returns:
        The run record.

    Raises:
        WorkspaceError: tracking has not run, or the poses are of other persons than there are now.
    """
    config = config or HeadConfig()
    inputs: dict[str, str] = {}
    for view in ws.recording.views:
        made(ws, "tracklets", view)
        inputs |= {f"{kind} {view.id}": digest for kind, digest in _person_digests(ws, view).items()}
        if ws.path("poses", view.id).is_file():
            inputs[f"poses {view.id}"] = tables.sha256(ws.path("poses", view.id))

    def work() -> tuple[dict[str, Counts], list[Path]]:
        persons = {view.id: ws.everyone(view.id) for view in ws.recording.views}
        found = heads_of_views(_StoredPoses(ws), persons, config, progress)
        counts: dict[str, Counts] = {}
        for view, heads in found.items():
            tables.write(heads, ws.path("heads", view))
            rules = heads.column("rule").to_pylist()
            counts[view] = {"heads": len(rules), **{rule: rules.count(rule) for rule in tables.HEAD_RULES}}
        return counts, [ws.path("heads", view) for view in found]

    return whole_recording(ws, "heads", "pose", config, inputs, work)


class _StoredPoses(Mapping[str, pa.Table]):
    """The poses of the views that have any, each read when it is asked for: those of all would be too many to hold."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._views = [view.id for view in ws.recording.views if ws.path("poses", view.id).is_file()]

    def __getitem__(self, view: str) -> pa.Table:
        if view not in self._views:
            raise KeyError(view)
        return self._ws.read("poses", view)

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)


def _person_digests(ws: Workspace, view: View) -> dict[str, str]:
    """Digests of the tables that ``Workspace.everyone`` is made of."""
    paths = {"persons": ws.persons_path(view.id), "reviewed": ws.path("reviewed", view.id)}
    return {kind: tables.sha256(path) for kind, path in paths.items() if path.is_file()}


def _finished_frames(folder: Path) -> int:
    """Number of frames that finished segments cover without a hole; later ones are removed."""
    stop = 0
    for path in sorted(folder.glob("*.raw")):
        first, last = (int(part) for part in path.stem.split("-"))
        if first == stop:
            stop = last
        else:
            path.unlink()
    return stop


def _smooth(folder: Path, config: PoseConfig, target: Path) -> Counts:
    """Write the final table of a view from its finished segments, and count."""
    counts = {"persons": 0, "unknown": 0}

    def segments() -> Iterator[pa.Table]:
        for path in sorted(folder.glob("*.raw")):
            raw = tables.read(path, RAW)
            counts["persons"] += raw.num_rows
            counts["unknown"] += int(np.isnan(points_of(raw)[0]).all(axis=(1, 2)).sum()) if raw.num_rows else 0
            yield raw

    parts = []
    for number, poses in enumerate(smooth_segments(segments(), config)):
        parts.append(folder / f"{number:09d}.poses")
        tables.write(poses, parts[-1])
    tables.join(parts, target, tables.POSES)
    return counts
