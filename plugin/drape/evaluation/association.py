"""How well detections of different views are matched: the measures of Self-MVA (Chen et al., CVPR 2025).

Frames of the same number meet. AP and FPR-95 are over the raw probabilities of all cells, so they compare pairs of
views with each other; where the source normalizes each pair of pictures by its own maximum, it does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHARES = (1.0, 0.9, 0.8)


@dataclass(frozen=True)
class Cells:
    """All cells of one pair of views at one frame: N persons known in the one, M in the other.

    Attributes:
        probability, matched: (N, M).
        person_a, person_b: (N,), (M,).
    """

    probability: Floats
    matched: Bools
    person_a: Ints
    person_b: Ints

    def same(self) -> Bools:
        """Which cells are of one person, (N, M)."""
        return self.person_a[:, None] == self.person_b[None, :]


@dataclass(frozen=True)
class Scores:
    """Measures of association, each in [0, 1]; NaN where nothing could be measured.

    Attributes:
        ap: average precision over cells.
        fpr95: share of false cells above the threshold that 95 % of the true ones reach.
        precision, recall: of the matches taken.
        accuracy: persons of either view judged right (matched with themselves, or left alone where they are alone).
        ipaa100, ipaa90, ipaa80: share of pairs of pictures in which at least so many percent are judged right.
        pairs: pairs of pictures measured.
    """

    ap: float
    fpr95: float
    precision: float
    recall: float
    accuracy: float
    ipaa100: float
    ipaa90: float
    ipaa80: float
    pairs: int

    def as_dict(self) -> dict[str, float]:
        """The measures by name."""
        return asdict(self)


def score(pairs: pa.Table, truth: pa.Table) -> Scores:
    """Measure matches against known persons.

    Args:
        pairs: ``PAIRS``; cells without a row count as probability 0.
        truth: ``IDENTITIES`` of the same detections; person -1 (nobody knows) is left out.
    """
    return measure(list(cells(pairs, truth)))


def cells(pairs: pa.Table, truth: pa.Table) -> Iterator[Cells]:
    """The cells of every pair of views at every frame where both hold a known person."""
    known = _Known(truth)
    rows = {name: pairs.column(name).to_numpy(zero_copy_only=False) for name in pairs.column_names}
    a = known.find(rows["view_a"], rows["frame_a"], rows["index_a"])
    b = known.find(rows["view_b"], rows["frame_b"], rows["index_b"])
    keep = np.flatnonzero((a >= 0) & (b >= 0) & (rows["frame_a"] == rows["frame_b"]))
    swap = known.view[a[keep]] > known.view[b[keep]]
    first, second = np.where(swap, b[keep], a[keep]), np.where(swap, a[keep], b[keep])
    group = known.group(first) * len(known.names) + known.view[second]
    order = np.argsort(group, kind="stable")
    group, first, second, keep = group[order], first[order], second[order], keep[order]
    for key, i, j in known.meetings():
        low, high = np.searchsorted(group, [key, key + 1])
        probability = np.zeros((len(i), len(j)))
        matched = np.zeros((len(i), len(j)), bool)
        at = first[low:high] - i[0], second[low:high] - j[0]
        probability[at] = rows["probability"][keep[low:high]]
        matched[at] = rows["matched"][keep[low:high]]
        yield Cells(probability, matched, known.person[i], known.person[j])


def measure(all_cells: list[Cells]) -> Scores:
    """The measures of method section 2.4 from cells (see ``Scores``)."""
    same = np.concatenate([c.same().ravel() for c in all_cells]) if all_cells else np.zeros(0, bool)
    probability = np.concatenate([c.probability.ravel() for c in all_cells]) if all_cells else np.zeros(0)
    counts = np.array([_judge(c) for c in all_cells], np.float64).reshape(-1, 5)
    taken, right, shared, judged, union = counts.sum(axis=0)
    share = counts[:, 3] / np.maximum(counts[:, 4], 1)
    reached = [float(np.mean(share >= s - 1e-9)) if len(share) else float("nan") for s in SHARES]
    return Scores(
        average_precision(same, probability),
        fpr_at_recall(same, probability),
        _ratio(right, taken),
        _ratio(right, shared),
        _ratio(judged, union),
        reached[0],
        reached[1],
        reached[2],
        len(all_cells),
    )


def average_precision(true: Bools, value: Floats) -> float:
    """Area under the steps of precision over recall; equal values are taken together. NaN without a true entry."""
    if not true.any():
        return float("nan")
    order = np.argsort(-value, kind="stable")
    hits = np.cumsum(true[order])
    last = np.flatnonzero(np.append(np.diff(value[order]) != 0, True))
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))


def fpr_at_recall(true: Bools, value: Floats, recall: float = 0.95) -> float:
    """Share of false entries at least as high as the threshold that ``recall`` of the true ones reach."""
    if not true.any() or true.all():
        return float("nan")
    descending = -np.sort(-value[true])
    threshold = descending[int(np.ceil(recall * len(descending) - 1e-9)) - 1]
    return float(np.mean(value[~true] >= threshold))


def _judge(c: Cells) -> tuple[int, int, int, int, int]:
    """Matches taken, right ones, persons in both views, persons judged right, persons in either."""
    right = int((c.matched & c.same()).sum())
    shared = np.intersect1d(c.person_a, c.person_b)
    alone_a = ~np.isin(c.person_a, shared) & ~c.matched.any(axis=1)
    alone_b = ~np.isin(c.person_b, shared) & ~c.matched.any(axis=0)
    union = len(np.union1d(c.person_a, c.person_b))
    return int(c.matched.sum()), right, len(shared), right + int(alone_a.sum()) + int(alone_b.sum()), union


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


class _Known:
    """Detections whose person is known, sorted by view, frame and index."""

    def __init__(self, truth: pa.Table) -> None:
        person = truth.column("person").to_numpy()
        keep = np.flatnonzero(person >= 0)
        names, view = np.unique(
            truth.column("view").to_numpy(zero_copy_only=False)[keep].astype(str), return_inverse=True
        )
        frame, index = truth.column("frame").to_numpy()[keep], truth.column("index").to_numpy()[keep]
        order = np.lexsort((index, frame, view))
        self.names = names
        self.view: Ints = view[order].astype(np.int64)
        self.frame: Ints = frame[order].astype(np.int64)
        self.index: Ints = index[order].astype(np.int64)
        self.person: Ints = person[keep][order].astype(np.int64)
        self.span = int(self.frame.max()) + 1 if len(keep) else 1
        self.width = int(self.index.max()) + 1 if len(keep) else 1

    def group(self, rows: Ints) -> Ints:
        """A number per view and frame."""
        return self.view[rows] * self.span + self.frame[rows]

    def find(self, view: NDArray[np.object_], frame: NDArray[np.int32], index: NDArray[np.int32]) -> Ints:
        """The row of each detection, -1 if it is not known."""
        place = np.searchsorted(self.names, view.astype(str)) if len(self.names) else np.zeros(len(view), np.int64)
        place = np.minimum(place, max(len(self.names) - 1, 0))
        inside = (frame < self.span) & (index < self.width)
        if not len(self.view):
            return np.full(len(view), -1, np.int64)
        inside &= self.names[place] == view.astype(str)
        keys = self.group(np.arange(len(self.view))) * self.width + self.index
        wanted = (place * self.span + frame.astype(np.int64)) * self.width + index
        row = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(inside & (keys[row] == wanted), row, -1)

    def meetings(self) -> Iterator[tuple[int, Ints, Ints]]:
        """Pairs of views at a frame: their number, and the rows of the one and of the other."""
        groups = self.group(np.arange(len(self.view)))
        for frame in np.unique(self.frame):
            spans = [
                np.searchsorted(groups, [v * self.span + frame, v * self.span + frame + 1])
                for v in range(len(self.names))
            ]
            seen = [v for v, (low, high) in enumerate(spans) if high > low]
            for i, v in enumerate(seen):
                for w in seen[i + 1 :]:
                    key = int(v * self.span + frame) * len(self.names) + w
                    yield key, np.arange(*spans[v]), np.arange(*spans[w])
