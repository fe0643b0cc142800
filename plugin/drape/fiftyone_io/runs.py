"""A stage's run record as a custom run of the dataset: settings, digests, weights, versions."""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io.connection import database


def run_key(stage: str, recording: str) -> str:
    """The key of a stage's run on a recording; a valid identifier, as FiftyOne demands."""
    return f"{stage}_{recording.replace('-', '_')}"


@database()
def register_run(dataset: fo.Dataset, recording: str, record: dict[str, Any]) -> str:
    """Register a run record on the recording's views; an earlier run of the same stage is replaced.

    ``dataset.load_run_view(key)`` gives the views back, ``dataset.get_run_info(key).config`` the record.

    Args:
        dataset: of recordings.
        recording: its id.
        record: as of ``Workspace.record``: no paths, no names.

    Returns:
        The run's key.
    """
    key = run_key(record["stage"], recording)
    config = dataset.init_run(**{name: value for name, value in record.items() if name != "stage"})
    config.method = f"drape/{record['stage']}"
    datasets.flat(dataset, recording).register_run(key, config, overwrite=True)
    return key
