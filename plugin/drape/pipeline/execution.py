"""How a stage runs over the views of a workspace: skipped where nothing has changed, by finished segments."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drape
from drape import tables
from drape.config import StageConfig
from drape.errors import WorkspaceError
from drape.pipeline.records import Stopwatch, digest, public_config
from drape.pipeline.workspace import Workspace
from drape.recording import Recording, View

Counts = dict[str, int]


def each_view(
    ws: Workspace,
    stage: str,
    package: str,
    config: StageConfig,
    inputs: Callable[[View], dict[str, str]],
    outputs: tuple[str, ...],
    work: Callable[[View, str], Counts],
    about: Callable[[], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """Run a stage over every view whose result is not there already.

    Args:
        ws: the workspace; held against other processes meanwhile.
        stage: the stage's name in records.
        package: the engine's package whose code the result depends on.
        config: the stage's settings.
        inputs: gives the digests of what a view's result depends on.
        outputs: the kinds of table that ``work`` writes.
        work: does one view, given the digest of its run, and returns counts for the record.
        about: gives, after ``work``, what else the record says of the run.

    Returns:
        The run record.
    """
    with ws.locked():
        old = (ws.record(stage) or {}).copy()
        views: dict[str, Any] = dict(old.get("views", {}))
        for view in ws.recording.views:
            stamp = digest(package, config, inputs(view))
            if _unchanged(ws, view, views.get(view.id), stamp):
                continue
            watch = Stopwatch()
            counts = work(view, stamp)
            files = {kind: tables.sha256(ws.path(kind, view.id)) for kind in outputs}
            views[view.id] = {"digest": stamp, "outputs": files, "counts": counts, "seconds": watch.seconds}
            seconds = sum(float(v.get("seconds", 0)) for v in views.values())
            record = run_record(stage, config, ws.recording, views, seconds)
            ws.write_record(stage, {**old, **record, **about()})
        return ws.record(stage) or {}


def whole_recording(
    ws: Workspace,
    stage: str,
    package: str,
    config: StageConfig,
    inputs: dict[str, str],
    work: Callable[[], tuple[dict[str, Counts], list[Path]]],
    about: Callable[[], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """Run a stage that looks at all views at once, unless its result is there already.

    Args:
        ws: the workspace; held against other processes meanwhile.
        stage: the stage's name in records.
        package: the engine's package whose code the result depends on.
        config: the stage's settings.
        inputs: digests of what the result depends on.
        work: does it, and returns counts per view and the files that were written.
        about: gives, after ``work``, what else the record says of the run.

    Returns:
        The run record.
    """
    with ws.locked():
        stamp = digest(package, config, inputs)
        old = ws.record(stage)
        if old is not None and old.get("digest") == stamp and _intact(ws.root, old.get("files", {})):
            return old
        watch = Stopwatch()
        counts, written = work()
        files = {path.relative_to(ws.root).as_posix(): tables.sha256(path) for path in written}
        views = {view: {"digest": stamp, "outputs": {}, "counts": found} for view, found in counts.items()}
        record = run_record(stage, config, ws.recording, views, watch.seconds)
        ws.write_record(stage, {**record, "digest": stamp, "files": files, **about()})
        return ws.record(stage) or {}


def _intact(root: Path, files: dict[str, str]) -> bool:
    paths = {root / name: known for name, known in files.items()}
    return all(path.is_file() and tables.sha256(path) == known for path, known in paths.items())


def _unchanged(ws: Workspace, view: View, known: dict[str, Any] | None, stamp: str) -> bool:
    if known is None or known["digest"] != stamp:
        return False
    paths = {kind: ws.path(kind, view.id) for kind in known["outputs"]}
    return all(path.is_file() and tables.sha256(path) == known["outputs"][kind] for kind, path in paths.items())


def run_record(
    stage: str, config: StageConfig | None, recording: Recording, views: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """A run record: what was run, with which settings, and what came out of it for each view."""
    return {
        "stage": stage,
        "recording": recording.id,
        "version": drape.__version__,
        "config": public_config(config) if config else {},
        "views": views,
        "seconds": round(seconds, 3),
    }


def made(ws: Workspace, kind: str, view: View) -> Path:
    """The path of a table that must exist.

    Raises:
        WorkspaceError: its stage has not run.
    """
    path = ws.path(kind, view.id)
    if not path.is_file():
        raise WorkspaceError(f"There are no {kind} of {view.id} yet", "Run the stage before this one first")
    return path


def segment_folder(ws: Workspace, stage: str, view: View, stamp: str) -> Path:
    """Where finished segments of this very run are kept; those of other configurations are removed."""
    parent = ws.root / "segments" / stage / view.id
    folder = parent / stamp[:16]
    for other in parent.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def finished_frames(folder: Path) -> int:
    """Number of frames that finished segments cover without a hole; later ones are removed."""
    stop = 0
    others = ("candidates", "glimpses")
    for path in sorted(folder.glob("*.covered")):
        first, last = (int(part) for part in path.stem.split("-"))
        if first == stop and all(path.with_suffix(f".{kind}").is_file() for kind in others):
            stop = last
        else:
            path.unlink()
    for kind in others:
        for path in folder.glob(f"*.{kind}"):
            if not path.with_suffix(".covered").is_file():
                path.unlink()
    return stop
