"""What a Drape dataset declares: fields, indexes, sidebar. The contract is written down in ``docs/SCHEMA.md``."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo

import drape
from drape.errors import DatasetError

VERSION = 1
"""Version of the contract; kept in ``dataset.info["drape"]["schema"]``."""

GROUP = "group"
MOSAIC = "mosaic"
INTERVALS = "intervals"
CANDIDATES = "frames.candidates"
PERSONS = "frames.persons"
MISSED = "frames.missed"
GROUND_TRUTH = "frames.ground_truth"
POSES = "frames.poses"
HEADS = "frames.heads"
LABELS = "frames.labels"
PERSON = "person"

IDENTITY: dict[str, type[fo.Field]] = {
    "recording": fo.StringField,
    "view": fo.StringField,
    "clock_offset": fo.FloatField,
    "clock_drift": fo.FloatField,
    "num_frames": fo.IntField,
}
ROLLUPS: dict[str, type[fo.Field]] = {
    "num_persons": fo.IntField,
    "num_tracklets": fo.IntField,
    "num_interpolated": fo.IntField,
    "num_empty": fo.IntField,
    "num_unknown": fo.IntField,
    "num_missed": fo.IntField,
    "missed_risk": fo.FloatField,
    "longest_exposure": fo.FloatField,
    "num_fallback_heads": fo.IntField,
    "release_status": fo.StringField,
}
INDEXED = ("recording", "view", *ROLLUPS)

_DETECTIONS = ("candidates", "persons", "missed")
_ATTRIBUTES: dict[str, type[fo.Field]] = {
    "persons.detections.source": fo.StringField,
    "persons.detections.score": fo.FloatField,
    "persons.detections.over_time": fo.FloatField,
    "persons.detections.over_views": fo.FloatField,
    "persons.detections.copy": fo.BooleanField,
    "missed.detections.reason": fo.StringField,
    "heads.polylines.rule": fo.StringField,
}
LABEL_ATTRIBUTES: dict[str, type[fo.Field]] = {
    "frames.labels.detections.ignored": fo.BooleanField,
    "frames.labels.detections.source": fo.StringField,
}


def mark(dataset: fo.Dataset, kind: str, **entries: Any) -> None:
    """Write what the dataset is into ``dataset.info["drape"]``; existing entries are kept."""
    dataset.reload()
    known = dict(dataset.info.get("drape", {}))
    dataset.info["drape"] = {**known, "schema": VERSION, "version": drape.__version__, "kind": kind, **entries}
    dataset.save()


def mark_workspace(dataset: fo.Dataset, recording: str, folder: str) -> None:
    """Note where a recording's workspace is.

    One atomic update: two workers may ingest into the same dataset at once, and neither may lose the other's entry.
    """
    datasets = foo.get_db_conn().datasets
    datasets.update_one({"_id": dataset._doc.id}, {"$set": {f"info.drape.workspaces.{recording}": folder}})
    dataset.reload()


def kind_of(dataset: fo.Dataset) -> str | None:
    """``"recordings"``, ``"release"``, or None for a dataset that is not Drape's.

    Raises:
        DatasetError: it was written by a newer version.
    """
    entry = dataset.info.get("drape")
    if not isinstance(entry, dict) or "kind" not in entry:
        return None
    if int(entry.get("schema", 0)) > VERSION:
        raise DatasetError("The dataset was written by a newer version of Drape", "Update Drape, then run again")
    return str(entry["kind"])


def declare(dataset: fo.Dataset) -> None:
    """Declare fields, indexes and sidebar of a dataset of recordings; what is there already is left as it is.

    The dataset must have a group field and at least one video slice.

    Raises:
        DatasetError: a field of one of the names exists with another type.
    """
    declare_fields(dataset, {**IDENTITY, **ROLLUPS})
    declare_label(dataset, INTERVALS, fo.TemporalDetections)
    for name in _DETECTIONS:
        declare_label(dataset, f"frames.{name}", fo.Detections)
    declare_label(dataset, HEADS, fo.Polylines)
    declare_fields(dataset, {f"frames.{name}": ftype for name, ftype in _ATTRIBUTES.items()})
    declare_indexes(dataset, INDEXED)
    _arrange(dataset)


def declare_poses(dataset: fo.Dataset, skeleton: fo.KeypointSkeleton) -> None:
    """Declare the field of key points, and how they are joined.

    Raises:
        DatasetError: a field of that name exists with another type.
    """
    declare_label(dataset, POSES, fo.Keypoints)
    dataset.skeletons = {**dataset.skeletons, POSES: skeleton}
    dataset.save()


def declare_fields(dataset: fo.Dataset, fields: dict[str, type[fo.Field]]) -> None:
    """Add primitive sample fields, and frame fields where the name begins with ``frames.``."""
    for name, ftype in fields.items():
        present = dataset.get_field(name)
        if present is None:
            _add(dataset, name, ftype)
        elif not isinstance(present, ftype):
            raise _clash(name)


def declare_indexes(dataset: fo.Dataset, names: tuple[str, ...]) -> None:
    """Index sample fields that the sidebar filters by."""
    present = set(dataset.list_indexes())
    for name in names:
        if name not in present:
            dataset.create_index(name)


def declare_label(dataset: fo.Dataset, name: str, label: type[fo.Label]) -> None:
    """Add a label field.

    Raises:
        DatasetError: a field of that name exists with another type.
    """
    present = dataset.get_field(name)
    if present is None:
        _add(dataset, name, fo.EmbeddedDocumentField, embedded_doc_type=label)
    elif getattr(present, "document_type", None) is not label:
        raise _clash(name)


def _add(dataset: fo.Dataset, name: str, ftype: type[fo.Field], **kwargs: Any) -> None:
    scope, _, rest = name.partition(".")
    if scope == "frames":
        dataset.add_frame_field(rest, ftype, **kwargs)
    else:
        dataset.add_sample_field(name, ftype, **kwargs)


def _clash(name: str) -> DatasetError:
    return DatasetError(f"The dataset has a field {name} of another type", "Rename that field, or use another dataset")


def _arrange(dataset: fo.Dataset) -> None:
    """Put what a curator looks at first on top; frame labels are shown but not filtered in the grid, which is slow.

    An arrangement that is there already is the curator's, and stays.
    """
    config = dataset.app_config
    if config.sidebar_groups is not None:
        return
    config.disable_frame_filtering = True
    groups = {g.name: g for g in fo.DatasetAppConfig.default_sidebar_groups(dataset)}
    ours = {
        "recording": [*IDENTITY],
        "persons": [name for name in ROLLUPS if name != "release_status"],
        "release": ["release_status"],
    }
    taken = {path for paths in ours.values() for path in paths}
    for group in groups.values():
        group.paths = [path for path in group.paths if path not in taken]
    first = [name for name in ("tags", "frame labels", "labels") if name in groups]
    rest = [name for name in groups if name not in first]
    documents = [fo.SidebarGroupDocument(name=name, paths=paths, expanded=True) for name, paths in ours.items()]
    for name in rest:
        groups[name].expanded = False
    config.sidebar_groups = [groups[n] for n in first] + documents + [groups[n] for n in rest]
    config.active_fields = fo.ActiveFields(paths=["view", PERSONS, MISSED, INTERVALS])
    config.color_scheme = fo.ColorScheme(color_by="instance")
    dataset.save()
