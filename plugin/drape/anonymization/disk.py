"""Writing that survives a power cut, and what to say when the disk refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drape.errors import ReleaseError


class DiskError(ReleaseError):
    """The disk refused: the release can be finished once it does not."""


_REMEDIES = {
    errno.ENOSPC: "Free disk space, then run the export again: it goes on where it stopped",
    errno.EDQUOT: "Raise the disk quota, then run the export again: it goes on where it stopped",
    errno.EFBIG: "Raise the limit on file size, then run the export again: it goes on where it stopped",
    errno.EROFS: "Choose a target on a file system that can be written",
    errno.EACCES: "Choose a target in a folder you may write to",
    errno.EPERM: "Choose a target in a folder you may write to",
    errno.ENOENT: "Make the folder the release is to lie in first",
    errno.ENOTDIR: "Choose a target in a folder",
    errno.ENAMETOOLONG: "Choose a shorter name for the target",
}


def disk_error(error: OSError) -> DiskError:
    """The typed error for a refusal of the disk; names no path."""
    reason = os.strerror(error.errno) if error.errno else "the disk refused"
    remedy = _REMEDIES.get(error.errno or 0, "Check the disk, then run the export again")
    return DiskError(f"The release could not be written ({reason})", remedy)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn ``OSError`` into ``DiskError``."""
    try:
        yield
    except OSError as error:
        raise disk_error(error) from error


def partial_of(path: Path) -> Path:
    """Where the content of a file lies while it is being written."""
    return path.with_name(f".{path.name}.partial")


def write_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file so that it is, after a power cut, either whole or absent.

    Raises:
        DiskError: the disk is full or the folder cannot be written.
    """
    partial = partial_of(path)
    with disk_errors():
        partial.unlink(missing_ok=True)
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Force a file's content to the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Force a folder's entries to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
