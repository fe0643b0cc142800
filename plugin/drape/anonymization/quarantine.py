"""Where a release is made before anyone may see it: a private folder beside the target, left by one atomic rename."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from pathlib import Path

from drape.anonymization import secret as secrets
from drape.anonymization.disk import disk_errors, partial_of, sync_folder, write_file
from drape.anonymization.manifest import NAME, REPORT, file_names
from drape.anonymization.secret import ReleaseSecret
from drape.anonymization.signing import SIGNATURE
from drape.errors import ReleaseError


class Quarantine:
    """The unfinished release of a target; holds a lock while it is open, and masked data only. A context manager.

    It holds ``inputs`` (the digest of all that the release is made of), ``secret``, ``work`` (the view being written)
    and ``release`` (whole files of finished views). One that was left by a killed run is taken up again if its inputs
    are the same, and emptied otherwise.

    Args:
        target: folder the release will be.
        inputs: digest of all that the release is made of.

    Raises:
        ReleaseError: another export works on it, it is not private, or the disk refuses.
    """

    def __init__(self, target: Path, inputs: str) -> None:
        self._target = target
        self._root = quarantine_path(target)
        self.work = self._root / "work"
        self.release = self._root / "release"
        self._lock = _lock(self._root)
        try:
            with disk_errors():
                self._take_up(inputs)
            self.secret = ReleaseSecret.load_or_create(self._root / "secret")
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def holds(self, view: str) -> bool:
        """Whether a view is finished."""
        return (self.release / file_names(view)[-1]).is_file()

    def keep(self, view: str) -> None:
        """Move the files of a finished view from ``work`` to ``release``, the video last."""
        with disk_errors():
            for name in file_names(view):
                (self.work / name).replace(self.release / name)
            sync_folder(self.release)

    def write(self, name: str, content: bytes) -> None:
        """Write a file into ``release``."""
        write_file(self.release / name, content)

    def unseal(self) -> None:
        """Remove what a run that was killed at its end wrote beside the views: it is made anew."""
        with disk_errors():
            for name in (NAME, REPORT, SIGNATURE):
                (self.release / name).unlink(missing_ok=True)
                partial_of(self.release / name).unlink(missing_ok=True)

    def publish(self) -> None:
        """Destroy the secret, then make the release appear at the target.

        Raises:
            ReleaseError: something stands there by now, or the disk refuses.
        """
        secrets.destroy(self._root / "secret")
        with disk_errors():
            sync_folder(self.release)
            if self._target.exists() or self._target.is_symlink():
                raise ReleaseError("The target appeared during the export", "Choose a target that does not exist")
            self.release.rename(self._target)
            sync_folder(self._target.parent)
            self.discard()

    def discard(self) -> None:
        """Remove the quarantine and all it holds; the secret first."""
        with disk_errors():
            self._empty()
            self._root.rmdir()
            sync_folder(self._root.parent)

    def _take_up(self, inputs: str) -> None:
        known = self._root / "inputs"
        if not known.is_file() or known.read_text() != inputs:
            self._empty()
            write_file(known, inputs.encode())
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.release.mkdir(exist_ok=True)

    def _empty(self) -> None:
        secrets.destroy(self._root / "secret")
        for path in self._root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def quarantine_path(target: Path) -> Path:
    """The quarantine of a target: beside it, so that it is on the same file system."""
    return target.with_name(f".{target.name}.partial")


def sweep(target: Path) -> None:
    """Remove what a run killed at its very end left beside a finished release.

    Raises:
        ReleaseError: another export works on it, or the disk refuses.
    """
    if quarantine_path(target).exists():
        with Quarantine(target, "") as left:
            left.discard()


def _lock(root: Path) -> int:
    """Open and lock a quarantine, made if need be; private to its owner."""
    with disk_errors():
        root.mkdir(mode=0o700, exist_ok=True)
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        facts = os.fstat(folder)
        if facts.st_uid != os.getuid() or stat.S_IMODE(facts.st_mode) != 0o700:
            raise ReleaseError(
                "The folder for the unfinished release is not private", "Remove it, or choose another target"
            )
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ReleaseError("Another export to this target is running", "Wait for it to end") from error
        with disk_errors():
            if root.stat().st_ino != facts.st_ino:
                raise ReleaseError("Another export to this target has just ended", "Run the export again")
    except BaseException:
        os.close(folder)
        raise
    return folder
