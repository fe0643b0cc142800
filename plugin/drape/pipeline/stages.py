"""Each stage on a workspace: skipped if nothing it depends on has changed, resumed where it was stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import drape
from drape import media, tables
from drape.anonymization import ReleaseConfig, export_release, read_manifest
from drape.config import StageConfig
from drape.detection import DetectionConfig, build_detector, detect_view
from drape.errors import MediaError, RecordingError, ReleaseError, WorkspaceError
from drape.media.digest import digest as source_digest
from drape.pipeline.config import PipelineConfig
from drape.pipeline.records import Stopwatch, digest, public_config
from drape.pipeline.workspace import SCHEMAS, Workspace, lock, write_text
from drape.progress import Progress, silent
from drape.recording import Recording, View, load_recording
from drape.tracking import TrackingConfig, track_view

Counts = dict[str, int]


def ingest(source: Path | str, root: Path | str, progress: Progress = silent) -> Workspace:
    """Read every view once, strictly, and open the workspace that holds the result.

    Args:
        source: a video, a folder of videos or image folders, or a recording manifest; see ``load_recording``.
        root: the workspace's folder; made if it does not exist.
        progress: counts frames.

    Raises:
        RecordingError, MediaError: the source cannot be used as it is.
        WorkspaceError: the folder holds another recording's workspace, is in use, or cannot be written.
    """
    recording = load_recording(source)
    root = Path(root).expanduser().resolve()
    for view in recording.views:
        if root == view.media or root in view.media.parents:
            raise WorkspaceError("The workspace folder holds the source's media", "Choose another workspace folder")
    with lock(root):
        watch = Stopwatch()
        done = [_scan(view, root, progress) for view in recording.views]
        recording = recording.with_views(done)
        _same_recording(root, recording)
        workspace = Workspace.create(root, recording)
        views = {
            v.id: {
                "digest": v.sha256,
                "outputs": {"frames": tables.sha256(workspace.path("frames", v.id))},
                "counts": {"frames": v.num_frames, "width": v.width, "height": v.height},
            }
            for v in recording.views
        }
        workspace.write_record("ingest", _record("ingest", None, recording, views, watch.seconds))
    return workspace


def _scan(view: View, root: Path, progress: Progress) -> View:
    """Scan a view, or take over a finished scan of the same bytes with the same declaration."""
    kept = root / "segments" / "ingest" / f"{view.id}.json"
    frames = root / "frames" / f"{view.id}.parquet"
    stamp = digest("media", _Declared(view=view.model_dump_json()), {"media": source_digest(view)})
    if kept.is_file() and frames.is_file():
        first, _, rest = kept.read_text().partition("\n")
        if first == stamp:
            return View.model_validate_json(rest)
    scanned, table = media.scan(view, progress)
    tables.write(table, frames)
    write_text(kept, f"{stamp}\n{scanned.model_dump_json()}")
    return scanned


class _Declared(StageConfig):
    view: str


def _same_recording(root: Path, recording: Recording) -> None:
    if (root / "recording.json").exists() and Workspace.open(root).recording.id != recording.id:
        raise WorkspaceError(
            "The folder is the workspace of another recording, or the media have changed", "Choose an empty folder"
        )


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
        folder = _segment_folder(ws, "detect", view, stamp)
        start = _finished(folder)
        for segment in detect_view(view, holder[0], config, start=start, progress=progress):
            name = f"{segment.start:09d}-{segment.stop:09d}"
            tables.write(segment.candidates, folder / f"{name}.candidates")
            tables.write(segment.covered, folder / f"{name}.covered")
        for kind in ("candidates", "covered"):
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

    record = _each_view(ws, "detect", "detection", config, inputs, ("candidates", "covered"), work)
    if holder:
        record["detector"] = {"name": holder[0].name, **holder[0].fingerprint}
        ws.write_record("detect", record)
    return record


def check_source(view: View) -> None:
    """Make sure that the media are those that were ingested.

    Raises:
        MediaError: they are gone or were changed.
    """
    if not view.media.exists():
        raise MediaError(view.id, "the media are gone", "Bring them back to where they were ingested from")
    if source_digest(view) != view.sha256:
        raise MediaError(view.id, "the media were changed after ingest", "Ingest them again, in a new workspace")


def _segment_folder(ws: Workspace, stage: str, view: View, stamp: str) -> Path:
    """Where finished segments of this very run are kept; those of other configurations are removed."""
    parent = ws.root / "segments" / stage / view.id
    folder = parent / stamp[:16]
    for other in parent.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _finished(folder: Path) -> int:
    """Number of frames that finished segments cover without a hole; later ones are removed."""
    stop = 0
    for path in sorted(folder.glob("*.covered")):
        first, last = (int(part) for part in path.stem.split("-"))
        if first == stop and path.with_suffix(".candidates").is_file():
            stop = last
        else:
            path.unlink()
    for path in folder.glob("*.candidates"):
        if not path.with_suffix(".covered").is_file():
            path.unlink()
    return stop


def track(ws: Workspace, config: TrackingConfig | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Turn every view's candidates into persons.

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
        persons = track_view(ws.frames(view.id), ws.candidates(view.id), size, config)
        tables.write(persons, ws.path("persons", view.id))
        accepted = persons.filter(pc.greater_equal(persons.column("existence"), 0.5))
        return {"persons": accepted.num_rows, "tracklets": len(accepted.column("tracklet").unique())}

    def inputs(view: View) -> dict[str, str]:
        kinds = ("frames", "candidates")
        return {"size": f"{view.width}x{view.height}"} | {k: tables.sha256(_made(ws, k, view)) for k in kinds}

    record = _each_view(ws, "track", "tracking", config, inputs, ("persons",), work)
    progress(total, total, "track")
    return record


def _made(ws: Workspace, kind: str, view: View) -> Path:
    path = ws.path(kind, view.id)
    if not path.is_file():
        raise WorkspaceError(f"There are no {kind} of {view.id} yet", "Run the stage before this one first")
    return path


def _each_view(
    ws: Workspace,
    stage: str,
    package: str,
    config: StageConfig,
    inputs: Callable[[View], dict[str, str]],
    outputs: tuple[str, ...],
    work: Callable[[View, str], Counts],
) -> dict[str, Any]:
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
            record = _record(stage, config, ws.recording, views, seconds)
            ws.write_record(stage, {**old, **record})
        return ws.record(stage) or {}


def _unchanged(ws: Workspace, view: View, known: dict[str, Any] | None, stamp: str) -> bool:
    if known is None or known["digest"] != stamp:
        return False
    paths = {kind: ws.path(kind, view.id) for kind in known["outputs"]}
    return all(path.is_file() and tables.sha256(path) == known["outputs"][kind] for kind, path in paths.items())


def _record(
    stage: str, config: StageConfig | None, recording: Recording, views: dict[str, Any], seconds: float
) -> dict[str, Any]:
    return {
        "stage": stage,
        "recording": recording.id,
        "version": drape.__version__,
        "config": public_config(config) if config else {},
        "views": views,
        "seconds": round(seconds, 3),
    }


def export(
    ws: Workspace, config: ReleaseConfig | None = None, target: Path | str = "release", progress: Progress = silent
) -> dict[str, Any]:
    """Write the masked, verified release of a workspace.

    A target that is already the finished release of the same inputs is left as it is.

    Returns:
        The release's manifest.

    Raises:
        ReleaseError, VerificationError: nothing was released, and why.
    """
    config = config or ReleaseConfig()
    target = Path(target).expanduser().resolve()
    with ws.locked():
        watch = Stopwatch()
        for view in ws.recording.views:
            check_source(view)
            _made(ws, "persons", view)
        stamp = digest("anonymization", config, _release_inputs(ws))
        if target.exists():
            return _already(target, stamp)
        manifest = export_release(
            ws.recording,
            frames=ws.frames,
            covered=ws.covered,
            persons=ws.everyone,
            config=config,
            target=target,
            provenance=_provenance(ws, stamp),
            progress=progress,
        )
        views = {v: {"digest": stamp, "outputs": {}, "counts": {}} for v in (w.id for w in ws.recording.views)}
        ws.write_record("export", _record("export", config, ws.recording, views, watch.seconds))
    return manifest


def _already(target: Path, stamp: str) -> dict[str, Any]:
    try:
        manifest = read_manifest(target)
    except ReleaseError as error:
        raise ReleaseError("The target exists and is not a release", "Choose a target that does not exist") from error
    if manifest.get("provenance", {}).get("digest") != stamp:
        raise ReleaseError("The target holds another release", "Choose a target that does not exist")
    return manifest


def _release_inputs(ws: Workspace) -> dict[str, str]:
    kinds = ("frames", "covered", "persons")
    views = ws.recording.views
    files = {f"{kind}/{v.id}": tables.sha256(ws.path(kind, v.id)) for v in views for kind in kinds}
    reviewed = [v.id for v in views if ws.path("reviewed", v.id).is_file()]
    files |= {f"reviewed/{v}": tables.sha256(ws.path("reviewed", v)) for v in reviewed}
    return files | {f"media/{v.id}": v.sha256 for v in views}


def _provenance(ws: Workspace, stamp: str) -> dict[str, Any]:
    """What led to the release, without paths, names and wall-clock times: the same inputs give the same bytes."""
    stages: dict[str, Any] = {}
    for record in ws.records():
        kept = {key: record[key] for key in ("version", "config", "detector") if key in record}
        views = {v: {k: r[k] for k in ("digest", "counts", "outputs")} for v, r in record["views"].items()}
        stages[record["stage"]] = {**kept, "views": views}
    stages.pop("export", None)
    return {"digest": stamp, "stages": stages}


def run(
    source: Path | str,
    root: Path | str,
    target: Path | str,
    config: PipelineConfig | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """All stages, from videos to a verified release.

    Args:
        source: see :func:`ingest`.
        root: the workspace's folder.
        target: the release's folder; must not exist, unless it is this very release.

    Returns:
        The release's manifest.
    """
    config = config or PipelineConfig()
    target = Path(target).expanduser().resolve()
    recording = load_recording(source)
    if any(target == v.media or target in v.media.parents for v in recording.views):
        raise RecordingError("The release's folder would hold the source's media", "Choose another target")
    ws = ingest(source, root, progress)
    detect(ws, config.detection, progress)
    track(ws, config.tracking, progress)
    return export(ws, config.release, target, progress)
