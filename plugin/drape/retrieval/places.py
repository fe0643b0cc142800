"""What a fixed view has shown at a place: how often anything, and how often a person, of that size.

A person who lies or stands still is found in some instants and doubtful in others; at one place people have one height
(a fixed camera and a floor), and furniture is never a person. All this is in two densities over boxes of the same
recording: of all candidates, and of candidates weighted by their existence. They are taken at two widths, with the
overlap of boxes as the kernel. Instants are dealt into folds, and the densities around a candidate are those of the
other folds, so that a candidate and its neighbours in time are no evidence for themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes, iou
from drape.retrieval.pairing import Floats, Ints

FOLDS = 8
FOLD_S = 20.0
"""Seconds of neighbouring instants that share a fold; a short recording has shorter ones."""
POWERS = (2, 4)
"""Kernels: these powers of the overlap."""
SMALLEST = 0.01
"""Boxes per instant that count as none."""
EXACT = 4000
"""Up to so many boxes each is looked up by itself; beyond, boxes in the same cell share an answer."""
CELL = 0.15
"""Width of a cell in place (in heights) and in the logarithm of width and height."""


def fold_of(time: Floats, span: float) -> Ints:
    """(N,) the fold of each time, for a recording of ``span`` seconds."""
    length = min(FOLD_S, max(span / (2 * FOLDS), 1e-3))
    return (np.floor(time / length).astype(np.int64)) % FOLDS


@dataclass(frozen=True)
class Places:
    """Reference boxes of one view: ``boxes`` (R, 4), their ``existence`` (R,), ``fold`` (R,), and how many instants
    each fold holds, ``instants`` (FOLDS,)."""

    boxes: Boxes
    existence: Floats
    fold: Ints
    instants: Floats

    def densities(self, boxes: Boxes, fold: Ints) -> Floats:
        """Log densities (N, 4) around boxes (N, 4): of persons at each width, then of all candidates."""
        if len(boxes) == 0:
            return np.zeros((0, 2 * len(POWERS)))
        if len(self.boxes) == 0:
            return np.full((len(boxes), 2 * len(POWERS)), np.log(SMALLEST))
        first, cell = _cells(boxes)
        out = np.zeros((len(first), FOLDS, 2 * len(POWERS)))
        for start in range(0, len(first), 512):
            part = slice(start, start + 512)
            out[part] = self._around(boxes[first[part]])
        return np.asarray(out[cell, fold])

    def _around(self, boxes: Boxes) -> Floats:
        """(N, FOLDS, 4) log densities, each fold left out in turn."""
        overlap = iou(boxes, self.boxes)
        which = np.zeros((len(self.boxes), FOLDS), np.float32)
        which[np.arange(len(self.boxes)), self.fold] = 1
        weighted = which * self.existence[:, None].astype(np.float32)
        sums = [overlap**power @ weight for weight in (weighted, which) for power in POWERS]
        rest = np.maximum(self.instants.sum() - self.instants, 1.0)
        return np.stack([np.log((s.sum(axis=1, keepdims=True) - s) / rest + SMALLEST) for s in sums], axis=-1)


def survey(boxes: Boxes, existence: Floats, instant: Ints, fold: Ints, sample: int, seed: int) -> Places:
    """Learn the places of one view.

    Args:
        boxes, existence: (N, 4), (N,) candidates.
        instant: (N,) number of each candidate's instant.
        fold: (N,) see ``fold_of``.
        sample: most candidates to keep; whole instants are drawn.
        seed: of the draw.
    """
    if len(boxes) == 0:
        return Places(boxes, existence, fold, np.zeros(FOLDS))
    ids, first, sizes = np.unique(instant, return_index=True, return_counts=True)
    keep = np.ones(len(ids), bool)
    if len(boxes) > sample:
        order = np.random.default_rng(seed).permutation(len(ids))
        keep[order[np.cumsum(sizes[order]) > sample]] = False
    rows = np.isin(instant, ids[keep])
    instants = np.bincount(fold[first[keep]], minlength=FOLDS).astype(np.float64)
    return Places(boxes[rows], existence[rows], fold[rows], instants)


def _cells(boxes: Boxes) -> tuple[Ints, Ints]:
    """One row of every cell, and the cell of every row."""
    if len(boxes) <= EXACT:
        every = np.arange(len(boxes))
        return every, every
    size = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 1))
    coarse = np.floor(size / CELL)
    step = np.maximum(np.exp((coarse[:, 1:] + 0.5) * CELL) * CELL, 1)
    place = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2 / step)
    _, first, cell = np.unique(_hash(np.concatenate([coarse, place], axis=1)), return_index=True, return_inverse=True)
    return first, cell


def _hash(rows: NDArray[np.float64]) -> Ints:
    """One number per row of small whole numbers."""
    whole = rows.astype(np.int64) + 32
    out = np.zeros(len(rows), np.int64)
    for column in whole.T:
        out = out * 4096 + np.clip(column, 0, 4095)
    return out
