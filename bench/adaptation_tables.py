"""Figures of the adaptation benchmark, and its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from drape import tables
from drape.boxes import Boxes, Floats, iou
from drape.evaluation.detection import average_precision, curve, detection, hits, recall_at_precision
from drape.evaluation.truth import between, read_truth
from drape.simulator.export_read import RecordingTruth, visible_boxes
from numpy.typing import NDArray

from bench.datasets import shared

PRECISION = 0.9
SAME = 0.5
HARD_SCORE = 0.5
"""Hard cases: persons without a base box of this score at IoU .5."""

Row = dict[str, float]


def as_candidates(rows: list[tuple[Boxes, Floats]]) -> pa.Table:
    """A detector's answers, one per picture, as ``CANDIDATES``."""
    frame = np.repeat(np.arange(len(rows), dtype=np.int32), [len(boxes) for boxes, _ in rows])
    boxes = tables.box_columns(np.concatenate([boxes for boxes, _ in rows]))
    score = np.concatenate([scores for _, scores in rows]).astype(np.float32)
    return tables.make(tables.CANDIDATES, frame=frame, time=frame.astype(np.float64), **boxes, score=score)


def pets_truth(start: int, stop: int) -> pa.Table:
    """The annotated persons of view 1."""
    return between(read_truth(shared() / "data" / "pets_2view" / "gt_view001_frames_1-400_mot.txt"), start, stop)


def figures(truth: pa.Table, found: pa.Table, base: pa.Table) -> Row:
    """AP50, recall at precision .9, recall at score .5, and the found share of the hard cases at precision .9."""
    points = curve(truth, found)
    recall, score = recall_at_precision(points, PRECISION)
    missed = ~hits(truth, _from(base, HARD_SCORE))
    hard = hits(truth, _from(found, score))[missed]
    half = detection(truth, _from(found, HARD_SCORE))
    return {
        "ap50": average_precision(points),
        "recall": recall,
        "hard": float(hard.mean()) if len(hard) else float("nan"),
        "recall at .5": half.recall,
        "precision at .5": half.precision,
    }


def room_figures(
    truth: Mapping[str, pa.Table], candidates: Mapping[str, pa.Table], persons: Mapping[str, pa.Table] | None
) -> Row:
    """Of all views together: AP50 and recall at precision .9 of the boxes, and of the persons by their existence."""
    wanted = _stacked(truth)
    points = curve(wanted, _stacked(candidates))
    row = {"ap50": average_precision(points), "recall": recall_at_precision(points, PRECISION)[0]}
    if persons is None:
        return row
    scored = {view: _by_existence(table) for view, table in persons.items()}
    points = curve(wanted, _stacked(scored))
    accepted = detection(wanted, _from(_stacked(scored), 0.5))
    return row | {
        "persons recall": recall_at_precision(points, PRECISION)[0],
        "accepted recall": accepted.recall,
        "accepted precision": accepted.precision,
    }


def without_excused(found: pa.Table, truth: RecordingTruth, view: str) -> pa.Table:
    """Without boxes on somebody who is not asked for: the patient, reflections, pictures, who is hardly seen.

    They count neither for nor against.
    """
    wanted, everybody = truth.wanted(view), truth.persons(view)
    asked = set(zip(wanted.column("frame").to_pylist(), wanted.column("id").to_pylist(), strict=True))
    keys = zip(everybody.column("frame").to_pylist(), everybody.column("person").to_pylist(), strict=True)
    others = everybody.filter(pa.array([key not in asked for key in keys], pa.bool_()))
    whole = tables.boxes_of(others)
    seen = np.nan_to_num(visible_boxes(others))
    boxes, kept = tables.boxes_of(found), np.ones(len(found), bool)
    target, at = tables.boxes_of(wanted), found.column("frame").to_numpy()
    for frame in np.unique(at):
        rows = np.flatnonzero(at == frame)
        here = others.column("frame").to_numpy() == frame
        there = wanted.column("frame").to_numpy() == frame
        unasked = iou(boxes[rows], np.concatenate([whole[here], seen[here]])).max(axis=1, initial=0)
        right = iou(boxes[rows], target[there]).max(axis=1, initial=0)
        kept[rows] = (unasked < SAME) | (right >= SAME)
    return found.filter(pa.array(kept))


def _by_existence(persons: pa.Table) -> pa.Table:
    names = ["frame", "x1", "y1", "x2", "y2"]
    return persons.select(names).append_column("score", persons.column("existence"))


def _from(table: pa.Table, score: float) -> pa.Table:
    return table.filter(pa.array(table.column("score").to_numpy() >= score))


def _stacked(views: Mapping[str, pa.Table]) -> pa.Table:
    """Views one after the other, as if all were one."""
    parts, start = [], 0
    for name in sorted(views):
        table = views[name]
        columns = [c for c in ("frame", "x1", "y1", "x2", "y2", "score") if c in table.column_names]
        frame: NDArray[np.int64] = table.column("frame").to_numpy().astype(np.int64) + start
        parts.append(table.select(columns).set_column(0, "frame", pa.array(frame)))
        start += 1_000_000
    return pa.concat_tables(parts)


def markdown(cells: Path) -> str:
    """All cells that are there, as tables."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(cells.glob("*.json"))}
    parts = []
    for prefix, columns in (("pets", PETS_COLUMNS), ("simulator", ROOM_COLUMNS)):
        rows = list(_rows({k: v for k, v in found.items() if k.startswith(prefix)}))
        if rows:
            heads = ["cell", "round", *columns, "verdict"]
            lines = [heads, ["---"] * 2 + ["---:"] * len(columns) + ["---"]]
            lines += [
                [cell, name, *(_number(row.get(c)) for c in columns), verdict] for cell, name, row, verdict in rows
            ]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts)


PETS_COLUMNS = ("ap50", "recall", "hard", "recall at .5", "precision at .5")
ROOM_COLUMNS = ("ap50", "recall", "persons recall", "accepted recall", "accepted precision")


def _rows(cells: Mapping[str, Any]) -> Iterator[tuple[str, str, Row, str]]:
    for name, cell in cells.items():
        verdicts = {str(one["round"]): "kept" if one["passed"] else "taken back" for one in cell.get("rounds", [])}
        for label, row in cell["rows"].items():
            number = label.split()[0]
            verdict = verdicts.get(number, "")
            if verdict == "kept" and number.isdigit() and int(number) > cell["best"]:
                verdict = "no gain"
            yield name, label, row, verdict


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
