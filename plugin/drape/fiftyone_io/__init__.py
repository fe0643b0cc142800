"""Recordings and releases as FiftyOne datasets: the only part of the engine that imports fiftyone.

The stages on a dataset (:func:`ingest`, :func:`detect`, :func:`track`, :func:`associate`, :func:`retrieve`,
:func:`export`) run the engine in the recording's workspace and write what it found. The data contract is
``docs/SCHEMA.md``.
"""

from drape.fiftyone_io.dataset import load, recordings_of, workspace
from drape.fiftyone_io.ground_truth import import_simulated_truth
from drape.fiftyone_io.release import add_release, check_release
from drape.fiftyone_io.stages import associate, detect, export, ingest, retrieve, track

__all__ = [
    "add_release",
    "associate",
    "check_release",
    "detect",
    "export",
    "import_simulated_truth",
    "ingest",
    "load",
    "recordings_of",
    "retrieve",
    "track",
    "workspace",
]
