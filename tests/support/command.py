"""Run ``drape`` as users do, in a process of its own, with the detector for synthetic figures among its presets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
PROGRAM = "from support import blobs; blobs.register(); from drape.cli import main; main()"


def command(*arguments: object) -> list[str]:
    """The argument list that runs ``drape`` with ``arguments``."""
    return [sys.executable, "-c", PROGRAM, *map(str, arguments)]


def environment() -> dict[str, str]:
    """The environment in which :func:`command` finds the test detector; as wide and as plain a terminal as needed."""
    return {**os.environ, "PYTHONPATH": str(TESTS), "COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}


def drape(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run ``drape`` to its end."""
    return subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, timeout=timeout)


def start(*arguments: object) -> subprocess.Popen[bytes]:
    """Start ``drape`` and return at once."""
    return subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
