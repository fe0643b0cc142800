"""One recording's folder of tables: what every stage reads and writes.

::

    recording.json            the recording with its facts (private: it names the media)
    frames/VIEW.parquet       ingest    covered/VIEW.parquet, candidates/VIEW.parquet   detect
    persons/VIEW.parquet      track     records/STAGE.json   run records (no names, no paths)
    reviewed/VIEW.parquet     persons that a curator added; only where there are any
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
    "persons": tables.PERSONS,
    "reviewed": tables.PERSONS,
}


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

    def frames(self, view: str) -> pa.Table:
        """The ``FRAMES`` table of a view."""
        return self.read("frames", view)

    def covered(self, view: str) -> pa.Table:
        """The ``COVERED`` table of a view."""
        return self.read("covered", view)

    def candidates(self, view: str) -> pa.Table:
        """The ``CANDIDATES`` table of a view."""
        return self.read("candidates", view)

    def persons(self, view: str) -> pa.Table:
        """The ``PERSONS`` table of a view."""
        return self.read("persons", view)

    def reviewed(self, view: str) -> pa.Table:
        """Persons of a view that a curator added (``PERSONS``); empty where there are none."""
        return self.read("reviewed", view) if self.path("reviewed", view).is_file() else tables.empty(tables.PERSONS)

    def everyone(self, view: str) -> pa.Table:
        """Persons that were tracked and persons that a curator added: what a release masks. Sorted by frame."""
        return pa.concat_tables([self.persons(view), self.reviewed(view)]).sort_by("frame")

    def has(self, kind: str) -> bool:
        """Whether the table ``kind`` exists for every view."""
        return all(self.path(kind, v.id).is_file() for v in self.recording.views)

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
        found = (self.record(stage) for stage in ("ingest", "detect", "track", "export"))
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
