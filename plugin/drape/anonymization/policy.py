"""Which rectangles of which frame are masked: the decision about every frame of a view, made before a pixel is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.anonymization.config import ReleaseConfig
from drape.anonymization.dilation import hulls, windows
from drape.anonymization.shapes import strips
from drape.anonymization.targets import BODY, Aims, aim
from drape.boxes import Boxes
from drape.errors import ReleaseError
from drape.recording import View
from drape.tables import FRAMES, REGIONS, STATES, boxes_of, make

Ints = NDArray[np.int32]

STATE_NAMES = ("unknown", "verified_empty", "detected")
"""Names of the states; a plan keeps indices into this tuple."""

SOLID = 0
"""Number of the solid fill; every release has it, because cards are solid."""

NO_PERSON = -1

_CHUNK = 100_000
"""Shapes that are cut into rectangles at once."""


class _Spans(NamedTuple):
    """Rectangles, sorted by frame: ``frame`` and ``tracklet`` (R,), ``boxes`` (R, 4)."""

    frame: NDArray[np.int64]
    tracklet: NDArray[np.int32]
    boxes: Boxes


@dataclass(frozen=True)
class Plan:
    """What will be masked in one view; a pure function of tables and settings.

    Attributes:
        size: width and height of the released frames in pixels, even.
        pts: (F,) int64, presentation times of all frames in ticks of the view's time base.
        states: (F,) int8, indices into ``STATE_NAMES``.
        offsets: (F + 1,) int64; the regions of frame ``f`` are rows ``offsets[f]`` to ``offsets[f + 1]``.
        boxes: (R, 4) int32, ``x1, y1, x2, y2``, half-open pixels on even coordinates, inside the frame.
        fills: (R,) int32, number of the fill of each region.
        people: (K,) int32, the tracklet behind each fill; ``NO_PERSON`` for the solid one.
        intervals: (K,) int32, which refresh interval of that tracklet a fill stands for.
    """

    size: tuple[int, int]
    pts: NDArray[np.int64]
    states: NDArray[np.int8]
    offsets: NDArray[np.int64]
    boxes: Ints
    fills: Ints
    people: Ints
    intervals: Ints

    @property
    def num_frames(self) -> int:
        """Number of frames of the view."""
        return len(self.pts)

    def regions_of(self, frame: int) -> slice:
        """Rows of ``boxes`` and ``fills`` that lie in a frame, in painting order."""
        return slice(int(self.offsets[frame]), int(self.offsets[frame + 1]))

    def regions_table(self) -> pa.Table:
        """The regions as table ``REGIONS``."""
        frame = np.repeat(np.arange(self.num_frames, dtype=np.int32), np.diff(self.offsets))
        columns = {name: np.ascontiguousarray(self.boxes[:, i]) for i, name in enumerate(("x1", "y1", "x2", "y2"))}
        return make(REGIONS, frame=frame, fill=self.fills, **columns)

    def states_table(self) -> pa.Table:
        """The decisions as table ``STATES``."""
        names = pa.DictionaryArray.from_arrays(pa.array(self.states), list(STATE_NAMES)).cast(pa.string())
        return make(STATES, frame=np.arange(self.num_frames, dtype=np.int32), state=names)

    def digest(self) -> str:
        """sha256 over everything in the plan."""
        return digest_arrays(
            np.array(self.size),
            self.pts,
            self.states,
            self.offsets,
            self.boxes,
            self.fills,
            self.people,
            self.intervals,
        )


def digest_arrays(*arrays: NDArray[np.signedinteger]) -> str:
    """sha256 over the shapes and values of integer arrays, whatever their widths."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array, dtype="<i8").data)
    return digest.hexdigest()


def released_size(width: int, height: int) -> tuple[int, int]:
    """Size of the released frames: odd sizes grow by one column or row, because chroma comes in blocks of 2 x 2."""
    return width + width % 2, height + height % 2


