"""A dataset of one test: made step by step with the engine or with the plugin's operators, deleted in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support import blobs

URI = "@drape/drape"
BLOBS = {"preset": "blobs"}
QUICK = {"steps": 20, "floor_steps": 20, "seeds": 1}
"""Association that learns little, but in a second."""


class Theatre:
    """A dataset to be, with its source and its folders.

    Args:
        name: of the dataset; datasets whose names begin with it are deleted in the end.
        source: the recording's folder.
        work: folder of workspaces and releases.
    """

    def __init__(self, name: str, source: Path, work: Path) -> None:
        blobs.register()
        self.name = name
        self.source = source
        self.work = work

    @property
    def dataset(self) -> Any:
        import fiftyone as fo

        return fo.load_dataset(self.name, reload=True)

    @property
    def recording(self) -> str:
        """Id of the dataset's only recording."""
        from drape import fiftyone_io

        (recording,) = fiftyone_io.recordings_of(self.dataset)
        return recording

    @property
    def workspace(self) -> Any:
        from drape import fiftyone_io

        return fiftyone_io.workspace(self.dataset, self.recording)

    def ingested(self) -> Theatre:
        from drape import fiftyone_io

        fiftyone_io.ingest(self.name, self.source, self.work)
        return self

    def detected(self) -> Theatre:
        from drape import fiftyone_io
        from drape.detection import DetectionConfig

        self.ingested()
        fiftyone_io.detect(self.dataset, self.recording, DetectionConfig(preset="blobs"))
        return self

    def tracked(self) -> Theatre:
        from drape import fiftyone_io
        from drape.tracking import TrackingConfig

        self.detected()
        fiftyone_io.track(self.dataset, self.recording, TrackingConfig())
        return self

    def retrieved(self) -> Theatre:
        from drape import fiftyone_io
        from drape.association import AssociationConfig
        from drape.retrieval import RetrievalConfig

        self.tracked()
        fiftyone_io.associate(self.dataset, self.recording, AssociationConfig(**QUICK))
        fiftyone_io.retrieve(self.dataset, self.recording, RetrievalConfig())
        return self

    def exported(self, target: Path, release_dataset: str | None = None) -> dict[str, Any]:
        """Export the release of the recording as it is now."""
        from drape import fiftyone_io
        from drape.anonymization import ReleaseConfig

        return fiftyone_io.export(self.dataset, self.recording, ReleaseConfig(), target, release_dataset)

    def slice(self, name: str) -> Any:
        """One slice of the dataset, flat."""
        return self.dataset.select_group_slices(name)

    @staticmethod
    def operator(name: str) -> Any:
        """An operator as Python users get it."""
        import fiftyone.operators as foo

        return foo.get_operator(f"{URI}/{name}")

    def close(self) -> None:
        import fiftyone as fo

        for name in fo.list_datasets(f"{self.name}*"):
            fo.delete_dataset(name)
