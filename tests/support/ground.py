"""Made-up people who walk on a floor, seen as boxes by several pinhole cameras: clutter, misses, and known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from drape.association.views import ViewBoxes, plain
from numpy.typing import NDArray

SIZE = (1280, 720)
ROOM = 4.0
"""Half the side of the floor that people walk on, in metres."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: image = K (R world + t), metres and pixels."""

    k: NDArray[np.float64]
    r: NDArray[np.float64]
    t: NDArray[np.float64]

    def project(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """World points (..., 3) to pixels (..., 2) and depth (...)."""
        seen = points @ self.r.T + self.t
        image = seen @ self.k.T
        return image[..., :2] / np.maximum(image[..., 2:], 1e-6), seen[..., 2]

    def turned(self, degrees: float) -> Camera:
        """The same camera, panned to its side."""
        a = np.deg2rad(degrees)
        pan = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        return Camera(self.k, pan @ self.r, pan @ self.t)


@dataclass(frozen=True)
class Scene:
    """A recording of made-up people.

    Attributes:
        views: detections per view, times on the view's own clock.
        truth: per view (N,) person of each detection, -1 for clutter, -2 - p for a reflection of person p.
        grid, paths: true times (G,) and floor positions (P, G, 2) in metres.
        cameras: one per view, before any turn.
    """

    views: list[ViewBoxes]
    truth: list[NDArray[np.int64]]
    grid: NDArray[np.float64]
    paths: NDArray[np.float64]
    cameras: list[Camera]

    def positions(self, time: float) -> NDArray[np.float64]:
        """Floor positions (P, 2) at a true time."""
        return np.stack([[np.interp(time, self.grid, path[:, axis]) for axis in (0, 1)] for path in self.paths])


def scene(
    views: int = 4,
    people: int = 8,
    seconds: float = 120,
    fps: float | Sequence[float] = 2.0,
    clutter: float = 0.0,
    miss: float = 0.0,
    noise: float = 0.02,
    static: int = 0,
    posters: int = 0,
    mirror: int | None = None,
    offset: Sequence[float] | None = None,
    drift: Sequence[float] | None = None,
    turn: tuple[int, float, float] | None = None,
    absent: tuple[int, float, float] | None = None,
    speed: float = 0.8,
    seed: int = 0,
) -> Scene:
    """People walk, stand and walk on; every camera gives a box for each person in its picture.

    Args:
        views: number of cameras, in a ring around the floor.
        people: number of persons; the first ``static`` of them never move.
        seconds: length of the recording.
        fps: frames per second, one for all views or one per view.
        clutter: expected number of false boxes per frame, anywhere.
        miss: probability that a person gives no box.
        noise: standard deviation of the boxes' edges, in shares of their size.
        posters: false boxes per view that stand in one place for the whole recording.
        mirror: a view that also shows person 0 mirrored at its middle.
        offset, drift: per view; true time = offset + (1 + drift) * own time.
        turn: (view, true time, degrees): the camera is panned from then on.
        absent: (view, start, stop): the view gives no frames in these true times.
        speed: walking speed in m/s.
    """
    rng = np.random.default_rng(seed)
    grid = np.arange(0, seconds + 60.0, 0.1)
    paths = np.stack([_path(rng, grid, 0.0 if p < static else speed) for p in range(people)])
    bodies = np.stack([rng.uniform(1.55, 1.95, people), rng.uniform(0.24, 0.34, people)], axis=1)
    cameras = [_camera(2 * np.pi * v / views + rng.uniform(-0.3, 0.3), rng) for v in range(views)]
    rates = [float(fps)] * views if isinstance(fps, (int, float)) else [float(f) for f in fps]
    shifts = [0.0] * views if offset is None else list(offset)
    drifts = [0.0] * views if drift is None else list(drift)
    found, truth = [], []
    for v in range(views):
        own = np.arange(0, seconds, 1 / rates[v])
        true = shifts[v] + (1 + drifts[v]) * own
        known = (true >= 0) & (true <= seconds)
        if absent is not None and absent[0] == v:
            known &= (true < absent[1]) | (true >= absent[2])
        at = np.flatnonzero(known)
        fixed = _anywhere(rng, posters)
        rows = []
        for frame in at:
            camera = cameras[v]
            if turn is not None and turn[0] == v and true[frame] >= turn[1]:
                camera = camera.turned(turn[2])
            floor = np.stack([[np.interp(true[frame], grid, path[:, axis]) for axis in (0, 1)] for path in paths])
            rows += _frame(rng, camera, floor, bodies, int(frame), clutter, miss, noise, fixed, mirror == v)
        array = np.array(rows, np.float64).reshape(-1, 7)
        frame, person = array[:, 0].astype(np.int64), array[:, 6].astype(np.int64)
        found.append(
            plain(
                f"view{v + 1}",
                frame,
                own[frame],
                array[:, 1:5],
                array[:, 5],
                _tracklets(frame, person, rates[v]),
                SIZE,
                own[at],
            )
        )
        truth.append(person)
    return Scene(found, truth, grid, paths, cameras)


def _path(rng: np.random.Generator, grid: NDArray[np.float64], speed: float) -> NDArray[np.float64]:
    """Straight walks between random places, with stands of 0 to 6 s between them, (G, 2)."""
    place = rng.uniform(-0.9 * ROOM, 0.9 * ROOM, 2)
    if speed <= 0:
        return np.repeat(place[None], len(grid), axis=0)
    times, places = [0.0], [place]
    while times[-1] <= grid[-1]:
        target = rng.uniform(-0.9 * ROOM, 0.9 * ROOM, 2)
        walk = np.linalg.norm(target - places[-1]) / (speed * rng.uniform(0.6, 1.4))
        times += [times[-1] + walk, times[-1] + walk + rng.uniform(0.1, 6)]
        places += [target, target]
    corners = np.stack(places)
    return np.stack([np.interp(grid, times, corners[:, axis]) for axis in (0, 1)], axis=1)


def _camera(angle: float, rng: np.random.Generator) -> Camera:
    centre = np.array([np.cos(angle) * 1.5 * ROOM, np.sin(angle) * 1.5 * ROOM, rng.uniform(2.4, 3.2)])
    forward = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5), 0.8]) - centre
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    r = np.stack([right, np.cross(forward, right), forward])
    focal = rng.uniform(620, 760)
    k = np.array([[focal, 0, SIZE[0] / 2], [0, focal, SIZE[1] / 2], [0, 0, 1]])
    return Camera(k, r, -r @ centre)


