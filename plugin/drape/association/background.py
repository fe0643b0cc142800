"""A moved camera, noticed in small pictures of its view some seconds apart.

The fixed things of the room are compared with how they looked at first. People are masked, light may change, and the
picture may go dark or freeze for a while: only fixed points that are found again elsewhere, in several pictures at the
same place, speak of a camera that was moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drape.config import StageConfig

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

RATIO = 0.8
"""A match counts if the next best is this much farther (Lowe 2004)."""
FIT = 2.0
"""Pixels by which a point may miss the common map."""
FEATURES = 500
CONTRAST = 0.01
"""Least contrast of a point: a quarter of what is usual, as a darkened room needs it."""
TILES = (6, 8)
ALIKE = 0.8
"""Correlation of most tiles at which a picture is the same at a glance."""
MARGIN = 0.1
"""Share by which boxes of people are widened before they are masked."""


class BackgroundConfig(StageConfig):
    """Settings of the moved camera.

    A picture 320 pixels wide with a lens of 60 degrees shows a turn by 1 degree as 5 pixels.
    """

    least_shift: float = Field(0.01, gt=0, le=0.5, description="Least lasting shift, as a share of the picture's width")
    least_points: int = Field(12, ge=6, description="Fixed points that must agree before a picture says anything")
    votes: int = Field(3, ge=2, le=20, description="Pictures in a row that must show the same shift")
    strange_s: float = Field(20, gt=0, description="Seconds after which a picture with nothing in common is a move")
    refresh_s: float = Field(30, gt=0, description="Seconds between looks that are remembered, as the light changes")


@dataclass(frozen=True)
class Move:
    """A camera that was moved between two pictures.

    Attributes:
        before, after: times in seconds of the last picture at the old place and the first at the new one.
        noticed: time of the picture at which it was sure.
        shift: median shift of the room as a share of the picture's width; NaN where nothing of it is seen any more.
        confidence: share of the fixed points that speak for the move, 0 to 1.
    """

    before: float
    after: float
    noticed: float
    shift: float
    confidence: float


@dataclass
class _Look:
    """A picture in memory: where its points lie in the first picture of this place (N, 2), and what they look like."""

    points: Points
    descriptors: NDArray[np.float32]
    time: float


@dataclass(frozen=True)
class _Vote:
    """What one picture says: the room's shift (2,) in pixels, and its size as a share of the width."""

    time: float
    shift: NDArray[np.float64]
    size: float
    confidence: float


def camera_moves(
    times: NDArray[np.float64],
    pictures: Iterable[Picture],
    people: Iterable[NDArray[np.float32]],
    config: BackgroundConfig | None = None,
) -> list[Move]:
    """When a fixed camera was moved.

    Args:
        times: (K,) seconds, rising.
        pictures: K grey pictures (h, w), all of one size.
        people: K arrays of boxes (N, 4) to be left out, in pixels of the pictures.
        config: settings.

    Returns:
        Moves in order of time. After a move the new place is what later pictures are compared with.
    """
    config = config or BackgroundConfig()
    watch = _Watch(config)
    for time, picture, boxes in zip(times, pictures, people, strict=True):
        watch.look(float(time), picture, boxes)
    return watch.moves


