"""Global identities: tracklets of all views that the evidence of all instants joins into persons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.association.clustering import cluster
from drape.association.matching import SURE, Matches
from drape.association.views import Floats, Ints, ViewBoxes

INDEPENDENT_S = 1.0
"""Instants nearer than this say the same thing again: together they count as one."""
LEAST_JOINED = 500_000
"""Cells that are kept before those of one pair of nodes are summed up."""
COPY_EVIDENCE = 2.0
"""Summed log-odds from which a second image of a person in one view is taken for a copy."""
LONE_SCORE = 0.5
"""A detection that no tracklet and no other view confirms is a person from this score."""


@dataclass(frozen=True)
class Nodes:
    """Tracklets, and detections without one, of all views.

    Attributes:
        of: per view (N,), the node of each detection.
        view, start, stop: (K,) view and times of each node.
    """

    of: list[Ints]
    view: Ints
    start: Floats
    stop: Floats


@dataclass(frozen=True)
class People:
    """Person (N,) of each detection per view, -1 for none, and whether it is a second image of the person."""

    person: list[Ints]
    copy: list[NDArray[np.bool_]]


def make_nodes(views: Sequence[ViewBoxes]) -> Nodes:
    """One node per tracklet; a detection without one is a node of its own."""
    of, view, start, stop = [], [], [], []
    count = 0
    for v, boxes in enumerate(views):
        key = np.where(boxes.tracklet >= 0, boxes.tracklet, -1 - np.arange(len(boxes)))
        names, number = np.unique(key, return_inverse=True)
        begin, end = np.full(len(names), np.inf), np.full(len(names), -np.inf)
        np.minimum.at(begin, number, boxes.time)
        np.maximum.at(end, number, boxes.time)
        of.append((number + count).astype(np.int64))
        view.append(np.full(len(names), v))
        start.append(begin)
        stop.append(end)
        count += len(names)
    return Nodes(of, np.concatenate(view), np.concatenate(start), np.concatenate(stop))


class Evidence:
    """Log-odds of pairs of nodes, summed over instants as they come.

    Args:
        nodes: of all views.
        pace: seconds between instants.
    """

    def __init__(self, nodes: Nodes, pace: float) -> None:
        self.nodes = nodes
        self.share = min(1.0, pace / INDEPENDENT_S) if pace > 0 else 1.0
        self.keys: Ints = np.zeros(0, np.int64)
        self.joint: Floats = np.zeros(0)
        self.alone: Floats = np.zeros(0)
        self._new: list[tuple[Ints, Floats, Floats]] = []

    def add(self, m: Matches) -> None:
        """Add the matches of some instants."""
        one, two = np.zeros(len(m.i), np.int64), np.zeros(len(m.j), np.int64)
        for v, of in enumerate(self.nodes.of):
            one[m.a == v] = of[m.i[m.a == v]]
            two[m.b == v] = of[m.j[m.b == v]]
        p = np.clip(m.probability, 1e-6, 1 - 1e-6)
        odds = np.clip(np.log(p / (1 - p)), -SURE, SURE) * self.share
        raw = np.clip(m.log_odds, -SURE, SURE) * self.share
        key = np.minimum(one, two) * len(self.nodes.view) + np.maximum(one, two)
        self._new.append((key, odds, raw))
        if sum(len(part[0]) for part in self._new) > max(len(self.keys), LEAST_JOINED):
            self._join()

    def _join(self) -> None:
        """Sum up what was added since the last time."""
        known = [(self.keys, self.joint, self.alone), *self._new]
        key, odds, raw = (np.concatenate(column) for column in zip(*known, strict=True))
        self._new = []
        self.keys, place = np.unique(key, return_inverse=True)
        count = len(self.keys)
        self.joint = np.bincount(place, odds, count).astype(np.float64)
        self.alone = np.bincount(place, raw, count).astype(np.float64)

    def edges(self) -> tuple[Ints, Ints, Floats, Floats]:
        """Ends of the edges, and the log-odds with and without regard to other partners."""
        self._join()
        count = max(len(self.nodes.view), 1)
        return self.keys // count, self.keys % count, self.joint, self.alone


def identify(evidence: Evidence, views: Sequence[ViewBoxes]) -> People:
    """Persons from the evidence of all instants.

    Where tracklets exist, a person has at least one: loose detections join persons, but do not make them.
    """
    nodes = evidence.nodes
    first, second, joint, alone = evidence.edges()
    label = cluster(nodes.view, nodes.start, nodes.stop, first, second, joint)
    copies = _copies(label, nodes, first, second, alone)
    size = np.bincount(label, minlength=len(label))
    tracked = np.zeros(len(label), bool)
    for boxes, of in zip(views, nodes.of, strict=True):
        tracked[label[of[boxes.tracklet >= 0]]] = True
    founded = tracked if tracked.any() else np.ones(len(label), bool)
    person, copy = [], []
    for boxes, of in zip(views, nodes.of, strict=True):
        target = np.array([copies.get(int(n), -1) for n in of], np.int64) if copies else np.full(len(of), -1, np.int64)
        mine = np.where(target >= 0, target, label[of])
        known = founded[label[of]] & (tracked[label[of]] | (size[label[of]] > 1) | (boxes.scores >= LONE_SCORE))
        person.append(np.where(known, mine, -1).astype(np.int64))
        copy.append((target >= 0) & known)
    return _renumber(People(person, copy), views)


def as_table(people: People, views: Sequence[ViewBoxes]) -> pa.Table:
    """``IDENTITIES``, sorted by view, frame and index."""
    parts = []
    for view, person, copy in zip(views, people.person, people.copy, strict=True):
        keep = np.flatnonzero(person >= 0)
        parts.append(
            tables.make(
                tables.IDENTITIES,
                view=pa.repeat(view.view, len(keep)),
                frame=view.frame[keep].astype(np.int32),
                index=view.index[keep].astype(np.int32),
                person=person[keep].astype(np.int32),
                copy=copy[keep],
            )
        )
    return pa.concat_tables(parts) if parts else tables.empty(tables.IDENTITIES)


def _copies(label: Ints, nodes: Nodes, first: Ints, second: Ints, alone: Floats) -> dict[int, int]:
    """Nodes that are a second image of another cluster's person: all other views say so, but their place is taken.

    Only tracklets can be copies: of a single moment, somebody else near by is the likelier explanation.
    """
    size = np.bincount(label, minlength=int(label.max(initial=-1)) + 1)
    support: dict[tuple[int, int], float] = {}
    lasting = nodes.stop > nodes.start
    for i, j, w in zip(first.tolist(), second.tolist(), alone.tolist(), strict=True):
        for node, other in ((i, j), (j, i)):
            target = int(label[other])
            if lasting[node] and size[label[node]] == 1 and target != label[node] and size[target] > 1:
                support[(node, target)] = support.get((node, target), 0.0) + w
    best: dict[int, tuple[float, int]] = {}
    for (node, target), total in support.items():
        if total >= COPY_EVIDENCE and total > best.get(node, (0.0, -1))[0]:
            best[node] = (total, target)
    members: dict[int, list[int]] = {}
    for node, target in enumerate(label.tolist()):
        members.setdefault(target, []).append(node)
    return {node: target for node, (_, target) in best.items() if _shares_view(node, members[target], nodes)}


def _shares_view(node: int, others: list[int], nodes: Nodes) -> bool:
    return any(
        nodes.view[o] == nodes.view[node] and nodes.start[o] <= nodes.stop[node] and nodes.start[node] <= nodes.stop[o]
        for o in others
    )


def _renumber(people: People, views: Sequence[ViewBoxes]) -> People:
    """Number persons by when they are first seen."""
    person = np.concatenate(people.person)
    time = np.concatenate([view.time for view in views])
    order = np.argsort(time, kind="stable")
    names, place = np.unique(person[order], return_index=True)
    known = names >= 0
    rank = np.full(len(names), -1, np.int64)
    rank[np.flatnonzero(known)[np.argsort(place[known], kind="stable")]] = np.arange(int(known.sum()))
    return People([rank[np.searchsorted(names, p)].astype(np.int64) for p in people.person], people.copy)
