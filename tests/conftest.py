"""Where shared development data are, and a clear skip where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real videos, truths and weights for development (``DRAPE_SHARED``, default ``../shared``)."""
    folder = Path(os.environ.get("DRAPE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("no shared development data: set DRAPE_SHARED to the folder that holds data/ and weights/")
    return folder
