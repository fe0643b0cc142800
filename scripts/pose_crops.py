"""Crops of persons in rendered rooms, with their key points: kept on disk site by site, and drawn as samples."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from drape.progress import Progress
from drape.simulator import KINDS, FrameTruth, stills
from numpy.typing import NDArray

Array = NDArray[np.float32]

FAMILY = "source"
SIZE = (128, 192)
"""Width and height of the network's input."""
PADDING = 1.25
"""The input shows the person's box enlarged by this factor, as mmpose's top-down models have it."""

_KEPT = (192, 288)
_AROUND = 2.0
"""Crops are kept with twice the box around, so that scale, place and turn can be varied."""
_QUALITY = 95
_SEEN = 0.15
_LEAST_POINTS = 8
_WHOLE = 0.6
_FOLDED = 0.4


@dataclass(frozen=True)
class Crops:
    """Persons as JPEG crops of ``_KEPT`` pixels whose middle is the box's middle.

    ``jpeg`` holds all files one after the other, the i-th from ``offsets[i]`` on. ``boxes`` (N, 2) are width and height
    of the person's box in pixels of the crop, ``points`` (N, 133, 3) the key points in the crop: x, y, and 2 seen, 1
    hidden, 0 unknown.
    """

    jpeg: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    boxes: Array
    points: Array

    def __len__(self) -> int:
        return len(self.boxes)

    def picture(self, i: int) -> NDArray[np.uint8]:
        """Crop i, BGR."""
        return np.asarray(cv2.imdecode(self.jpeg[self.offsets[i] : self.offsets[i + 1]], cv2.IMREAD_COLOR), np.uint8)

    def save(self, path: Path) -> None:
        """Keep them in one file."""
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **vars(self))
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Crops:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as content:
            return cls(**content)

    @classmethod
    def join(cls, parts: list[Crops]) -> Crops:
        """All crops of several sets."""
        ends = np.cumsum([0, *(len(part.jpeg) for part in parts)])
        offsets = [part.offsets[:-1] + end for part, end in zip(parts, ends, strict=False)] + [ends[-1:]]
        jpeg, boxes, points = (
            np.concatenate([getattr(p, name) for p in parts]) for name in ("jpeg", "boxes", "points")
        )
        return cls(jpeg, np.concatenate(offsets), boxes, points)


