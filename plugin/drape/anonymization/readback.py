"""Read the tables of a released view back, and make sure that they agree with each other and with the manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape import tables
from drape.anonymization.fill import Fill, read_fills
from drape.anonymization.manifest import ViewEntry
from drape.anonymization.policy import SOLID, STATE_NAMES, Ints, Plan
from drape.errors import DrapeError, VerificationError

_SCHEMAS = {"frames": tables.FRAMES, "states": tables.STATES, "regions": tables.REGIONS, "fills": tables.FILLS}


def refuse(where: str, what: str) -> VerificationError:
    """The error for a release that does not hold what it must hold."""
    return VerificationError(f"{where}: {what}", "Do not use this release; export the recording again")


def read_plan(folder: Path, entry: ViewEntry) -> tuple[Plan, list[Fill]]:
    """The plan and the fills of a released view, read back from its tables.

    Raises:
        VerificationError: the tables contradict each other or the manifest.
    """
    read = {name: _read(folder, entry, name) for name in _SCHEMAS}
    fills = read_fills(read["fills"], entry.id)
    states = _states(entry, read["states"])
    regions = read["regions"]
    frame = regions.column("frame").to_numpy()
    boxes = np.stack([regions.column(n).to_numpy() for n in ("x1", "y1", "x2", "y2")], axis=1)
    numbers = regions.column("fill").to_numpy()
    _check_regions(entry, frame, boxes, numbers, len(fills))
    offsets = np.searchsorted(frame, np.arange(entry.frames + 1)).astype(np.int64)
    plan = Plan(
        size=(entry.width, entry.height),
        pts=read["frames"].column("pts").to_numpy(),
        states=states,
        offsets=offsets,
        boxes=boxes,
        fills=numbers,
        people=np.zeros(0, np.int32),
        intervals=np.zeros(0, np.int32),
    )
    _check_states(entry, plan, fills)
    _check_fixed(entry, plan)
    index = read["frames"].column("frame").to_numpy()
    if len(plan.pts) != entry.frames or not np.array_equal(index, np.arange(entry.frames)):
        raise refuse(entry.id, "its table of frames has holes")
    return plan, fills


def _read(folder: Path, entry: ViewEntry, name: str) -> pa.Table:
    try:
        table = tables.read(folder / f"{entry.id}.{name}.parquet", _SCHEMAS[name])
    except DrapeError as error:
        raise refuse(entry.id, f"its table of {name} cannot be read") from error
    if table.schema.metadata or any(column.null_count for column in table.columns):
        raise refuse(entry.id, f"its table of {name} holds metadata or gaps")
    return table


def _states(entry: ViewEntry, table: pa.Table) -> NDArray[np.int8]:
    names = table.column("state").to_pylist()
    frame = table.column("frame").to_numpy()
    if len(names) != entry.frames or not np.array_equal(frame, np.arange(entry.frames)):
        raise refuse(entry.id, "not every frame has exactly one decision")
    if not set(names) <= set(STATE_NAMES):
        raise refuse(entry.id, "a decision has no known name")
    states = np.array([STATE_NAMES.index(name) for name in names], np.int8)
    counts = {name: int((states == i).sum()) for i, name in enumerate(STATE_NAMES)}
    if counts != entry.states:
        raise refuse(entry.id, "the decisions are not those of the manifest")
    return states


def _check_regions(entry: ViewEntry, frame: Ints, boxes: Ints, numbers: Ints, num_fills: int) -> None:
    sound = len(frame) == entry.regions and num_fills == entry.fills
    if len(frame):
        limit = np.array([entry.width, entry.height])
        sound = sound and bool((np.diff(frame) >= 0).all() and frame[0] >= 0 and frame[-1] < entry.frames)
        sound = sound and bool((boxes % 2 == 0).all() and (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= limit).all())
        sound = sound and bool((boxes[:, 2:] > boxes[:, :2]).all() and (numbers >= 0).all())
        sound = sound and bool((numbers < num_fills).all())
    if not sound:
        raise refuse(entry.id, "its regions are not those of the manifest, or do not fit its frames")


def _check_states(entry: ViewEntry, plan: Plan, fills: list[Fill]) -> None:
    count = np.diff(plan.offsets)
    cards = np.flatnonzero(plan.states == STATE_NAMES.index("unknown"))
    first = plan.offsets[cards]
    whole = (plan.boxes[first] == [0, 0, *plan.size]).all() and (plan.fills[first] == SOLID).all()
    right = (count[cards] == 1).all() and whole and fills[SOLID].flat
    always = len(entry.fixed)
    right = right and (count[plan.states == STATE_NAMES.index("verified_empty")] == always).all()
    right = right and (count[plan.states == STATE_NAMES.index("detected")] > always).all()
    if not right:
        raise refuse(entry.id, "the regions contradict the decisions about the frames")


def _check_fixed(entry: ViewEntry, plan: Plan) -> None:
    """The last regions of every frame that is no card are the camera's fixed ones, in solid."""
    if not entry.fixed:
        return
    ends = plan.offsets[1:][plan.states != STATE_NAMES.index("unknown")]
    rows = (ends[:, None] - len(entry.fixed) + np.arange(len(entry.fixed))).astype(np.int64)
    if not ((plan.boxes[rows] == np.array(entry.fixed)).all() and (plan.fills[rows] == SOLID).all()):
        raise refuse(entry.id, "a fixed region is not masked in every frame")
