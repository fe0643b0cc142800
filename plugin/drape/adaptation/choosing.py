"""Which frames a detector learns from: spread over time, different from each other, the hard ones first."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.adaptation.config_labels import LabelConfig
from drape.tables import CHOSEN, boxes_of, make

HARD = "hard"
VARIED = "varied"
BACKGROUND = "background"
REGULAR = "regular"
"""Reasons for which a frame was chosen."""

_RETRIEVED = ("tracked", "associated", "reviewed")
_GRID = (24, 16)
_LIGHT = (16, 9)
_HARD_BONUS = 0.5

Array = NDArray[np.float64]


def chosen_frames(
    view: str,
    known: NDArray[np.int32],
    labels: pa.Table,
    candidates: pa.Table,
    size: tuple[int, int],
    glimpses: pa.Table,
    quota: int,
    config: LabelConfig,
) -> pa.Table:
    """The frames of one view to learn from, at most ``quota``, as ``CHOSEN``.

    Args:
        view: its id.
        known: frames of which the detector could say something.
        labels: ``LABELS`` of all its frames.
        candidates: ``CANDIDATES`` of the view.
        size: width and height of its frames.
        glimpses: ``GLIMPSES`` of the view.
        quota: most frames to choose.
        config: settings.
    """
    known = np.sort(known)
    times = _times(known, labels, candidates, glimpses)
    taught = labels.filter(pc.invert(labels.column("ignored"))) if labels.num_rows else labels
    with_persons = np.intersect1d(known, np.unique(taught.column("frame").to_numpy()))
    if config.rule != "weighted":
        step = np.unique(np.linspace(0, len(with_persons) - 1, min(quota, len(with_persons))).round().astype(int))
        picked = with_persons[step] if len(with_persons) else with_persons
        return _table(view, picked, times, known, [REGULAR] * len(picked))
    hard = _hardness(with_persons, taught)
    thin = _thinned(with_persons, times[np.searchsorted(known, with_persons)], hard, config.least_gap_s)
    looks = _looks(with_persons[thin], taught, size, glimpses)
    order = _greedy(looks, hard[thin], quota, config)
    picked = with_persons[thin][order]
    reasons = [HARD if value > 0 else VARIED for value in hard[thin][order]]
    empty = _empty(known, labels, candidates, config)
    room = min(int(config.background * quota), max(0, quota - len(picked)) + int(config.background * len(picked)))
    still = np.unique(np.linspace(0, len(empty) - 1, min(room, len(empty))).round().astype(int)) if len(empty) else []
    nobody = empty[still] if len(empty) else empty
    return _table(view, np.r_[picked, nobody], times, known, [*reasons, *[BACKGROUND] * len(nobody)])


def _times(known: NDArray[np.int32], *tables: pa.Table) -> Array:
    """(N,) time of each known frame, from whatever table says one, and in between by interpolation."""
    frames = np.concatenate([table.column("frame").to_numpy() for table in tables])
    seconds = np.concatenate([table.column("time").to_numpy() for table in tables])
    if not len(frames):
        return known.astype(np.float64)
    at, first = np.unique(frames, return_index=True)
    return np.interp(known, at, seconds[first])


def _hardness(frames: NDArray[np.int32], taught: pa.Table) -> Array:
    """(N,) how many persons of each frame a detector alone would hardly find."""
    retrieved = pc.is_in(taught.column("source"), pa.array(_RETRIEVED)).to_numpy(zero_copy_only=False)
    faint = taught.column("weight").to_numpy() < 1
    value = retrieved + 0.25 * (faint & ~retrieved) * (1 - taught.column("weight").to_numpy())
    at = np.searchsorted(frames, taught.column("frame").to_numpy())
    inside = (at < len(frames)) & (frames[np.minimum(at, len(frames) - 1)] == taught.column("frame").to_numpy())
    return np.bincount(at[inside], value[inside], minlength=len(frames)) if len(frames) else np.zeros(0)


def _thinned(frames: NDArray[np.int32], times: Array, hard: Array, gap: float) -> NDArray[np.int64]:
    """Positions of frames at least ``gap`` seconds apart: the hardest first, then as they come."""
    if gap <= 0:
        return np.arange(len(frames))
    taken: list[int] = []
    seconds: list[float] = []
    for place in np.lexsort((np.arange(len(frames)), -np.round(hard, 3))):
        near = np.searchsorted(seconds, times[place])
        before = near > 0 and times[place] - seconds[near - 1] < gap
        after = near < len(seconds) and seconds[near] - times[place] < gap
        if not (before or after):
            seconds.insert(int(near), float(times[place]))
            taken.append(int(place))
    return np.sort(np.array(taken, np.int64))


def _looks(frames: NDArray[np.int32], taught: pa.Table, size: tuple[int, int], glimpses: pa.Table) -> Array:
    """What each frame looks like, (N, D): where people are, and the room's light at that time, both in shares."""
    places = np.zeros((len(frames), _GRID[1], _GRID[0]))
    scale = np.tile(np.array(_GRID) / np.array(size), 2)
    at = taught.column("frame").to_numpy()
    for place, frame in enumerate(frames):
        rows = slice(np.searchsorted(at, frame), np.searchsorted(at, frame, "right"))
        for x1, y1, x2, y2 in boxes_of(taught.slice(rows.start, rows.stop - rows.start)) * scale:
            low = np.floor([x1, y1]).astype(int).clip(0)
            high = np.ceil([x2, y2]).astype(int).clip(0)
            places[place, low[1] : high[1], low[0] : high[0]] = 1
    return np.concatenate([places.reshape(len(frames), -1), _light(frames, glimpses)], axis=1)


