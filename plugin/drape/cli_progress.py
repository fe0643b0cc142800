"""Progress bars of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from drape.progress import Progress


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[Progress]:
    """Progress bars, one per piece of work; on the standard error output unless a console is given."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = console or Console(stderr=True)
    with Bars(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bars:
        tasks: dict[str, Any] = {}

        def report(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(escape(what), total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield report
