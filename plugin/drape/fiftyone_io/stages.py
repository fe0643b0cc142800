"""The pipeline's stages on a dataset: run the engine, then write what it found. What the operators call."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import fiftyone as fo
import pyarrow as pa

from drape import pipeline
from drape.anonymization import ReleaseConfig, TermsConfig
from drape.association import AssociationConfig
from drape.detection import DetectionConfig
from drape.errors import WorkspaceError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import mosaic, reviewed, rollups, schema
from drape.fiftyone_io.playback import playable
from drape.fiftyone_io.private_names import Names, private_names
from drape.fiftyone_io.release import add_release
from drape.fiftyone_io.runs import register_run
from drape.fiftyone_io.views import save_views
from drape.fiftyone_io.write import write_candidates, write_missed, write_persons
from drape.pipeline import Workspace
from drape.progress import Progress, silent
from drape.recording import load_recording
from drape.retrieval import RetrievalConfig
from drape.tracking import TrackingConfig


def workspace_folder(root: Path, source: Path) -> Path:
    """The workspace of a source below ``root``: the same source always gets the same folder, others get others."""
    source = source.expanduser().resolve()
    name = re.sub(r"[^\w-]+", "_", source.stem if source.is_file() else source.name)[:60] or "recording"
    return root.expanduser().resolve() / f"{name}-{hashlib.sha256(str(source).encode()).hexdigest()[:8]}"


def check_root(root: Path, source: Path) -> None:
    """Make sure that workspaces do not end up among the media.

    Raises:
        WorkspaceError: ``root`` lies inside the source's folder.
    """
    folder = source.expanduser().resolve()
    folder = folder.parent if folder.is_file() else folder
    if root.expanduser().resolve().is_relative_to(folder):
        raise WorkspaceError("The workspace folder lies inside the source's folder", "Choose another workspace folder")


def ingest(name: str, source: Path, root: Path, progress: Progress = silent) -> tuple[fo.Dataset, str]:
    """Ingest a recording and add it to a dataset as a group: one slice per view, and the mosaic.

    Args:
        name: of the dataset, new or one of recordings.
        source: a video, a folder, or a manifest; see ``drape.recording.load_recording``.
        root: folder of workspaces; the recording's own is made in it.
        progress: counts frames.

    Returns:
        The dataset and the recording's id.

    Raises:
        DrapeError: the source, the workspace or the dataset cannot be used; no dataset is made then.
    """
    problem = datasets.name_problem(name)
    if problem is not None:
        raise problem
    check_root(root, source)
    load_recording(source)
    ws = pipeline.ingest(source, workspace_folder(root, source), progress)
    videos = {view.id: playable(ws, view, progress) for view in ws.recording.views}
    videos[schema.MOSAIC] = mosaic.playable(ws, progress)
    dataset = datasets.create(name)
    datasets.add_recording(dataset, ws, videos)
    register(dataset, ws, "ingest")
    save_views(dataset)
    return dataset, ws.recording.id


def detect(dataset: fo.Dataset, recording: str, config: DetectionConfig, progress: Progress = silent) -> dict[str, Any]:
    """Find candidates in a recording and write them.

    Returns:
        The run record.

    Raises:
        DrapeError: the detector, the media or the database cannot be used.
    """
    ws = datasets.workspace(dataset, recording)
    record = pipeline.detect(ws, config, progress)
    write_candidates(dataset, ws, progress)
    rollups.write_unknown(dataset, ws)
    register(dataset, ws, "detect")
    save_views(dataset)
    return record


def track(dataset: fo.Dataset, recording: str, config: TrackingConfig, progress: Progress = silent) -> dict[str, Any]:
    """Turn a recording's candidates into persons and write them; what a curator drew stays.

    Returns:
        The run record.

    Raises:
        DrapeError: detection has not run, or the database cannot be used.
    """
    ws = datasets.workspace(dataset, recording)
    reviewed.collect(dataset, ws)
    record = pipeline.track(ws, config, progress)
    publish(dataset, ws, progress)
    register(dataset, ws, "track")
    rollups.outdate_release(dataset, recording)
    return record


def associate(
    dataset: fo.Dataset, recording: str, config: AssociationConfig, progress: Progress = silent
) -> dict[str, Any]:
    """Learn which persons of a recording's views are the same; who is not in step with the others becomes an interval.

    Persons get their identities, and the views their intervals, with :func:`retrieve`.

    Returns:
        The run record.

    Raises:
        DrapeError: tracking has not run, or the database cannot be used.
    """
    ws = datasets.workspace(dataset, recording)
    record = pipeline.associate(ws, config, progress)
    rollups.write_synchrony(dataset, ws)
    register(dataset, ws, "associate")
    return record


def retrieve(
    dataset: fo.Dataset, recording: str, config: RetrievalConfig, progress: Progress = silent
) -> dict[str, Any]:
    """Weigh all evidence on a recording's persons and write them, with where somebody is likely missed.

    Returns:
        The run record.

    Raises:
        DrapeError: tracking has not run, or the database cannot be used.
    """
    ws = datasets.workspace(dataset, recording)
    reviewed.collect(dataset, ws)
    record = pipeline.retrieve(ws, config, progress)
    publish(dataset, ws, progress)
    register(dataset, ws, "retrieve")
    rollups.outdate_release(dataset, recording)
    return record


def export(
    dataset: fo.Dataset,
    recording: str,
    config: ReleaseConfig,
    target: Path,
    release_dataset: str | None = None,
    progress: Progress = silent,
    terms: TermsConfig | None = None,
) -> dict[str, Any]:
    """Write a recording's masked, verified release, and optionally a dataset of it.

    Boxes that a curator added to ``frames.persons`` are masked too; boxes that were deleted there stay masked.

    Args:
        dataset: of recordings.
        recording: its id.
        config: what is masked, and how.
        target: the release becomes the folder ``target / recording``.
        release_dataset: name of the dataset to add the release to; None for none.
        progress: counts frames.
        terms: whom the release is for, what is masked always, who signs.

    Returns:
        The release's manifest.

    Raises:
        DrapeError: nothing was released, and why.
    """
    ws = datasets.workspace(dataset, recording)
    if reviewed.collect(dataset, ws):
        publish(dataset, ws, progress)
    folder = target.expanduser().resolve() / recording
    manifest = pipeline.export(ws, config, folder, progress, terms)
    rollups.write_release_status(dataset, recording, "verified")
    register(dataset, ws, "export")
    if release_dataset is not None:
        add_release(release_dataset, folder, names_of(dataset, recording))
    return manifest


def names_of(dataset: fo.Dataset, recording: str) -> Names:
    """What must not appear in a release of one of the dataset's recordings."""
    ws = datasets.workspace(dataset, recording)
    return private_names(ws.recording, workspace=ws.root)


def publish(dataset: fo.Dataset, ws: Workspace, progress: Progress) -> None:
    """Write found and reviewed persons, likely misses, their copies in the mosaic, roll-ups and views."""
    persons: dict[str, pa.Table] = {view.id: reviewed.everyone(ws, view.id) for view in ws.recording.views}
    with reviewed.remembering(dataset, ws, persons):
        write_persons(dataset, ws, persons, progress)
        mosaic.write_persons(dataset, ws, persons, progress)
    rollups.write_person_counts(dataset, ws, persons)
    if ws.has("missed") or rollups.has_missed(dataset, ws.recording.id):
        write_missed(dataset, ws, progress)
        mosaic.write_missed(dataset, ws, progress)
        rollups.write_missed_counts(dataset, ws)
    save_views(dataset)


def register(dataset: fo.Dataset, ws: Workspace, stage: str) -> None:
    """Register a stage's run record on the dataset, if the stage has run."""
    record = ws.record(stage)
    if record is not None:
        register_run(dataset, ws.recording.id, record)
