"""The truth of a simulated recording in other tools' formats: COCO (with COCO-WholeBody's key points) and MOT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from drape.boxes import Floats
from drape.simulator.export_sought import PATIENT
from drape.simulator.export_tables import present
from drape.simulator.keypoints import COUNT
from drape.simulator.truth import KINDS, FrameTruth

_SIDED = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
NAMES = ["nose", *(f"{side}_{part}" for part in _SIDED for side in ("left", "right"))]

BONES = [
    *([16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9]),
    *([8, 10], [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7]),
]
"""COCO's skeleton; points count from 1."""

PARTS = {
    "keypoints": slice(0, 17),
    "foot_kpts": slice(17, 23),
    "face_kpts": slice(23, 91),
    "lefthand_kpts": slice(91, 112),
    "righthand_kpts": slice(112, COUNT),
}
"""Where COCO-WholeBody's fields lie in the 133 points (Jin et al., 2020)."""

MOT_CLASSES = {"person": 1, "patient": 7, "picture": 8, "reflection": 12}
"""Classes of the MOT challenge (Milan et al., 2016, table 3): pedestrian, static person, distractor, reflection. Only
the first counts; the others have the confidence 0, which tells evaluations to leave them out."""

_OTHERS_FROM = 1000
"""MOT wants every identity once in a frame: images of people in glass and on screens have identities from here on."""


class CocoWriter:
    """Writes ``coco.json`` of all views while their frames come; images and annotations wait in files of their own.

    An image is a frame of a video: ``file_name`` is the video's, ``frame_id`` the frame's index. ``bbox`` is of what is
    seen, like ``segmentation`` and ``area``; ``full_bbox`` is of the whole body inside the frame. Whoever is not seen
    at all is left out.

    Args:
        path: file to be made.
        size: width and height of the pictures.
        views: ids of the views.
    """

    def __init__(self, path: Path, size: tuple[int, int], views: list[str]) -> None:
        self._path, self._size, self._views = path, size, views
        self._parts = {name: path.with_suffix(f".{name}.partial") for name in ("images", "annotations")}
        self._files: dict[str, TextIO] = {name: open(part, "w") for name, part in self._parts.items()}  # noqa: SIM115
        self._counts = dict.fromkeys(self._parts, 0)

    def add(self, truth: FrameTruth, masks: dict[int, str]) -> None:
        """Append a frame; ``masks`` from ``masks_of``."""
        image = self._counts["images"] + 1
        place = {"file_name": f"videos/{truth.view}.mp4", "frame_id": truth.frame, "time": truth.time}
        size = {"width": self._size[0], "height": self._size[1]}
        self._append("images", {"id": image, "video_id": self._views.index(truth.view) + 1, **place, **size})
        for row, counts in masks.items():
            number = self._counts["annotations"] + 1
            mask = {"size": [self._size[1], self._size[0]], "counts": counts}
            entry = {"id": number, "image_id": image, "segmentation": mask, "iscrowd": 0, **_annotation(truth, row)}
            self._append("annotations", entry)

    def close(self) -> None:
        """Join the parts."""
        for file in self._files.values():
            file.close()
        person = {"name": "person", "supercategory": "person", "keypoints": NAMES, "skeleton": BONES}
        others = [{"id": k + 1, "name": kind, "supercategory": "image of a person"} for k, kind in enumerate(KINDS)]
        head = {
            "info": {"description": "Simulated operating room"},
            "videos": [{"id": i + 1, "name": f"videos/{view}.mp4"} for i, view in enumerate(self._views)],
            "categories": [{"id": 1, **person}, *others[1:]],
        }
        with open(self._path, "w") as out:
            out.write(json.dumps(head)[:-1])
            for name, part in self._parts.items():
                out.write(f', "{name}": [\n')
                with open(part) as lines:
                    for k, line in enumerate(lines):
                        out.write(("," if k else "") + line)
                out.write("]")
                part.unlink()
            out.write("}\n")

    def _append(self, name: str, entry: dict[str, Any]) -> None:
        self._files[name].write(json.dumps(entry, separators=(",", ":")) + "\n")
        self._counts[name] += 1


def _annotation(truth: FrameTruth, row: int) -> dict[str, Any]:
    points = np.round(truth.keypoints[row].astype(np.float64), 2)
    entry: dict[str, Any] = {
        "category_id": int(truth.kind[row]) + 1,
        "track_id": int(truth.person[row]),
        "role": str(truth.role[row]),
        "bbox": _xywh(truth.visible_boxes[row]),
        "full_bbox": _xywh(truth.boxes[row]),
        "area": round(float(truth.area[row]), 2),
        "visible": round(float(truth.visible[row]), 4),
        "num_keypoints": int((points[:17, 2] > 0).sum()),
    }
    for name, part in PARTS.items():
        labelled = bool((points[part, 2] > 0).any())
        entry[name] = points[part].ravel().tolist() if labelled else [0] * points[part].size
        if name != "keypoints":
            entry[name.replace("kpts", "valid")] = labelled
    return entry


def _xywh(box: Floats) -> list[float]:
    x1, y1, x2, y2 = np.round(box.astype(np.float64), 2).tolist()
    return [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]


def mot_lines(truth: FrameTruth) -> str:
    """A frame in MOT's text: whole bodies inside the frame, ``frame,id,x,y,w,h,conf,class,visibility``."""
    lines = []
    for row in present(truth).tolist():
        kind = PATIENT if truth.role[row] == PATIENT else KINDS[truth.kind[row]]
        number = int(truth.person[row]) + 1 if truth.kind[row] == 0 else _OTHERS_FROM + row
        place = ",".join(f"{value:.2f}" for value in _xywh(truth.boxes[row]))
        counts, seen = int(kind == "person"), float(truth.visible[row] * truth.in_frame[row])
        lines.append(f"{truth.frame + 1},{number},{place},{counts},{MOT_CLASSES[kind]},{seen:.4f}\n")
    return "".join(lines)
