"""Detections of an instant as sets, and how well the sets of two views explain each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drape.association.views import Floats, Instants, Ints, ViewBoxes
from drape.boxes import as_boxes, iou

STAY_IOU = 0.6
"""A box that overlaps one of another time by so much stayed where it was."""
STAY_SAMPLES = 24


@dataclass(frozen=True)
class Batch:
    """Detections of one view at some instants: boxes (N, 4), which instant of the batch (N,), weight (N,)."""

    boxes: Tensor
    instant: Tensor
    weight: Tensor

    def members(self, count: int) -> Tensor:
        """Which instant each detection is of, as (N, count) zeros and ones."""
        return torch.nn.functional.one_hot(self.instant, count).to(self.boxes.dtype)


@dataclass(frozen=True)
class Sets:
    """Detections of several views by instant.

    Attributes:
        time: (T,) seconds.
        spans: per view (T, 2), first and last-plus-one row at each instant.
        boxes: per view (N, 4), in units of the picture's longer side.
        weight: per view (N,), how much each detection says of the time.
    """

    time: Floats
    spans: tuple[Ints, ...]
    boxes: tuple[Tensor, ...]
    weight: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.time)

    def rows(self, view: int, chosen: Ints) -> tuple[Ints, Ints]:
        """Rows of a view at chosen instants, and the place of each row's instant among the chosen."""
        low, high = self.spans[view][chosen].T
        count = high - low
        place = np.repeat(np.arange(len(chosen)), count)
        return np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count) + low[place], place

    def batch(self, view: int, chosen: Ints) -> Batch:
        """Detections of a view at chosen instants."""
        rows, place = self.rows(view, chosen)
        at = torch.from_numpy(rows)
        return Batch(self.boxes[view][at], torch.from_numpy(place), self.weight[view][at])


def unit_boxes(view: ViewBoxes) -> Tensor:
    """Boxes divided by the longer side of their picture, (N, 4) float32."""
    return torch.from_numpy(np.ascontiguousarray(view.boxes / max(view.extent()), np.float32))


def gather(views: Sequence[ViewBoxes], instants: Instants, weights: Sequence[NDArray[np.float32]]) -> Sets:
    """Sets of all instants; ``weights`` is per view (N,)."""
    boxes = tuple(unit_boxes(view) for view in views)
    return Sets(
        instants.time, instants.rows, boxes, tuple(torch.from_numpy(np.asarray(w, np.float32)) for w in weights)
    )


def staying(view: ViewBoxes, gap: float, rng: np.random.Generator, rows: Ints | None = None) -> NDArray[np.float32]:
    """Share of other times at which each box of the view has one in the same place, (N,) in [0, 1].

    Posters, trolleys and patients who lie still say nothing of the time; those who move do.

    Args:
        gap: other times are at least so many seconds away.
        rows: boxes that are asked about; None for all.
    """
    asked = view if rows is None else view.select(rows)
    times, starts = np.unique(view.time, return_index=True)
    stops = np.append(starts[1:], len(view))
    sample = np.sort(rng.choice(len(times), min(STAY_SAMPLES, len(times)), replace=False))
    stays, counted = np.zeros(len(asked)), np.zeros(len(asked))
    for k in sample:
        far = np.flatnonzero(np.abs(asked.time - times[k]) >= gap)
        other = as_boxes(view.boxes[starts[k] : stops[k]])
        for part in np.array_split(far, max(1, len(far) // 20_000)):
            stays[part] += iou(as_boxes(asked.boxes[part]), other).max(axis=1, initial=0) > STAY_IOU
        counted[far] += 1
    return (stays / np.maximum(counted, 1)).astype(np.float32)


def explained(evidence: Tensor, a: Tensor, b: Tensor, clutter: Tensor) -> tuple[Tensor, Tensor]:
    """How well every set of one view explains every detection of another, as log-densities up to a constant.

    A detection is either clutter, or seen by the other view as well: log(clutter + sum of kernels). The sum is smooth
    and bounded from below, so that a detection without partner costs the same whatever the time; an assignment would
    give a gradient to the best guess alone, which is mostly wrong at the beginning.

    Args:
        evidence: (N, M) log-kernels of all detections of the batch.
        a, b: (N, B) and (M, B), which instant they are of (``Batch.members``).
        clutter: log of the clutter's density.

    Returns:
        (N, B) for the detections of the first view, (M, B) for those of the second.
    """
    kernel = evidence.clamp_max(20).exp()
    share = clutter.exp()
    return (kernel @ b + share).log(), (kernel.T @ a + share).log()


def agreement(evidence: Tensor, a: Batch, b: Batch, count: int, clutter: Tensor) -> tuple[Tensor, Tensor]:
    """Log-likelihood of the sets of each view under those of the other, (B, B), the first view's instants as rows.

    Returns:
        What the first view's detections say of (own instant, other's instant), and what the second view's say.
    """
    in_a, in_b = a.members(count), b.members(count)
    of_a, of_b = explained(evidence, in_a, in_b, clutter)
    return (in_a * a.weight[:, None]).T @ of_a, ((in_b * b.weight[:, None]).T @ of_b).T
