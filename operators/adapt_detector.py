"""Operator: the detector learns a site from its own recordings, without labels."""

from __future__ import annotations

import fiftyone.operators as foo
from drape.adaptation import AdaptationConfig
from drape.fiftyone_io import learning

from .base import Result, Steps
from .site import SiteOperator


class AdaptDetector(SiteOperator):
    """Finds, agrees, learns and judges, round after round; writes what the best round that was kept found."""

    NAME = "adapt_detector"
    LABEL = "Adapt detector"
    DESCRIPTION = "Adapt the detector to this site without labels; kept only if nothing falls that can be checked"
    SECTION = "adaptation"
    ACTION = "Adapt the detector to"
    MODEL = AdaptationConfig

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        order = self.order(ctx)
        found = learning.adapt(ctx.dataset, *order, steps.begin())
        self.reload(ctx)
        return {
            "recordings": len(order.recordings),
            "rounds": len(found.rounds),
            "kept_round": found.best,
            "model": found.model.name if found.model else "none",
            "reasons": "; ".join(found.reasons) or "none",
        }
