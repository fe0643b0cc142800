"""Correlation clustering: parts that belong together by the sum of the evidence, with pairs that can never be one."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from drape.association.views import Floats, Ints

ROUNDS = 3


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
    label = _contract(view, start, stop, first, second, weight)
    for _ in range(ROUNDS):
        if not _move(label, view, start, stop, first, second, weight):
            break
    order = np.lexsort((np.arange(len(label)), start))
    _, place = np.unique(label[order], return_index=True)
    rank = np.empty(len(place), np.int64)
    rank[np.argsort(place, kind="stable")] = np.arange(len(place))
    names = np.unique(label)
    out: Ints = rank[np.searchsorted(names, label)]
    return out


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


def _move(label: Ints, view: Ints, start: Floats, stop: Floats, first: Ints, second: Ints, weight: Floats) -> bool:
    """Move single nodes to where they fit better; whether any moved."""
    near: dict[int, list[tuple[int, float]]] = {}
    for i, j, w in zip(first.tolist(), second.tolist(), weight.tolist(), strict=True):
        near.setdefault(i, []).append((j, w))
        near.setdefault(j, []).append((i, w))
    members: dict[int, set[int]] = {}
    for k, c in enumerate(label.tolist()):
        members.setdefault(c, set()).add(k)
    free = int(label.max(initial=-1)) + 1
    moved = False
    for k in near:
        own = int(label[k])
        sums: dict[int, float] = {own: 0.0}
        for j, w in near[k]:
            sums[int(label[j])] = sums.get(int(label[j]), 0.0) + w
        best, gain = own, 0.0
        for c, total in sums.items():
            if c != own and total - sums[own] > gain + 1e-9 and not _clash(k, members[c], view, start, stop):
                best, gain = c, total - sums[own]
        if -sums[own] > gain + 1e-9 and len(members[own]) > 1:
            best, gain = free, -sums[own]
            free += 1
        if best != own:
            members[own].discard(k)
            members.setdefault(best, set()).add(k)
            label[k] = best
            moved = True
    return moved


def _clash(k: int, others: set[int], view: Ints, start: Floats, stop: Floats) -> bool:
    return any(view[o] == view[k] and start[o] <= stop[k] and start[k] <= stop[o] for o in others)
