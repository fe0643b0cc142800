"""Named weights: where they are published, what they must hash to, and where they are kept on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import pooch

from drape.errors import WeightsError
from drape.progress import Progress, silent
from drape.tables import sha256 as digest_of

_CHUNK = 1 << 20
_TIMEOUT = 30


@dataclass(frozen=True)
class Asset:
    """A published file.

    Args:
        name: what it is, in messages.
        filename: its name in the cache folder, a plain file name.
        url: where it is published.
        sha256: its digest in hex, whole or only its first digits (8 at least). OpenMMLab ends its file names in the
            first 8, so those are known for every file of theirs. Eight digits tell damage and mix-ups with certainty
            but would not stop someone who can forge 32 bits; the whole digest is given wherever it is known.
    """

    name: str
    filename: str
    url: str
    sha256: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise ValueError("sha256 must be 8 to 64 lower-case hex digits")
        if Path(self.filename).name != self.filename or self.filename in {"", ".", ".."}:
            raise ValueError("filename must be a plain file name")

    def matches(self, digest: str) -> bool:
        """Whether a whole sha256 in hex is this asset's."""
        return len(digest) == 64 and digest.startswith(self.sha256)


def cache_folder() -> Path:
    """Folder of the weights: ``DRAPE_CACHE`` if set, else the user's cache folder of the operating system."""
    configured = os.environ.get("DRAPE_CACHE")
    return Path(configured).expanduser() if configured else Path(pooch.os_cache("drape"))


def locate(asset: Asset, offline: bool = False, progress: Progress = silent) -> Path:
    """The asset's file on this machine, its digest checked; downloaded if it is not there.

    Args:
        asset: what is wanted.
        offline: never use the network.
        progress: counts bytes while downloading.

    Raises:
        WeightsError: the file there is not the published one; it is never used, replaced or deleted. Or it is not
            there and cannot be had; the message then says which file to put where.
    """
    path = cache_folder() / asset.filename
    if path.is_file():
        if not asset.matches(digest_of(path)):
            raise WeightsError(
                f"The file {asset.filename} in {_shown(path.parent)} is not the published one (its sha256 differs)",
                "Delete it, then run again to download it, or copy it anew",
            )
        return path
    if offline:
        raise WeightsError(f"The weights of {asset.name} are not on this machine", _instruction(asset))
    _download(asset, path, progress)
    return path


def packaged(asset: Asset, folder: Path) -> Path:
    """The file of an asset that comes with Drape, its digest checked.

    Raises:
        WeightsError: it is missing or was changed.
    """
    path = folder / asset.filename
    if not path.is_file() or not asset.matches(digest_of(path)):
        state = "was changed" if path.is_file() else "is missing"
        raise WeightsError(f"The file {asset.filename} of {asset.name} {state}", "Install Drape again")
    return path


def _download(asset: Asset, path: Path, progress: Progress) -> None:
    import requests

    partial = path.with_name(f".{asset.filename}.{uuid.uuid4().hex[:8]}.partial")
    bar = _Bar(asset.name, progress)
    fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fetch(asset.url, str(partial), None)
        except requests.RequestException as error:
            raise WeightsError(
                f"The weights of {asset.name} are not on this machine and could not be downloaded", _instruction(asset)
            ) from error
        if not asset.matches(digest_of(partial)):
            raise WeightsError(
                f"What was downloaded as {asset.filename} is not the published file (its sha256 differs)",
                f"Run again; if it happens again: {_instruction(asset)}",
            )
        partial.replace(path)
    except OSError as error:  # requests' errors are OSErrors too, and are caught above
        raise WeightsError(
            f"The weights cannot be written to {_shown(path.parent)} ({error.strerror})",
            "Free disk space, or set DRAPE_CACHE to a folder that can be written",
        ) from error
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be missing; that was reported above
            partial.unlink()


def _instruction(asset: Asset) -> str:
    return (
        f"Download {asset.url} on a machine with a network and put the file {asset.filename} "
        f"into {_shown(cache_folder())} (or into the folder that DRAPE_CACHE names)"
    )


def _shown(folder: Path) -> str:
    """A folder as messages may show it: the user's name in it is no one's business."""
    if os.environ.get("DRAPE_CACHE"):
        return "$DRAPE_CACHE"
    return str("~" / folder.relative_to(Path.home())) if folder.is_relative_to(Path.home()) else str(folder)


class _Bar:
    """What pooch's downloader drives instead of its own progress bar."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.total = 0
        self._done = 0
        self._name, self._progress = name, progress

    def update(self, count: int) -> None:
        self._done = min(self._done + count, self.total or self._done + count)
        self._progress(self._done, self.total, f"download {self._name}")

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Nothing is held open."""
