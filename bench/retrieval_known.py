"""What a fair association would say of simulated people: made from the truth, with errors put in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from drape import tables
from drape.boxes import as_boxes
from drape.retrieval import RetrievalView
from numpy.typing import NDArray

from bench.retrieval_scenes import FPS, Simulated, Table

FAR_S = 4.0
"""Seconds to the next time a person shows in a view after which his place there is only guessed."""
BLOCK = 25
"""Frames over which such guesses are equally sure."""

Ints = NDArray[np.int64]
Known = tuple[pa.Table | None, pa.Table | None, pa.Table | None]


def association(made: Simulated, noise: float, seed: int) -> Known:
    """``PAIRS``, ``IDENTITIES`` and ``EXPECTED``; None for one view.

    Args:
        made: the recording.
        noise: 1 as a fair association, more is worse.
        seed: of the errors.
    """
    if len(made.views) == 1:
        return None, None, None
    rng = np.random.default_rng(seed)
    who = [_named(view, shown, noise, rng) for view, shown in zip(made.views, made.shown, strict=True)]
    return _pairs(made, rng), _identities(made.views, who), _expected(made, who, noise, rng)


def _named(view: RetrievalView, shown: Ints, noise: float, rng: np.random.Generator) -> Ints:
    """(N,) the person of every candidate: that of most of its tracklet, now and then wrong or unknown."""
    who = np.full(len(shown), -1, np.int64)
    t = view.tracklets
    candidate = t.column("candidate").combine_chunks().fill_null(-1).to_numpy()
    known = candidate >= 0
    frame = view.candidates.column("frame").to_numpy()
    at = np.searchsorted(frame, t.column("frame").to_numpy()[known]) + candidate[known]
    number = t.column("tracklet").to_numpy()[known]
    for k in np.unique(number):
        values, counts = np.unique(shown[at[number == k]], return_counts=True)
        best = int(values[counts.argmax()])
        best = int(rng.integers(0, 8)) if rng.random() < 0.04 * noise else best
        who[at[number == k]] = -1 if rng.random() < 0.08 * noise else best
    alone = (who == -1) & (view.candidates.column("score").to_numpy() >= 0.3) & (rng.random(len(who)) < 0.7)
    who[alone] = shown[alone]
    first = np.zeros(len(who), bool)
    first[np.unique(frame.astype(np.int64) * 100 + who, return_index=True)[1]] = True
    return np.where(first, who, -1)


def _within(frame: NDArray) -> Ints:
    return np.arange(len(frame)) - np.searchsorted(frame, frame)


def _pairs(made: Simulated, rng: np.random.Generator) -> pa.Table:
    parts = []
    for a, one in enumerate(made.views):
        for b, two in list(enumerate(made.views))[a + 1 :]:
            fa, fb = (v.candidates.column("frame").to_numpy() for v in (one, two))
            low, high = np.searchsorted(fb, fa), np.searchsorted(fb, fa, "right")
            i = np.repeat(np.arange(len(fa)), high - low)
            j = np.arange(len(i)) - np.repeat(np.cumsum(high - low) - high, high - low)
            same = (made.shown[a][i] == made.shown[b][j]) & (made.shown[a][i] >= 0)
            wrong = np.where(rng.random(len(i)) < 0.15, rng.uniform(0.02, 0.3, len(i)) ** 1.5, 0.0)
            p = np.where(same, 1 / (1 + np.exp(-rng.normal(2.0, 1.5, len(i)))), wrong)
            keep = p >= 0.02
            i, j, p = i[keep], j[keep], p[keep]
            columns = {"view_a": [one.id] * len(i), "frame_a": fa[i], "index_a": _within(fa)[i]}
            columns |= {"view_b": [two.id] * len(i), "frame_b": fb[j], "index_b": _within(fb)[j]}
            parts.append(tables.make(tables.PAIRS, time=fa[i] / FPS, **columns, probability=p, matched=p > 0.5))
    return pa.concat_tables(parts).sort_by("time")


def _identities(views: Sequence[RetrievalView], who: Sequence[Ints]) -> pa.Table:
    parts = []
    for view, person in zip(views, who, strict=True):
        frame, known = view.candidates.column("frame").to_numpy(), person >= 0
        columns = {"frame": frame[known], "index": _within(frame)[known], "person": person[known]}
        parts.append(
            tables.make(
                tables.IDENTITIES, view=[view.id] * int(known.sum()), **columns, copy=np.zeros(known.sum(), bool)
            )
        )
    return pa.concat_tables(parts)


def _expected(made: Simulated, who: Sequence[Ints], noise: float, rng: np.random.Generator) -> pa.Table:
    """Everybody seen in one view, where the others show him; where they do not, vaguely where they last did."""
    parts = []
    for view, rows in zip(made.views, made.people.rows, strict=True):
        boxes, away = _courses(rows, made.people.frames)
        count = len(boxes)
        vague = rng.uniform(0.02, 0.5, (count, made.people.frames // BLOCK + 1)) ** rng.choice([1, 2])
        asked = rng.random(count) < 0.6
        for source, person in zip(made.views, who, strict=True):
            if source.id == view.id:
                continue
            k = np.flatnonzero((person >= 0) & (person < count))
            frame = source.candidates.column("frame").to_numpy().astype(np.int64)
            p, f = person[k], frame[k]
            keep = np.isfinite(boxes[p, f, 0]) & ((away[p, f] < FAR_S) | asked[p])
            k, p, f = k[keep], p[keep], f[keep]
            inside = np.where(away[p, f] < FAR_S, np.clip(0.97 - 0.15 * away[p, f], 0.05, 1), vague[p, f // BLOCK])
            spread = float(rng.uniform(0.06, 0.2)) * noise
            offset = rng.normal(0, 0.7 * spread, (count, 4))
            shake = np.tile(rng.normal(0, spread, (made.people.frames, 2)), 2)[f] * np.array([1, 0.5, 1, 0.5])
            here = boxes[p, f]
            here = here + (here[:, 3:] - here[:, 1:2]) * (offset[p] + shake)
            columns = {"view": [view.id] * len(k), "frame": f, "time": f / FPS, "person": p, "inside": inside}
            columns |= {"from_view": [source.id] * len(k), "from_index": _within(frame)[k]}
            columns |= {"spread": np.full(len(k), 1.2 * spread), **tables.box_columns(as_boxes(here))}
            parts.append(tables.make(tables.EXPECTED, **columns))
    return pa.concat_tables(parts).sort_by([("view", "ascending"), ("frame", "ascending"), ("person", "ascending")])


def _courses(rows: Table, frames: int) -> tuple[Table, Table]:
    """Boxes (P, F, 4) of every person, interpolated where the view does not show him, NaN where it never does; and
    seconds to the nearest frame that does (P, F)."""
    count, at = int(rows[:, 1].max(initial=-1)) + 1, np.arange(frames)
    boxes, away = np.full((count, frames, 4), np.nan), np.full((count, frames), np.inf)
    for p in np.unique(rows[:, 1]).astype(int):
        mine = rows[rows[:, 1] == p]
        frame = mine[:, 0]
        boxes[p] = np.stack([np.interp(at, frame, mine[:, 2 + c]) for c in range(4)], axis=1)
        after = np.minimum(np.searchsorted(frame, at), len(frame) - 1)
        away[p] = np.minimum(np.abs(frame[after] - at), np.abs(frame[np.maximum(after - 1, 0)] - at)) / FPS
    return boxes, away
