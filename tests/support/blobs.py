"""A small real detector for synthetic videos of saturated figures before a dull room, and such videos with truth.

The detector looks at pixels only: what is hidden it does not find, what is half hidden it finds with a low score.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from drape.boxes import Boxes, Floats, as_boxes
from drape.detection import DetectionConfig, register_detector
from numpy.typing import NDArray

HUES = (0, 30, 60, 90, 120, 150)
"""Hue of person i (OpenCV units, 0-179): HUES[i % 6]."""

_FULL = 0.016
"""Visible area, as a share of the frame, at which the score is .95."""


class BlobDetector:
    """Connected components of each figure's hue; the score grows with the visible area and the saturation."""

    name = "blobs"

    def __init__(self, config: DetectionConfig) -> None:
        self.floor = config.score_floor
        self.fingerprint = {"engine": "blobs-1", "floor": str(config.score_floor)}

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[tuple[Boxes, Floats]]:
        return [self._one(image) for image in images]

    def _one(self, image: NDArray[np.uint8]) -> tuple[Boxes, Floats]:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        vivid = (hsv[..., 1] > 100) & (hsv[..., 2] > 60)
        rows: list[tuple[float, ...]] = []
        for hue in HUES:
            apart = np.abs((hsv[..., 0].astype(np.int16) - hue + 90) % 180 - 90)
            mask = cv2.morphologyEx(
                (vivid & (apart <= 12)).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
            )
            _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
            for label, (x, y, w, h, area) in enumerate(stats[1:], start=1):
                if area >= 12 and w >= 3 and h >= 3:
                    contrast = float(hsv[..., 1][labels == label].mean()) / 255
                    share = min(1.0, area / (_FULL * mask.size))
                    rows.append((x, y, x + w, y + h, min(0.99, 0.95 * share**0.75 * min(1.0, contrast * 1.2))))
        found = np.array(sorted((r for r in rows if r[4] >= self.floor), key=lambda r: -r[4]), np.float32).reshape(
            -1, 5
        )
        return as_boxes(found[:, :4]), np.ascontiguousarray(found[:, 4])


def register() -> None:
    """Make the preset "blobs" known; harmless if it is already."""
    register_detector("blobs", BlobDetector)


class Figure(NamedTuple):
    """A walker: path x(t) = start + speed * t in frame widths, feet at y in frame heights, size in frame heights."""

    start: float
    speed: float
    feet: float
    height: float


FIGURES = (
    Figure(0.10, 0.22, 0.92, 0.52),  # walks behind the pillar
    Figure(0.85, -0.06, 0.80, 0.42),  # stays to the right
    Figure(-0.30, 0.28, 0.97, 0.56),  # comes in by the door at the left edge
)
PILLAR = (0.40, 0.46)
"""The pillar's left and right edge, in frame widths; it stands before everyone."""

TRUTH_COLUMNS = ("frame", "person", "x1", "y1", "x2", "y2", "visible")


def make_recording(
    folder: Path,
    views: int = 2,
    frames: int = 60,
    size: tuple[int, int] = (320, 180),
    fps: int = 25,
    seed: int = 0,
    seconds_per_walk: float | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Write ``cam_1.mp4`` … into ``folder``: three figures, one of whom passes behind a pillar and one enters late.

    Every second view is the mirrored room. ``seconds_per_walk`` is how long the whole scene lasts (default: the clip).

    Returns:
        For "view1", …: rows of ``TRUTH_COLUMNS``, one per figure that reaches into the frame. Boxes are the whole
        figure cut at the frame's edges, hidden parts included; ``visible`` is the share of its pixels that is seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, NDArray[np.float64]] = {}
    span = seconds_per_walk * fps if seconds_per_walk else frames
    for number in range(views):
        rng = np.random.default_rng([seed, number])
        room = _room(size, rng)
        rows: list[list[float]] = []
        with av.open(str(folder / f"cam_{number + 1}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=fps)
            stream.width, stream.height, stream.pix_fmt = (*size, "yuv420p")
            stream.options = {"crf": "14", "preset": "veryfast", "g": "25", "threads": "2"}
            for k in range(frames):
                image, found = _draw(room, k / span * 3.0, size, mirrored=number % 2 == 1)
                rows += [[k, *row] for row in found]
                noise = rng.integers(-3, 4, image.shape, np.int16)
                image = np.clip(image + noise, 0, 255).astype(np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        truth[f"view{number + 1}"] = np.array(rows, np.float64).reshape(-1, len(TRUTH_COLUMNS))
    return truth


def _room(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    width, height = size
    room = np.full((height, width, 3), 120, np.uint8)
    room[: int(0.55 * height)] = 150
    cv2.rectangle(
        room, (int(0.6 * width), int(0.2 * height)), (int(0.75 * width), int(0.45 * height)), (95, 98, 100), -1
    )
    texture = cv2.GaussianBlur(rng.normal(0, 25, room.shape[:2]).astype(np.float32), (0, 0), 2)
    return np.clip(room + texture[..., None], 0, 255).astype(np.uint8)


def _draw(
    room: NDArray[np.uint8], time: float, size: tuple[int, int], mirrored: bool
) -> tuple[NDArray[np.uint8], list[list[float]]]:
    width, height = size
    image = room.copy()
    owner = np.zeros((height, width), np.int32)
    whole: list[NDArray[np.uint8]] = []
    order = sorted(range(len(FIGURES)), key=lambda i: FIGURES[i].feet)
    shapes = [_silhouette(f, time, size) for f in FIGURES]
    for i in order:
        colour = cv2.cvtColor(np.array([[[HUES[i % len(HUES)], 230, 215]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
        image[shapes[i] > 0] = colour
        owner[shapes[i] > 0] = i + 1
    left, right = (round(p * width) for p in PILLAR)
    image[:, left:right] = (88, 90, 92)
    owner[:, left:right] = 0
    whole = [s[:, ::-1] if mirrored else s for s in shapes]
    owner = owner[:, ::-1] if mirrored else owner
    rows = []
    for i, shape in enumerate(whole):
        if shape.any():
            x, y, w, h = cv2.boundingRect(np.ascontiguousarray(shape))
            rows.append([i, x, y, x + w, y + h, float((owner == i + 1).sum() / shape.sum())])
    return np.ascontiguousarray(image[:, ::-1] if mirrored else image), rows


def _silhouette(figure: Figure, time: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Head, trunk and two swinging legs, one connected shape of ones."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    x, feet, tall = (figure.start + figure.speed * time) * width, figure.feet * height, figure.height * height
    swing = 0.10 * tall * np.sin(8 * time)
    hip, neck = feet - 0.45 * tall, feet - 0.82 * tall
    for side in (-1, 1):
        line = np.array([[x, hip], [x + side * swing, feet - 1]]).round().astype(int)
        cv2.line(mask, tuple(line[0].tolist()), tuple(line[1].tolist()), 1, max(2, int(0.10 * tall)))
    trunk = np.array([[x - 0.11 * tall, neck], [x + 0.11 * tall, hip + 0.03 * tall]]).round().astype(int)
    cv2.rectangle(mask, tuple(trunk[0].tolist()), tuple(trunk[1].tolist()), 1, -1)
    cv2.circle(mask, (round(x), round(feet - 0.90 * tall)), round(0.10 * tall), 1, -1)
    mask[int(feet) + 1 :] = 0
    return mask
