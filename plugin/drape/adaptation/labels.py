"""Pseudo labels: which boxes of a view teach a detector, how much each, and of which nothing is to be learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.adaptation.choosing import chosen_frames
from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.rival_labels import rival_labels
from drape.boxes import Boxes, Floats, as_boxes, iou
from drape.tables import CHOSEN, LABELS, box_columns, boxes_of, make

GUESSED = "interpolated"
REVIEWED = "reviewed"
LEFT_OVER = "candidate"
"""``source`` of an ignored region that is no person's: a candidate that no tracklet took up."""

_SAME = 0.5
_STILL = 0.05
"""A box whose middle strays by less than this share of its height does not move."""


class LabelledFrame(NamedTuple):
    """What one picture teaches, in pixels of the upright frame.

    ``boxes`` (N, 4) persons with ``weights`` (N,) in (0, 1]; ``ignored`` (M, 4): nothing is to be learned there.
    """

    view: str
    frame: int
    boxes: Boxes
    weights: Floats
    ignored: Boxes


def pseudo_labels(
    persons: Mapping[str, pa.Table],
    covered: Mapping[str, pa.Table],
    candidates: Mapping[str, pa.Table],
    sizes: Mapping[str, tuple[int, int]],
    glimpses: Mapping[str, pa.Table],
    config: LabelConfig | None = None,
    reviewed: Mapping[str, pa.Table] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """What a detector is to learn from a recording.

    Args:
        persons: ``PERSONS`` by view id; frames that may not be learned from are left out of all tables by the caller.
        covered: ``COVERED`` by view; frames that are not known are never chosen.
        candidates: ``CANDIDATES`` by view.
        sizes: width and height of each view in pixels.
        glimpses: ``GLIMPSES`` by view: how much a view's picture changes with time.
        config: settings.
        reviewed: persons a curator added, ``PERSONS`` by view.

    Returns:
        ``LABELS`` and ``CHOSEN``, sorted by view and frame.
    """
    config = config or LabelConfig()
    labels, chosen = [], []
    for view in sorted(persons):
        known = covered[view].column("frame").to_numpy()[covered[view].column("known").to_numpy(zero_copy_only=False)]
        if config.rule == "weighted":
            added = (reviewed or {}).get(view)
            found = _of_view(view, persons[view], candidates[view], added, len(persons) > 1, config)
        else:
            found = rival_labels(view, persons[view], candidates[view], config)
        quota = max(1, config.images // len(persons))
        picked = chosen_frames(view, known, found, candidates[view], sizes[view], glimpses[view], quota, config)
        kept = pc.is_in(found.column("frame"), picked.column("frame").combine_chunks())
        labels.append(found.filter(kept))
        chosen.append(picked)
    return (
        pa.concat_tables([LABELS.empty_table(), *labels]).combine_chunks(),
        pa.concat_tables([CHOSEN.empty_table(), *chosen]).combine_chunks(),
    )


def labelled_frames(labels: pa.Table, chosen: pa.Table) -> list[LabelledFrame]:
    """Frame by frame what the tables teach; a chosen frame without labels is background.

    Args:
        labels, chosen: ``LABELS`` and ``CHOSEN``.
    """
    views = np.array(labels.column("view").to_pylist(), dtype=object)
    frames = labels.column("frame").to_numpy()
    boxes, weights = boxes_of(labels), labels.column("weight").to_numpy()
    ignored = labels.column("ignored").to_numpy(zero_copy_only=False)
    found = []
    for view, frame in zip(chosen.column("view").to_pylist(), chosen.column("frame").to_pylist(), strict=True):
        mine = (views == view) & (frames == frame)
        taught = mine & ~ignored
        found.append(LabelledFrame(view, frame, boxes[taught], weights[taught], boxes[mine & ignored]))
    return found


def _of_view(
    view: str, persons: pa.Table, candidates: pa.Table, added: pa.Table | None, others: bool, config: LabelConfig
) -> pa.Table:
    """``LABELS`` of every frame of a view, by the weighted rule.

    Args:
        view: its id.
        persons, candidates: its tables.
        added: persons that a curator added.
        others: whether there are other views that could have seen somebody.
        config: settings.
    """
    existence = persons.column("existence").to_numpy().astype(np.float32)
    boxes = boxes_of(persons)
    doubtful = pc.equal(persons.column("source"), GUESSED).to_numpy(zero_copy_only=False)
    doubtful |= persons.column("copy").to_numpy(zero_copy_only=False)
    doubtful |= (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) < config.least_side
    if others:
        doubtful |= _still_and_alone(persons, boxes, config.still_s)
    taught = (existence >= config.label_existence) & ~doubtful
    kept = (existence >= config.ignore_existence) | taught
    parts = [_rows(view, persons.filter(pa.array(kept)), np.where(taught, existence, 0)[kept])]
    if added is not None and added.num_rows:
        parts.append(_rows(view, added, np.ones(added.num_rows, np.float32)))
    parts.append(_left_over(view, persons, candidates, config))
    return pa.concat_tables(parts).sort_by("frame")


def _rows(view: str, persons: pa.Table, weight: NDArray[np.float32]) -> pa.Table:
    """Persons as ``LABELS``; of weight 0: ignored."""
    return make(
        LABELS,
        view=[view] * persons.num_rows,
        frame=persons.column("frame").combine_chunks(),
        time=persons.column("time").combine_chunks(),
        weight=weight.astype(np.float32),
        ignored=weight == 0,
        source=persons.column("source").combine_chunks(),
        **box_columns(boxes_of(persons)),
    )


def _left_over(view: str, persons: pa.Table, candidates: pa.Table, config: LabelConfig) -> pa.Table:
    """Candidates of some score that nobody weighed, as ignored regions."""
    strong = candidates.filter(pc.greater_equal(candidates.column("score"), config.ignore_score))
    boxes, frames = boxes_of(strong), strong.column("frame").to_numpy()
    weighed, at = boxes_of(persons), persons.column("frame").to_numpy()
    low, high = np.searchsorted(at, frames, "left"), np.searchsorted(at, frames, "right")
    alone = np.array(
        [
            not (iou(boxes[i : i + 1], weighed[a:b]) >= _SAME).any()
            for i, (a, b) in enumerate(zip(low, high, strict=True))
        ],
        bool,
    )
    rest = strong.filter(pa.array(alone))
    count = rest.num_rows
    return make(
        LABELS,
        view=[view] * count,
        frame=rest.column("frame").combine_chunks(),
        time=rest.column("time").combine_chunks(),
        weight=np.zeros(count, np.float32),
        ignored=np.ones(count, bool),
        source=[LEFT_OVER] * count,
        **box_columns(as_boxes(boxes[alone])),
    )


def _still_and_alone(persons: pa.Table, boxes: Boxes, seconds: float) -> NDArray[np.bool_]:
    """Rows of tracklets that never move for at least ``seconds`` and that no other view speaks for, shape (N,)."""
    tracklets, index = np.unique(persons.column("tracklet").to_numpy(), return_inverse=True)
    times = persons.column("time").to_numpy()
    support = persons.column("over_views").to_numpy(zero_copy_only=False).astype(np.float64)
    found = np.zeros(len(tracklets), bool)
    for k in range(len(tracklets)):
        mine = index == k
        middles = (boxes[mine, :2] + boxes[mine, 2:]) / 2
        strays = np.ptp(np.percentile(middles, [5, 95], axis=0), axis=0).max()
        height = float(np.median(boxes[mine, 3] - boxes[mine, 1]))
        heard = support[mine]
        spoken_for = np.isfinite(heard).any() and float(np.nanmean(heard)) > 0
        found[k] = np.ptp(times[mine]) >= seconds and strays < _STILL * height and not spoken_for
    return found[index]
