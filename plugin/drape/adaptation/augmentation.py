"""From a labelled picture to an input of the network, changed as much as a fixed camera's pictures change.

Mirrored or not, a little nearer or farther, cut a little, in other light, sometimes out of focus. Never upside down
and hardly turned: the camera hangs where it hangs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.adaptation.lessons import Image, Lesson
from drape.boxes import Boxes, Floats, area

_NEAR = 1.3
"""Largest change of scale, up or down: so much do persons differ in distance from one recording to the next."""

_KEPT = 0.4
"""Share of a box that a cut must leave for the person to be taught; of whom less is left is ignored."""

_PLAIN = 0.25
"""Share of pictures that stay at their own scale and place: exactly what the detector will be shown."""

_STRIDE = 32


class Sample(NamedTuple):
    """One input: ``pixels`` uint8 (H, W, 3) BGR; boxes (N, 4) with weights (N,) and ignored regions (M, 4) in it."""

    pixels: Image
    boxes: Boxes
    weights: Floats
    ignored: Boxes


def canvas_of(lessons: list[Lesson], size: int) -> tuple[int, int]:
    """Width and height of the input that holds the pictures with their longer side at ``size`` pixels."""
    fitted = [_fit(lesson, size) for lesson in lessons]
    sides = np.array([[lesson.width * f, lesson.height * f] for lesson, f in zip(lessons, fitted, strict=True)])
    width, height = np.ceil(np.round(sides.max(axis=0)) / _STRIDE).astype(int) * _STRIDE
    return int(width), int(height)


def draw(
    lesson: Lesson, picture: Image, size: int, canvas: tuple[int, int], pad: tuple[int, ...], rng: np.random.Generator
) -> Sample:
    """A sample of a picture.

    Args:
        lesson: what it teaches.
        picture: its pixels.
        size: longer side of the picture in the input, before it is brought nearer or farther.
        canvas: width and height of the input.
        pad: colour (B, G, R) where the picture does not reach.
        rng: for the random choices.
    """
    width, height = canvas
    scale = min(_fit(lesson, size), width / lesson.width, height / lesson.height)
    shift: NDArray[np.float64] = np.zeros(2)
    if rng.random() >= _PLAIN:
        scale *= math.exp(rng.uniform(-math.log(_NEAR), math.log(_NEAR)))
        room = np.array(canvas) - np.array([lesson.width, lesson.height]) * scale
        shift = np.asarray(rng.uniform(np.minimum(room, 0), np.maximum(room, 0)))
    # Half a pixel keeps the picture's corners, which boxes count from, not the middles of its corner pixels.
    matrix = np.array([[scale, 0, shift[0] + 0.5 * scale - 0.5], [0, scale, shift[1] + 0.5 * scale - 0.5]])
    pixels = cv2.warpAffine(picture, matrix, canvas, flags=cv2.INTER_LINEAR, borderValue=pad)
    pixels = _in_other_light(np.asarray(pixels, np.uint8), rng)
    offset = np.tile(shift, 2).astype(np.float32)
    boxes, kept = _cut(lesson.boxes * np.float32(scale) + offset, canvas)
    ignored, there = _cut(lesson.ignored * np.float32(scale) + offset, canvas)
    if rng.random() < 0.5:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        boxes, ignored = _mirrored(boxes, width), _mirrored(ignored, width)
    taught = kept > _KEPT
    lost = boxes[(kept > 0) & ~taught]
    return Sample(pixels, boxes[taught], lesson.weights[taught], np.concatenate([ignored[there > 0], lost]))


def _fit(lesson: Lesson, size: int) -> float:
    return size / max(lesson.width, lesson.height)


def _in_other_light(pixels: Image, rng: np.random.Generator) -> Image:
    gain = rng.uniform(0.8, 1.2) * rng.uniform(0.95, 1.05, 3)
    bend = math.exp(rng.uniform(-0.15, 0.15))
    levels = 255 * (np.arange(256) / 255) ** bend
    table = np.clip(levels[:, None] * gain + rng.uniform(-8, 8), 0, 255).astype(np.uint8)
    pixels = np.asarray(cv2.LUT(pixels, table.reshape(1, 256, 3)), np.uint8)
    if rng.random() < 0.15:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.2)), np.uint8)
    return pixels


def _cut(boxes: Boxes, canvas: tuple[int, int]) -> tuple[Boxes, NDArray[np.float32]]:
    """Boxes cut at the input's edges, and the share of each that is left."""
    cut = np.clip(boxes, 0, np.tile(canvas, 2)).astype(np.float32)
    return cut, area(cut) / np.maximum(area(boxes), 1e-6)


def _mirrored(boxes: Boxes, width: int) -> Boxes:
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
