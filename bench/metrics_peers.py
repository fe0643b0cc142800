"""Evaluation's figures as other programs give them: pycocotools, xtcocotools, motmetrics, TrackEval."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from types import ModuleType

import motmetrics
import numpy as np
import pandas as pd
import pyarrow as pa
from drape.evaluation.matching import exact_iou, pairs
from drape.evaluation.poses import FoundPoses, TruePoses
from drape.tables import boxes_of

BOX_STATS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
BOX_RECALLS = ("ar", "ar_small", "ar_medium", "ar_large")
POSE_STATS = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar", "ar50", "ar75", "ar_medium", "ar_large")
WHOLEBODY_PARTS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}


def coco_boxes(truth: pa.Table, found: pa.Table) -> dict[str, float]:
    """pycocotools' figures of boxes."""
    import pycocotools.coco
    import pycocotools.cocoeval

    crowd = truth.column("crowd").to_pylist() if "crowd" in truth.column_names else [False] * len(truth)
    annotations = [
        {"image_id": frame, "bbox": box, "area": box[2] * box[3], "iscrowd": int(many), "id": n + 1, "category_id": 1}
        for n, (frame, box, many) in enumerate(zip(truth.column("frame").to_pylist(), _xywh(truth), crowd, strict=True))
    ]
    results = [
        {"image_id": frame, "bbox": box, "score": score, "category_id": 1}
        for frame, box, score in zip(
            found.column("frame").to_pylist(), _xywh(found), found.column("score").to_pylist(), strict=True
        )
    ]
    return _boxes(pycocotools.coco, pycocotools.cocoeval, annotations, results)


def coco_boxes_of_files(truth: Path, found: Path) -> dict[str, float]:
    """pycocotools' figures of boxes in two files of COCO's form."""
    import pycocotools.coco
    import pycocotools.cocoeval

    content, results = json.loads(truth.read_text()), json.loads(found.read_text())
    annotations = [
        {"area": a["bbox"][2] * a["bbox"][3], "iscrowd": 0} | a | {"id": n + 1, "category_id": 1}
        for n, a in enumerate(content["annotations"])
    ]
    images = {image["id"] for image in content["images"]}
    results = [r | {"category_id": 1} for r in results if r["image_id"] in images]
    return _boxes(pycocotools.coco, pycocotools.cocoeval, annotations, results, images)


def coco_poses(truth: TruePoses, found: FoundPoses, tools: str = "pycocotools") -> dict[str, float]:
    """Figures of 17-point poses of ``pycocotools`` or ``xtcocotools``."""
    coco, cocoeval = _tools(tools)
    results = [
        {"image_id": int(i), "category_id": 1, "score": float(s), "keypoints": _triples(p)}
        for i, p, s in zip(found.picture, found.points, found.score, strict=True)
    ]
    annotations = [a | {"keypoints": p.ravel().tolist()} for a, p in zip(_persons(truth), truth.points, strict=True)]
    return dict(zip(POSE_STATS, _evaluate(coco, cocoeval, annotations, results, "keypoints").stats, strict=True))


def coco_wholebody(truth: TruePoses, found: FoundPoses, sigmas: np.ndarray) -> dict[str, float]:
    """xtcocotools' figures of 133-point poses."""
    coco, cocoeval = _tools("xtcocotools")
    annotations = [a | _parts(p.ravel().tolist()) for a, p in zip(_persons(truth), truth.points, strict=True)]
    results = [
        {"image_id": int(i), "category_id": 1, "score": float(s), "wholebody_score": float(s)} | _parts(_triples(p))
        for i, p, s in zip(found.picture, found.points, found.score, strict=True)
    ]
    result = _evaluate(coco, cocoeval, annotations, results, "keypoints_wholebody", sigmas)
    return dict(zip(POSE_STATS, result.stats, strict=True))


def mot(truth: pa.Table, tracks: pa.Table) -> dict[str, float]:
    """motmetrics' figures of two tables, through its own reader's data frames and its own comparison."""
    # motmetrics' distance function calls np.asfarray, which NumPy 2 does not have.
    np.asfarray = lambda a: np.asarray(a, np.float64)  # type: ignore[attr-defined]
    try:
        frames = [_frame(table) for table in (truth, tracks)]
        accumulator = motmetrics.utils.compare_to_groundtruth(*frames, "iou", distth=0.5)
    finally:
        del np.asfarray  # type: ignore[attr-defined]
    names = ["mota", "idf1", "num_switches", "num_misses", "num_false_positives"]
    values = motmetrics.metrics.create().compute(accumulator, metrics=names)
    return {name: float(values[name].iloc[0]) for name in names}


