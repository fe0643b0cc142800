"""All views of a recording in one picture, in sync by time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.errors import MediaError
from drape.media.reader import read_planes
from drape.media.types import Plane, Planes
from drape.media.writer import VideoWriter
from drape.progress import Progress, silent
from drape.recording import View

NOT_SHOWN = -1
"""Stands in `Mosaic.shown` where a view is black."""

_SHAPE = 16 / 9
_BLACK, _GREY, _WHITE = 16, 128, 235
_EPSILON = 1e-6  # seconds: two computations of the same instant differ by rounding only
_MAX_RATE = 30.0
_LEAST = 16
_REPORT_EVERY = 50


@dataclass(frozen=True)
class Tile:
    """Where a view stands in the mosaic: its picture fills the rectangle ``x, y, width, height``, all even, in pixels.

    ``source_width`` and ``source_height`` are those of the view's upright frame. A point (a, b) of it lies at
    (x + a * width / source_width, y + b * height / source_height) in the mosaic.
    """

    view: str
    x: int
    y: int
    width: int
    height: int
    source_width: int
    source_height: int

    def to_mosaic(self, boxes: Boxes) -> Boxes:
        """Boxes of the view's frame as boxes of the mosaic, (N, 4)."""
        return (boxes * self._scale() + self._shift()).astype(np.float32)

    def to_view(self, boxes: Boxes) -> Boxes:
        """Boxes of the mosaic as boxes of the view's frame, cut at its edges, (N, 4); empty where they lie outside."""
        out = (boxes - self._shift()) / self._scale()
        limit = np.array([self.source_width, self.source_height] * 2)
        return np.clip(out, 0, limit).astype(np.float32)

    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.width / self.source_width, self.height / self.source_height] * 2)

    def _shift(self) -> NDArray[np.float64]:
        return np.array([self.x, self.y] * 2, np.float64)


@dataclass(frozen=True)
class Mosaic:
    """Plan of a mosaic video.

    Attributes:
        width: pixels, even.
        height: pixels, even.
        tiles: one per view, in the order of the views.
        start: instant of mosaic frame 0 in seconds of the recording's clock; frame k is at ``start + k / rate``.
        rate: frames per second.
        num_frames: of the mosaic.
        shown: for each view id, the view's frame on each mosaic frame, or `NOT_SHOWN`; int32 (num_frames,).
    """

    width: int
    height: int
    tiles: tuple[Tile, ...]
    start: float
    rate: Fraction
    num_frames: int
    shown: Mapping[str, NDArray[np.int32]]

    def digest(self) -> str:
        """Hex sha256 of all that decides what the mosaic shows where and when."""
        facts = (self.width, self.height, self.tiles, self.start, self.rate, self.num_frames)
        digest = hashlib.sha256(repr(facts).encode())
        for tile in self.tiles:
            digest.update(self.shown[tile.view].astype("<i4").tobytes())
        return digest.hexdigest()


def plan_mosaic(
    views: Sequence[View],
    times: Mapping[str, NDArray[np.float64]],
    height: int = 720,
    rate: Fraction | None = None,
) -> Mosaic:
    """Decide where each view stands and which of its frames is shown when.

    Views are tiled row by row in a grid of equal cells whose shape comes closest to 16:9. At each instant a view shows
    its latest frame at or before it. It is black before its first frame, after its last one has been shown for a
    usual interval, and in gaps: from one second, or three usual intervals if that is longer, after the frame before.

    Args:
        views: with their facts known (scanned).
        times: of each view's frames in seconds of the recording's clock, increasing, float64 (N,), by view id.
        height: of the mosaic in pixels, at most.
        rate: frames per second; by default the highest usual rate of the views, at most 30.

    Raises:
        ValueError: there are no views, a view has no frames, or a cell would be smaller than 16 pixels.
    """
    if not views or any(len(times[v.id]) == 0 for v in views):
        raise ValueError("a mosaic needs views, and at least one frame of each")
    mine = {v.id: times[v.id] for v in views}
    rate = rate or _usual_rate(mine)
    start = min(float(t[0]) for t in mine.values())
    count = math.floor((max(float(t[-1]) for t in mine.values()) - start + _EPSILON) * rate) + 1
    instants = np.asarray(start + np.arange(count) * (rate.denominator / rate.numerator), np.float64)
    size, tiles = _tile(views, height)
    return Mosaic(*size, tiles, start, rate, count, {name: _shown(t, instants) for name, t in mine.items()})


def render_mosaic(
    views: Sequence[View], mosaic: Mosaic, path: Path, progress: Progress = silent, labels: bool = True
) -> None:
    """Write a planned mosaic as H.264 in MP4; one frame of each view is held in memory.

    Args:
        views: the same that were planned.
        mosaic: from `plan_mosaic`.
        path: file to write; it is deleted if writing fails.
        progress: called with mosaic frames done and to do.
        labels: write each view's id (never its name) into its tile.

    Raises:
        MediaError: a view cannot be read, or holds fewer frames than were planned.
        WorkspaceError: the file cannot be written.
    """
    canvas = _Canvas(mosaic.width, mosaic.height)
    feeds = [_Feed(view, tile, labels) for view, tile in zip(views, mosaic.tiles, strict=True)]
    time_base = (mosaic.rate.denominator, mosaic.rate.numerator)
    with VideoWriter(path, mosaic.width, mosaic.height, time_base) as writer:
        for k in range(mosaic.num_frames):
            for feed in feeds:
                feed.draw(canvas, int(mosaic.shown[feed.tile.view][k]))
            writer.write(k, canvas.y, canvas.u, canvas.v)
            if k % _REPORT_EVERY == 0:
                progress(k + 1, mosaic.num_frames, "mosaic")
    progress(mosaic.num_frames, mosaic.num_frames, "mosaic")


