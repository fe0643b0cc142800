"""Operator: a real-time detector of a site, taught by what is known of its recordings."""

from __future__ import annotations

import fiftyone.operators as foo
from drape.adaptation.student_config import StudentConfig
from drape.fiftyone_io import learning

from .base import Result, Steps
from .site import SiteOperator


class TrainRealtimeDetector(SiteOperator):
    """Trains a small network on a site's pseudo labels and its teacher's answers, and exports it to ONNX."""

    NAME = "train_realtime_detector"
    LABEL = "Train real-time detector"
    DESCRIPTION = "Make a fast detector of what is known of this site's recordings, as a model of its own"
    SECTION = "student"
    ACTION = "Make a real-time detector of"
    MODEL = StudentConfig

    def work(self, ctx: foo.ExecutionContext, steps: Steps) -> Result:
        order = self.order(ctx)
        made = learning.train_realtime(ctx.dataset, *order, steps.begin())
        told = {
            f"{name} (student, teacher)": f"{made.student.get(name, 0):.3f}, {value:.3f}"
            for name, value in made.teacher.items()
        }
        return {
            "recordings": len(order.recordings),
            "model": made.model.name,
            "as_good_as_its_teacher": "yes" if made.verdict.passed else "; ".join(made.verdict.reasons),
            **told,
        }
