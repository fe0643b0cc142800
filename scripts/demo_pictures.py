"""Pictures of the demo: a strip and a video that show every view three times, as source, as found, and as released."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from drape import tables
from drape.anonymization.config import ReleaseConfig
from drape.media import VideoWriter, read_frames
from drape.media.planes import image_to_planes
from drape.pipeline import Workspace
from drape.progress import Progress, silent
from drape.recording import View
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

STRIP_TILE, VIDEO_TILE = 420, 320
"""Width in pixels of one picture in the strip and in the video."""

_HEAD = 34
_FOUND, _RETRIEVED, _DOUBTFUL, _MISSED = (80, 200, 60), (255, 160, 40), (60, 200, 240), (60, 60, 240)


def write_strip(workspace: Workspace, release: Path, path: Path) -> None:
    """A row per view: source, found, released, at the middle of the recording."""
    middle = [view.num_frames // 2 for view in workspace.recording.views]
    feeds = _Feeds(workspace, release, STRIP_TILE, middle)
    cv2.imwrite(str(path), feeds.at([0] * len(middle)), [cv2.IMWRITE_JPEG_QUALITY, 88])


def write_video(workspace: Workspace, release: Path, path: Path, rate: int = 10, progress: Progress = silent) -> None:
    """The same as a video: at each instant the latest frame of every view."""
    views = workspace.recording.views
    times = [workspace.frames(view.id).column("time").to_numpy() for view in views]
    start, stop = min(t[0] for t in times), max(t[-1] for t in times)
    instants = np.arange(start, stop, 1 / rate)
    shown = [np.maximum(np.searchsorted(t, instants, side="right") - 1, 0) for t in times]
    feeds = _Feeds(workspace, release, VIDEO_TILE, [0] * len(views))
    first = feeds.at([0] * len(views))
    with VideoWriter(path, first.shape[1], first.shape[0], (1, rate), crf=24) as writer:
        for k in range(len(instants)):
            writer.write(k, *image_to_planes(feeds.at([int(frames[k]) for frames in shown])))
            if k % 10 == 0:
                progress(k, len(instants), "mosaic of source, found, released")
    progress(len(instants), len(instants), "mosaic of source, found, released")


class _Feeds:
    """Reads source and release of every view side by side; one frame of each is held."""

    def __init__(self, workspace: Workspace, release: Path, tile: int, start: list[int]) -> None:
        self._rows = [
            _Row(workspace, view, release, tile, first)
            for view, first in zip(workspace.recording.views, start, strict=True)
        ]
        self._head = _headings(tile)

    def at(self, frames: list[int]) -> Picture:
        """The picture, with each view's frame counted from where it started."""
        rows = [row.at(frame) for row, frame in zip(self._rows, frames, strict=True)]
        picture = np.vstack([self._head, *rows])
        return np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])


class _Row:
    def __init__(self, workspace: Workspace, view: View, release: Path, tile: int, start: int) -> None:
        masked = View(id=view.id, name=view.id, media=release / f"{view.id}.mp4")
        self._sources, self._released = read_frames(view, start), read_frames(masked, start)
        self._boxes = _Drawn(workspace, view.id)
        self._size = (tile, round(tile * view.height / view.width / 2) * 2)
        self._start, self._done = start, -1
        self._picture: Picture = np.zeros((self._size[1], 3 * tile, 3), np.uint8)

    def at(self, frame: int) -> Picture:
        while self._done < frame:
            source, released = next(self._sources).image, next(self._released).image
            self._done += 1
            if self._done == frame:
                shape = source.shape
                pictures = (
                    source,
                    self._boxes.on(source, self._start + frame),
                    released[: shape[0], : shape[1]],
                )
                tiles = [cv2.resize(p, self._size, interpolation=cv2.INTER_AREA) for p in pictures]
                self._picture = np.asarray(np.hstack(tiles), np.uint8)
        return self._picture


class _Drawn:
    """A view's persons, drawn: green where the detector was sure, blue where they were retrieved, yellow where they are
    doubtful (masked all the same), red where somebody is likely missed."""

    def __init__(self, workspace: Workspace, view: str) -> None:
        persons, missed = workspace.persons(view), workspace.missed(view)
        existence = persons.column("existence").to_numpy()
        sure = persons.column("source").to_numpy(zero_copy_only=False) == "detected"
        masked = existence >= ReleaseConfig().min_existence
        kinds = ((existence >= 0.5) & sure, (existence >= 0.5) & ~sure, masked & (existence < 0.5))
        self._parts = [
            (persons.column("frame").to_numpy()[rows], tables.boxes_of(persons)[rows], colour)
            for rows, colour in zip(kinds, (_FOUND, _RETRIEVED, _DOUBTFUL), strict=True)
        ]
        self._parts.append((missed.column("frame").to_numpy(), tables.boxes_of(missed), _MISSED))

    def on(self, picture: Picture, frame: int) -> Picture:
        picture = picture.copy()
        thick = max(1, picture.shape[1] // 300)
        for frames, boxes, colour in self._parts:
            for x1, y1, x2, y2 in boxes[frames == frame].round().astype(int).tolist():
                cv2.rectangle(picture, (x1, y1), (x2, y2), colour, thick)
        return picture


def _headings(tile: int) -> Picture:
    head = np.full((_HEAD, 3 * tile, 3), 255, np.uint8)
    for column, word in enumerate(("source", "found", "released")):
        cv2.putText(head, word, (column * tile + 12, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return head
