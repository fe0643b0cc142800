"""What a reviewer has said, used to calibrate what nobody has looked at yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from drape import tables
from drape.retrieval.others import view_positions
from drape.retrieval.pairing import Floats, Ints, across_groups, log_odds, logistic, paired_iou
from drape.retrieval.pool import Pool

DECISIONS = pa.schema(
    [
        pa.field("view", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        *(pa.field(name, pa.float32(), nullable=False) for name in ("x1", "y1", "x2", "y2")),
        pa.field("person", pa.bool_(), nullable=False),
    ]
)
"""Boxes that a reviewer has looked at, and whether each holds a person."""

SAME_IOU = 0.5
"""A decision speaks of boxes that overlap its own at least so much."""
SURE = 0.999
TRUST = 20.0
"""Decisions that weigh as much as the calibration without labels."""
SLOPES = (0.3, 3.0)


def decided(pool: Pool, decisions: pa.Table | None) -> Pool:
    """The pool with the existence of candidates that a reviewer has decided on; the others are as they were."""
    if decisions is None or decisions.num_rows == 0:
        return pool
    own, reviewed = pool.own.copy(), pool.reviewed.copy()
    views = view_positions(pool.names, decisions.column("view"))
    for v in range(len(pool.names)):
        here, mine = pool.part(v), np.flatnonzero(views == v)
        found, which = _matched(pool.frame[here], pool.boxes[here], decisions, mine)
        label = decisions.column("person").to_numpy(zero_copy_only=False)[which]
        own[found + here.start] = np.where(label, SURE, 1 - SURE)
        reviewed[found + here.start] = True
    return replace(pool, own=own, reviewed=reviewed)


def recalibrated(found: dict[str, pa.Table], column: str, decisions: pa.Table | None, least: float = 1.0) -> dict:
    """Probabilities of tables, calibrated with decisions: log-odds to ``slope * log-odds + bias`` (Platt 1999).

    Order is kept. The map is fitted over all views, with the identity as a prior that yields to ``TRUST`` decisions.

    Args:
        found: per view a table with ``frame``, box columns and ``column``.
        column: the probability.
        decisions: ``DECISIONS`` or None.
        least: rows that had at least this probability are not lowered below .5.
    """
    if decisions is None or decisions.num_rows == 0:
        return found
    x, y = _pairs(found, column, decisions)
    slope, bias = _platt(x, y)
    out = {}
    for view, table in found.items():
        old = table.column(column).to_numpy().astype(np.float64)
        new = logistic(slope * log_odds(old) + bias)
        new = np.where(old >= least, np.maximum(new, 0.5), new)
        out[view] = table.set_column(
            table.schema.get_field_index(column), table.schema.field(column), pa.array(new.astype("f4"))
        )
    return out


def _pairs(found: dict[str, pa.Table], column: str, decisions: pa.Table) -> tuple[Floats, Floats]:
    """Log-odds of the boxes that decisions speak of, and the decisions."""
    names = tuple(found)
    views = view_positions(names, decisions.column("view"))
    label = decisions.column("person").to_numpy(zero_copy_only=False).astype(np.float64)
    x: list[Floats] = [np.zeros(0)]
    y: list[Floats] = [np.zeros(0)]
    for v, name in enumerate(names):
        table = found[name]
        rows, which = _matched(
            table.column("frame").to_numpy(), tables.boxes_of(table), decisions, np.flatnonzero(views == v)
        )
        x.append(log_odds(table.column(column).to_numpy()[rows]))
        y.append(label[which])
    return np.concatenate(x), np.concatenate(y)


def _matched(frame: Ints, boxes: np.ndarray, decisions: pa.Table, mine: Ints) -> tuple[Ints, Ints]:
    """Rows of sorted frames that a decision speaks of, each with the decision that overlaps it most."""
    asked = decisions.take(pa.array(mine))
    d, row = across_groups(asked.column("frame").to_numpy(), frame)
    overlap = paired_iou(tables.boxes_of(asked)[d], boxes[row])
    near = np.flatnonzero(overlap >= SAME_IOU)
    near = near[np.argsort(overlap[near], kind="stable")]
    best = np.full(len(frame), -1, np.int64)
    best[row[near]] = mine[d[near]]
    rows = np.flatnonzero(best >= 0)
    return rows, best[rows]


def _platt(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and bias of a logistic regression with a normal prior around the identity."""
    if len(x) == 0:
        return 1.0, 0.0
    centre = np.array([1.0, 0.0])
    b, terms = centre.copy(), np.stack([x, np.ones(len(x))], axis=1)
    precision = TRUST * np.array([1.0, 0.25])
    for _ in range(30):
        p = logistic(terms @ b)
        gradient = terms.T @ (p - y) + precision * (b - centre)
        hessian = (terms * (p * (1 - p))[:, None]).T @ terms + np.diag(precision)
        b = b - np.clip(np.linalg.solve(hessian, gradient), -1, 1)
        b[0] = np.clip(b[0], *SLOPES)
    return float(b[0]), float(b[1])
