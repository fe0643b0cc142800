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

from drape.boxes import Boxes, as_boxes, iou
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
CELL = 0.2
"""Width of a cell in place (in heights) and in the logarithm of width and height."""
BLOCK = 256
"""Boxes looked up at once, so that the overlaps stay in the cache."""


def fold_of(time: Floats, span: float) -> Ints:
    """(N,) the fold of each time, for a recording of ``span`` seconds."""
    length = min(FOLD_S, max(span / (2 * FOLDS), 1e-3))
    return (np.floor(time / length).astype(np.int64)) % FOLDS


@dataclass(frozen=True)
class Places:
    """Reference boxes of one view: ``boxes`` (R, 4), their ``existence`` (R,), ``fold`` (R,), and how many instants
    each fold holds, ``instants`` (FOLDS,). ``answers`` keeps what was looked up by cell; None: look up every box."""

    boxes: Boxes
    existence: Floats
    fold: Ints
    instants: Floats
    answers: Answers | None

    def densities(self, boxes: Boxes, fold: Ints) -> Floats:
        """Log densities (N, 4) around boxes (N, 4): of persons at each width, then of all candidates."""
        if len(self.boxes) == 0 or len(boxes) == 0:
            return np.full((len(boxes), 2 * len(POWERS)), np.log(SMALLEST))
        if self.answers is None:
            return np.asarray(self._around(boxes)[np.arange(len(boxes)), fold])
        cells = _cells(boxes)
        distinct, cell = np.unique(_hash(cells), return_inverse=True)
        fresh = self.answers.unknown(distinct)
        first = np.unique(cell, return_index=True)[1]
        self.answers.add(distinct[fresh], self._around(_centres(cells[first[fresh]])))
        return np.asarray(self.answers.of(distinct)[cell, fold])

    def _around(self, boxes: Boxes) -> Floats:
        """(N, FOLDS, 4) log densities, each fold left out in turn."""
        which = np.zeros((len(self.boxes), FOLDS), np.float32)
        which[np.arange(len(self.boxes)), self.fold] = 1
        weights = np.concatenate([which * self.existence[:, None].astype(np.float32), which], axis=1)
        rest = np.maximum(self.instants.sum() - self.instants, 1.0)
        out = np.zeros((len(boxes), FOLDS, 2 * len(POWERS)))
        for start in range(0, len(boxes), BLOCK):
            part = slice(start, start + BLOCK)
            overlap = iou(boxes[part], self.boxes)
            for k, power in enumerate(POWERS):
                sums = (overlap**power @ weights).reshape(-1, 2, FOLDS)
                others = (sums.sum(axis=2, keepdims=True) - sums) / rest + SMALLEST
                out[part, :, [k, len(POWERS) + k]] = np.log(np.maximum(others, SMALLEST)).transpose(0, 2, 1)
        return out


class Answers:
    """Log densities by cell, sorted by the cell's number; grows with every new cell."""

    def __init__(self) -> None:
        self._cells: Ints = np.zeros(0, np.int64)
        self._values: Floats = np.zeros((0, FOLDS, 2 * len(POWERS)), np.float32)

    def unknown(self, cells: Ints) -> NDArray[np.bool_]:
        """(N,) whether nothing is known of a cell."""
        return ~np.isin(cells, self._cells)

    def add(self, cells: Ints, values: Floats) -> None:
        """Remember (M,) cells that were unknown."""
        both = np.concatenate([self._cells, cells])
        order = np.argsort(both)
        self._cells = both[order]
        self._values = np.concatenate([self._values, values.astype(np.float32)])[order]

    def of(self, cells: Ints) -> Floats:
        """(N, FOLDS, 4) of known cells."""
        return self._values[np.searchsorted(self._cells, cells)]


def survey(boxes: Boxes, existence: Floats, instant: Ints, fold: Ints, sample: int, seed: int) -> Places:
    """Learn the places of one view.

    Args:
        boxes, existence: (N, 4), (N,) candidates.
        instant: (N,) number of each candidate's instant.
        fold: (N,) see ``fold_of``.
        sample: most candidates to keep; whole instants are drawn.
        seed: of the draw.
    """
    answers = Answers() if len(boxes) > EXACT else None
    if len(boxes) == 0:
        return Places(boxes, existence, fold, np.zeros(FOLDS), answers)
    ids, first, sizes = np.unique(instant, return_index=True, return_counts=True)
    keep = np.ones(len(ids), bool)
    if len(boxes) > sample:
        order = np.random.default_rng(seed).permutation(len(ids))
        keep[order[np.cumsum(sizes[order]) > sample]] = False
    rows = np.isin(instant, ids[keep])
    instants = np.bincount(fold[first[keep]], minlength=FOLDS).astype(np.float64)
    return Places(boxes[rows], existence[rows], fold[rows], instants, answers)


def _cells(boxes: Boxes) -> Ints:
    """(N, 4) numbers of the cells of boxes: width, height, and place in steps of the height."""
    coarse = np.floor(np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 1)) / CELL)
    place = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2 / _step(coarse))
    return np.concatenate([coarse, place], axis=1).astype(np.int64)


def _centres(cells: Ints) -> Boxes:
    """The box in the middle of each cell, (N, 4)."""
    half = np.exp((cells[:, :2] + 0.5) * CELL) / 2
    middle = (cells[:, 2:] + 0.5) * _step(cells[:, :2])
    return as_boxes(np.concatenate([middle - half, middle + half], axis=1))


def _step(coarse: NDArray) -> Floats:
    return np.maximum(np.exp((coarse[:, 1:] + 0.5) * CELL) * CELL, 1)


def _hash(rows: Ints) -> Ints:
    """One number per row of small whole numbers."""
    whole = rows + 32
    out = np.zeros(len(rows), np.int64)
    for column in whole.T:
        out = out * 4096 + np.clip(column, 0, 4095)
    return out