def plan_view(
    view: View,
    frames: pa.Table,
    covered: pa.Table,
    persons: pa.Table,
    config: ReleaseConfig,
    heads: pa.Table | None = None,
    poses: pa.Table | None = None,
) -> Plan:
    """Decide about every frame of a view.

    A frame the detector could not say anything of (``known`` is false, or no row), or that holds a person whose box
    or probability is not a number, is *unknown* and gets one region over the whole frame. A known frame with regions
    is *detected*, one without is *verified_empty*.

    Args:
        view: the view with its facts (size).
        frames: table ``FRAMES``.
        covered: table ``COVERED``.
        persons: table ``PERSONS``.
        config: targets, margins, padding, operating point, fill.
        heads: table ``HEADS`` of these persons; bodies are masked where it says nothing.
        poses: table ``POSES`` of these persons, for silhouettes; bodies are masked where it says nothing.

    Raises:
        ReleaseError: the tables do not speak of the same frames or persons, or the view's facts are not known.
    """
    _check_frames(view, frames)
    count, size = len(frames), released_size(view.width, view.height)
    row_frame = _frame_column(view, persons, count)
    known = _known(view, covered, count)
    bad, masked = sorted_out(persons, config)
    known[row_frame[bad]] = False
    aims = aim(persons, heads, poses, size, config)
    times = frames.column("time").to_numpy()
    spans = _spans(aims, masked, row_frame, persons, times, size, config)
    return _assemble(frames, size, known, spans, times, config)


def sorted_out(persons: pa.Table, config: ReleaseConfig) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Persons (N,) whose box or probability is not a number, and those that are masked."""
    boxes = boxes_of(persons)
    existence = persons.column("existence").to_numpy()
    bad = ~np.isfinite(boxes).all(axis=1) | ~np.isfinite(existence)
    bad |= (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    return bad, ~bad & (existence >= np.float32(config.min_existence))


def _spans(
    aims: Aims,
    masked: NDArray[np.bool_],
    frame: NDArray[np.int64],
    persons: pa.Table,
    times: NDArray[np.float64],
    size: tuple[int, int],
    config: ReleaseConfig,
) -> _Spans:
    """Rectangles of all frames, sorted by frame: those of bodies, and those that cover heads and silhouettes."""
    tracklet = persons.column("tracklet").to_numpy()
    padding = config.temporal_padding_s
    rows = masked & (aims.target == BODY)
    bodies = windows(frame[rows], tracklet[rows], grow(boxes_of(persons)[rows], config), times, padding)
    rows = masked & (aims.target != BODY)
    shapes = hulls(frame[rows], tracklet[rows], aims.reach[rows].astype(np.float32), times, padding)
    parts = [_Spans(bodies.frame, bodies.tracklet, bodies.boxes)]
    for start in range(0, len(shapes.frame), _CHUNK):
        which, boxes = strips(shapes.reach[start : start + _CHUNK].astype(np.float64), size[1])
        parts.append(_Spans(shapes.frame[start + which], shapes.tracklet[start + which], boxes))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return _Spans(*(column[order] for column in joined))


def grow(boxes: Boxes, config: ReleaseConfig) -> Boxes:
    """Boxes with the configured margins on each side, not yet cut at the frame's edges; shape (N, 4)."""
    size = boxes[:, 2:] - boxes[:, :2]
    least = np.float32(config.min_margin_px)
    side = np.maximum(size[:, 0] * np.float32(config.margin_x), least)
    top = np.maximum(size[:, 1] * np.float32(config.margin_top), least)
    bottom = np.maximum(size[:, 1] * np.float32(config.margin_bottom), least)
    return boxes + np.stack([-side, -top, side, bottom], axis=1).astype(np.float32)


def snap(boxes: Boxes, size: tuple[int, int]) -> Ints:
    """Smallest even, half-open pixel rectangles that hold the boxes' part inside the frame; shape (N, 4)."""
    limit = np.array([size[0], size[1]], np.float64)
    low = np.clip(np.floor(boxes[:, :2].astype(np.float64) / 2) * 2, 0, limit)
    high = np.clip(np.ceil(boxes[:, 2:].astype(np.float64) / 2) * 2, 0, limit)
    return np.concatenate([low, high], axis=1).astype(np.int32)


