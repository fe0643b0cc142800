"""What every operator of the plugin shares: how it runs, what it says, how it fails."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.errors import DrapeError
from drape.fiftyone_io.connection import database

from .forms import Problems, mark

Params = dict[str, Any]
Result = dict[str, Any]


class OperatorFailed(Exception):
    """What a curator reads when an operator could not do its work. It names no path and no file of the source."""


class DrapeOperator(foo.Operator, ABC):
    """An operator that is delegated by default, checks its parameters in the form and again when it runs, and fails
    with a sentence. Subclasses give ``NAME``, ``LABEL``, ``DESCRIPTION``, ``form``, ``problems`` and ``work``."""

    NAME: str
    LABEL: str
    DESCRIPTION: str

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(
            name=self.NAME,
            label=self.LABEL,
            description=self.DESCRIPTION,
            icon="/assets/drape.svg",
            dynamic=True,
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            default_choice_to_delegated=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    @abstractmethod
    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        """Add the operator's fields."""

    @abstractmethod
    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        """What is wrong with the parameters; empty if the operator can run. Cheap: it is asked at every keystroke."""

    @abstractmethod
    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        """Do it, with parameters that have no problems."""

    def resolve_input(self, ctx: foo.ExecutionContext) -> types.Property:
        inputs = types.Object()
        with readable_errors():
            self.form(ctx, inputs)
            mark(inputs, ctx.params, self.problems(ctx))
        return types.Property(inputs, view=types.View(label=self.LABEL))

    def resolve_run_name(self, ctx: foo.ExecutionContext) -> str:  # noqa: ARG002
        return self.LABEL

    def execute(self, ctx: foo.ExecutionContext) -> Result:
        with readable_errors():
            for parameter, message in self.problems(ctx).items():
                raise OperatorFailed(f"{parameter}: {message}")
            result = self.work(ctx, Steps(ctx))
        if not ctx.delegated:
            counts = {name.replace("_", " "): value for name, value in result.items() if isinstance(value, int)}
            summary = ", ".join(f"{value} {name}" for name, value in counts.items())
            ctx.ops.notify(f"{self.LABEL}: {summary}", variant="success")
        return result

    def reload(self, ctx: foo.ExecutionContext) -> None:
        """Make the App show what was written; a worker has no App to tell."""
        if not ctx.delegated:
            ctx.ops.reload_dataset()

    def resolve_output(self, ctx: foo.ExecutionContext) -> types.Property | None:
        # Where no dataset was open, the App has just opened one: a summary would leave the form standing over it.
        if ctx.dataset_name is None:
            return None
        outputs = types.Object()
        for name, value in (ctx.results or {}).items():
            label = name.replace("_", " ").capitalize()
            (outputs.int if isinstance(value, int) else outputs.str)(name, label=label)
        return types.Property(outputs, view=types.View(label=self.LABEL))


class Steps:
    """One progress bar for several pieces of work, told to the App about once a second.

    In immediate execution each report is a message to the App, so their number must not grow with the video.
    """

    PERIOD_S = 1.0

    def __init__(self, ctx: foo.ExecutionContext, clock: Callable[[], float] = time.monotonic) -> None:
        self._ctx = ctx
        self._clock = clock
        self._last = -self.PERIOD_S
        self._count = 1
        self._begun = 0

    def plan(self, count: int) -> None:
        """Say how many pieces there will be."""
        self._count = max(1, count)

    def begin(self) -> Callable[[int, int, str], None]:
        """The progress of the next piece, to be handed to the engine."""
        first = self._begun
        self._begun += 1

        def report(done: int, total: int, what: str) -> None:
            share = min(1.0, done / total) if total else 0.0
            self._report((first + share) / self._count, f"{what} ({done} of {total})" if total > 1 else what)

        return report

    def _report(self, progress: float, label: str) -> None:
        now = self._clock()
        if now - self._last >= self.PERIOD_S:
            self._last = now
            self._ctx.set_progress(progress=min(progress, 1.0), label=label)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn every failure into one sentence.

    FiftyOne keeps an operator's traceback in its database. A typed error tells what to do; an unexpected one tells
    its type and its place in the code. Neither brings along messages of other libraries, which hold file paths.

    Raises:
        OperatorFailed: the body failed.
    """
    try:
        with database():
            yield
    except OperatorFailed:
        raise
    except DrapeError as error:
        raise OperatorFailed(str(error)) from None
    except Exception as error:
        raise OperatorFailed(f"Unexpected {type(error).__name__} in {_place(error)}. Report it as a defect") from None


def _place(error: Exception) -> str:
    """File, line and function of the innermost frame, and of the innermost one of the plugin."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "drape" in Path(frame.filename).parts or "operators" in frame.filename]
    chosen = [f"{Path(frame.filename).name}:{frame.lineno} ({frame.name})" for frame in (*ours[-1:], *frames[-1:])]
    return ", ".join(dict.fromkeys(chosen))
