"""The saved views that Drape leaves behind: flattened first, filtered second."""

from __future__ import annotations

import fiftyone as fo
from fiftyone import ViewField as F

from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database

WEAK = 0.3
"""Candidates below this score are the ones that a single frame's detector would hardly be believed."""
LIKELY = 0.5
"""Probability from which on a place where somebody may be missed is listed."""


@database()
def save_views(dataset: fo.Dataset) -> list[str]:
    """Save (or save again, after new views have come) the views that make sense for what has been written so far.

    Returns:
        Their names.
    """
    flat = datasets.flat(dataset)
    views: dict[str, tuple[fo.DatasetView, str]] = {}
    if flat.exists("num_unknown").limit(1):
        views["Low-confidence candidates"] = (
            flat.filter_labels(schema.CANDIDATES, F("confidence") < WEAK),
            f"Detector boxes with a score below {WEAK}",
        )
        views["Unknown frames"] = (
            flat.filter_labels(schema.INTERVALS, F("label") == "unknown"),
            "Views with frames of which the detector could say nothing; a release shows a card there",
        )
    if flat.exists("num_persons").limit(1):
        views["Detected persons"] = (_by_source(flat, "detected"), "Persons with a detector box of their own")
        views["Retrieved by tracking"] = (
            _by_source(flat, "tracked"),
            "Persons whose score alone would not have sufficed, found because they were seen before and after",
        )
        views["Interpolated persons"] = (_by_source(flat, "interpolated"), "Persons filled in between detections")
        views["Reviewed persons"] = (_by_source(flat, "reviewed"), "Persons that a curator added or moved")
        views["Frames without a person"] = (
            flat.match(F("num_empty") > 0).match_frames(F("persons.detections").length() == 0),
            "Frames in which nobody was accepted",
        )
    if flat.exists("num_missed").limit(1):
        views["Retrieved by association"] = (
            _by_source(flat, "associated"),
            "Persons whose score alone would not have sufficed, found because other views see them",
        )
        views["Likely missed persons"] = (
            flat.match(F("num_missed") > 0).filter_labels(schema.MISSED, F("confidence") >= LIKELY),
            f"Places where somebody is missed with a probability of {LIKELY} or more; look here first",
        )
    if dataset.has_frame_field("labels"):
        views["Pseudo labels"] = (
            flat.match_frames(F("labels").exists()),
            "Frames that the detector learned from: persons with their weight, regions that were ignored, background",
        )
    if flat.exists("num_fallback_heads").limit(1):
        views["Heads by fallback rule"] = (
            flat.match(F("num_fallback_heads") > 0).filter_labels(schema.HEADS, F("rule") != "key_points"),
            "Heads that were not read from key points of their own frame, but found by a more cautious rule",
        )
    for name, (view, description) in views.items():
        dataset.save_view(name, view, description=description, overwrite=True)
    return list(views)


def _by_source(flat: fo.DatasetView, source: str) -> fo.DatasetView:
    return flat.filter_labels(schema.PERSONS, F("source") == source)
