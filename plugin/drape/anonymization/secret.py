"""The secret of a release: it keys the noise of blur fills, and is destroyed before anything is released."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drape.anonymization.disk import sync_folder, write_file
from drape.errors import ReleaseError

SIZE = 32
"""Bytes of a secret."""


class ReleaseSecret:
    """A key for repeatable noise.

    Args:
        key: 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != SIZE:
            raise ReleaseError("The secret of the unfinished release is damaged", "Run the export again")
        self._key = key

    @classmethod
    def load_or_create(cls, path: Path) -> ReleaseSecret:
        """The secret kept in a file, or a new one, written whole or not at all, readable by its owner alone.

        Raises:
            ReleaseError: the file is damaged, readable by others, or cannot be written.
        """
        if not path.exists():
            write_file(path, os.urandom(SIZE), mode=0o600)
        if stat.S_IMODE(path.lstat().st_mode) != 0o600 or path.is_symlink():
            raise ReleaseError("The secret of the unfinished release is not private", "Run the export again")
        return cls(path.read_bytes())

    def noise(self, label: str, count: int, amplitude: int) -> NDArray[np.int64]:
        """``count`` (at most 64) whole numbers, about uniform in [-amplitude, amplitude], fixed by the label."""
        raw = hashlib.blake2b(label.encode(), digest_size=64, key=self._key, person=b"drape fill noise").digest()
        bytes_ = np.frombuffer(raw, np.uint8)[:count].astype(np.int64)
        if len(bytes_) != count:
            raise ValueError("a label gives at most 64 numbers")
        return bytes_ * (2 * amplitude + 1) // 256 - amplitude


def destroy(path: Path) -> None:
    """Overwrite a secret's file and remove it; does nothing if it is gone.

    Overwriting in place reaches the stored bytes on ordinary file systems; a copy-on-write file system or a flash
    drive may keep the old block until it is reused.

    Raises:
        ReleaseError: it could not be destroyed.
    """
    if not path.exists():
        return
    try:
        with open(path, "rb+") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise ReleaseError("The release's secret could not be destroyed", "Delete the unfinished release") from error
