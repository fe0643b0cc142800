"""From a workspace to a release, and from videos to a release in one go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from drape import tables
from drape.anonymization import ReleaseConfig, Terms, TermsConfig, export_release, read_manifest
from drape.errors import RecordingError, ReleaseError
from drape.pipeline.agreement import associate, retrieve
from drape.pipeline.config import PipelineConfig
from drape.pipeline.execution import made, run_record
from drape.pipeline.ingestion import check_source, ingest
from drape.pipeline.posing import estimate_poses
from drape.pipeline.records import Stopwatch, digest
from drape.pipeline.stages import detect, track
from drape.pipeline.workspace import Workspace
from drape.progress import Progress, silent
from drape.recording import load_recording


def export(
    ws: Workspace,
    config: ReleaseConfig | None = None,
    target: Path | str = "release",
    progress: Progress = silent,
    terms: TermsConfig | None = None,
) -> dict[str, Any]:
    """Write the masked, verified release of a workspace.

    A target that is already the finished release of the same inputs on the same terms is left as it is.

    Args:
        ws: the workspace, tracked.
        config: what is masked, and how.
        target: the release's folder.
        progress: counts frames.
        terms: whom the release is for, what is masked always, who signs; see ``TermsConfig``.

    Returns:
        The release's manifest.

    Raises:
        ConfigError: the terms cannot be read.
        ReleaseError, VerificationError: nothing was released, and why.
    """
    config = config or ReleaseConfig()
    agreed = (terms or TermsConfig()).terms()
    target = Path(target).expanduser().resolve()
    with ws.locked():
        watch = Stopwatch()
        for view in ws.recording.views:
            check_source(view)
            made(ws, "tracklets", view)
        stamp = digest("anonymization", config, _release_inputs(ws, agreed))
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
            terms=agreed,
            missed=ws.missed if ws.has("missed") else None,
            heads=partial(_kept, ws, "heads"),
            poses=partial(_kept, ws, "poses"),
        )
        views = {v: {"digest": stamp, "outputs": {}, "counts": {}} for v in (w.id for w in ws.recording.views)}
        ws.write_record("export", run_record("export", config, ws.recording, views, watch.seconds))
    return manifest


def _already(target: Path, stamp: str) -> dict[str, Any]:
    try:
        manifest = read_manifest(target)
    except ReleaseError as error:
        raise ReleaseError("The target exists and is not a release", "Choose a target that does not exist") from error
    if manifest.get("provenance", {}).get("digest") != stamp:
        raise ReleaseError("The target holds another release", "Choose a target that does not exist")
    return manifest


def _kept(ws: Workspace, kind: str, view: str) -> pa.Table | None:
    """A view's table, or None where its stage has not run."""
    return ws.read(kind, view) if ws.path(kind, view).is_file() else None


def _release_inputs(ws: Workspace, terms: Terms) -> dict[str, str]:
    kinds = ("frames", "covered")
    views = ws.recording.views
    files = {f"{kind}/{v.id}": tables.sha256(ws.path(kind, v.id)) for v in views for kind in kinds}
    files |= {f"persons/{v.id}": tables.sha256(ws.persons_path(v.id)) for v in views}
    reviewed = [v.id for v in views if ws.path("reviewed", v.id).is_file()]
    files |= {f"reviewed/{v}": tables.sha256(ws.path("reviewed", v)) for v in reviewed}
    for kind in ("missed", "poses", "heads"):
        files |= {f"{kind}/{v.id}": tables.sha256(p) for v in views if (p := ws.path(kind, v.id)).is_file()}
    files |= {f"terms/{name}": value for name, value in terms.inputs().items()}
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
    """All stages, from videos to a verified release; poses only where the mask's target needs them.

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
    associate(ws, config.association, progress)
    retrieve(ws, config.retrieval, progress)
    if config.release.target != "body":
        estimate_poses(ws, config.pose, progress, config.heads)
    return export(ws, config.release, target, progress, config.terms)