def _boxes(
    camera: Camera, floor: NDArray[np.float64], bodies: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Boxes (P, 4) around upright cylinders, cut at the picture's edges, and whether most of each is in the picture."""
    around = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([np.cos(around), np.sin(around)], axis=1)
    sides = floor[:, None] + bodies[:, 1, None, None] * ring
    ends = np.stack([np.zeros(len(floor)), bodies[:, 0]], axis=1)
    points = np.concatenate(
        [
            np.broadcast_to(sides[:, None], (len(floor), 2, 8, 2)),
            np.broadcast_to(ends[:, :, None, None], (len(floor), 2, 8, 1)),
        ],
        axis=-1,
    )
    image, depth = camera.project(points)
    flat = image.reshape(len(floor), -1, 2)
    whole = np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1)
    cut = np.clip(whole, 0, np.array([*SIZE, *SIZE], np.float64))
    area = np.prod(whole[:, 2:] - whole[:, :2], axis=1)
    inside = np.prod(np.maximum(cut[:, 2:] - cut[:, :2], 0), axis=1) > 0.4 * area
    return cut, inside & (depth.reshape(len(floor), -1).min(axis=1) > 0.3)


def _anywhere(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """False boxes anywhere in the picture, (count, 4)."""
    height = rng.uniform(80, 300, count)
    width = height * rng.uniform(0.3, 0.6, count)
    left, top = rng.uniform(0, SIZE[0] - width), rng.uniform(0, SIZE[1] - height)
    return np.stack([left, top, left + width, top + height], axis=1)


def _frame(
    rng: np.random.Generator,
    camera: Camera,
    floor: NDArray[np.float64],
    bodies: NDArray[np.float64],
    frame: int,
    clutter: float,
    miss: float,
    noise: float,
    fixed: NDArray[np.float64],
    mirror: bool,
) -> list[tuple[float, ...]]:
    """Rows (frame, box, score, person)."""
    boxes, seen = _boxes(camera, floor, bodies)
    seen &= rng.random(len(floor)) >= miss
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    noisy = np.clip(boxes + rng.normal(0, noise, boxes.shape) * size, 0, np.array([*SIZE, *SIZE], np.float64))
    rows = [(frame, *noisy[p], float(np.clip(rng.normal(0.8, 0.1), 0.3, 0.99)), p) for p in np.flatnonzero(seen)]
    if mirror and seen[0]:
        x1, y1, x2, y2 = noisy[0]
        rows.append((frame, SIZE[0] - x2, y1, SIZE[0] - x1, y2, 0.5, -2))
    still = fixed + rng.normal(0, 1.0, fixed.shape)
    false = np.concatenate([still, _anywhere(rng, int(rng.poisson(clutter)))])
    rows += [(frame, *box, float(rng.uniform(0.1, 0.6)), -1) for box in false]
    return [row for row in rows if row[3] - row[1] > 1 and row[4] - row[2] > 1]


def _tracklets(frame: NDArray[np.int64], person: NDArray[np.int64], fps: float) -> NDArray[np.int64]:
    """A tracklet per person and view, broken where it was not seen for 2 s; -1 for clutter."""
    out, count = np.full(len(frame), -1, np.int64), 0
    for p in np.unique(person[person != -1]):
        rows = np.flatnonzero(person == p)
        pieces = np.concatenate([[0], np.cumsum(np.diff(frame[rows]) > 2 * fps)])
        out[rows] = count + pieces
        count += int(pieces[-1]) + 1
    return out