def trackeval(truth: pa.Table, tracks: pa.Table) -> dict[str, float] | None:
    """TrackEval's HOTA, CLEAR and identity figures; None if it is not installed."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError:
        return None
    data = _sequence(truth, tracks)
    quiet = {"PRINT_CONFIG": False}
    hota = HOTA().eval_sequence(data)
    clear, identity = CLEAR(quiet).eval_sequence(data), Identity(quiet).eval_sequence(data)
    names = ("HOTA", "DetA", "DetRe", "DetPr", "AssA", "AssRe", "AssPr", "LocA")
    return {name: float(np.mean(hota[name])) for name in names} | {
        "MOTA": float(clear["MOTA"]),
        "IDF1": float(identity["IDF1"]),
    }


def _sequence(truth: pa.Table, tracks: pa.Table) -> dict:
    """The input of TrackEval's metrics."""
    a, b = boxes_of(truth), boxes_of(tracks)
    ids_a, number_a = np.unique(truth.column("id").to_numpy(), return_inverse=True)
    ids_b, number_b = np.unique(tracks.column("id").to_numpy(), return_inverse=True)
    rows = [(i, j) for _, i, j in pairs(truth, tracks)]
    return {
        "num_timesteps": len(rows),
        "num_gt_ids": len(ids_a),
        "num_tracker_ids": len(ids_b),
        "num_gt_dets": len(truth),
        "num_tracker_dets": len(tracks),
        "gt_ids": [number_a[i] for i, _ in rows],
        "tracker_ids": [number_b[j] for _, j in rows],
        "similarity_scores": [exact_iou(a[i], b[j]) for i, j in rows],
    }


def _boxes(
    coco: ModuleType, cocoeval: ModuleType, annotations: list[dict], results: list[dict], images: set | None = None
) -> dict[str, float]:
    result = _evaluate(coco, cocoeval, annotations, results, "bbox", images=images)
    stats = dict(zip(BOX_STATS, result.stats[:6], strict=True)) | dict(
        zip(BOX_RECALLS, result.stats[8:12], strict=True)
    )
    recall = result.eval["recall"][:, 0, 0, 2]
    return stats | {"ar50": float(recall[0]), "ar75": float(recall[5])}


def _evaluate(
    coco: ModuleType,
    cocoeval: ModuleType,
    annotations: list[dict],
    results: list[dict],
    kind: str,
    sigmas: np.ndarray | None = None,
    images: set | None = None,
):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        numbers = images or {entry["image_id"] for entry in (*annotations, *results)}
        truth.dataset = {
            "images": [{"id": number} for number in sorted(numbers)],
            "categories": [{"id": 1}],
            "annotations": annotations,
            "info": {},
        }
        truth.createIndex()
        extra = {} if sigmas is None else {"sigmas": sigmas}
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(results), kind, **extra)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    evaluation.stats = [float("nan") if value == -1 else float(value) for value in evaluation.stats]
    return evaluation


def _tools(name: str) -> tuple[ModuleType, ModuleType]:
    if name == "pycocotools":
        import pycocotools.coco
        import pycocotools.cocoeval

        return pycocotools.coco, pycocotools.cocoeval
    import xtcocotools.coco
    import xtcocotools.cocoeval

    return xtcocotools.coco, xtcocotools.cocoeval


def _xywh(table: pa.Table) -> list[list[float]]:
    boxes = boxes_of(table).astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()


def _persons(truth: TruePoses) -> list[dict]:
    return [
        {
            "image_id": int(truth.picture[n]),
            "category_id": 1,
            "id": n + 1,
            "iscrowd": int(truth.crowd[n]),
            "area": float(truth.area[n]),
            "bbox": [*truth.boxes[n, :2].tolist(), *(truth.boxes[n, 2:] - truth.boxes[n, :2]).tolist()],
            "num_keypoints": int((truth.points[n, :, 2] > 0).sum()),
        }
        for n in range(len(truth.picture))
    ]


def _triples(points: np.ndarray) -> list[float]:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1).ravel().tolist()


def _parts(values: list[float]) -> dict[str, list[float]]:
    parts, start = {}, 0
    for name, count in WHOLEBODY_PARTS.items():
        parts[name] = values[3 * start : 3 * (start + count)]
        start += count
    return parts


def _frame(table: pa.Table) -> pd.DataFrame:
    boxes = np.array(_xywh(table)).reshape(-1, 4)
    index = pd.MultiIndex.from_arrays(
        [table.column("frame").to_numpy() + 1, table.column("id").to_numpy()], names=["FrameId", "Id"]
    )
    return pd.DataFrame(boxes, index=index, columns=["X", "Y", "Width", "Height"])
