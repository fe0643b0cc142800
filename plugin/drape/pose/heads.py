"""The region of every person's head: a convex polygon that covers hair, cap, ears and neck, and how it was found.

The rules, in the order in which they are tried (``HEAD_RULES``):

- ``key_points``: the head's centre follows from its points and the shoulders, surely enough.
- ``over_time``: it does not, but in frames of the same tracklet close by; the place runs with the box between them.
- ``over_views``: other views of the instant say how far down the box the head reaches; the box's width is kept.
- ``upper_box``: the upper part of the box.
- ``whole_box``: the box, where that somebody is there is doubtful, or where somebody bends or lies and the head may be
  anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.errors import WorkspaceError
from drape.pose.head_config import HeadConfig
from drape.pose.head_fit import centres
from drape.pose.head_points import Stance, points_of, scale_of, stance_of
from drape.pose.head_rules import Chosen, Found, People, choose
from drape.pose.head_shape import corners, head_and_neck
from drape.pose.head_template import HALF_AXES
from drape.pose.head_views import reach_elsewhere, seen_elsewhere
from drape.progress import Progress, silent
from drape.tables import HEAD_RULES, HEADS, box_columns, boxes_of, make

_CHUNK = 20_000
"""Persons whose points are held at once."""

_BOXES = HEAD_RULES.index("over_views")
"""Rules from this one on make rectangles."""


def head_regions(
    poses: pa.Table | None,
    persons: pa.Table,
    elsewhere: pa.Table | None = None,
    config: HeadConfig | None = None,
) -> pa.Table:
    """The heads of a view.

    Args:
        poses: table ``POSES`` of the view; None or rows that are not there leave the box's upper part.
        persons: table ``PERSONS`` of the view, all that are masked; sorted by frame.
        elsewhere: what other views say, table ``ELSEWHERE`` (see ``seen_elsewhere``), or None.
        config: settings.

    Returns:
        Table ``HEADS``, one row per row of ``persons``, in the same order. Polygons may reach beyond the picture.

    Raises:
        WorkspaceError: the poses are of other persons.
    """
    config = config or HeadConfig()
    people = _people(persons)
    found = _found(poses, people, config)
    share: NDArray[np.float64] = np.full(len(people.time), np.nan)
    if elsewhere is not None and len(elsewhere):
        share = reach_elsewhere(elsewhere, people.person, people.time, config)
    return _table(people, choose(people, found, share, config))


def heads_of_views(
    poses: Mapping[str, pa.Table | None],
    persons: Mapping[str, pa.Table],
    config: HeadConfig | None = None,
    progress: Progress = silent,
) -> dict[str, pa.Table]:
    """The heads of all views of a recording, which help each other; arguments as for ``head_regions``, by view."""
    config = config or HeadConfig()
    found = {}
    for done, (view, people) in enumerate(persons.items()):
        found[view] = head_regions(poses.get(view), people, None, config)
        progress(done + 1, 2 * len(persons), f"heads {view}")
    out = {}
    for done, (view, people) in enumerate(persons.items()):
        others = seen_elsewhere((found[other], persons[other]) for other in persons if other != view)
        out[view] = head_regions(poses.get(view), people, others, config) if len(others) else found[view]
        progress(len(persons) + done + 1, 2 * len(persons), f"heads {view}")
    return out


def _people(persons: pa.Table) -> People:
    frame = persons.column("frame").to_numpy()
    starts = np.searchsorted(frame, frame, side="left")
    return People(
        frame=frame,
        time=persons.column("time").to_numpy(),
        row=np.arange(len(frame)) - starts,
        tracklet=persons.column("tracklet").to_numpy(),
        person=persons.column("person").combine_chunks().fill_null(-1).to_numpy().astype(np.int64),
        existence=persons.column("existence").to_numpy(),
        boxes=boxes_of(persons),
    )


def _rows_in(poses: pa.Table | None, people: People) -> NDArray[np.int64]:
    """Row of each person in the poses, -1 for none."""
    count = len(people.frame)
    if poses is None or not poses.num_rows or not count:
        return np.full(count, -1)
    widest = int(max(people.row.max(), poses.column("index").to_numpy().max())) + 1
    keys = poses.column("frame").to_numpy().astype(np.int64) * widest + poses.column("index").to_numpy()
    order = np.argsort(keys, kind="stable")
    wanted = people.frame.astype(np.int64) * widest + people.row
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    rows = np.where(keys[order[place]] == wanted, order[place], -1)
    tracklet = poses.column("tracklet").to_numpy()
    if (tracklet[rows] != people.tracklet)[rows >= 0].any():
        raise WorkspaceError("The poses are of other persons", "Estimate the poses again")
    return rows


def _found(poses: pa.Table | None, people: People, config: HeadConfig) -> Found:
    rows = _rows_in(poses, people)
    parts = []
    for start in range(0, max(len(rows), 1), _CHUNK):
        here = slice(start, start + _CHUNK)
        boxes = np.nan_to_num(people.boxes[here])
        points = points_of(poses, rows[here], config)
        scale, sized = scale_of(points, boxes)
        stance = stance_of(points, scale, config)
        heads = centres(points, scale, stance)
        best = np.where(heads.used, points.score, 0.0).max(axis=1, initial=0.0)
        sized &= best >= config.sure_score
        reach = head_and_neck(points, heads, scale, stance, 1 + config.margin, config.widening)
        parts.append(Found(heads.xy, scale, np.where(sized, heads.sigma, np.inf), stance, reach.astype(np.float32)))
    stance = Stance(*(np.concatenate(column) for column in zip(*(part.stance for part in parts), strict=True)))
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("centre", "scale", "sigma")}
    return Found(**joined, stance=stance, reach=np.concatenate([part.reach for part in parts]))


def _table(people: People, chosen: Chosen) -> pa.Table:
    polygon = corners(chosen.reach)
    plain = chosen.rule >= _BOXES
    # A rectangle's corners lie between directions 0, 4, 8 and 12; the others repeat them.
    counts = np.where(plain, 4, polygon.shape[1])
    kept = np.where(plain[:, None], np.isin(np.arange(polygon.shape[1]), (0, 4, 8, 12))[None, :], True)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    x, y = (pa.array(polygon[:, :, i][kept].astype(np.float32)) for i in range(2))
    low, high = polygon.min(axis=1), polygon.max(axis=1)
    size = HALF_AXES[2]
    return make(
        HEADS,
        frame=people.frame,
        time=people.time,
        index=people.row.astype(np.int32),
        tracklet=people.tracklet,
        person=pa.array(people.person.astype(np.int32), mask=people.person < 0),
        x=pa.ListArray.from_arrays(offsets, x),
        y=pa.ListArray.from_arrays(offsets, y),
        rule=pa.DictionaryArray.from_arrays(pa.array(chosen.rule), list(HEAD_RULES)).cast(pa.string()),
        confidence=(size**2 / (size**2 + chosen.sigma**2)).astype(np.float32),
        **box_columns(np.concatenate([low, high], axis=1).astype(np.float32)),
    )
