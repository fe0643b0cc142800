"""What the operators share that run one stage on chosen recordings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types
from drape.config import StageConfig
from drape.progress import Progress

from . import targets
from .base import DrapeOperator, Result, Steps
from .forms import Choices, Problems, config_from, config_problems, config_section, settings

Record = dict[str, Any]


class StageOperator(DrapeOperator):
    """Runs one stage on the recordings of the dataset, view or selection.

    Subclasses give, besides what every operator gives, ``SECTION`` (the parameter that holds the settings), ``ACTION``
    (what the form says before the choice of recordings), ``NEEDS`` (the table the stage works on, and the operator
    that makes it), ``MODEL`` (its configuration), ``run`` and ``counts``.
    """

    SECTION: str
    ACTION: str
    NEEDS: tuple[str, str] | None = None
    MODEL: type[StageConfig]

    @abstractmethod
    def run(self, dataset: Any, recording: str, config: Any, progress: Progress) -> Record:
        """Run the stage on one recording; returns its run record."""

    @abstractmethod
    def counts(self, records: list[Record]) -> dict[str, int]:
        """What the result says of the run records."""

    def choices(self, ctx: foo.ExecutionContext) -> Mapping[str, Choices]:  # noqa: ARG002
        """Values to choose from, for settings whose type does not say them."""
        return {}

    def __call__(
        self,
        sample_collection: Any,
        config: StageConfig | Mapping[str, Any] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Run the stage on the recordings that a dataset or view holds.

        Args:
            sample_collection: a dataset of recordings, or a view of it.
            config: settings; what is left out has its default.
            delegate: queue the work for a worker instead of doing it now.

        Returns:
            FiftyOne's execution result; ``.result`` holds ``recordings`` and the operator's counts.
        """
        ctx = {"view": sample_collection.view(), "params": settings(self.SECTION, config)}
        return foo.execute_operator(self.uri, ctx, request_delegation=delegate)

    def form(self, ctx: foo.ExecutionContext, inputs: types.Object) -> None:
        targets.target_field(ctx, inputs, self.ACTION)
        config_section(inputs, ctx.params, self.SECTION, self.MODEL, self.choices(ctx))

    def problems(self, ctx: foo.ExecutionContext) -> Problems:
        found = targets.target_problems(ctx)
        if not found and self.NEEDS is not None:
            found = targets.stage_problems(ctx, *self.NEEDS)
        return found | config_problems(ctx.params, self.SECTION, self.MODEL)

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        config = config_from(ctx.params, self.SECTION, self.MODEL)
        recordings = targets.recordings(ctx)
        steps.plan(len(recordings))
        records = [self.run(ctx.dataset, recording, config, steps.begin()) for recording in recordings]
        self.reload(ctx)
        return {"recordings": len(records), **self.counts(records)}
