"""Small inputs on which ``bench.metrics`` compares: random scenes, and real annotations where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from drape.boxes import as_boxes
from drape.evaluation.observations import joined, observe
from drape.evaluation.poses import FoundPoses, TruePoses
from drape.evaluation.truth import TRACKS
from drape.tables import CANDIDATES, REGIONS, box_columns, make

PARTS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
SIZE = (640, 480)


def boxes(seed: int, pictures: int = 12, ties: bool = True) -> tuple[pa.Table, pa.Table]:
    """Truths of all sizes, some of them crowds, and what a poor detector makes of them; many scores are equal."""
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 8, pictures)
    frame = np.repeat(np.arange(pictures), count)
    size = np.exp(rng.uniform(np.log(12), np.log(260), (len(frame), 2)))
    corner = rng.uniform(0, 380, (len(frame), 2))
    true = np.round(np.concatenate([corner, corner + size], axis=1), 1)
    seen = np.repeat(np.flatnonzero(rng.random(len(frame)) < 0.8), 2)
    found = true[seen] + rng.normal(0, 0.06, (len(seen), 4)) * np.tile(size[seen], 2)
    ghosts = rng.uniform(0, 400, (10, 2))
    found = np.concatenate([found, np.concatenate([ghosts, ghosts + rng.uniform(10, 120, (10, 2))], axis=1)])
    of = np.concatenate([frame[seen], rng.integers(0, pictures, 10)])
    order = np.argsort(of, kind="stable")
    score = np.round(rng.random(len(of)), 1) if ties else rng.permutation(len(of)) / len(of)
    truth = make(TRACKS, frame=frame, id=np.arange(len(frame)), **box_columns(as_boxes(true)))
    truth = truth.append_column("crowd", pa.array(rng.random(len(frame)) < 0.1))
    truth = truth.append_column("hard", pa.array(rng.random(len(frame)) < 0.3))
    columns = box_columns(as_boxes(np.round(found[order], 1)))
    return truth, make(CANDIDATES, frame=of[order], time=of[order] / 1.0, score=score, **columns)


def walks(seed: int, persons: int = 4, frames: int = 25) -> tuple[pa.Table, pa.Table]:
    """Persons who walk, and a tracker that loses some of them, swaps some, and sees some who are not there."""
    rng = np.random.default_rng(seed)
    start, step = rng.uniform(0, 250, (persons, 2)), rng.normal(0, 3, (persons, 2))
    size = rng.uniform(30, 80, (persons, 2))
    true, found = [], []
    for f in range(frames):
        for p in range(persons):
            corner = start[p] + f * step[p]
            true.append((f, p, *corner, *(corner + size[p])))
            if rng.random() < 0.85:
                corner = corner + rng.normal(0, 5, 2)
                identity = 10 + (p if f < 12 else (p + (seed + p) % 2) % persons) + 100 * (rng.random() < 0.05)
                found.append((f, int(identity), *corner, *(corner + size[p])))
    unique = {(row[0], row[1]): row for row in found}
    return _tracks(true), _tracks(list(unique.values()))


def sights(seed: int, views: int = 3, persons: int = 4, frames: int = 60) -> pa.Table:
    """``OBSERVATIONS`` of persons who come and go and are covered in most frames."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 0.5, frames))
    tables = []
    for view in range(views):
        shown = np.repeat(rng.random((persons, frames // 5)) < 0.75, 5, axis=1)
        person, frame = np.nonzero(shown)
        box = as_boxes(np.tile([0, 0, 20, 60], (len(frame), 1)))
        truth = make(TRACKS, frame=frame, id=person, **box_columns(box))
        covered = np.repeat(rng.random((persons, frames // 3)) < 0.85, 3, axis=1)[person, frame]
        role = np.array(["patient", "nurse"])[person % 2]
        tables.append(observe(f"view{view}", truth, covered, times, role=role))
    return joined(tables)


def heads(seed: int, count: int = 12) -> tuple[np.ndarray, np.ndarray, pa.Table]:
    """Frames (N,) and ellipses (N, 5) of heads, some partly outside, and ``REGIONS`` that hide most of them."""
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 4, count)
    centre, axes = rng.uniform(0, [SIZE[0], SIZE[1]], (count, 2)), rng.uniform(8, 50, (count, 2))
    ellipses = np.concatenate([centre, axes, rng.uniform(0, 180, (count, 1))], axis=1)
    half = np.where(rng.random((count, 1)) < 0.6, axes.max(axis=1, keepdims=True), axes) / 2 * rng.uniform(0.8, 1.2)
    corners = np.round(np.concatenate([centre - half, centre + half], axis=1) / 2).astype(np.int32) * 2
    order = np.argsort(frame, kind="stable")
    columns = {name: corners[order, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))}
    return frame, ellipses, make(REGIONS, frame=frame[order], fill=np.zeros(count), **columns)


def poses(shared: Path, whole: bool, seed: int = 0) -> tuple[TruePoses, FoundPoses] | None:
    """COCO's annotated persons of four pictures, and found ones: the truths disturbed, and as many ghosts."""
    path = shared / "data" / "coco_mini" / "wholebody.json"
    if not path.is_file():
        return None
    persons = json.loads(path.read_text())["annotations"]
    parts = PARTS if whole else PARTS[:1]
    points = np.array([np.concatenate([p[name] for name in parts]) for p in persons], np.float64)
    points = points.reshape(len(persons), -1, 3)
    corner = np.array([p["bbox"] for p in persons])
    area = np.array([p["area"] for p in persons])
    truth = TruePoses(
        np.array([p["image_id"] for p in persons], np.int32),
        points,
        np.concatenate([corner[:, :2], corner[:, :2] + corner[:, 2:]], axis=1),
        area,
        np.arange(len(persons)) == 3,
    )
    rng = np.random.default_rng(seed)
    which = rng.integers(0, len(persons), 3 * len(persons))
    error = np.exp(rng.uniform(-5, -1.5, len(which))) * np.sqrt(area[which])
    found = points[which, :, :2] + rng.normal(0, 1, (len(which), points.shape[1], 2)) * error[:, None, None]
    return truth, FoundPoses(truth.picture[which], found, np.round(rng.random(len(which)), 1))


def mvor(shared: Path) -> tuple[pa.Table, pa.Table, Path, Path] | None:
    """MVOR's boxes of days 1-3 and those of its Faster R-CNN, every picture a frame, and their files."""
    folder = shared / "data" / "mvor_3view"
    files = folder / "mvor_v2_days_1-3.json", folder / "faster_rcnn_bbox_days_1-3.json"
    if not all(file.is_file() for file in files):
        return None
    content, results = (json.loads(file.read_text()) for file in files)
    number = {image: n for n, image in enumerate(sorted(image["id"] for image in content["images"]))}
    results = [r for r in results if r["image_id"] in number]
    truth = make(TRACKS, **_entries(content["annotations"], number), id=np.arange(len(content["annotations"])))
    entries = _entries(results, number)
    score = np.array([r["score"] for r in results])
    table = pa.table({**entries, "score": score})
    return truth, table, *files


def _entries(rows: list[dict], number: dict[int, int]) -> dict[str, np.ndarray]:
    box = np.array([r["bbox"] for r in rows], np.float64)
    box[:, 2:] += box[:, :2]
    return {"frame": np.array([number[r["image_id"]] for r in rows], np.int32), **box_columns(as_boxes(box))}


def _tracks(rows: list[tuple[float, ...]]) -> pa.Table:
    array = np.array(sorted(rows), np.float64).reshape(-1, 6)
    frame, identity = array[:, 0].astype(np.int32), array[:, 1].astype(np.int32)
    return make(TRACKS, frame=frame, id=identity, **box_columns(as_boxes(array[:, 2:])))
