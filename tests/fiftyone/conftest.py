"""FiftyOne with a database of its own. The environment is set before any test module imports fiftyone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.database import Server

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
