"""Detection and tracking on a workspace."""

from __future__ import annotations

import shutil
from typing import Any

import pyarrow.compute as pc

from drape import tables
from drape.detection import DetectionConfig, build_detector, detect_view
from drape.pipeline.execution import Counts, each_view, finished_frames, made, segment_folder
from drape.pipeline.ingestion import check_source
from drape.pipeline.workspace import SCHEMAS, Workspace
from drape.progress import Progress, silent
from drape.recording import View
from drape.tracking import TrackingConfig, track_view

DETECTED = ("candidates", "glimpses", "covered")
"""Tables that detection makes."""


def detect(ws: Workspace, config: DetectionConfig | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Find candidates in every frame of every view.

    Returns:
        The run record.

    Raises:
        WeightsError, DetectionError: the detector cannot be used.
        MediaError: the media have changed since ingest, or cannot be read any more.
    """
    config = config or DetectionConfig()
    holder: list[Any] = []

    def work(view: View, stamp: str) -> Counts:
        check_source(view)
        if not holder:
            holder.append(build_detector(config))
        folder = segment_folder(ws, "detect", view, stamp)
        start = finished_frames(folder)
        for segment in detect_view(view, holder[0], config, start=start, progress=progress):
            name = f"{segment.start:09d}-{segment.stop:09d}"
            tables.write(segment.candidates, folder / f"{name}.candidates")
            tables.write(segment.glimpses, folder / f"{name}.glimpses")
            tables.write(segment.covered, folder / f"{name}.covered")
        for kind in DETECTED:
            tables.join(sorted(folder.glob(f"*.{kind}")), ws.path(kind, view.id), SCHEMAS[kind])
        covered = ws.covered(view.id)
        shutil.rmtree(folder)
        known = int(covered.column("known").to_numpy(zero_copy_only=False).sum())
        return {
            "frames": covered.num_rows,
            "unknown_frames": covered.num_rows - known,
            "candidates": tables.rows(ws.path("candidates", view.id)),
        }

    def inputs(view: View) -> dict[str, str]:
        return {"media": view.sha256, "frames": tables.sha256(ws.path("frames", view.id))}

    def about() -> dict[str, Any]:
        return {"detector": {"name": holder[0].name, **holder[0].fingerprint}}

    return each_view(ws, "detect", "detection", config, inputs, DETECTED, work, about)


def track(ws: Workspace, config: TrackingConfig | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Turn every view's candidates into tracklets; what came of earlier tracklets is removed.

    Returns:
        The run record.

    Raises:
        WorkspaceError: detection has not run.
    """
    config = config or TrackingConfig()
    total = len(ws.recording.views)

    def work(view: View, stamp: str) -> Counts:  # noqa: ARG001
        progress(ws.recording.views.index(view), total, f"track {view.id}")
        size = (view.width, view.height)
        tracklets = track_view(ws.frames(view.id), ws.candidates(view.id), size, config)
        ws.forget_agreement()
        tables.write(tracklets, ws.path("tracklets", view.id))
        accepted = tracklets.filter(pc.greater_equal(tracklets.column("existence"), 0.5))
        return {"persons": accepted.num_rows, "tracklets": len(accepted.column("tracklet").unique())}

    def inputs(view: View) -> dict[str, str]:
        kinds = ("frames", "candidates")
        return {"size": f"{view.width}x{view.height}"} | {k: tables.sha256(made(ws, k, view)) for k in kinds}

    record = each_view(ws, "track", "tracking", config, inputs, ("tracklets",), work)
    progress(total, total, "track")
    return record
