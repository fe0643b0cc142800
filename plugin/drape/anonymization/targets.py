"""What is masked of each person, by class and by what is known: head, silhouette or body; if uncertain, the larger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.anonymization.config import TARGETS, HeadRule, ReleaseConfig, Target
from drape.anonymization.shapes import Floats, reach_of
from drape.anonymization.silhouette import silhouettes
from drape.boxes import Boxes
from drape.errors import ReleaseError
from drape.tables import boxes_of

Bools = NDArray[np.bool_]
HEAD, SILHOUETTE, BODY = range(len(TARGETS))
NO_HEAD = "none"
"""Stands for the rule of a person of whom no head region is known."""


@dataclass(frozen=True)
class Aims:
    """What is masked of N persons.

    Attributes:
        target: (N,) index into ``TARGETS``.
        reach: (N, 16) of the shape that is masked, see ``shapes``; without meaning where the target is the body.
        rule: (N,) by which rule the head was found, ``NO_HEAD`` where it is not known.
    """

    target: NDArray[np.int64]
    reach: Floats
    rule: NDArray[np.str_]

    def counts(self, masked: Bools) -> tuple[dict[Target, int], dict[HeadRule, int]]:
        """Persons by target, and those masked by less than their bodies by the rule of their heads; only ``masked``."""
        targets = np.bincount(self.target[masked], minlength=len(TARGETS))
        shaped = self.rule[masked & (self.target != BODY)]
        rules: dict[HeadRule, int] = {name: int((shaped == name).sum()) for name in get_args(HeadRule)}
        return dict(zip(TARGETS, targets.tolist(), strict=True)), {name: n for name, n in rules.items() if n}


def aim(
    persons: pa.Table,
    heads: pa.Table | None,
    poses: pa.Table | None,
    size: tuple[int, int],
    config: ReleaseConfig,
) -> Aims:
    """Decide what is masked of each person.

    Args:
        persons: table ``PERSONS``, sorted by frame.
        heads: table ``HEADS`` of these persons; None, or rows that are not there, mask bodies.
        poses: table ``POSES`` of these persons, likewise.
        size: width and height of the frame in pixels.
        config: targets, classes, rules that suffice.

    Raises:
        ReleaseError: heads or poses are of other persons.
    """
    wanted = _wanted(persons, config)
    reach, rule = np.zeros((len(wanted), 16)), np.full(len(wanted), NO_HEAD, dtype="<U16")
    good: Bools = np.zeros(len(wanted), bool)
    boxes = boxes_of(persons)
    if heads is not None and (wanted != BODY).any():
        rows = rows_of(heads, persons)
        there = rows >= 0
        rule[there] = heads.column("rule").to_numpy(zero_copy_only=False)[rows[there]]
        reach[there] = _polygons(heads, rows[there])
        good = there & np.isin(rule, config.head_rules) & _plausible(reach, boxes, size)
    target = np.where((wanted == BODY) | ~good, BODY, wanted)
    outlined = np.flatnonzero(target == SILHOUETTE)
    if len(outlined):
        rows = rows_of(poses, persons)[outlined] if poses is not None else np.full(len(outlined), -1)
        around, whole = silhouettes(poses, rows, boxes[outlined], reach[outlined], rule[outlined], config)
        reach[outlined] = around
        target[outlined[~whole]] = BODY
    return Aims(target, reach, rule)


def rows_of(table: pa.Table, persons: pa.Table) -> NDArray[np.int64]:
    """Row of each person in a table with ``frame``, ``index`` and ``tracklet``; -1 for none.

    Raises:
        ReleaseError: a row is of another tracklet, so that the table was made of other persons.
    """
    frame = persons.column("frame").to_numpy().astype(np.int64)
    index = np.arange(len(frame)) - np.searchsorted(frame, frame, side="left")
    other = table.column("index").to_numpy().astype(np.int64)
    if not len(frame) or not len(other):
        return np.full(len(frame), -1)
    base = int(max(index.max(), other.max())) + 1
    keys = table.column("frame").to_numpy().astype(np.int64) * base + other
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys[order], frame * base + index), len(keys) - 1)
    rows = np.where(keys[order[place]] == frame * base + index, order[place], -1)
    same = table.column("tracklet").to_numpy()[rows] == persons.column("tracklet").to_numpy()
    if not same[rows >= 0].all():
        raise ReleaseError("The heads or poses are of other persons", "Estimate the poses again")
    return rows


def _wanted(persons: pa.Table, config: ReleaseConfig) -> NDArray[np.int64]:
    """Target (N,) that the settings ask for: the default, or the largest of the person's classes."""
    order = {target: i for i, target in enumerate(TARGETS)}
    said = np.full(persons.num_rows, -1)
    tracklet = persons.column("tracklet").to_numpy()
    person = persons.column("person").combine_chunks().fill_null(-1).to_numpy()
    known = np.isin(tracklet, tracklet[person >= 0])
    members = {name: np.isin(tracklet, tracklet[np.isin(person, ids)]) for name, ids in config.members.items()}
    members["reviewed"] = pc.equal(persons.column("source"), "reviewed").to_numpy()
    members["reflection"] = persons.column("copy").to_numpy()
    targets = config.class_targets
    for name, rows in members.items():
        if name in targets:
            said[rows] = np.maximum(said[rows], order[targets[name]])
    wanted = np.where(said < 0, order[config.target], said)
    if config.people:
        largest = max(order[targets[name]] for name in config.members)
        wanted[~known] = np.maximum(wanted[~known], largest)
    return wanted


def _polygons(heads: pa.Table, rows: NDArray[np.int64]) -> Floats:
    """Reach (N, 16) of the polygons of some rows; NaN where a corner is not a number."""
    columns = [heads.column(name).combine_chunks().take(pa.array(rows)) for name in "xy"]
    lengths = columns[0].value_lengths().to_numpy(zero_copy_only=False)
    if not len(rows) or (lengths != columns[1].value_lengths().to_numpy(zero_copy_only=False)).any():
        return np.full((len(rows), 16), np.nan)
    at = np.arange(int(lengths.max(initial=0)))[None, :]
    there = at < lengths[:, None]
    starts = (np.cumsum(lengths) - lengths)[:, None]
    x, y = (column.flatten().to_numpy(zero_copy_only=False).astype(np.float64) for column in columns)
    place = np.minimum(starts + at, max(len(x) - 1, 0))
    reach = reach_of(np.stack([x[place], y[place]], axis=2), there)
    sound = (np.isfinite(x[place]) & np.isfinite(y[place]) | ~there).all(axis=1) & (lengths >= 3)
    return np.where(sound[:, None], reach, np.nan)


def _plausible(reach: Floats, boxes: Boxes, size: tuple[int, int]) -> Bools:
    """Heads (N,) whose middle lies in the picture and in their person's box, a head's half beyond it at most."""
    sound = np.isfinite(reach).all(axis=1) & np.isfinite(boxes).all(axis=1)
    low, high = -reach[:, [8, 12]], reach[:, [0, 4]]
    middle, half = (low + high) / 2, (high - low) / 2
    near = (middle >= boxes[:, :2] - half) & (middle <= boxes[:, 2:] + half)
    shown = (middle >= 0) & (middle <= np.array(size))
    return np.asarray(sound & (near & shown).all(axis=1))
