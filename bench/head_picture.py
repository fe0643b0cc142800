"""A picture of one simulated instant as each kind of mask releases it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from drape.pose.heads import heads_of_views
from numpy.typing import NDArray

from bench.head_rivals import SQUARES, fixed_square, ours
from bench.head_scenes import HeadView, simulated

GREY = 128


def draw(path: Path, family: str = "source", seed: int = 104, frame: int = 4) -> None:
    """Write the picture: fixed squares, heads, silhouettes, bodies, one beside the other."""
    scene, views = simulated(family, seed, seconds=2, fps=5)
    heads = heads_of_views({view.name: view.poses for view in views}, {view.name: view.persons for view in views})
    number = max(range(len(views)), key=lambda v: _people(views[v], frame))
    image, view = scene.frame(number, frame).image, views[number]
    methods = {
        "fixed squares": fixed_square(SQUARES["fixed square, 40 px of 853"]),
        "head": ours("head", heads),
        "silhouette": ours("silhouette", heads),
        "body": ours("body", None),
    }
    tiles = [_titled(_masked(image, masks(view), frame), name) for name, masks in methods.items()]
    rows = [np.concatenate(tiles[i : i + 2], axis=1) for i in (0, 2)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.concatenate(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _people(view: HeadView, frame: int) -> int:
    return int((view.persons.column("frame").to_numpy() == frame).sum())


def _masked(image: NDArray[np.uint8], masks: object, frame: int) -> NDArray[np.uint8]:
    out = image.copy()
    rows = masks.column("frame").to_numpy() == frame  # type: ignore[attr-defined]
    names = ("x1", "y1", "x2", "y2")
    boxes = np.stack([masks.column(name).to_numpy()[rows] for name in names], axis=1)  # type: ignore[attr-defined]
    for x1, y1, x2, y2 in np.ceil(boxes - 0.5).astype(int):
        out[max(y1, 0) : y2, max(x1, 0) : x2] = GREY
    return out


def _titled(image: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    out = image.copy()
    cv2.rectangle(out, (0, 0), (12 + 11 * len(title), 24), (255, 255, 255), -1)
    cv2.putText(out, title, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    return out
