"""Pseudo labels of a recording: from persons to frames that teach a detector."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.adaptation.choosing import Choice, Seen, choose, choose_evenly
from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.frames import by_frame
from drape.adaptation.marking import REVIEWED, Marks, by_frames, joined, leftovers, mark_persons, misses
from drape.adaptation.rival_labels import rival_marks
from drape.adaptation.taught import LabelledFrame
from drape.boxes import iou, nms
from drape.errors import AdaptationError
from drape.tables import CHOSEN, LABELS, MISSED, PERSONS, box_columns, boxes_of, empty, make

__all__ = ["LabelledFrame", "labelled_frames", "pseudo_labels"]

TWICE = 0.7
"""Labels of a frame that overlap more are of one person."""
SAME = 0.5
"""An ignored region, or a curator's word that nobody is there, speaks of boxes that overlap it at least so much."""
ACCEPTED = 0.5

Tables = Mapping[str, pa.Table]

_NONE = Marks(
    np.zeros(0, np.int32),
    np.zeros((0, 4), np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.str_),
    np.zeros(0, np.float32),
    np.zeros(0, bool),
)


def pseudo_labels(
    persons: Tables,
    covered: Tables,
    candidates: Tables,
    sizes: Mapping[str, tuple[int, int]],
    glimpses: Tables,
    config: LabelConfig | None = None,
    reviewed: Tables | None = None,
    missed: Tables | None = None,
    frames: Tables | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Choose frames of a recording and say what is to be learned in each.

    Args:
        persons: ``PERSONS`` per view.
        covered: ``COVERED`` per view; only frames that are known there can be chosen.
        candidates: ``CANDIDATES`` per view, of the detection that ``persons`` were made of, whole frames of it.
        sizes: width and height per view.
        glimpses: ``GLIMPSES`` per view.
        config: settings.
        reviewed: ``PERSONS`` per view that a curator decided: existence of at least .5, a person who is taught with
            weight 1; below, nobody is there, and the place is background whatever was found.
        missed: ``MISSED`` per view: places that are ignored.
        frames: ``FRAMES`` per view; without it, times of frames are interpolated between those of the other tables.

    Returns:
        ``LABELS`` and ``CHOSEN``. Both are empty if there is no person to learn from.

    Raises:
        AdaptationError: nothing tells the time of a view's frames.
    """
    config = config or LabelConfig()
    views = {}
    for name, found in persons.items():
        words = (reviewed or {}).get(name, empty(PERSONS))
        known = covered[name].filter(covered[name].column("known")).column("frame").to_numpy()
        times = _times(name, known, frames, found, candidates[name], glimpses[name])
        lost = (missed or {}).get(name, empty(MISSED))
        marks = _marks(found, candidates[name], words, lost, glimpses[name], sizes[name], config)
        decided = np.unique(words.column("frame").to_numpy())
        views[name] = Seen(known, times, marks, decided, glimpses[name], sizes[name])
    if config.rule != "weighted":
        chosen = choose_evenly(views, config)
        for name, seen in views.items():
            taken = _frames_of(chosen, name)
            marks = rival_marks(persons[name], candidates[name], taken, sizes[name], config)
            views[name] = seen._replace(marks=marks)
        return _tables(views, chosen, tidy=False)
    return _tables(views, choose(views, config), tidy=True)


def labelled_frames(labels: pa.Table, chosen: pa.Table) -> list[LabelledFrame]:
    """``LABELS`` and ``CHOSEN`` frame by frame, in the order of ``chosen``; background frames have no boxes."""
    view, frame = labels.column("view").to_numpy(zero_copy_only=False), labels.column("frame").to_numpy()
    boxes, weight = boxes_of(labels), labels.column("weight").to_numpy()
    ignored = labels.column("ignored").to_numpy(zero_copy_only=False)
    rows: dict[tuple[str, int], list[int]] = {}
    for k, key in enumerate(zip(view.tolist(), frame.tolist(), strict=True)):
        rows.setdefault(key, []).append(k)
    found = []
    for name, index in zip(chosen.column("view").to_pylist(), chosen.column("frame").to_pylist(), strict=True):
        mine = np.array(rows.get((name, index), []), np.int64)
        taught, left = mine[~ignored[mine]], mine[ignored[mine]]
        found.append(LabelledFrame(name, index, boxes[taught], weight[taught].astype(np.float32), boxes[left]))
    return found


def _marks(
    persons: pa.Table,
    candidates: pa.Table,
    words: pa.Table,
    lost: pa.Table,
    glimpses: pa.Table,
    size: tuple[int, int],
    config: LabelConfig,
) -> Marks:
    """What all the boxes of a view are; a curator's come first and are the last word."""
    yes = pc.greater_equal(words.column("existence"), ACCEPTED)
    marks = by_frames(
        [
            mark_persons(persons, glimpses, size, config),
            leftovers(candidates, persons, size, config),
            misses(lost, size, config),
        ]
    )
    nobody = words.filter(pc.invert(yes))
    marks = marks.take(~_spoken_of(marks, nobody))
    told = words.filter(yes)
    told = told.set_column(
        told.schema.get_field_index("source"), "source", pa.array([REVIEWED] * len(told), pa.string())
    )
    return by_frames([mark_persons(told, glimpses, size, config), marks])


def _spoken_of(marks: Marks, nobody: pa.Table) -> NDArray[np.bool_]:
    """(N,) boxes that lie where a curator saw nobody."""
    out = np.zeros(len(marks.frame), bool)
    nobody = nobody.sort_by("frame")
    where = boxes_of(nobody)
    frames = np.unique(nobody.column("frame").to_numpy())
    for mine, theirs in by_frame(frames, pa.table({"frame": marks.frame}), nobody):
        out[mine] = (iou(marks.boxes[mine], where[theirs]) >= SAME).any(axis=1)
    return out


def _times(name: str, known: NDArray[np.integer], frames: Tables | None, *others: pa.Table) -> NDArray[np.float64]:
    """(F,) times of frames."""
    tables = [frames[name]] if frames is not None else list(others)
    at = np.concatenate([table.column("frame").to_numpy() for table in tables])
    when = np.concatenate([table.column("time").to_numpy() for table in tables]).astype(np.float64)
    at, first = np.unique(at, return_index=True)
    if len(known) == 0:
        return np.zeros(0)
    if len(at) < 2 and not np.isin(known, at).all():
        raise AdaptationError(f"Nothing tells the times of the frames of {name}", "Run the detection again")
    when = when[first]
    times = np.interp(known, at, when)
    if known[-1] > at[-1]:
        step = (when[-1] - when[0]) / (at[-1] - at[0])
        times = np.where(known > at[-1], when[-1] + (known - at[-1]) * step, times)
    return np.asarray(times, np.float64)


def _frames_of(chosen: list[Choice], view: str) -> NDArray[np.int32]:
    return np.array([one.frame for one in chosen if one.view == view], np.int32)


def _tidied(marks: Marks) -> Marks:
    """One frame's boxes: no person twice, and nothing ignored where a person is taught."""
    taught = np.flatnonzero(marks.weight > 0)
    taught = np.sort(taught[nms(marks.boxes[taught], marks.weight[taught], TWICE)])
    left = np.flatnonzero(marks.weight == 0)
    over = iou(marks.boxes[left], marks.boxes[taught]) >= SAME
    return marks.take(np.concatenate([taught, left[~over.any(axis=1)]]))


def _tables(views: Mapping[str, Seen], chosen: list[Choice], tidy: bool) -> tuple[pa.Table, pa.Table]:
    parts, names, times = [], [], []
    for name, seen in views.items():
        mine = [one for one in chosen if one.view == name]
        spans = by_frame(_frames_of(chosen, name), pa.table({"frame": seen.marks.frame}))
        for one, (rows,) in zip(mine, spans, strict=True):
            marks = seen.marks.take(np.arange(rows.start, rows.stop))
            parts.append(_tidied(marks) if tidy else marks)
            names += [name] * len(parts[-1].frame)
            times += [one.time] * len(parts[-1].frame)
    marks = joined([_NONE, *parts])
    labels = make(
        LABELS,
        view=names,
        frame=marks.frame,
        time=np.array(times, np.float64),
        **box_columns(marks.boxes),
        weight=marks.weight,
        ignored=marks.weight == 0,
        source=marks.source.tolist(),
    )
    view, frame, time, reason = zip(*chosen, strict=True) if chosen else ((), (), (), ())
    return labels, make(CHOSEN, view=view, frame=frame, time=time, reason=reason)
