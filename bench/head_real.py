"""Head masks on real pictures: photos with annotated faces, and a recording in which YuNet looks for faces."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from drape import tables
from drape.anonymization import Override, ReleaseConfig, Terms, export_release
from drape.anonymization.faces import FaceSearch
from drape.boxes import as_boxes
from drape.detection import DetectionConfig
from drape.evaluation.heads import HeadPixels
from drape.media import read_planes
from drape.pipeline import Workspace, detect, ingest, track
from drape.pose import PoseConfig, build_estimator, estimate_view, smooth_segments
from drape.pose.heads import heads_of_views
from numpy.typing import NDArray

from bench.datasets import shared
from bench.head_rivals import SQUARES, fixed_square, ours, upper_third
from bench.head_scenes import HeadTruth, HeadView

CRANIUM = 0.75
"""Of a head the vertex lies so many times the distance from brows to chin above the brows."""
LEFT_OUT = np.zeros((0, 0), bool)
NANO = "rtmdet_nano_person/rtmdet_nano_person_mmdet.pth"
YUNET = "yunet_face/yunet_n_640_640.onnx"


def photos() -> None:
    """Print how much of the annotated heads of coco_mini is masked, photo by photo a frame of one view."""
    rows = _annotated()
    view = _view(rows)
    heads = {"photos": heads_of_views({view.name: view.poses}, {view.name: view.persons})[view.name]}
    plain = {"photos": heads_of_views({view.name: None}, {view.name: view.persons})[view.name]}
    methods = {
        "head masks, annotated points": ours("head", heads),
        "head masks, no poses": ours("head", plain),
        "body masks": ours("body", None),
        "upper third of the box": upper_third,
        **{name: fixed_square(share) for name, share in SQUARES.items()},
    }
    print(f"\n{sum(p.mask.size > 0 for p in view.truth.pixels)} heads with annotated faces; rules of the head masks:")
    print({rule: heads["photos"].column("rule").to_pylist().count(rule) for rule in tables.HEAD_RULES})
    print(
        "\n| masks | head boxes: pixels masked | heads >= 99 % | labelled points of heads masked |\n|---|---|---|---|"
    )
    for name, method in methods.items():
        masks = method(view)
        shares = np.array([_masked(masks, p) for p in view.truth.pixels if p.mask.size])
        areas = np.array([p.mask.size for p in view.truth.pixels if p.mask.size])
        points = [_point_masked(masks, f, p) for (f, _, k, _) in rows for p in _head_points(k)]
        pixels = (shares * areas).sum() / areas.sum()
        print(f"| {name} | {pixels:.3f} | {(shares >= 0.99).mean():.3f} | {np.mean(points):.3f} of {len(points)} |")


def _annotated() -> list[tuple[int, NDArray[np.float64], NDArray[np.float64], bool]]:
    """Picture's number, box, points (133, 3), and whether the face is annotated, of each person; by picture."""
    content = json.loads((shared() / "data" / "coco_mini" / "wholebody.json").read_text())
    numbers = {image["id"]: n for n, image in enumerate(content["images"])}
    rows = []
    for person in sorted(content["annotations"], key=lambda a: numbers[a["image_id"]]):
        parts = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
        points = np.concatenate([np.array(person[part], np.float64).reshape(-1, 3) for part in parts])
        x, y, w, h = person["bbox"]
        rows.append((numbers[person["image_id"]], np.array([x, y, x + w, y + h]), points, bool(person["face_valid"])))
    return rows


def _view(rows: list[tuple[int, NDArray[np.float64], NDArray[np.float64], bool]]) -> HeadView:
    frame = np.array([row[0] for row in rows], np.int32)
    boxes, points = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    count = int(frame.max()) + 1
    time = np.arange(count) * 60.0
    tracklet = np.arange(len(rows), dtype=np.int32)
    persons = tables.unconfirmed(
        tables.make(
            tables.TRACKLETS,
            frame=frame,
            time=time[frame],
            tracklet=tracklet,
            existence=np.full(len(rows), 0.9, np.float32),
            source=["detected"] * len(rows),
            score=pa.nulls(len(rows), pa.float32()),
            candidate=pa.nulls(len(rows), pa.int32()),
            **tables.box_columns(as_boxes(boxes)),
        )
    )
    labelled = points[..., 2] > 0
    outside = ((points[..., :2] < boxes[:, None, :2]) | (points[..., :2] > boxes[:, None, 2:])).any(axis=2)
    poses = tables.make(
        tables.POSES,
        frame=frame,
        time=time[frame],
        index=(np.arange(len(frame)) - np.searchsorted(frame, frame)).astype(np.int32),
        tracklet=tracklet,
        person=pa.nulls(len(rows), pa.int32()),
        x=list(points[..., 0].astype(np.float32)),
        y=list(points[..., 1].astype(np.float32)),
        score=list(np.where(labelled, 0.9, 0).astype(np.float32)),
        outside=list(outside),
    )
    pixels = [_head_box(*row) for row in rows]
    none = np.zeros(len(rows))
    truth = HeadTruth(pixels, pixels, none, [""] * len(rows), none > 0, points.astype(np.float32))
    frames = tables.make(tables.FRAMES, frame=range(count), pts=range(count), time=time)
    return HeadView("photos", (640, 640), frames, persons, poses, truth)


