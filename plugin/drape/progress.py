"""How a stage tells that it is alive."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from time to time with work done and to do, in units of the stage (frames mostly)."""

    def __call__(self, done: int, total: int, what: str) -> None: ...


def silent(done: int, total: int, what: str) -> None:
    """Progress for callers that do not watch."""
