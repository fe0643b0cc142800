"""The truth of a simulated recording, read back: for measuring, and for ground truth in a dataset."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drape.boxes import Boxes
from drape.errors import RecordingError
from drape.simulator.export_rle import decode
from drape.simulator.export_sought import PATIENT, WHOLE_VISIBLE
from drape.simulator.export_tables import SCHEMAS
from drape.simulator.keypoints import COUNT
from drape.tables import box_columns, boxes_of, make, read

TRACKS = pa.schema(
    [
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("id", pa.int32(), nullable=False),
        *(pa.field(name, pa.float32(), nullable=False) for name in ("x1", "y1", "x2", "y2")),
    ]
)
"""Boxes with identities, as evaluations take them; sorted by frame, then identity."""

SOUGHT = 0.2
"""Least visible share of a person who is to be found."""


@dataclass(frozen=True)
class RecordingTruth:
    """The truth of a recording in ``folder``; ``views`` are the ids, ``size`` is width and height in pixels.

    Tables are read when they are asked for; their columns are in ``simulator.export_tables``.
    """

    folder: Path
    views: tuple[str, ...]
    size: tuple[int, int]

    def table(self, kind: str, view: str) -> pa.Table:
        """A table of a view: "frames", "persons", "heads", "keypoints" or "masks".

        Raises:
            WorkspaceError: it is missing or damaged.
        """
        return read(self.folder / "truth" / kind / f"{view}.parquet", SCHEMAS[kind])

    def frames(self, view: str) -> pa.Table:
        """When the view's frames were taken."""
        return self.table("frames", view)

    def persons(self, view: str) -> pa.Table:
        """Everybody, patient, reflections and pictures on screens included."""
        return self.table("persons", view)

    def wanted(self, view: str, least: float = SOUGHT) -> pa.Table:
        """The persons that are to be found, with the boxes a detector is asked for (``TRACKS``).

        The patient, reflections and pictures are not among them. The box is that of the whole person inside the frame
        where more than 0.6 is visible, else of what is visible.

        Args:
            view: id of the view.
            least: share of the whole person that must be visible, above 0.
        """
        persons = self.persons(view)
        kind, role = (persons.column(name).to_numpy(zero_copy_only=False) for name in ("kind", "role"))
        visible = persons.column("visible").to_numpy()
        share = visible * persons.column("in_frame").to_numpy()
        rows = np.flatnonzero((kind == "person") & (role != PATIENT) & (share >= least) & (share > 0))
        boxes = np.where(visible[:, None] > WHOLE_VISIBLE, boxes_of(persons), visible_boxes(persons))[rows]
        frame, person = (persons.column(name).to_numpy()[rows] for name in ("frame", "person"))
        order = np.lexsort((person, frame))
        return make(TRACKS, frame=frame[order], id=person[order], **box_columns(boxes[order]))

    def keypoints(self, view: str) -> tuple[pa.Table, NDArray[np.float32]]:
        """The table of key points, and its points as (N, 133, 3): x, y, and 2 seen, 1 hidden, 0 unknown."""
        table = self.table("keypoints", view)
        points = table.column("points").combine_chunks().flatten().to_numpy()
        return table, points.reshape(-1, COUNT, 3)

    def mask(self, counts: str) -> NDArray[np.bool_]:
        """The mask (H, W) of an entry ``counts`` of the table "masks"."""
        return decode(counts, self.size)

    def calibration(self) -> dict[str, list[dict[str, Any]]]:
        """Of every view its calibrations in turn, each with ``from_frame``, ``K``, ``R``, ``t``, ``k1``, ``k2``."""
        return dict(_json(self.folder / "truth" / "calibration.json"))

    def events(self) -> list[dict[str, Any]]:
        """What goes wrong: ``kind``, ``view`` and the event's own settings."""
        return list(_json(self.folder / "truth" / "events.json"))


def read_truth(folder: Path) -> RecordingTruth:
    """Open the truth of a recording that ``write_recording`` made.

    Raises:
        RecordingError: the folder holds none, or it is unfinished.
    """
    if not (folder / "recording.yaml").is_file():
        raise RecordingError("The folder holds no finished simulated recording", "Make one with `drape simulate`")
    scene = _json(folder / "truth" / "scene.json")
    size = (int(scene["settings"]["width"]), int(scene["settings"]["height"]))
    return RecordingTruth(folder, tuple(scene["views"]), size)


def visible_boxes(persons: pa.Table) -> Boxes:
    """Boxes (N, 4) of what is seen of persons; NaN where nothing is."""
    names = ("visible_x1", "visible_y1", "visible_x2", "visible_y2")
    return np.stack([persons.column(name).to_numpy() for name in names], axis=1).astype(np.float32)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RecordingError(f"The file {path.name} of the truth is missing or damaged", "Simulate it again") from error
