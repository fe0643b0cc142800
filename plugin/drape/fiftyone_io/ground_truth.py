"""The truth of a simulated recording as ``frames.ground_truth``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fiftyone as fo
import pyarrow as pa

from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.fiftyone_io.ids import object_ids
from drape.fiftyone_io.write import floats, write_view
from drape.pipeline import Workspace
from drape.progress import Progress, silent
from drape.simulator.export import read_truth


@database()
def import_simulated_truth(dataset: fo.Dataset, ws: Workspace, folder: Path, progress: Progress = silent) -> None:
    """Write who is in every frame of a simulated recording; what was there is replaced.

    Args:
        dataset: of recordings.
        ws: the recording's workspace.
        folder: what ``drape simulate`` made; its views are told by their ids.
        progress: counts frames.

    Raises:
        DatasetError: the recording is not in the dataset, or has a field of that name and another type.
        RecordingError: the folder holds no truth.
    """
    truth = read_truth(folder)
    schema.declare_label(dataset, schema.GROUND_TRUTH, fo.Detections)

    def columns(table: pa.Table) -> dict[str, list[Any]]:
        persons = table.column("person").to_pylist()
        ids = dict(zip(sorted(set(persons)), object_ids(f"{ws.recording.id}/truth", sorted(set(persons))), strict=True))
        return {
            "label": table.column("kind").to_pylist(),
            "index": persons,
            "instance": [{"_id": ids[person], "_cls": "Instance"} for person in persons],
            "role": table.column("role").to_pylist(),
            "visible": floats(table, "visible"),
        }

    for view in ws.recording.views:
        write_view(dataset, ws, view, schema.GROUND_TRUTH, truth.persons(view.name), columns, progress)