def render_crops(sites: range, per_site: int, folder: Path, workers: int, progress: Progress) -> Crops:
    """Crops of everybody in pictures of source-family sites; those already in ``folder`` are taken from there.

    Args:
        sites: numbers of the sites.
        per_site: pictures of each.
        folder: where they are kept.
        workers: processes that render.
        progress: counts sites.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{FAMILY}-{site}-{per_site}.crops.npz" for site in sites]
    missing = [(site, per_site, path) for site, path in zip(sites, paths, strict=True) if not path.is_file()]
    done = len(sites) - len(missing)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for _ in pool.map(_render_site, missing):
            progress(done := done + 1, len(sites), "render crops")
    return Crops.join([Crops.load(path) for path in paths])


def _render_site(job: tuple[int, int, Path]) -> None:
    site, count, path = job
    cv2.setNumThreads(1)
    files, boxes, points = [], [], []
    # Other pictures than those the example detector learns from.
    for image, truth in stills(FAMILY, site, count, seed=1):
        for row in np.flatnonzero(asked_of(truth)):
            box = box_of(truth, row)
            matrix, scale = _around(box)
            crop = cv2.warpAffine(image, matrix, _KEPT, flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            files.append(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
            boxes.append((box[2:] - box[:2]) * scale)
            moved = truth.keypoints[row].astype(np.float32).copy()
            moved[:, :2] = moved[:, :2] @ matrix[:, :2].T + matrix[:, 2]
            points.append(moved)
    offsets = np.cumsum([0, *(len(file) for file in files)])
    kept = np.array(boxes, np.float32).reshape(-1, 2), np.array(points, np.float32).reshape(-1, 133, 3)
    Crops(np.concatenate(files), offsets, *kept).save(path)


def asked_of(truth: FrameTruth) -> NDArray[np.bool_]:
    """(N,) whose points are to be found, of the rows of a truth: persons of whom a piece is seen, the patient too."""
    known = (truth.keypoints[..., 2] > 0).sum(axis=1) >= _LEAST_POINTS
    return np.asarray(known & (truth.kind == KINDS.index("person")) & (truth.visible * truth.in_frame >= _SEEN))


def box_of(truth: FrameTruth, row: int) -> Array:
    """The box that a detector would draw: the whole person where much is visible, else what is."""
    return np.asarray(truth.boxes[row] if truth.visible[row] > _WHOLE else truth.visible_boxes[row])


def _around(box: Array) -> tuple[NDArray[np.float64], float]:
    """The map from a picture to the kept crop around a box, and its scale."""
    middle, extent = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 1)
    scale = float(np.min(np.array(_KEPT) / (_AROUND * extent)))
    shift = np.array(_KEPT) / 2 - scale * middle
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), scale


def draw_sample(
    crops: Crops, i: int, flips: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Array]:
    """Crop i as an input: turned, shifted, scaled, mirrored, partly hidden, in other light, all at random.

    Args:
        crops: where it comes from.
        i: which one.
        flips: (133,) for each point the one it becomes in a mirror.
        rng: for the random choices.

    Returns:
        Pixels uint8 (192, 128, 3) BGR, and points (133, 3) in it, x, y, and 2 seen, 1 hidden, 0 unknown or outside.
    """
    extent = crops.boxes[i] * np.exp(rng.normal(0, 0.06, 2))
    scale = float(np.min(np.array(SIZE) / (PADDING * extent))) * math.exp(rng.uniform(-0.25, 0.25))
    turn = math.radians(rng.normal(0, 18) if rng.random() < 0.7 else 0)
    middle = np.array(_KEPT) / 2 + crops.boxes[i] * rng.normal(0, 0.05, 2)
    rotation = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = np.concatenate([rotation, (np.array(SIZE) / 2 - rotation @ middle)[:, None]], axis=1)
    pixels = np.asarray(cv2.warpAffine(crops.picture(i), matrix, SIZE, flags=cv2.INTER_LINEAR), np.uint8)
    points = crops.points[i].copy()
    points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if rng.random() < 0.5:
        pixels, points = np.ascontiguousarray(pixels[:, ::-1]), points[flips]
        points[:, 0] = SIZE[0] - 1 - points[:, 0]
    pixels = _in_other_light(pixels, rng)
    if rng.random() < _FOLDED:
        pixels, points = _hidden(pixels, points, rng)
    inside = (points[:, :2] >= 0).all(axis=1) & (points[:, :2] <= np.array(SIZE) - 1).all(axis=1)
    points[~inside, 2] = 0
    return pixels, points


def _in_other_light(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    gain = np.exp(rng.normal(0, 0.15)) * np.exp(rng.normal(0, 0.04, 3))
    lit = pixels * gain.astype(np.float32) + np.float32(rng.normal(0, 8))
    if rng.random() < 0.3:
        lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.4:
        lit = lit + rng.normal(0, rng.uniform(1, 9), lit.shape)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _hidden(pixels: NDArray[np.uint8], points: Array, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Array]:
    """A piece covered with one colour; points under it count as hidden."""
    extent = np.array(SIZE) * rng.uniform(0.15, 0.5, 2)
    low = rng.uniform(0, 1, 2) * (np.array(SIZE) - extent)
    x1, y1, x2, y2 = np.concatenate([low, low + extent]).astype(int)
    pixels = pixels.copy()
    pixels[y1:y2, x1:x2] = rng.integers(0, 256, 3)
    under = (points[:, 0] >= x1) & (points[:, 0] < x2) & (points[:, 1] >= y1) & (points[:, 1] < y2)
    points = points.copy()
    points[under & (points[:, 2] > 0), 2] = 1
    return pixels, points