def _check_frames(view: View, frames: pa.Table) -> None:
    if not frames.schema.equals(FRAMES) or view.width < 1 or view.height < 1:
        raise ReleaseError(f"{view.id}: the frames are not known", "Ingest the recording again")
    index, pts = frames.column("frame").to_numpy(), frames.column("pts").to_numpy()
    times = frames.column("time").to_numpy()
    whole = len(index) == view.num_frames and np.array_equal(index, np.arange(len(index)))
    ordered = (np.diff(pts) > 0).all() and np.isfinite(times).all() and (np.diff(times) >= 0).all()
    if not len(index) or not whole or not ordered:
        raise ReleaseError(f"{view.id}: the table of frames has holes or no order", "Ingest the recording again")


def _frame_column(view: View, table: pa.Table, count: int) -> NDArray[np.int64]:
    frame = table.column("frame").to_numpy().astype(np.int64)
    if len(frame) and (frame.min() < 0 or frame.max() >= count):
        raise ReleaseError(
            f"{view.id}: a table speaks of frames the view does not have", "Run detection and tracking again"
        )
    return frame


def _known(view: View, covered: pa.Table, count: int) -> NDArray[np.bool_]:
    frame = _frame_column(view, covered, count)
    said = covered.column("known").to_numpy()
    known = np.zeros(count, bool)
    known[frame[said]] = True
    known[frame[~said]] = False
    return known


def _assemble(
    frames: pa.Table,
    size: tuple[int, int],
    known: NDArray[np.bool_],
    spans: _Spans,
    times: NDArray[np.float64],
    config: ReleaseConfig,
) -> Plan:
    boxes = snap(spans.boxes, size)
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & known[spans.frame]
    frame, tracklet, boxes = spans.frame[inside], spans.tracklet[inside], boxes[inside]
    fills, people, intervals = _number_fills(frame, tracklet, times, config)

    cards = np.flatnonzero(~known)
    card_boxes = np.tile(np.array([0, 0, *size], np.int32), (len(cards), 1))
    frame = np.concatenate([frame, cards])
    order = np.argsort(frame, kind="stable")
    states = np.where(known, STATE_NAMES.index("verified_empty"), STATE_NAMES.index("unknown")).astype(np.int8)
    states[frame[: len(boxes)]] = STATE_NAMES.index("detected")
    return Plan(
        size=size,
        pts=frames.column("pts").to_numpy(),
        states=states,
        offsets=np.searchsorted(frame[order], np.arange(len(known) + 1)).astype(np.int64),
        boxes=np.concatenate([boxes, card_boxes])[order],
        fills=np.concatenate([fills, np.full(len(cards), SOLID, np.int32)])[order],
        people=people,
        intervals=intervals,
    )


def _number_fills(
    frame: NDArray[np.int64], tracklet: Ints, times: NDArray[np.float64], config: ReleaseConfig
) -> tuple[Ints, Ints, Ints]:
    """Number the fills in order of first use: solid first, then one per tracklet and refresh interval."""
    people, intervals = np.array([NO_PERSON], np.int32), np.array([0], np.int32)
    if config.fill == "solid" or not len(frame):
        return np.full(len(frame), SOLID, np.int32), people, intervals
    names, which = np.unique(tracklet, return_inverse=True)
    start = np.full(len(names), np.inf)
    np.minimum.at(start, which, times[frame])
    interval = np.floor((times[frame] - start[which]) / config.blur_refresh_s).astype(np.int64)
    keys = np.stack([which, interval], axis=1)
    unique, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    by_use = np.argsort(first, kind="stable")
    number = np.empty(len(unique), np.int32)
    number[by_use] = np.arange(1, len(unique) + 1, dtype=np.int32)
    return (
        number[inverse.reshape(-1)],
        np.concatenate([people, names[unique[by_use, 0]].astype(np.int32)]),
        np.concatenate([intervals, unique[by_use, 1].astype(np.int32)]),
    )
