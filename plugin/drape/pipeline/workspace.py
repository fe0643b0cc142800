"""One recording's folder of tables: what every stage reads and writes.

::

    recording.json            the recording with its facts (private: it names the media)
    frames/VIEW.parquet       ingest
    covered/VIEW.parquet, candidates/VIEW.parquet, glimpses/VIEW.parquet   detect
    tracklets/VIEW.parquet    track
    pairs.parquet, identities.parquet, expected.parquet, clocks.parquet, synchrony.parquet   associate
    persons/VIEW.parquet, missed/VIEW.parquet, intervals.parquet                             retrieve
    reviewed/VIEW.parquet     persons that a curator added; only where there are any
    records/STAGE.json        run records (no names, no paths)
    plots/, models/           pictures of a run, and what was learned from the recording
    segments/…                finished pieces of a stage that is under way
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import pyarrow as pa
from pydantic import ValidationError

from drape import tables
from drape.errors import WorkspaceError
from drape.recording import Recording

SCHEMAS = {
    "frames": tables.FRAMES,
    "covered": tables.COVERED,
    "candidates": tables.CANDIDATES,
    "glimpses": tables.GLIMPSES,
    "tracklets": tables.TRACKLETS,
    "persons": tables.PERSONS,
    "missed": tables.MISSED,
    "reviewed": tables.PERSONS,
    "poses": tables.POSES,
    "heads": tables.HEADS,
}
"""Tables of which there is one per view."""

WHOLE = {
    "pairs": tables.PAIRS,
    "identities": tables.IDENTITIES,
    "expected": tables.EXPECTED,
    "clocks": tables.CLOCKS,
    "synchrony": tables.INTERVALS,
    "intervals": tables.INTERVALS,
    "labels": tables.LABELS,
    "chosen": tables.CHOSEN,
}
"""Tables of which there is one per recording. ``synchrony`` holds the intervals that the association found,
``intervals`` those of the retrieval."""

STAGES = (
    *("ingest", "detect", "track", "associate", "retrieve", "adapt", "student"),
    *("pose", "heads", "adapt-pose", "export"),
)


class Workspace:
    """The tables of one recording. Open an existing one with :meth:`open`; ``ingest`` makes new ones."""

    def __init__(self, root: Path, recording: Recording) -> None:
        self.root = root
        self.recording = recording

    @classmethod
    def open(cls, root: Path | str) -> Workspace:
        """Open a workspace.

        Raises:
            WorkspaceError: there is none at ``root``, or it is damaged.
        """
        root = Path(root).expanduser().resolve()
        try:
            recording = Recording.model_validate_json((root / "recording.json").read_text())
        except FileNotFoundError as error:
            raise WorkspaceError("There is no workspace here", "Make one with `drape ingest SOURCE`") from error
        except (ValidationError, UnicodeDecodeError, OSError) as error:
            raise WorkspaceError(
                "The workspace's recording.json is damaged", "Delete the workspace and ingest again"
            ) from error
        return cls(root, recording)

    @classmethod
    def create(cls, root: Path, recording: Recording) -> Workspace:
        """Write ``recording`` as the workspace's recording, and open it."""
        workspace = cls(root, recording)
        write_text(root / "recording.json", recording.model_dump_json(indent=2) + "\n")
        return workspace

    def path(self, kind: str, view: str) -> Path:
        """Where the table ``kind`` ("frames", "candidates", …) of a view is kept."""
        return self.root / kind / f"{self.recording.view(view).id}.parquet"

    def read(self, kind: str, view: str) -> pa.Table:
        """A table of a view.

        Raises:
            WorkspaceError: it has not been made yet, or it is damaged.
        """
        return tables.read(self.path(kind, view), SCHEMAS[kind])

    def whole_path(self, kind: str) -> Path:
        """Where a table of the whole recording ("pairs", "identities", …) is kept."""
        return self.root / f"{kind}.parquet"

    def whole(self, kind: str) -> pa.Table:
        """A table of the whole recording; empty where its stage has not run.

        Raises:
            WorkspaceError: it is damaged.
        """
        path = self.whole_path(kind)
        return tables.read(path, WHOLE[kind]) if path.is_file() else tables.empty(WHOLE[kind])

    def frames(self, view: str) -> pa.Table:
        """The ``FRAMES`` table of a view."""
        return self.read("frames", view)

    def covered(self, view: str) -> pa.Table:
        """The ``COVERED`` table of a view."""
        return self.read("covered", view)

    def candidates(self, view: str) -> pa.Table:
        """The ``CANDIDATES`` table of a view."""
        return self.read("candidates", view)

    def tracklets(self, view: str) -> pa.Table:
        """The ``TRACKLETS`` table of a view."""
        return self.read("tracklets", view)

    def persons_path(self, view: str) -> Path:
        """The table that :meth:`persons` is made of: that of the retrieval, before it that of tracking."""
        found = self.path("persons", view)
        return found if found.is_file() else self.path("tracklets", view)

    def persons(self, view: str) -> pa.Table:
        """The ``PERSONS`` table of a view: as retrieved, and before the retrieval as tracked."""
        if self.path("persons", view).is_file():
            return self.read("persons", view)
        return tables.unconfirmed(self.tracklets(view))

    def missed(self, view: str) -> pa.Table:
        """The ``MISSED`` table of a view; empty before the retrieval."""
        return self.read("missed", view) if self.path("missed", view).is_file() else tables.empty(tables.MISSED)

    def forget_agreement(self) -> None:
        """Remove what association and retrieval made: the tracklets it was made of are about to change."""
        for view in self.recording.views:
            for kind in ("persons", "missed", "poses", "heads"):
                self.path(kind, view.id).unlink(missing_ok=True)
        for kind in WHOLE:
            self.whole_path(kind).unlink(missing_ok=True)

    def reviewed(self, view: str) -> pa.Table:
        """Persons of a view that a curator added (``PERSONS``); empty where there are none."""
        return self.read("reviewed", view) if self.path("reviewed", view).is_file() else tables.empty(tables.PERSONS)

    def everyone(self, view: str) -> pa.Table:
        """Persons that were found and persons that a curator added: what a release masks. Sorted by frame."""
        return pa.concat_tables([self.persons(view), self.reviewed(view)]).sort_by("frame")

    def has(self, kind: str) -> bool:
        """Whether the table ``kind`` exists, for every view where it is one of a view."""
        paths = [self.whole_path(kind)] if kind in WHOLE else [self.path(kind, v.id) for v in self.recording.views]
        return all(path.is_file() for path in paths)

    def record(self, stage: str) -> dict[str, Any] | None:
        """The run record of a stage, or None if it has not run."""
        path = self.root / "records" / f"{stage}.json"
        if not path.is_file():
            return None
        try:
            record = json.loads(path.read_text())
        except ValueError as error:
            raise WorkspaceError(
                f"The run record of {stage} is damaged", "Delete it and run the stage again"
            ) from error
        return dict(record)

    def records(self) -> list[dict[str, Any]]:
        """Every run record there is, in the order of the stages."""
        found = (self.record(stage) for stage in STAGES)
        return [record for record in found if record is not None]

    def write_record(self, stage: str, record: dict[str, Any]) -> None:
        """Keep a stage's run record."""
        write_text(self.root / "records" / f"{stage}.json", json.dumps(record, indent=2, sort_keys=True) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace against other processes.

        Raises:
            WorkspaceError: another process works in it.
        """
        with lock(self.root):
            yield


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold a workspace folder against other processes; see :meth:`Workspace.locked`."""
    root.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(root / ".lock")
    try:
        held.acquire(timeout=0)
    except filelock.Timeout as error:
        raise WorkspaceError("Another process works in this workspace", "Wait until it has ended") from error
    try:
        yield
    finally:
        held.release()


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is either whole or absent.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise WorkspaceError(
            f"The workspace cannot be written ({error.strerror})", "Free disk space or choose another folder"
        ) from error
