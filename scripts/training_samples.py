"""Training samples of the example detector: stills on disk, and how a still becomes an input of the network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SEEN = 0.2
"""Persons of whom less is seen are neither taught nor forbidden."""

_KEPT = 0.35
"""Share of a box that a crop must keep for the person to be taught."""

_PAD = 114


@dataclass(frozen=True)
class Stills:
    """Pictures as JPEG, and the boxes in them.

    ``jpeg`` holds all files one after the other, the i-th from ``offsets[i]`` on. ``boxes`` (N, 4) are pixels of the
    picture, ``seen`` (N,) shares of the whole person that are visible in the picture; those of picture i begin at
    ``starts[i]``.
    """

    jpeg: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    boxes: Array
    seen: Array
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def picture(self, i: int) -> NDArray[np.uint8]:
        """Picture i, (H, W, 3) BGR."""
        return np.asarray(cv2.imdecode(self.jpeg[self.offsets[i] : self.offsets[i + 1]], cv2.IMREAD_COLOR), np.uint8)

    def persons(self, i: int) -> tuple[Array, Array]:
        """Boxes and visible shares of picture i."""
        rows = slice(self.starts[i], self.starts[i + 1])
        return self.boxes[rows], self.seen[rows]

    def save(self, path: Path) -> None:
        """Keep them in one file."""
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **vars(self))
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Stills:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as content:
            return cls(**content)

    @classmethod
    def join(cls, parts: list[Stills]) -> Stills:
        """All stills of several sets."""
        ends = [np.cumsum([0, *(len(p.jpeg) for p in parts)]), np.cumsum([0, *(len(p.boxes) for p in parts)])]
        offsets = [p.offsets[:-1] + end for p, end in zip(parts, ends[0], strict=False)] + [ends[0][-1:]]
        starts = [p.starts[:-1] + end for p, end in zip(parts, ends[1], strict=False)] + [ends[1][-1:]]
        joined = (np.concatenate([getattr(p, name) for p in parts]) for name in ("jpeg", "boxes", "seen"))
        jpeg, boxes, seen = joined
        return cls(jpeg, np.concatenate(offsets), boxes, seen, np.concatenate(starts))


@dataclass(frozen=True)
class Sample:
    """One input: ``pixels`` uint8 (H, W, 3) BGR, boxes to be found (N, 4), regions of which nothing is said (M, 4)."""

    pixels: NDArray[np.uint8]
    boxes: Array
    ignored: Array


def draw_sample(stills: Stills, i: int, size: tuple[int, int], rng: np.random.Generator) -> Sample:
    """Still i at a random scale (0.75 to 1.6 of what fits) and place, mirrored or not, in slightly other light.

    The changes are mild: the detector is to know its own hospital well, and other hospitals as badly as a detector
    does that never saw one like them.

    Args:
        stills: where it comes from.
        i: which one.
        size: of the input, (width, height).
        rng: for the random choices.
    """
    picture, (boxes, seen) = stills.picture(i), stills.persons(i)
    height, width = picture.shape[:2]
    scale = min(size[0] / width, size[1] / height) * math.exp(rng.uniform(math.log(0.75), math.log(1.6)))
    room = np.array(size) - np.array([width, height]) * scale
    shift = rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
    pixels = _placed(picture, scale, shift, size)
    pixels = _in_other_light(pixels, rng)
    boxes, kept = _cut(boxes * np.float32(scale) + np.tile(shift, 2).astype(np.float32), size)
    if rng.random() < 0.5:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        boxes = np.stack([size[0] - boxes[:, 2], boxes[:, 1], size[0] - boxes[:, 0], boxes[:, 3]], axis=1)
    there = kept > 0
    taught = there & (seen >= SEEN) & (kept > _KEPT)
    return Sample(pixels, boxes[taught], boxes[there & ~taught])


def _placed(
    picture: NDArray[np.uint8], scale: float, shift: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    # Half a pixel keeps the corners of the picture, not the middles of its corner pixels, where the boxes count from.
    matrix = np.array([[scale, 0, shift[0] + 0.5 * scale - 0.5], [0, scale, shift[1] + 0.5 * scale - 0.5]])
    pad = (_PAD, _PAD, _PAD)
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderValue=pad), np.uint8)


def _in_other_light(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.94, 1.06, 3)
    table = np.clip(np.arange(256)[:, None] * gain + rng.uniform(-10, 10), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table[:, None, :].reshape(1, 256, 3)), np.uint8)


def _cut(boxes: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    """Boxes cut at the input's edges, and the share of each that is left."""
    cut = np.clip(boxes, 0, np.tile(size, 2)).astype(np.float32)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6), axis=1)
    return cut, (np.prod(np.maximum(cut[:, 2:] - cut[:, :2], 0), axis=1) / area).astype(np.float32)