def _light(frames: NDArray[np.int32], glimpses: pa.Table) -> Array:
    """(N, 144) the last glimpse before each frame, small, in [0, 1]."""
    if not glimpses.num_rows:
        return np.zeros((len(frames), _LIGHT[0] * _LIGHT[1]))
    pictures = []
    for picture in glimpses.column("picture"):
        grey = cv2.imdecode(np.frombuffer(picture.as_py(), np.uint8), cv2.IMREAD_GRAYSCALE)
        pictures.append(cv2.resize(grey, _LIGHT, interpolation=cv2.INTER_AREA).ravel() / 255)
    at = np.searchsorted(glimpses.column("frame").to_numpy(), frames, "right") - 1
    return np.array(pictures)[at.clip(0)]


def _greedy(looks: Array, hard: Array, quota: int, config: LabelConfig) -> NDArray[np.int64]:
    """Positions of frames, each as different as can be from those before it; hard ones are preferred."""
    count = len(looks)
    bonus = _HARD_BONUS * hard / max(float(hard.max(initial=0)), 1e-9) if count else hard
    jitter = np.random.default_rng(config.seed).random(count) * 1e-6
    away = np.ones(count)
    free = np.ones(count, bool)
    taken: list[int] = []
    while len(taken) < min(quota, count):
        able = free & ((away >= config.least_novelty) | (hard >= 1))
        if not able.any():
            break
        best = int(np.argmax(np.where(able, away + bonus + jitter, -1)))
        taken.append(best)
        free[best] = False
        away = np.minimum(away, _apart(looks, looks[best]))
    return np.sort(np.array(taken, np.int64))


def _apart(looks: Array, other: Array) -> Array:
    """(N,) how different frames are from another: the share of covered places that only one of them covers, plus how
    much the light differs."""
    split = _GRID[0] * _GRID[1]
    ours, theirs = looks[:, :split], other[:split]
    either = np.maximum(ours, theirs).sum(axis=1)
    places = np.abs(ours - theirs).sum(axis=1) / np.maximum(either, 1)
    return places + np.abs(looks[:, split:] - other[split:]).mean(axis=1)


def _empty(known: NDArray[np.int32], labels: pa.Table, candidates: pa.Table, config: LabelConfig) -> NDArray[np.int32]:
    """Known frames in which nothing at all speaks for a person."""
    strong = candidates.filter(pc.greater_equal(candidates.column("score"), config.ignore_score))
    busy = np.union1d(labels.column("frame").to_numpy(), strong.column("frame").to_numpy())
    return np.setdiff1d(known, busy)


def _table(
    view: str, frames: NDArray[np.int32], times: Array, known: NDArray[np.int32], reasons: list[str]
) -> pa.Table:
    order = np.argsort(frames, kind="stable")
    return make(
        CHOSEN,
        view=[view] * len(frames),
        frame=frames[order].astype(np.int32),
        time=times[np.searchsorted(known, frames[order])] if len(frames) else np.zeros(0),
        reason=[reasons[i] for i in order],
    )
