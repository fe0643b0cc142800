"""How a detector's boxes agree over views, by what the base pipeline has learned of how the views hang together.

The same model judges the boxes of both detectors; one that is learned anew from each would forgive each its faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from drape.association import AssociationConfig, ViewBoxes, from_tables
from drape.association.clocks import apply
from drape.association.views import Instants, meet
from drape.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from drape.association import AssociationModel

MOST_INSTANTS = 120
OTHERS = 8
"""Other instants that the boxes of an instant are compared with."""

Partners = dict[str, NDArray[np.int8]]


def partners(
    base: Workspace,
    room: Workspace,
    held: Mapping[str, NDArray[np.integer]],
    score: float,
    config: AssociationConfig,
) -> tuple[Partners, list[float]]:
    """Which candidates have a partner in another view, and how comparisons of instants went.

    Args:
        base: the room whose model and clocks are used.
        room: the room whose candidates are judged.
        held: frames of each view that are looked at.
        score: candidates below are not looked at.
        config: settings of association.

    Returns:
        For each view that can be compared, of each of its candidates: 1 matched, 0 not, -1 not looked at; and for pairs
        of views at held-out instants whether the boxes of one time go better together than those of different times
        (1), worse (0), or as well (.5), as they do where nobody moves.
    """
    from drape.association import AssociationModel

    path = base.root / "models" / "association.safetensors"
    if not path.is_file():
        return {}, []
    model = AssociationModel.load(path)
    views = [v for v in (_boxes(base, room, view, held[view], score) for view in model.cameras if view in held) if v]
    if len(views) < 2:
        return {}, []
    instants = _some(meet(views, max(1 / config.rate_hz, *(view.period() for view in views))))
    found = {view.view: np.full(room.candidates(view.view).num_rows, -1, np.int8) for view in views}
    rows = {view.view: _rows(room, view) for view in views}
    wins: list[float] = []
    gap = min(config.gaps_s)
    for a, b in combinations(range(len(views)), 2):
        both = np.flatnonzero(instants.present[:, a] & instants.present[:, b])
        for t in both:
            here = _at(instants, t, a), _at(instants, t, b)
            matched, fit = _match(model, views[a], here[0], views[b], here[1])
            for view, chosen, side in ((views[a], here[0], 0), (views[b], here[1], 1)):
                at, known = rows[view.view][chosen], found[view.view]
                known[at] = np.maximum(known[at], 0)
                known[at[matched[side]]] = 1
            others = both[np.abs(instants.time[both] - instants.time[t]) >= _reach(instants, gap)]
            for u in others[np.linspace(0, len(others) - 1, min(OTHERS, len(others))).astype(np.int64)]:
                _, unfit = _match(model, views[a], here[0], views[b], _at(instants, u, b))
                if len(here[0]):
                    wins.append(0.5 if fit == unfit else float(fit > unfit))
    return found, wins


def _boxes(base: Workspace, room: Workspace, view: str, held: NDArray[np.integer], score: float) -> ViewBoxes | None:
    facts = room.recording.view(view)
    boxes = from_tables(view, room.candidates(view), None, (facts.width, facts.height), room.frames(view))
    frames = room.frames(view)
    seen = np.isin(frames.column("frame").to_numpy(), held)
    clocks = base.whole("clocks")
    instants = apply(clocks, view, frames.column("time").to_numpy()[seen])
    times = apply(clocks, view, boxes.time)
    boxes = boxes.at_times(times, np.unique(instants[np.isfinite(instants)]))
    boxes = boxes.select(np.isfinite(times) & np.isin(boxes.frame, held) & (boxes.scores >= score))
    return boxes if len(boxes.times()) else None


def _rows(room: Workspace, view: ViewBoxes) -> NDArray[np.int64]:
    """The row in the view's ``CANDIDATES`` of each of its boxes."""
    first = np.searchsorted(room.candidates(view.view).column("frame").to_numpy(), view.frame)
    return np.asarray(first + view.index, np.int64)


def _some(instants: Instants) -> Instants:
    if len(instants) <= MOST_INSTANTS:
        return instants
    kept = np.linspace(0, len(instants) - 1, MOST_INSTANTS).astype(np.int64)
    return Instants(instants.time[kept], tuple(r[kept] for r in instants.rows), instants.present[kept])


def _reach(instants: Instants, gap: float) -> float:
    """Seconds from which instants count as unrelated: ``gap``, or a fifth of a shorter recording."""
    return min(gap, float(instants.time[-1] - instants.time[0]) / 5)


def _at(instants: Instants, t: int, view: int) -> NDArray[np.int64]:
    start, stop = instants.rows[view][t]
    return np.arange(start, stop)


def _match(
    model: AssociationModel,
    a: ViewBoxes,
    rows_a: NDArray[np.int64],
    b: ViewBoxes,
    rows_b: NDArray[np.int64],
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], float]:
    """The likeliest matching, positions on both sides, and how well the two sets go together: its mean log-odds above 0
    over the persons of the fuller set."""
    nobody = np.zeros(0, np.int64)
    if not len(rows_a) or not len(rows_b):
        return (nobody, nobody), 0.0
    odds = model.log_odds(a.view, a.boxes[rows_a], b.view, b.boxes[rows_b])
    first, second = linear_sum_assignment(-np.maximum(odds, 0))
    good = odds[first, second] > 0
    first, second = first[good], second[good]
    return (first, second), float(odds[first, second].sum()) / max(len(rows_a), len(rows_b))
