"""Recordings for retrieval: people seen by several cameras, some badly in places, as tables with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from drape import tables
from drape.evaluation.truth import TRACKS
from drape.retrieval import RetrievalView
from drape.tracking import track_view

from support.ground import SIZE, scene

Weak = tuple[int, int, float, float, float | None]
"""View, person, from and to which second a person is seen badly, and with what score (None: not at all)."""


@dataclass
class Crowd:
    """Views with tracklets, what a perfect association would say of them, and the truth per view (``TRACKS``)."""

    views: list[RetrievalView]
    pairs: pa.Table
    identities: pa.Table
    expected: pa.Table
    truth: dict[str, pa.Table]


def crowd(
    views: int = 3,
    people: int = 5,
    seconds: float = 30,
    fps: float = 5.0,
    seed: int = 0,
    weak: Sequence[Weak] = (),
    mirror: int | None = None,
    posters: int = 0,
    clutter: float = 0.5,
    spread: float = 0.05,
) -> Crowd:
    """People walk through a room; everything that is not asked to be bad is seen well.

    Args:
        weak: who is seen badly where and when.
        mirror: a view that also shows person 0 mirrored.
        posters, clutter: false boxes that stand still, and that come and go.
        spread: error of expected boxes in heights.
    """
    made = scene(views, people, seconds, fps, clutter=clutter, posters=posters, mirror=mirror, seed=seed)
    rng = np.random.default_rng(seed)
    seen = []
    for v, (found, person) in enumerate(zip(made.views, made.truth, strict=True)):
        score = found.scores.astype(np.float64)
        score[person == -1] = np.minimum(score[person == -1], 0.3)
        keep = np.ones(len(found), bool)
        for view, who, start, stop, low in weak:
            bad = (person == who) & (found.time >= start) & (found.time < stop) & (view == v)
            score[bad] = 0.0 if low is None else low
            keep[bad] = low is not None
        seen.append((found, person, score, keep))
    parts = [_view(*one, fps=fps, count=round(seconds * fps)) for one in seen]
    truth = {found.view: _truth(found.frame, person, found.boxes) for found, person, _, _ in seen}
    rows = [
        (found.frame[keep], _within(found.frame[keep]), person[keep], found.boxes[keep], found.time[keep])
        for found, person, _, keep in seen
    ]
    names = [part.id for part in parts]
    return Crowd(
        parts, _pairs(names, rows, rng), _identities(names, rows), _expected(names, rows, seen, spread, rng), truth
    )


def _view(found, person, score, keep, fps, count) -> RetrievalView:
    index = np.arange(count)
    frames = tables.make(tables.FRAMES, frame=index, pts=index, time=index / fps)
    candidates = tables.make(
        tables.CANDIDATES,
        frame=found.frame[keep],
        time=found.time[keep],
        score=score[keep],
        **tables.box_columns(found.boxes[keep]),
    )
    return RetrievalView(found.view, SIZE, frames, candidates, track_view(frames, candidates, SIZE))


def _within(frame):
    return np.arange(len(frame)) - np.searchsorted(frame, frame)


def _truth(frame, person, boxes) -> pa.Table:
    real = np.flatnonzero(person >= 0)
    real = real[np.lexsort((person[real], frame[real]))]
    return tables.make(TRACKS, frame=frame[real], id=person[real], **tables.box_columns(boxes[real]))


def _pairs(names, rows, rng) -> pa.Table:
    out = []
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            (fa, ia, pa_, _, ta), (fb, ib, pb, _, _) = rows[a], rows[b]
            i, j = np.nonzero(fa[:, None] == fb[None])
            same = (pa_[i] == pb[j]) & (pa_[i] >= 0)
            p = np.where(same, rng.uniform(0.85, 0.98, len(i)), rng.uniform(0.0, 0.06, len(i)))
            out.append((ta[i], np.full(len(i), a), fa[i], ia[i], np.full(len(i), b), fb[j], ib[j], p, same))
    columns = [np.concatenate(c) for c in zip(*out, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    time, a, fa, ia, b, fb, ib, p, same = (c[order] for c in columns)
    ids = np.array(names)
    return tables.make(
        tables.PAIRS,
        time=time,
        view_a=ids[a],
        frame_a=fa,
        index_a=ia,
        view_b=ids[b],
        frame_b=fb,
        index_b=ib,
        probability=p,
        matched=same,
    )


def _identities(names, rows) -> pa.Table:
    parts = []
    for name, (frame, index, person, _, _) in zip(names, rows, strict=True):
        known = person != -1
        who = np.where(person <= -2, -2 - person, person)[known]
        columns = {"view": [name] * int(known.sum()), "frame": frame[known], "index": index[known]}
        parts.append(tables.make(tables.IDENTITIES, **columns, person=who, copy=(person <= -2)[known]))
    return pa.concat_tables(parts)


def _expected(names, rows, seen, spread, rng) -> pa.Table:
    """Everybody whom another view sees is expected where this view truly shows him."""
    out = []
    for v, (found, person, _, _) in enumerate(seen):
        real = np.flatnonzero(person >= 0)
        for w, (frame, index, other, _, _) in enumerate(rows):
            if w == v:
                continue
            i, j = np.nonzero((found.frame[real][:, None] == frame[None]) & (person[real][:, None] == other[None]))
            height = (found.boxes[real[i], 3] - found.boxes[real[i], 1])[:, None]
            boxes = found.boxes[real[i]] + rng.normal(0, spread, (len(i), 1)) * height * np.array([1, 1, 1, 1])
            out.append((np.full(len(i), v), found.frame[real[i]], found.time[real[i]], boxes, other[j], w, index[j]))
    columns = [np.concatenate([o[k] for o in out]) for k in (0, 1, 2, 3, 4)]
    source = np.concatenate([np.full(len(o[0]), o[5]) for o in out])
    index = np.concatenate([o[6] for o in out])
    order = np.lexsort((columns[4], columns[1], columns[0]))
    ids = np.array(names)
    return tables.make(
        tables.EXPECTED,
        view=ids[columns[0][order]],
        frame=columns[1][order],
        time=columns[2][order],
        person=columns[4][order],
        from_view=ids[source[order]],
        from_index=index[order],
        spread=np.full(len(order), spread),
        inside=np.full(len(order), 0.97),
        **tables.box_columns(columns[3][order].astype(np.float32)),
    )
