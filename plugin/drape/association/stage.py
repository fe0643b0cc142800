"""The association stage: learn from a recording, match its views, name its persons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from drape import tables
from drape.association.calibration import Calibration
from drape.association.config import AssociationConfig
from drape.association.expected import expect
from drape.association.identities import Evidence, as_table, identify, make_nodes
from drape.association.learning import History, learn
from drape.association.matching import Appearance, as_pairs, match_views
from drape.association.model import AssociationModel
from drape.association.threads import one_thread
from drape.association.views import ViewBoxes, meet
from drape.progress import Progress, silent

Write = Callable[[str, pa.Table], None]
"""Takes a part of a table and its kind: ``pairs``, ``identities`` or ``expected``; parts come in the table's order."""


@dataclass(frozen=True)
class Association:
    """What association found.

    Attributes:
        pairs, identities, expected: tables ``PAIRS``, ``IDENTITIES``, ``EXPECTED``; empty where they were written
            in parts.
        model: what was learned; None with fewer than two views.
        history: how learning went; None where a model was given.
    """

    pairs: pa.Table
    identities: pa.Table
    expected: pa.Table
    model: AssociationModel | None
    history: History | None

    @property
    def calibration(self) -> Calibration | None:
        """How evidence became probability."""
        return None if self.model is None else self.model.calibration


@one_thread
def associate(
    views: Sequence[ViewBoxes],
    config: AssociationConfig | None = None,
    train: Sequence[ViewBoxes] | None = None,
    model: AssociationModel | None = None,
    appearance: Appearance | None = None,
    progress: Progress = silent,
    write: Write | None = None,
) -> Association:
    """Associate the views of a recording.

    Args:
        views: detections to associate; times are on one clock. Views that are not in sync must be left out.
        config: settings.
        train: unlabelled detections to learn from, where others than ``views``; the same view ids.
        model: a trained model, instead of learning; it must know all views.
        appearance: per view (N, D), a vector per row of ``views``; optional.
        write: takes the tables in parts, so that memory does not grow with them; None: the result holds them.

    Raises:
        RecordingError: nothing can be learned from the detections.
        WeightsError: the model does not know a view.
    """
    config = config or AssociationConfig()
    history = None
    parts = Parts()
    out = write or parts.add
    if len(views) < 2:
        if views:
            out("identities", as_table(identify(Evidence(make_nodes(views), 0.0), views), views))
        return Association(parts.pairs(), parts.identities(), parts.expected(), None, None)
    if model is None:
        model, history = learn(views if train is None else train, config, progress)
    kept = [np.flatnonzero(view.scores >= config.match_score) for view in views]
    chosen = [view.select(rows) for view, rows in zip(views, kept, strict=True)]
    looks = None
    if appearance is not None:
        looks = {v.view: appearance[v.view][r] for v, r in zip(chosen, kept, strict=True) if v.view in appearance}
    instants = meet(chosen, max(1 / config.rate_hz, *(view.period() for view in chosen)))
    pace = float(np.median(np.diff(instants.time))) if len(instants) > 1 else 0.0
    if history is None or train is not None:
        model = model.calibrated(chosen, _gap(pace, config), instants)
    found = Evidence(make_nodes(chosen), pace)
    for matches in match_views(model, chosen, instants, config, looks, progress):
        found.add(matches)
        out("pairs", as_pairs(matches, chosen, instants.time, config.keep_probability))
    people = identify(found, chosen)
    out("identities", as_table(people, chosen))
    for part in expect(chosen, people, instants):
        out("expected", part)
    return Association(parts.pairs(), parts.identities(), parts.expected(), model, history)


class Parts:
    """Tables that come in parts and are held in memory."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pa.Table]] = {"pairs": [], "identities": [], "expected": []}

    def add(self, kind: str, part: pa.Table) -> None:
        """Take a part of a table of a kind."""
        self._parts[kind].append(part)

    def pairs(self) -> pa.Table:
        """``PAIRS``."""
        return pa.concat_tables([tables.empty(tables.PAIRS), *self._parts["pairs"]])

    def identities(self) -> pa.Table:
        """``IDENTITIES``."""
        return pa.concat_tables([tables.empty(tables.IDENTITIES), *self._parts["identities"]])

    def expected(self) -> pa.Table:
        """``EXPECTED``."""
        return pa.concat_tables([tables.empty(tables.EXPECTED), *self._parts["expected"]])


def _gap(pace: float, config: AssociationConfig) -> float:
    """Seconds between frames that are taken as unrelated."""
    return max(min(config.gaps_s), 0.9 * pace)
