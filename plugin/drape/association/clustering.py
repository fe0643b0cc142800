"""Correlation clustering: parts that belong together by the sum of the evidence, with pairs that can never be one."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from drape.association.views import Floats, Ints

ROUNDS = 3
LEAST_GAIN = 1e-9
"""Gains by moves that are no more than this are errors of rounding."""


@dataclass
class _Cluster:
    """Members, and per view the closed spans of time (start, stop) in which the cluster is seen."""

    members: list[int]
    spans: dict[int, list[tuple[float, float]]]
    near: dict[int, float] = field(default_factory=dict)

    def conflicts(self, other: _Cluster) -> bool:
        """Whether one view shows both at one time."""
        for view, spans in self.spans.items():
            for start, stop in other.spans.get(view, ()):
                if any(start <= mine[1] and mine[0] <= stop for mine in spans):
                    return True
        return False


def cluster(view: Ints, start: Floats, stop: Floats, first: Ints, second: Ints, weight: Floats) -> Ints:
    """Partition nodes so that the weights inside clusters sum up high, no view showing two members at one time.

    Greedy additive contraction (Keuper et al. 2015) with the constraint, then moves of single nodes. A negative weight
    keeps nodes apart even where a third would join them: over three and more views, cycles must agree.

    Args:
        view: (K,) view of each node; start, stop: (K,) times in which it is seen.
        first, second, weight: (E,) edges, each pair at most once.

    Returns:
        (K,) cluster of each node, numbered by first appearance in time.
    """
    label = np.arange(len(view))
    nodes, kept = _bound(len(view), first, second, weight)
    if len(nodes):
        ends = (np.searchsorted(nodes, first[kept]), np.searchsorted(nodes, second[kept]), weight[kept])
        spans = (view[nodes], start[nodes], stop[nodes])
        order = _appearance(nodes, first, second)
        found = _contract(*spans, *ends)
        for _ in range(ROUNDS):
            if not _move(found, order, *spans, *ends):
                break
        label[nodes] = len(view) + found
    order = np.lexsort((np.arange(len(label)), start))
    _, place = np.unique(label[order], return_index=True)
    rank = np.empty(len(place), np.int64)
    rank[np.argsort(place, kind="stable")] = np.arange(len(place))
    names = np.unique(label)
    out: Ints = rank[np.searchsorted(names, label)]
    return out


def _bound(count: int, first: Ints, second: Ints, weight: Floats) -> tuple[Ints, Ints]:
    """Nodes that any evidence binds to others, sorted, and the edges among nodes that a chain of evidence connects.

    Evidence between other nodes only speaks against what nothing speaks for: without it the clusters are the same.
    """
    for_it = weight > 0
    graph = coo_array((np.ones(int(for_it.sum())), (first[for_it], second[for_it])), shape=(count, count))
    part = connected_components(graph, directed=False)[1]
    nodes = np.unique(np.concatenate([first[for_it], second[for_it]]))
    return nodes.astype(np.int64), np.flatnonzero(part[first] == part[second]).astype(np.int64)


def _appearance(nodes: Ints, first: Ints, second: Ints) -> list[int]:
    """Places among ``nodes`` in the order in which the edges name them."""
    ends = np.stack([first, second], axis=1).ravel()
    names, at = np.unique(ends, return_index=True)
    known = names[np.argsort(at, kind="stable")]
    known = known[np.isin(known, nodes)]
    return [int(k) for k in np.searchsorted(nodes, known)]


def _contract(view: Ints, start: Floats, stop: Floats, first: Ints, second: Ints, weight: Floats) -> Ints:
    clusters = {k: _Cluster([k], {int(view[k]): [(float(start[k]), float(stop[k]))]}) for k in range(len(view))}
    heap: list[tuple[float, int, int]] = []
    for i, j, w in zip(first.tolist(), second.tolist(), weight.tolist(), strict=True):
        clusters[i].near[j] = clusters[j].near[i] = w
        if w > 0:
            heap.append((-w, i, j))
    heapq.heapify(heap)
    while heap:
        w, i, j = heapq.heappop(heap)
        if i not in clusters or j not in clusters or clusters[i].near.get(j) != -w:
            continue
        a, b = clusters[i], clusters[j]
        if a.conflicts(b):
            continue
        if len(a.members) + len(a.near) < len(b.members) + len(b.near):
            i, j, a, b = j, i, b, a
        del clusters[j]
        a.members += b.members
        for v, spans in b.spans.items():
            a.spans.setdefault(v, []).extend(spans)
        a.near.pop(j, None)
        for k, value in b.near.items():
            if k == i:
                continue
            other = clusters[k]
            other.near.pop(j, None)
            total = a.near.get(k, 0.0) + value
            a.near[k] = other.near[i] = total
            if total > 0:
                heapq.heappush(heap, (-total, i, k))
    label = np.zeros(len(view), np.int64)
    for i, c in clusters.items():
        label[c.members] = i
    return label


def _move(
    found: Ints,
    order: list[int],
    view: Ints,
    start: Floats,
    stop: Floats,
    first: Ints,
    second: Ints,
    weight: Floats,
) -> bool:
    """Move single nodes to where they fit better, in the given order; whether any moved."""
    ends = np.concatenate([first, second])
    rows = np.lexsort((np.tile(np.arange(len(first)), 2), ends))
    others, weights = np.concatenate([second, first])[rows], np.tile(weight, 2)[rows]
    edges = np.searchsorted(ends[rows], np.arange(len(found) + 1))
    restless = _restless(found, ends[rows], others, weights)
    members: dict[int, set[int]] = {}
    label = found.tolist()
    for k, c in enumerate(label):
        members.setdefault(c, set()).add(k)
    free = max(label, default=-1) + 1
    moved = False
    for k in order:
        if not restless[k]:
            continue
        own = label[k]
        sums: dict[int, float] = {own: 0.0}
        span = slice(edges[k], edges[k + 1])
        near = others[span].tolist()
        for j, w in zip(near, weights[span].tolist(), strict=True):
            sums[label[j]] = sums.get(label[j], 0.0) + w
        best, gain = own, 0.0
        for c, total in sums.items():
            if c != own and total - sums[own] > gain + LEAST_GAIN and not _clash(k, members[c], view, start, stop):
                best, gain = c, total - sums[own]
        if -sums[own] > gain + LEAST_GAIN and len(members[own]) > 1:
            best, gain = free, -sums[own]
            free += 1
        if best != own:
            members[own].discard(k)
            members.setdefault(best, set()).add(k)
            label[k] = best
            restless[near] = True
            restless[list(members[own])] = True
            moved = True
    found[:] = label
    return moved


def _restless(found: Ints, ends: Ints, others: Ints, weights: Floats) -> NDArray[np.bool_]:
    """Which nodes (K,) would gain by a move as things are, clashes not considered."""
    count = int(found.max(initial=-1)) + 1
    keys, row = np.unique(ends * count + found[others], return_inverse=True)
    sums, node, cluster = np.bincount(row, weights), keys // count, keys % count
    own = np.zeros(len(found))
    at_home = cluster == found[node]
    own[node[at_home]] = sums[at_home]
    out: NDArray[np.bool_] = -own > LEAST_GAIN / 2
    out[node[~at_home & (sums - own[node] > LEAST_GAIN / 2)]] = True
    return out


def _clash(k: int, others: set[int], view: Ints, start: Floats, stop: Floats) -> bool:
    return any(view[o] == view[k] and start[o] <= stop[k] and start[k] <= stop[o] for o in others)
