"""What a curator drew: boxes in ``frames.persons`` that Drape did not write are masked too.

Union only. A box that was added or moved in the App becomes a person of source "reviewed" and stays one; a box that was
deleted in the App stays in the workspace's tables, so that deleting can never unmask anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fiftyone as fo
import numpy as np
import pyarrow as pa

from drape import tables
from drape.errors import DatasetError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import mosaic, schema
from drape.fiftyone_io.matching import is_known
from drape.fiftyone_io.read import Labels, read_labels
from drape.pipeline import Workspace


def collect(dataset: fo.Dataset, ws: Workspace) -> int:
    """Read what a curator added to a recording, in its views and in its mosaic, and keep it in the workspace.

    Args:
        dataset: of recordings.
        ws: the recording's workspace. Rows are added to ``reviewed/VIEW.parquet``; none is ever removed.

    Returns:
        How many boxes were added.

    Raises:
        DatasetError: a box covers nothing or lies in a frame that does not exist.
        WorkspaceError: the workspace is in use or cannot be written.
    """
    with ws.locked():
        known = {view.id: _known(dataset, ws, view.id) for view in ws.recording.views}
        drawn = {name: read_labels(dataset, ws.recording.id, name, schema.PERSONS) for name in known}
        projected = mosaic.drawn(dataset, ws, known)
        return sum(
            _keep(ws, name, _unknown(labels, known[name]))
            for name in known
            for labels in (drawn[name], projected[name])
        )


@contextmanager
def remembering(dataset: fo.Dataset, ws: Workspace, tables_written: dict[str, pa.Table]) -> Iterator[None]:
    """Note what is being written into the dataset, so that it is never taken for a curator's work.

    While the body runs, the boxes written last and the new ones are both noted: if it is stopped in the middle, the
    dataset holds some of each.
    """
    with ws.locked():
        for name, table in tables_written.items():
            both = pa.concat_tables([_last_written(dataset, ws, name), table])
            tables.write(both, _written(dataset, ws, name))
    yield
    with ws.locked():
        for name, table in tables_written.items():
            tables.write(table, _written(dataset, ws, name))


def everyone(ws: Workspace, view: str) -> pa.Table:
    """Found and reviewed persons of a view; before tracking, the reviewed ones."""
    return ws.everyone(view) if ws.persons_path(view).is_file() else ws.reviewed(view)


def _written(dataset: fo.Dataset, ws: Workspace, view: str) -> Path:
    return ws.root / "written" / datasets.uid(dataset) / f"{view}.parquet"


def _last_written(dataset: fo.Dataset, ws: Workspace, view: str) -> pa.Table:
    path = _written(dataset, ws, view)
    return tables.read(path, tables.PERSONS) if path.is_file() else tables.empty(tables.PERSONS)


def _known(dataset: fo.Dataset, ws: Workspace, view: str) -> pa.Table:
    """Every box that Drape wrote: the last table written, and the workspace's own."""
    return pa.concat_tables([_last_written(dataset, ws, view), everyone(ws, view)])


def _unknown(labels: Labels, known: pa.Table) -> Labels:
    new = ~is_known(labels.frames, labels.boxes, known.column("frame").to_numpy(), tables.boxes_of(known))
    return Labels(labels.frames[new], labels.boxes[new], labels.tracklets[new])


def _keep(ws: Workspace, view: str, new: Labels) -> int:
    """Add boxes to the workspace's reviewed persons of a view, and count them."""
    if not len(new.frames):
        return 0
    times = ws.frames(view).column("time").to_numpy()
    if new.frames.max() >= len(times):
        raise DatasetError(f"A box lies after the last frame of {view}", "Delete it in the App")
    present = everyone(ws, view)
    free = int(present.column("tracklet").to_numpy().max(initial=-1)) + 1
    free = max(free, int(new.tracklets.max()) + 1)
    own = np.where(new.tracklets >= 0, new.tracklets, free + np.arange(len(new.tracklets)))
    added = tables.make(
        tables.TRACKLETS,
        frame=new.frames.astype(np.int32),
        time=times[new.frames],
        tracklet=own.astype(np.int32),
        existence=np.ones(len(own), np.float32),
        source=["reviewed"] * len(own),
        score=pa.nulls(len(own), pa.float32()),
        candidate=pa.nulls(len(own), pa.int32()),
        **tables.box_columns(new.boxes),
    )
    merged = pa.concat_tables([ws.reviewed(view), tables.unconfirmed(added)]).sort_by("frame")
    tables.write(merged, ws.path("reviewed", view))
    return len(own)
