"""Readers of the annotated multi-view data that the benchmarks use: MVOR, WILDTRACK, PETS."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drape.association.views import ViewBoxes, plain
from numpy.typing import NDArray

MVOR_PERIOD = 75.0
"""Seconds between most instants of MVOR; instants are numbered through, so that no two days overlap."""
WILDTRACK_FPS = 2.0
PETS_FPS = 7.0


@dataclass(frozen=True)
class Labelled:
    """Views with the person of every detection.

    Attributes:
        views: detections per view.
        person: per view (N,), the person of each detection, -1 where nobody knows.
    """

    views: list[ViewBoxes]
    person: list[NDArray[np.int64]]


def shared() -> Path:
    """The folder of development data: ``DRAPE_SHARED``, by default ``../shared`` beside the repository."""
    return Path(os.environ.get("DRAPE_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))


def mvor_truth(days: tuple[int, ...] = (1, 2, 3)) -> Labelled:
    """MVOR's annotated boxes, views cam1 … cam3. ``frame`` is the instant; persons are numbered anew in each."""
    instants, images, content = _mvor(days)
    rows = [
        (*images[a["image_id"]], *_xyxy(a["bbox"]), 1.0, int(a["person_id"]))
        for a in content["annotations"]
        if a["image_id"] in images
    ]
    return _labelled(rows, ["cam1", "cam2", "cam3"], (640, 480), instants, MVOR_PERIOD, per_instant=True)


def mvor_candidates(days: tuple[int, ...] = (1, 2, 3), least_score: float = 0.1) -> list[ViewBoxes]:
    """Boxes of a Faster R-CNN on MVOR, with scores, as instants and views of ``mvor_truth``."""
    instants, images, _ = _mvor(days)
    path = shared() / "data" / "mvor_3view" / "faster_rcnn_bbox_days_1-3.json"
    rows = [
        (*images[d["image_id"]], *_xyxy(d["bbox"]), float(d["score"]), -1)
        for d in json.loads(path.read_text())
        if d["image_id"] in images and d["score"] >= least_score
    ]
    return _labelled(rows, ["cam1", "cam2", "cam3"], (640, 480), instants, MVOR_PERIOD).views


def wildtrack_truth(count: int = 200) -> Labelled:
    """WILDTRACK's annotated boxes with identities, 2 instants a second, views C1 … C7."""
    folder = shared() / "data" / "wildtrack_7view" / "annotations_positions"
    rows = []
    for frame, path in enumerate(sorted(folder.glob("*.json"))[:count]):
        for person in json.loads(path.read_text()):
            for seen in person["views"]:
                if seen["xmax"] >= 0:
                    box = (seen["xmin"], seen["ymin"], seen["xmax"], seen["ymax"])
                    rows.append((frame, seen["viewNum"], *box, 1.0, int(person["personID"])))
    return _labelled(rows, [f"C{v + 1}" for v in range(7)], (1920, 1080), count, 1 / WILDTRACK_FPS)


def wildtrack_detections(count: int = 200) -> list[ViewBoxes]:
    """A real detector's boxes of the same instants, without scores."""
    path = shared() / "data" / "wildtrack_7view" / "detections_first200.json"
    rows = [
        (int(frame), int(view), *_xyxy((x, y, w, h)), 1.0, -1)
        for frame, boxes in json.loads(path.read_text()).items()
        for x, y, w, h, _, view in boxes
        if int(frame) < count
    ]
    return _labelled(rows, [f"C{v + 1}" for v in range(7)], (1920, 1080), count, 1 / WILDTRACK_FPS).views


def pets_candidates(least_score: float = 0.05) -> list[ViewBoxes]:
    """RTMDet-nano candidates of both PETS views, 795 frames at 7 a second; views view1 (001) and view2 (006)."""
    views = []
    for name, file in (("view1", "pets_001"), ("view2", "pets_006")):
        with np.load(shared() / "data" / "pets_2view" / f"{file}_rtmdet_nano_640.npz") as data:
            keep = data["score"] >= least_score
            frame, boxes, score = (data[key][keep] for key in ("frame", "xyxy", "score"))
        frame = frame.astype(np.int64)
        times = np.arange(795) / PETS_FPS
        views.append(plain(name, frame, times[frame], boxes, score, size=(768, 576), instants=times))
    return views


def _xyxy(box: tuple[float, float, float, float] | list[float]) -> tuple[float, float, float, float]:
    x, y, w, h = box
    return float(x), float(y), float(x + max(w, 1)), float(y + max(h, 1))


def _mvor(days: tuple[int, ...]) -> tuple[int, dict[int, tuple[int, int]], dict]:
    """Number of instants; image id -> (instant, view); the annotation file."""
    path = shared() / "data" / "mvor_3view" / "mvor_v2_days_1-3.json"
    content = json.loads(path.read_text())
    groups = [g["images"] for g in content["multiview_images"] if g["images"][0]["day_id"] in days]
    groups.sort(key=lambda images: images[0]["id"])
    images = {image["id"]: (t, image["cam_id"] - 1) for t, group in enumerate(groups) for image in group}
    return len(groups), images, content


def _labelled(
    rows: list[tuple],
    names: list[str],
    size: tuple[int, int],
    count: int,
    period: float,
    per_instant: bool = False,
) -> Labelled:
    """Views from rows (frame, view, x1, y1, x2, y2, score, person)."""
    array = np.array(rows, np.float64).reshape(-1, 8)
    array = array[np.argsort(array[:, 0], kind="stable")]
    views, persons = [], []
    for v, name in enumerate(names):
        mine = array[array[:, 1] == v]
        frame, person = mine[:, 0].astype(np.int64), mine[:, 7].astype(np.int64)
        times = np.arange(count) * period
        views.append(plain(name, frame, times[frame], mine[:, 2:6], mine[:, 6], size=size, instants=times))
        persons.append(np.where(person < 0, -1, person + 1000 * frame) if per_instant else person)
    return Labelled(views, persons)
