"""What is measured of a detector in the loop: on held-out stretches without labels, on canary pictures, on labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from drape.adaptation.agreement import Agreement, Counts, count, summed
from drape.adaptation.config_guard import GuardConfig
from drape.adaptation.guard import Measures
from drape.adaptation.sight import LabelledPicture, look
from drape.association import AssociationConfig
from drape.detection import Detector
from drape.pipeline.adapting_partners import partners
from drape.pipeline.adapting_sight import canary_pictures, folder_pictures, on_labels
from drape.pipeline.adapting_teaching import Split
from drape.pipeline.workspace import Workspace


class Judged(NamedTuple):
    """A recording's rooms by which a detector is judged: ``seen`` holds its own candidates, ``persons`` those who are
    asked for, ``base`` the model and the clocks of the views; and which frames are held out."""

    base: Workspace
    persons: Workspace
    seen: Workspace
    split: Split


class Examiner:
    """Measures detectors by the same pictures and rules; what does not change between them is made once."""

    def __init__(self, guard: GuardConfig, association: AssociationConfig) -> None:
        self.guard = guard
        self.association = association

    @cached_property
    def _canary(self) -> list[LabelledPicture]:
        return canary_pictures(self.guard.canary_sites)

    def agreement(self, judged: Sequence[Judged]) -> Agreement:
        """Label-free figures over all recordings of the site."""
        counts: list[Counts] = []
        wins: list[float] = []
        for one in judged:
            held = one.split.held
            matched, compared = partners(one.base, one.seen, held, self.guard.score, self.association)
            wins += compared
            for view in (v.id for v in one.seen.recording.views):
                persons, candidates = one.persons.persons(view), one.seen.candidates(view)
                counts.append(count(candidates, persons, held[view], matched.get(view), self.guard))
        return summed(counts, float(np.mean(wins)) if wins else float("nan"))

    def measures(self, detector: Detector, judged: Sequence[Judged]) -> Measures:
        """Everything that the guard compares."""
        guard = self.guard
        return Measures(
            agreement=self.agreement(judged),
            canary=look(detector, self._canary, guard.score),
            own=None if guard.canary is None else look(detector, folder_pictures(guard.canary), guard.score),
            labelled=None if guard.labelled is None else on_labels(detector, guard.labelled, guard.score),
        )
