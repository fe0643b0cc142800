"""A database that does not answer."""

from __future__ import annotations

import os
import subprocess
import sys

import pymongo.errors
import pytest
from drape.errors import DatasetError, WorkspaceError
from drape.fiftyone_io.connection import database as connected
from support.database import free_port

SCRIPT = """
from pathlib import Path
from drape import fiftyone_io
from drape.errors import DatasetError
try:
    fiftyone_io.load("any")
except DatasetError as error:
    print("told:", error)
"""


@pytest.mark.slow
def test_no_mongod_is_told_with_what_to_do() -> None:
    uri = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=300"
    environment = {**os.environ, "FIFTYONE_DATABASE_URI": uri}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120)
    assert "told: FiftyOne's database (MongoDB) cannot be reached. Start mongod" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (pymongo.errors.AutoReconnect("x"), "cannot be reached"),
        (pymongo.errors.ServerSelectionTimeoutError("x"), "cannot be reached"),
        (ConnectionError("Could not connect"), "cannot be reached"),
        (pymongo.errors.BulkWriteError({"writeErrors": []}), "refused an operation (BulkWriteError)"),
    ],
)
def test_every_failure_of_the_database_is_one_error(error: Exception, sentence: str) -> None:
    with pytest.raises(DatasetError) as caught, connected():
        raise error
    assert sentence in str(caught.value)


def test_other_errors_pass() -> None:
    with pytest.raises(WorkspaceError), connected():
        raise WorkspaceError("a", "b")
    with pytest.raises(ZeroDivisionError), connected():
        raise ZeroDivisionError
