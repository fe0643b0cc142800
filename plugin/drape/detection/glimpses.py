"""Small grey pictures, a few seconds apart, by which a moved camera is noticed later without decoding again."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.media import Frame
from drape.tables import GLIMPSES, make

EVERY_S = 2.5
"""Seconds between glimpses: a camera that moved shows in three of them within 10 s."""
WIDTH = 320
"""Pixels: enough for a displacement of a fifth of a degree at 75 degrees of view."""
QUALITY = 80


class Glimpses:
    """Collects the glimpses of one segment of a view: its first frame, and each that begins a new stretch of time.

    Which frames are taken follows from their times and the segment alone, so a resumed run takes the same ones.
    """

    def __init__(self) -> None:
        self._stretch: int | None = None
        self._rows: list[tuple[int, float, bytes]] = []

    def look(self, frames: Sequence[Frame]) -> None:
        """Take what is due among these frames."""
        for frame in frames:
            stretch = int(np.floor(frame.time / EVERY_S))
            if stretch != self._stretch:
                self._stretch = stretch
                self._rows.append((frame.index, frame.time, encode(frame.image)))

    def table(self) -> pa.Table:
        """What was taken, as ``GLIMPSES``."""
        frame, time, picture = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        return make(GLIMPSES, frame=frame, time=time, picture=picture)


def encode(image: NDArray[np.uint8]) -> bytes:
    """An upright BGR picture (H, W, 3) as a small grey JPEG."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    height = max(1, round(grey.shape[0] * WIDTH / grey.shape[1]))
    small = cv2.resize(grey, (WIDTH, height), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])


def decode(picture: bytes) -> NDArray[np.uint8]:
    """The grey picture (h, ``WIDTH``) of a glimpse."""
    return np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