def _head_box(frame: int, box: NDArray[np.float64], points: NDArray[np.float64], valid: bool) -> HeadPixels:
    """The box of a head: as wide as face and ears, from the chin to the vertex, inside the person's box."""
    face = points[23:91]
    if not valid or (face[:, 2] <= 0).any():
        return HeadPixels(frame, 0, 0, LEFT_OUT)
    wide = np.concatenate([face[:, 0], *(points[i : i + 1, 0] for i in (3, 4) if points[i, 2] > 0)])
    brows, chin = face[17:27, 1].mean(), face[8, 1]
    top = max(brows - CRANIUM * (chin - brows), box[1], 0)
    x1, x2, y1, y2 = (round(value) for value in (max(wide.min(), 0), wide.max(), top, chin))
    return HeadPixels(frame, x1, y1, np.ones((y2 - y1, x2 - x1), bool))


def _head_points(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Labelled points of the head: nose, eyes, ears, face."""
    return [point[:2] for point in points[[*range(5), *range(23, 91)]] if point[2] > 0]


def _boxes(masks: pa.Table, frame: int) -> NDArray[np.float64]:
    rows = masks.column("frame").to_numpy() == frame
    return np.stack([masks.column(name).to_numpy()[rows] for name in ("x1", "y1", "x2", "y2")], axis=1)


def _masked(masks: pa.Table, head: HeadPixels) -> float:
    hidden = np.zeros(head.mask.shape, bool)
    for x1, y1, x2, y2 in np.ceil(_boxes(masks, head.frame) - 0.5).astype(int) - [head.x, head.y] * 2:
        hidden[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = True
    return float(hidden.mean())


def _point_masked(masks: pa.Table, frame: int, point: NDArray[np.float64]) -> bool:
    boxes = _boxes(masks, frame)
    return bool(((boxes[:, :2] <= point) & (point < boxes[:, 2:])).all(axis=1).any())


def recording(work: Path, preset: str) -> None:
    """Print the faces that YuNet finds in the caliscope recording and in its releases."""
    ws = ingest(shared() / "data" / "caliscope_4view", work / "ws")
    detect(ws, DetectionConfig(preset="rtmdet-nano-person", weights=shared() / "weights" / NANO))
    track(ws)
    views = [view.id for view in ws.recording.views]
    persons = {view: ws.everyone(view) for view in views}
    poses = {view: _poses(ws, view, preset) if preset != "none" else None for view in views}
    heads = heads_of_views(poses, persons)
    rules = [rule for table in heads.values() for rule in table.column("rule").to_pylist()]
    print("heads by rule:", {rule: rules.count(rule) for rule in tables.HEAD_RULES})
    print("\n| | frames in which YuNet looked | frames with a face | masked share of the pictures |\n|---|---|---|---|")
    looked, found = _source(ws)
    print(f"| source | {looked} | {found} | 0 |")
    for target in ("head", "body"):
        _release(ws, work / f"{target}-{preset}", target, heads, poses)


def _poses(ws: Workspace, view: str, preset: str) -> pa.Table:
    config = PoseConfig(preset=preset)
    segments = estimate_view(ws.recording.view(view), ws.everyone(view), build_estimator(config), config)
    return pa.concat_tables(list(smooth_segments(segments, config)))


def _source(ws: Workspace) -> tuple[int, int]:
    """Frames of the source, and those of them in which YuNet finds a face."""
    search = FaceSearch(shared() / "weights" / YUNET, 1)
    nothing = np.zeros((0, 4), np.int32)
    for view in ws.recording.views:
        for planes in read_planes(view):
            search.look(view.id, planes.index, planes.time, (planes.y, planes.u, planes.v), nothing)
    return sum(search.looked.values()), _with_face([face.item() for face in search.found])


def _with_face(items: list[dict]) -> int:
    return len({(item["view"], frame) for item in items for frame in range(item["first"], item["last"] + 1)})


def _release(
    ws: Workspace, target: Path, kind: str, heads: dict[str, pa.Table], poses: dict[str, pa.Table | None]
) -> None:
    override = Override(name="bench", reason="faces that are found are counted", accepts=("faces",))
    terms = Terms(face_weights=shared() / "weights" / YUNET, override=override)
    manifest = export_release(
        ws.recording,
        ws.frames,
        ws.covered,
        ws.everyone,
        ReleaseConfig(target=kind),
        target,
        {},
        terms=terms,
        heads=heads.__getitem__,
        poses=poses.__getitem__,
    )
    faces, views = manifest["verdict"]["faces"], manifest["verdict"]["views"].values()
    share = np.average([view["masked_share"] for view in views], weights=[view["frames"] for view in views])
    print(f"| {kind} masks | {sum(faces['frames'].values())} | {_with_face(faces['found'])} | {share:.3f} |")
    for item in faces["found"]:
        print("  ", item)
    picture = cv2.VideoCapture(str(target / f"{ws.recording.views[0].id}.mp4"))
    picture.set(cv2.CAP_PROP_POS_FRAMES, 40)
    cv2.imwrite(str(target.with_suffix(".png")), picture.read()[1])
