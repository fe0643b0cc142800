"""From a source to a workspace: every view is read once, strictly."""

from __future__ import annotations

from pathlib import Path

from drape import media, tables
from drape.config import StageConfig
from drape.errors import MediaError, WorkspaceError
from drape.media.digest import digest as source_digest
from drape.pipeline.execution import run_record
from drape.pipeline.records import Stopwatch, digest
from drape.pipeline.workspace import Workspace, lock, write_text
from drape.progress import Progress, silent
from drape.recording import Recording, View, load_recording


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
        workspace.write_record("ingest", run_record("ingest", None, recording, views, watch.seconds))
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


def check_source(view: View) -> None:
    """Make sure that the media are those that were ingested.

    Raises:
        MediaError: they are gone or were changed.
    """
    if not view.media.exists():
        raise MediaError(view.id, "the media are gone", "Bring them back to where they were ingested from")
    if source_digest(view) != view.sha256:
        raise MediaError(view.id, "the media were changed after ingest", "Ingest them again, in a new workspace")
