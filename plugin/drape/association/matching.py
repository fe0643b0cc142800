"""Match the detections of every instant, view by view, with a state for those who have no partner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from drape import tables
from drape.association import calibration as cal
from drape.association.cells import Cells, meetings, whole_evidence
from drape.association.config import AssociationConfig
from drape.association.model import AssociationModel
from drape.association.views import Floats, Instants, Ints, ViewBoxes
from drape.progress import Progress, silent

CHUNK = 256
"""Instants worked on at once."""
SURE = 4.0
"""Log-odds beyond which a single instant says no more."""

Appearance = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Matches:
    """Cells worth remembering, as flat columns; ``a`` and ``b`` are numbers of views, ``i`` and ``j`` rows in them.

    Attributes:
        instant: (P,) number of the instant.
        probability: (P,) that both are one person, all partners considered.
        log_odds: (P,) the same without regard to other partners.
        matched: (P,) taken by the assignment.
    """

    instant: Ints
    a: Ints
    i: Ints
    b: Ints
    j: Ints
    probability: Floats
    log_odds: Floats
    matched: NDArray[np.bool_]

    def where(self, keep: NDArray[np.bool_]) -> Matches:
        """Some of the cells."""
        return Matches(*(getattr(self, f.name)[keep] for f in fields(self)))


def match_views(
    model: AssociationModel,
    views: Sequence[ViewBoxes],
    instants: Instants,
    config: AssociationConfig,
    appearance: Appearance | None = None,
    progress: Progress = silent,
) -> Iterator[Matches]:
    """Matches of all pairs of views, one stretch of instants after the other.

    Args:
        appearance: per view (N, D), a vector per detection (any length of vector, the same for all views); optional.
    """
    for low in range(0, len(instants), CHUNK):
        span = slice(low, min(low + CHUNK, len(instants)))
        yield _stretch(model, views, instants, span, config, appearance)
        progress(span.stop, len(instants), "matching")


def as_pairs(m: Matches, views: Sequence[ViewBoxes], time: Floats, least: float) -> pa.Table:
    """``PAIRS`` of matches at least ``least`` likely, and of all that were taken, sorted by time."""
    keep = np.flatnonzero(m.matched | (m.probability >= least))
    keep = keep[np.lexsort((m.b[keep], m.a[keep], m.instant[keep]))]
    names = pa.array([view.view for view in views], pa.string())
    columns: dict[str, NDArray[np.generic] | pa.Array] = {}
    for side, number, row in (("a", m.a[keep], m.i[keep]), ("b", m.b[keep], m.j[keep])):
        columns[f"view_{side}"] = names.take(pa.array(number))
        for name in ("frame", "index"):
            value = np.zeros(len(keep), np.int32)
            for v, view in enumerate(views):
                value[number == v] = getattr(view, name)[row[number == v]]
            columns[f"{name}_{side}"] = value
    return tables.make(
        tables.PAIRS,
        time=time[m.instant[keep]],
        probability=m.probability[keep].astype(np.float32),
        matched=m.matched[keep],
        **columns,
    )


def _stretch(
    model: AssociationModel,
    views: Sequence[ViewBoxes],
    instants: Instants,
    span: slice,
    config: AssociationConfig,
    appearance: Appearance | None,
) -> Matches:
    """Matches of some instants."""
    spans = [rows[span] for rows in instants.rows]
    first = [int(s[:, 0][s[:, 1] > s[:, 0]].min(initial=len(v))) for s, v in zip(spans, views, strict=True)]
    last = [int(s[:, 1].max(initial=0)) for s in spans]
    points = [
        model.encode(view.view, view.boxes[low : max(high, low)])
        for view, low, high in zip(views, first, last, strict=True)
    ]
    parts = []
    for a, b in combinations(range(len(views)), 2):
        cells = meetings(
            np.where(spans[a][:, 1:] > spans[a][:, :1], spans[a] - first[a], 0),
            np.where(spans[b][:, 1:] > spans[b][:, :1], spans[b] - first[b], 0),
        )
        value = whole_evidence(model.networks, points[a], points[b], cells)
        i, j = cells.i + first[a], cells.j + first[b]
        ratio = model.calibration.ratio(value)
        if appearance is not None:
            ratio = _with_appearance(ratio, appearance, (views[a].view, i), (views[b].view, j), config)
        share = model.calibration.share(views[a].view, views[b].view)
        probability, log_odds, matched = assign(ratio, cells, share, config.match_probability)
        instant = cells.group + span.start
        parts.append((instant, np.full(len(i), a), i, np.full(len(j), b), j, probability, log_odds, matched))
    every = Matches(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return every.where(_worth(every, [len(view) for view in views], config.keep_probability))


def _worth(every: Matches, sizes: list[int], least: float) -> NDArray[np.bool_]:
    """Cells that are likely, and unlikely ones of two detections that both have a likely partner somewhere."""
    likely = every.matched | (every.probability >= least) | (every.log_odds > 0)
    partnered = [np.zeros(size, bool) for size in sizes]
    both = likely.copy()
    for number, row in ((every.a, every.i), (every.b, every.j)):
        for v, known in enumerate(partnered):
            known[row[(number == v) & likely]] = True
    active = []
    for number, row in ((every.a, every.i), (every.b, every.j)):
        flag = np.zeros(len(row), bool)
        for v, known in enumerate(partnered):
            flag[number == v] = known[row[number == v]]
        active.append(flag)
    both |= active[0] & active[1]
    return both


def assign(ratio: Floats, cells: Cells, share: float, least: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """The likeliest one-to-one matching of every meeting; who is likelier to have no partner gets none.

    Args:
        ratio: (C,) likelihood ratio of each cell.
        share: expected share of the smaller set that has a partner.
        least: matches less probable than this are not taken.

    Returns:
        Per cell: its probability, its log-odds against no partner, and whether it is taken.
    """
    probability, log_odds = np.zeros(len(ratio)), np.zeros(len(ratio))
    matched = np.zeros(len(ratio), bool)
    for batch in cells.alike():
        odds = cal.prior_odds(share, cells.shape[batch])
        values, real = cells.padded(ratio, 0.0, batch)
        value = cal.marginals(values, odds)
        log = np.log(np.maximum(values * odds[:, None, None], 1e-12))
        taken = _taken(log) & (value >= least)
        at = cells.of(batch)
        probability[at], log_odds[at], matched[at] = value[real], log[real], taken[real]
    return probability, log_odds, matched


def _taken(log: Floats) -> NDArray[np.bool_]:
    """The matching of each meeting (G, N, M) with the most log-odds; only cells above 0 are taken."""
    taken = log > 0
    contested = (taken.sum(axis=1) > 1).any(axis=1) | (taken.sum(axis=2) > 1).any(axis=1)
    for k in np.flatnonzero(contested):
        rows, columns = linear_sum_assignment(np.maximum(log[k], 0), maximize=True)
        likely = log[k, rows, columns] > 0
        taken[k] = False
        taken[k, rows[likely], columns[likely]] = True
    return taken


def _with_appearance(
    ratio: Floats, appearance: Appearance, a: tuple[str, Ints], b: tuple[str, Ints], config: AssociationConfig
) -> Floats:
    """Ratios tempered by how alike detections look: geometry keeps a share 1 - w of its say, appearance gets w.

    The source mixes normalized distances with weight w (Self-MVA, D = (1 - w) D_geometry + w D_appearance); here both
    are log-ratios. Cosine likeness is standardized over the cells, so that any embedding will do.
    """
    if a[0] not in appearance or b[0] not in appearance or not len(ratio):
        return ratio
    x, y = appearance[a[0]][a[1]], appearance[b[0]][b[1]]
    length = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    likeness = (x * y).sum(axis=1) / np.maximum(length, 1e-9)
    standard = (likeness - likeness.mean()) / max(float(likeness.std()), 1e-6)
    w = config.appearance_weight
    out: Floats = np.exp((1 - w) * np.log(ratio) + w * SURE * standard)
    return out
