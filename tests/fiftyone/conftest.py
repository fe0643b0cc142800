"""FiftyOne with a database of its own. The environment is set before any test module imports fiftyone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.database import Server
from support.theatre import Theatre

SERVER = Server()
SERVER.prepare()


@pytest.fixture(scope="session")
def database() -> Iterator[Server]:
    """A running MongoDB; skips where there is none."""
    problem = SERVER.start()
    if problem is not None:
        pytest.skip(problem)
    yield SERVER
    SERVER.stop()


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two views of three figures, 50 frames, in a folder with a private name. Tests only read it."""
    from support import blobs

    folder = tmp_path_factory.mktemp("hospital") / "Mueller_Hans"
    blobs.make_recording(folder, frames=50)
    (folder / "cam_1.mp4").rename(folder / "ceiling_or7.mp4")
    (folder / "cam_2.mp4").rename(folder / "door_or7.mp4")
    return folder


@pytest.fixture
def theatre(database: Server, source: Path, tmp_path: Path) -> Iterator[Theatre]:
    """A dataset name, a workspace folder and the plugin's operators, all of this test alone."""
    theatre = Theatre(f"theatre-{secrets.token_hex(4)}", source, tmp_path / "work")
    yield theatre
    theatre.close()
