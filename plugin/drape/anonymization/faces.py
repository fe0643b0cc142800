"""A second opinion on the released pictures: faces that a detector of its own kind finds outside the masks.

YuNet (Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023) shares
neither weights nor training data with the person detectors. It sees what a viewer sees, the decoded released file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drape import tables
from drape.anonymization.fill import Plane
from drape.anonymization.policy import Ints
from drape.assets import Asset, locate
from drape.errors import VerificationError, WeightsError
from drape.progress import Progress, silent

_COMMIT = "0047ac24afb1a50a0c6105001c89d1b5b805dbf1"
YUNET = Asset(
    name="YuNet",
    filename="yunet_n_640_640.onnx",
    url=f"https://github.com/ShiqiYu/libfacedetection.train/raw/{_COMMIT}/onnx/yunet_n_640_640.onnx",
    sha256="25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31",
)

SCORE = 0.7
"""Detections below this are noise more often than faces; the author's examples use .6 to .9."""

MASKED = 0.8
"""A detection covered to this share is of a fill and its edge, not of a face."""

LONGEST_SIDE = 1920
"""Larger pictures are looked at in this size."""

_SAME = 0.3


@dataclass(frozen=True)
class FaceFound:
    """A face outside the masks, over a run of looked-at frames; a review item.

    Attributes:
        view: its view.
        first: first frame.
        last: last frame.
        box: ``x1, y1, x2, y2`` in pixels, where it was surest.
        score: the detector's, there.
        time: seconds of the view's first frame in the released file's clock.
    """

    view: str
    first: int
    last: int
    box: tuple[int, int, int, int]
    score: float
    time: float

    def item(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "box": list(self.box)}


class FacesFound(VerificationError):
    """Faces stand outside the masks.

    Args:
        items: plain data of every `FaceFound`.
    """

    def __init__(self, items: list[dict[str, Any]]) -> None:
        shown = "; ".join(
            f"{item['view']}, frames {item['first']} to {item['last']}, at x {item['box'][0]} y {item['box'][1]}"
            for item in items[:3]
        )
        more = f" and {len(items) - 3} more" if len(items) > 3 else ""
        super().__init__(
            f"{len(items)} face(s) were found outside the masks: {shown}{more}",
            "Add a person or a fixed region there and export again; or accept it by an override of 'faces'",
        )
        self.items = items


def face_weights(given: Path | None, required: bool, progress: Progress = silent) -> Path | None:
    """The face detector's file.

    Args:
        given: the user's own file; its digest is published, not checked.
        required: fetch it if it is not on this machine.
        progress: counts bytes.

    Returns:
        The file; None where it is not on this machine and not required.

    Raises:
        WeightsError: it was given or is required, and cannot be had; or what lies in its place is something else.
    """
    if given is not None:
        if not given.is_file():
            raise WeightsError("The face detector's file is missing", "Check the path")
        return given
    try:
        return locate(YUNET, offline=not required, progress=progress)
    except WeightsError as error:
        if required or "are not on this machine" not in error.what:
            raise
        return None


class FaceSearch:
    """Looks for faces in released pictures, every n-th of a view.

    Args:
        weights: YuNet's ONNX file.
        every: look at each frame whose number is a multiple of this.

    Raises:
        WeightsError: the file holds no network that can be used.
    """

    def __init__(self, weights: Path, every: int) -> None:
        self.every = every
        self.sha256 = tables.sha256(weights)
        self.looked: dict[str, int] = {}
        self._runs: list[FaceFound] = []
        try:
            self._net = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), SCORE, 0.3, 500)
        except cv2.error as error:
            raise WeightsError("The face detector cannot be used", "Give YuNet's ONNX file") from error

    def look(self, view: str, frame: int, time: float, planes: tuple[Plane, Plane, Plane], boxes: Ints) -> None:
        """Look at a frame, if it is its turn; frames come in order.

        Args:
            view: id.
            frame: its number.
            time: its time in seconds.
            planes: decoded ``y``, ``u``, ``v``.
            boxes: (N, 4) masked rectangles.
        """
        if frame % self.every:
            return
        self.looked[view] = self.looked.get(view, 0) + 1
        for box, score in self._detect(planes):
            if masked_share(box, boxes) < MASKED:
                self._note(FaceFound(view, frame, frame, box, round(score, 2), round(time, 3)))

    @property
    def found(self) -> list[FaceFound]:
        """All faces outside the masks, in order of time, view by view."""
        return list(self._runs)

    def report(self) -> dict[str, Any]:
        """What the verdict says of the search."""
        return {
            "checked": True,
            "detector": "YuNet",
            "weights": self.sha256,
            "score": SCORE,
            "every": self.every,
            "frames": dict(self.looked),
            "found": [face.item() for face in self._runs],
        }

    def _detect(self, planes: tuple[Plane, Plane, Plane]) -> list[tuple[tuple[int, int, int, int], float]]:
        picture = to_bgr(planes)
        height, width = picture.shape[:2]
        scale = min(1.0, LONGEST_SIDE / max(height, width))
        if scale < 1:
            size = (round(width * scale), round(height * scale))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        self._net.setInputSize((picture.shape[1], picture.shape[0]))
        _, rows = self._net.detect(picture)
        found = []
        for row in () if rows is None else rows:
            x, y, w, h = row[:4] / scale
            box = np.clip([x, y, x + w, y + h], 0, [width, height] * 2)
            if box[2] > box[0] and box[3] > box[1]:
                low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
                found.append(((int(low[0]), int(low[1]), int(high[0]), int(high[1])), float(row[-1])))
        return found

    def _note(self, face: FaceFound) -> None:
        for i, known in enumerate(self._runs):
            near = known.view == face.view and 0 < face.first - known.last <= 2 * self.every
            if near and _overlap(known.box, face.box) >= _SAME:
                surer = face if face.score > known.score else known
                self._runs[i] = FaceFound(face.view, known.first, face.last, surer.box, surer.score, known.time)
                return
        self._runs.append(face)


def not_searched(why: str) -> dict[str, Any]:
    """What the verdict says where nobody looked for faces."""
    return {"checked": False, "why": why}


def to_bgr(planes: tuple[Plane, Plane, Plane]) -> NDArray[np.uint8]:
    """A limited-range 4:2:0 picture of even size as BGR, shape (H, W, 3)."""
    height, width = planes[0].shape
    joined = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    return np.asarray(cv2.cvtColor(joined, cv2.COLOR_YUV2BGR_I420), np.uint8)


def masked_share(box: tuple[int, int, int, int], boxes: Ints) -> float:
    """Share of a box, in whole pixels, that rectangles cover."""
    x1, y1, x2, y2 = box
    seen = np.ones((y2 - y1, x2 - x1), bool)
    for a, b, c, d in boxes - np.array([x1, y1, x1, y1]):
        seen[max(0, b) : max(0, d), max(0, a) : max(0, c)] = False
    return float(1 - seen.mean())


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height)