class _Canvas:
    def __init__(self, width: int, height: int) -> None:
        self.y: Plane = np.full((height, width), _BLACK, np.uint8)
        self.u: Plane = np.full((height // 2, width // 2), _GREY, np.uint8)
        self.v: Plane = self.u.copy()

    def put(self, tile: Tile, planes: Planes | None) -> None:
        luma, chroma = _slices(tile.x, tile.y, tile.width, tile.height)
        if planes is None:
            self.y[luma], self.u[chroma], self.v[chroma] = _BLACK, _GREY, _GREY
            return
        # The planes of an odd-sized frame have a repeated edge that is no part of the frame.
        y = planes.y[: tile.source_height, : tile.source_width]
        self.y[luma] = _resized(y, tile.width, tile.height)
        self.u[chroma] = _resized(planes.u, tile.width // 2, tile.height // 2)
        self.v[chroma] = _resized(planes.v, tile.width // 2, tile.height // 2)

    def label(self, tile: Tile, text: str) -> None:
        size = max(0.4, tile.height / 600)
        (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        luma, chroma = _slices(
            tile.x, tile.y, _even(min(width + 8, tile.width)), _even(min(height + base + 8, tile.height))
        )
        self.y[luma], self.u[chroma], self.v[chroma] = _BLACK, _GREY, _GREY
        cv2.putText(self.y[luma], text, (4, height + 4), cv2.FONT_HERSHEY_SIMPLEX, size, _WHITE, 1, cv2.LINE_AA)


class _Feed:
    """Reads one view as the mosaic goes on and draws a frame when another one is due."""

    def __init__(self, view: View, tile: Tile, labels: bool) -> None:
        self.tile = tile
        self._view = view
        self._label = view.id if labels else ""
        self._planes = read_planes(view)
        self._drawn: int | None = None

    def draw(self, canvas: _Canvas, index: int) -> None:
        if index == self._drawn:
            return
        canvas.put(self.tile, None if index == NOT_SHOWN else self._seek(index))
        if self._label:
            canvas.label(self.tile, self._label)
        self._drawn = index

    def _seek(self, index: int) -> Planes:
        for planes in self._planes:
            if planes.index == index:
                return planes
        raise MediaError(self._view.id, "the frame is not there any more", "Ingest the recording again", index)


def _tile(views: Sequence[View], height: int) -> tuple[tuple[int, int], tuple[Tile, ...]]:
    aspect = float(np.median([v.width / v.height for v in views]))
    columns = min(range(1, len(views) + 1), key=lambda c: _cost(c, len(views), aspect))
    rows = math.ceil(len(views) / columns)
    cell = (_even(height / rows * aspect), _even(height / rows))
    if min(cell) < _LEAST:
        raise ValueError(f"{height} pixels are too few for {rows} rows of views")
    tiles = []
    for i, view in enumerate(views):
        scale = min(cell[0] / view.width, cell[1] / view.height)
        width, height = min(_even(view.width * scale), cell[0]), min(_even(view.height * scale), cell[1])
        x = i % columns * cell[0] + _even((cell[0] - width) / 2, 0)
        y = i // columns * cell[1] + _even((cell[1] - height) / 2, 0)
        tiles.append(Tile(view.id, x, y, width, height, view.width, view.height))
    return (columns * cell[0], rows * cell[1]), tuple(tiles)


def _shown(times: NDArray[np.float64], instants: NDArray[np.float64]) -> NDArray[np.int32]:
    latest = np.searchsorted(times, instants + _EPSILON, side="right") - 1
    interval = _interval(times)
    hold = np.full(len(times), max(1.0, 3 * interval))
    hold[-1] = interval
    found = np.maximum(latest, 0)
    visible = (latest >= 0) & (instants < times[found] + hold[found] - _EPSILON)
    return np.where(visible, latest, NOT_SHOWN).astype(np.int32)


def _interval(times: NDArray[np.float64]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0


def _usual_rate(times: Mapping[str, NDArray[np.float64]]) -> Fraction:
    fastest = min(_interval(t) for t in times.values())
    return max(Fraction(1, 1001), Fraction(min(_MAX_RATE, 1 / fastest)).limit_denominator(1001))


def _slices(x: int, y: int, width: int, height: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    luma = (slice(y, y + height), slice(x, x + width))
    return luma, (slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2))


def _cost(columns: int, count: int, aspect: float) -> float:
    rows = math.ceil(count / columns)
    return abs(math.log(columns * aspect / rows / _SHAPE)) + (rows * columns - count) / count


def _even(value: float, least: int = 2) -> int:
    return max(least, 2 * math.floor(value / 2))


def _resized(plane: Plane, width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