class _Watch:
    """The state of a view from picture to picture."""

    def __init__(self, config: BackgroundConfig) -> None:
        self.config = config
        self.moves: list[Move] = []
        self._sift = cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=CONTRAST)
        self._looks: list[_Look] = []
        self._glance: NDArray[np.float32] | None = None
        self._still = 0.0
        self._votes: list[_Vote] = []
        self._strange: list[float] = []

    def look(self, time: float, picture: Picture, boxes: NDArray[np.float32]) -> None:
        """Take one picture in."""
        glance = _normal(picture)
        if self._glance is not None and not self._votes and _same(self._glance, glance):
            self._stays(time)
            return
        points, descriptors = self._features(picture, boxes)
        if len(points) < 2 * self.config.least_points:
            return
        seen = _Look(points, descriptors, time)
        if not self._looks:
            self._settle(seen, glance)
            return
        vote = self._vote(time, points, descriptors, picture.shape[1])
        if vote is None:
            self._unlike(seen, glance)
        elif vote.size < self.config.least_shift:
            self._stays(time)
            self._remember(replace(seen, points=points - vote.shift.astype(np.float32)), glance)
        else:
            self._strange = []
            self._shifted(vote, seen, glance)

    def _stays(self, time: float) -> None:
        self._still, self._votes, self._strange = time, [], []

    def _settle(self, look: _Look, glance: NDArray[np.float32]) -> None:
        self._looks, self._glance = [look], glance
        self._stays(look.time)

    def _remember(self, look: _Look, glance: NDArray[np.float32]) -> None:
        self._glance = glance
        if look.time - self._looks[-1].time >= self.config.refresh_s:
            self._looks = [self._looks[0], *self._looks[1:][-1:], look]

    def _shifted(self, vote: _Vote, look: _Look, glance: NDArray[np.float32]) -> None:
        width = glance.shape[1]
        if self._votes and np.linalg.norm(self._votes[-1].shift - vote.shift) > self.config.least_shift * width:
            self._votes = []
        self._votes.append(vote)
        if len(self._votes) >= self.config.votes:
            sure = float(np.mean([v.confidence for v in self._votes]))
            first = self._votes[0].time
            self.moves.append(Move(self._still, first, vote.time, vote.size, sure))
            self._settle(look, glance)

    def _unlike(self, look: _Look, glance: NDArray[np.float32]) -> None:
        """A picture with enough to see, but nothing of it known."""
        self._strange.append(look.time)
        if look.time - self._strange[0] >= self.config.strange_s and len(self._strange) > self.config.votes:
            self.moves.append(Move(self._still, self._strange[0], look.time, float("nan"), 0.5))
            self._settle(look, glance)

    def _features(self, picture: Picture, boxes: NDArray[np.float32]) -> tuple[Points, NDArray[np.float32]]:
        found, descriptors = self._sift.detectAndCompute(picture, _free(picture.shape, boxes))
        if descriptors is None:
            return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
        return np.array([point.pt for point in found], np.float32), descriptors

    def _vote(self, time: float, points: Points, descriptors: NDArray[np.float32], width: int) -> _Vote | None:
        """Where the room has gone, from the look that has most in common; None if none has enough."""
        best: _Vote | None = None
        most = 0
        for look in self._looks:
            p, q = _matches(look, points, descriptors)
            if len(p) < self.config.least_points:
                continue
            near = np.linalg.norm(q - p, axis=1) < self.config.least_shift * width
            stay = int(near.sum())
            cv2.setRNGSeed(0)
            _, mask = cv2.findHomography(p, q, cv2.RANSAC, FIT)
            agree = np.zeros(len(p), bool) if mask is None else mask.ravel().astype(bool)
            count = int(agree.sum())
            if stay >= self.config.least_points and 2 * stay >= count:
                # The small rest is kept, so that a camera that sags slowly is compared with its first place.
                return _Vote(time, np.median((q - p)[near], axis=0).astype(np.float64), 0.0, 1.0)
            if count >= self.config.least_points and count > most:
                shift = np.median((q - p)[agree], axis=0).astype(np.float64)
                size = float(np.median(np.linalg.norm((q - p)[agree], axis=1))) / width
                best, most = _Vote(time, shift, size, count / (count + stay)), count
        return best


def _matches(look: _Look, points: Points, descriptors: NDArray[np.float32]) -> tuple[Points, Points]:
    """Matched points of a look and of a picture, (N, 2) each."""
    if len(look.points) < 2 or len(points) < 2:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    pairs = cv2.BFMatcher().knnMatch(look.descriptors, descriptors, k=2)
    good = [first for first, second in pairs if first.distance < RATIO * second.distance]
    return look.points[[m.queryIdx for m in good]], points[[m.trainIdx for m in good]]


def _free(shape: tuple[int, ...], boxes: NDArray[np.float32]) -> Picture:
    """255 where there is nobody, 0 in boxes with a margin."""
    mask = np.full(shape, 255, np.uint8)
    for x1, y1, x2, y2 in np.asarray(boxes, np.float64).reshape(-1, 4):
        dx, dy = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
        low, high = (np.maximum(np.round([y, x]), 0).astype(int) for y, x in ((y1 - dy, x1 - dx), (y2 + dy, x2 + dx)))
        mask[low[0] : high[0] + 1, low[1] : high[1] + 1] = 0
    return mask


def _normal(picture: Picture) -> NDArray[np.float32]:
    """Edges of a picture, whatever the light."""
    grey = cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.float32)
    fine: NDArray[np.float32] = grey - cv2.GaussianBlur(grey, (0, 0), 4.0)
    return fine


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether most tiles with something to see look the same in both."""
    height, width = (n // tiles * tiles for n, tiles in zip(a.shape, TILES, strict=True))
    blocks = [x[:height, :width].reshape(TILES[0], height // TILES[0], TILES[1], width // TILES[1]) for x in (a, b)]
    one, two = (x.transpose(0, 2, 1, 3).reshape(TILES[0] * TILES[1], -1) for x in blocks)
    power = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    textured = np.sqrt((one**2).mean(axis=1)) > 1.0
    if textured.sum() < 6:
        return False
    return bool(np.median((one * two).sum(axis=1)[textured] / np.maximum(power[textured], 1e-6)) >= ALIKE)
