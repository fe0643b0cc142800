"""Workspaces beside a workspace: what each round of an adaptation computes, until it is known to be better.

::

    WORKSPACE/adapt/base/      the recording as the base detector sees it
    WORKSPACE/adapt/round-N/   labels of the round, training set, weights (of the first workspace's folder)
    WORKSPACE/adapt/alone-N/   as the adapted detector alone sees it
    WORKSPACE/adapt/union-N/   as both together see it

Each is a workspace of the same recording with run records of its own, so that every stage is skipped where nothing has
changed. The recording's own tables are touched only by :func:`adopt`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from drape import tables
from drape.adaptation.union import union
from drape.errors import WorkspaceError
from drape.pipeline.records import digest
from drape.pipeline.workspace import WHOLE, Workspace
from drape.tracking import TrackingConfig

FOLDER = "adapt"
STAGES = ("detect", "track", "associate", "retrieve")
COMPUTED = ("covered", "candidates", "glimpses", "tracklets", "persons", "missed")
EXTRA = ("models/association.safetensors", "plots/association.png", "plots/retrieval.png")


def beside(ws: Workspace, name: str) -> Workspace:
    """The workspace of this name beside ``ws``, with its recording and frames; made if it is not there."""
    root = ws.root / FOLDER / name
    room = Workspace.create(root, ws.recording)
    for view in ws.recording.views:
        _copy(ws.path("frames", view.id), room.path("frames", view.id))
    return room


def seed(base: Workspace, ws: Workspace) -> None:
    """Give a new base room what the recording's stages have computed already; what does not fit is computed anew."""
    known = ws.record("detect") or {}
    if base.record("detect") is None and "adapted" not in known.get("detector", {}):
        _take_over(ws, base)


def adopt(best: Workspace, ws: Workspace) -> list[Path]:
    """Make the tables of a room the recording's own.

    Returns:
        The files that were written.
    """
    ws.forget_agreement()
    return _take_over(best, ws)


def _take_over(source: Workspace, target: Workspace) -> list[Path]:
    written = []
    for kind in COMPUTED:
        for view in source.recording.views:
            written += _copy(source.path(kind, view.id), target.path(kind, view.id))
    for kind in WHOLE:
        written += _copy(source.whole_path(kind), target.whole_path(kind))
    for name in EXTRA:
        written += _copy(source.root / name, target.root / name)
    for stage in STAGES:
        record = source.record(stage)
        if record is not None:
            target.write_record(stage, record)
    return written


def unite(base: Workspace, alone: Workspace, room: Workspace, overlap: float) -> dict[str, Any]:
    """Fill a room with the candidates of the base and of the adapted detector together.

    What is known of a frame is what the base knows: the union exists to find more, never to say less. The record has
    the digest of the base's detection, so that detecting again with the same settings keeps what was added.

    Returns:
        The room's record of detection; it names both detectors.
    """
    first, second = base.record("detect") or {}, alone.record("detect") or {}
    views: dict[str, Any] = {}
    for view in (v.id for v in base.recording.views):
        inputs = {name: tables.sha256(r.path("candidates", view)) for name, r in (("base", base), ("adapted", alone))}
        stamp = digest("adaptation", TrackingConfig(), inputs)
        known = (room.record("detect") or {}).get("views", {}).get(view, {})
        if known.get("union") == stamp and room.path("candidates", view).is_file():
            views[view] = known
            continue
        table, added = union(base.candidates(view), alone.candidates(view), overlap)
        tables.write(table, room.path("candidates", view))
        for kind in ("covered", "glimpses"):
            _copy(base.path(kind, view), room.path(kind, view))
        counts = {**first["views"][view]["counts"], "candidates": table.num_rows, "added": int(added.sum())}
        kinds = ("candidates", "covered", "glimpses")
        outputs = {kind: tables.sha256(room.path(kind, view)) for kind in kinds}
        views[view] = {**first["views"][view], "union": stamp, "outputs": outputs, "counts": counts}
    detectors = {"base": first.get("detector", {}), "adapted": second.get("detector", {})}
    name = f"{detectors['base'].get('name', '')} with what it learned at the site"
    room.write_record("detect", {**first, "views": views, "detector": {"name": name, **detectors}})
    return room.record("detect") or {}


def _copy(source: Path, target: Path) -> list[Path]:
    """Copy a file where there is one and the target is not the same already; whole or not at all."""
    if not source.is_file():
        return []
    if target.is_file() and tables.sha256(target) == tables.sha256(source):
        return [target]
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise WorkspaceError(
            f"A table could not be written ({error.strerror})", "Free disk space, then run again"
        ) from error
    return [target]
