"""A simulated recording's truth in the dataset is the truth that was written beside the videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape import fiftyone_io
from drape.simulator import Scene
from drape.simulator.export import read_truth, write_recording
from support import rooms
from support.theatre import Theatre


@pytest.mark.slow
def test_ground_truth_is_written_for_every_frame(theatre: Theatre, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    manifest = write_recording(Scene(rooms.small(seconds=1)), folder)
    dataset, recording = fiftyone_io.ingest(theatre.name, manifest, theatre.work)
    workspace = fiftyone_io.workspace(dataset, recording)
    fiftyone_io.import_simulated_truth(dataset, workspace, folder)
    truth = read_truth(folder)
    for view in workspace.recording.views:
        table = truth.persons(view.name)
        found = theatre.slice(view.id)
        assert found.count("frames.ground_truth.detections") == table.num_rows > 0
        boxes = np.array(found.values("frames.ground_truth.detections.bounding_box", unwind=True)).reshape(-1, 4)
        np.testing.assert_allclose(boxes[:, 0] * view.width, table.column("x1").to_numpy(), atol=1e-3)
        assert set(found.distinct("frames.ground_truth.detections.index")) == set(table.column("person").to_pylist())
    shared = [set(theatre.slice(v).distinct("frames.ground_truth.detections.instance._id")) for v in ("view1", "view2")]
    assert shared[0] & shared[1]
