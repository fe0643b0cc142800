"""The forward and the backward pass become one set of tracklets.

The pass that holds persons together for longer is taken as it is; the other adds what the first one missed, and joins
tracklets that it followed through a gap. Nothing that either pass found is lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drape.tracking.passes import Detections, Ints

SAME_PERSON_IOU = 0.6
"""Two boxes of one frame that overlap more than this are of one person (the NMS threshold of arXiv 2602.02850)."""


def unite(detections: Detections, forward: Ints, backward: Ints) -> Ints:
    """Unite two passes.

    Args:
        detections: the view's candidates.
        forward, backward: (N,) track numbers of both passes, -1 for none.

    Returns:
        (N,) tracklet number of every candidate, -1 for none; a tracklet has at most one candidate per frame.
    """
    first, second = (forward, backward) if continuity(forward) >= continuity(backward) else (backward, forward)
    frame = detections.frame_of()
    twin = _twins(detections, first, second)
    owner = first.copy()
    fresh = int(owner.max(initial=-1)) + 1
    joined: dict[int, int] = {}
    for run, before, after in _runs(second, twin, frame):
        before, after = _root(joined, before), _root(joined, after)
        target = _adopt(owner, frame, run, before, after, joined)
        if target < 0:
            target, fresh = fresh, fresh + 1
        owner[run] = target
    roots = np.array([_root(joined, k) for k in range(fresh)], np.int64)
    owner[owner >= 0] = roots[owner[owner >= 0]]
    return owner


def continuity(owner: Ints) -> float:
    """How well a pass holds persons together: the sum of squared tracklet lengths."""
    lengths = np.bincount(owner[owner >= 0]).astype(np.float64)
    return float((lengths**2).sum())


def _twins(detections: Detections, first: Ints, second: Ints) -> Ints:
    """For every row of the second pass, the track of the first pass that covers the same person there, or -1."""
    twin = np.where(second >= 0, first, -1)
    rows_a = np.flatnonzero(first >= 0)
    rows_b = np.flatnonzero((second >= 0) & (twin < 0))
    frame = detections.frame_of()
    start, stop = np.searchsorted(frame[rows_a], frame[rows_b]), np.searchsorted(frame[rows_a], frame[rows_b], "right")
    counts = stop - start
    b = np.repeat(np.arange(len(rows_b)), counts)
    a = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(start, counts)
    overlap = paired_iou(detections.boxes[rows_a[a]], detections.boxes[rows_b[b]])
    near = np.flatnonzero(overlap >= SAME_PERSON_IOU)
    near = near[np.argsort(overlap[near], kind="stable")]
    twin[rows_b[b[near]]] = first[rows_a[a[near]]]
    return twin


def paired_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of boxes pair by pair, shape (N,)."""
    size = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    inter = size[:, 0] * size[:, 1]
    union = np.prod(a[:, 2:] - a[:, :2], axis=1) + np.prod(b[:, 2:] - b[:, :2], axis=1) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def _runs(second: Ints, twin: Ints, frame: Ints) -> list[tuple[Ints, int, int]]:
    """Stretches of the second pass that the first one missed, with the first pass's track before and after them.

    Neighbours without rows between them give an empty stretch if their tracks differ: they may belong together.
    """
    runs: list[tuple[Ints, int, int]] = []
    rows = np.flatnonzero(second >= 0)
    rows = rows[np.lexsort((frame[rows], second[rows]))]
    for track in np.split(rows, np.flatnonzero(np.diff(second[rows])) + 1):
        covered = twin[track]
        cuts = np.flatnonzero(np.diff(covered) != 0) + 1
        parts = np.split(np.arange(len(track)), cuts)
        for k, part in enumerate(parts):
            if len(part) and covered[part[0]] < 0:
                before = int(covered[parts[k - 1][0]]) if k else -1
                after = int(covered[parts[k + 1][0]]) if k + 1 < len(parts) else -1
                runs.append((track[part], before, after))
    runs.sort(key=lambda run: -len(run[0]))
    return runs


def _adopt(owner: Ints, frame: Ints, run: Ints, before: int, after: int, joined: dict[int, int]) -> int:
    """The tracklet that a stretch belongs to, or -1; joins the tracklets before and after it where that is possible."""
    if before >= 0 and after >= 0 and before != after:
        spans = [_span(owner, frame, joined, k) for k in (before, after)]
        if spans[0][1] < frame[run[0]] and frame[run[-1]] < spans[1][0]:
            joined[after] = before
            return before
    for neighbour in (before, after):
        if neighbour >= 0 and not _busy(owner, frame, joined, neighbour, run):
            return neighbour
    return -1


def _members(owner: Ints, joined: dict[int, int], track: int) -> Ints:
    group = [track] + [k for k in joined if _root(joined, k) == track]
    return np.flatnonzero(np.isin(owner, group))


def _span(owner: Ints, frame: Ints, joined: dict[int, int], track: int) -> tuple[int, int]:
    frames = frame[_members(owner, joined, track)]
    return int(frames.min()), int(frames.max())


def _busy(owner: Ints, frame: Ints, joined: dict[int, int], track: int, run: Ints) -> bool:
    return bool(np.isin(frame[run], frame[_members(owner, joined, track)]).any())


def _root(joined: dict[int, int], track: int) -> int:
    while track in joined:
        track = joined[track]
    return track
