"""A release as a dataset of its own, built from an allow-list: masked media, states, counts. Nothing is ever cloned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fiftyone as fo

from drape import tables
from drape.anonymization import load_manifest
from drape.anonymization.policy import STATE_NAMES
from drape.errors import DatasetError, ReleaseError, VerificationError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.fiftyone_io.ids import object_ids
from drape.fiftyone_io.playback import Playable
from drape.fiftyone_io.private_names import Names, find_private, strings
from drape.fiftyone_io.write import CHUNK

KIND = "release"
STATE = "frames.state"
SAMPLE_FIELDS: dict[str, type[fo.Field]] = {
    "recording": fo.StringField,
    "release": fo.StringField,
    "view": fo.StringField,
    "num_frames": fo.IntField,
    "num_masked": fo.IntField,
    "num_empty": fo.IntField,
    "num_unknown": fo.IntField,
    "release_status": fo.StringField,
}
_HIDDEN = {"_dataset_id", "_media_type", "_sample_id"}
_BUILT_IN = {"id", "filepath", "tags", "metadata", "created_at", "last_modified_at"}
_COUNTS = {"num_masked": "detected", "num_empty": "verified_empty", "num_unknown": "unknown"}


def release_name_problem(name: str) -> DatasetError | None:
    """Why a release dataset cannot have this name, or None if it can (new, or one of releases already)."""
    if fo.dataset_exists(name):
        if schema.kind_of(fo.load_dataset(name)) == KIND:
            return None
        return DatasetError("A dataset of this name exists and is not one of releases", "Choose another name")
    return datasets.name_problem(name)


@database()
def add_release(name: str, folder: Path, names: Names) -> fo.Dataset:
    """Add a verified release folder to a release dataset, which is made if it does not exist.

    Args:
        name: of the release dataset.
        folder: what ``drape.pipeline.export`` wrote.
        names: what must not appear in the dataset, see ``private_names``.

    Raises:
        DatasetError: the name is taken by another dataset, or the dataset holds another release of this recording.
        ReleaseError: the folder holds no verified release, or its path or the dataset's name holds a private name.
        VerificationError: something private was found in the documents that were written; they are deleted.
    """
    problem = release_name_problem(name)
    if problem is not None:
        raise problem
    role = find_private([name, str(folder)], names)
    if role is not None:
        raise ReleaseError(
            f"The release's folder or the dataset's name holds {role}", "Choose a folder and a name without it"
        )
    dataset, new = (fo.load_dataset(name), False) if fo.dataset_exists(name) else (_create(name), True)
    try:
        _add(dataset, folder)
        check_release(dataset, names)
    except VerificationError:
        if new:
            fo.delete_dataset(name)
        raise
    return dataset


def check_release(dataset: fo.Dataset, names: Names) -> None:
    """Read every document of a release dataset and look for what must not be there.

    Raises:
        VerificationError: a private name was found, or a field that is not on the allow-list.
    """
    extra = set(dataset.get_field_schema()) - _BUILT_IN - {schema.GROUP, *SAMPLE_FIELDS}
    extra |= set(dataset.get_frame_field_schema()) - _BUILT_IN - {"frame_number", "state"}
    if extra:
        raise VerificationError(f"The release dataset has a field {min(extra)}", "Delete the dataset and export again")
    vocabulary = _vocabulary(dataset)
    for document in _documents(dataset):
        role = find_private(strings(document), names, vocabulary)
        if role is not None:
            raise VerificationError(f"The release dataset holds {role}", "Do not pass it on; report this as a defect")


def _vocabulary(dataset: fo.Dataset) -> set[str]:
    """Words that stand in every release dataset, whatever its sources are called."""
    fields = {*dataset.get_field_schema(flat=True), *dataset.get_frame_field_schema(flat=True)}
    names = {part for field in fields for part in field.split(".")}
    slices = {*dataset.group_slices, *(f"{name}.mp4" for name in dataset.group_slices)}
    pseudonyms = {*dataset.distinct("recording"), *dataset.distinct("release")}
    return fields | names | slices | pseudonyms | _HIDDEN | {"video", "verified", KIND, "drape", *STATE_NAMES}


def _documents(dataset: fo.Dataset) -> Iterator[Any]:
    """The raw documents: the dataset's own, its samples', its frames'."""
    yield dataset._doc.to_dict()
    yield from dataset._sample_collection.find()
    yield from dataset._frame_collection.find()


def _create(name: str) -> fo.Dataset:
    dataset = fo.Dataset(name, persistent=True)
    dataset.add_group_field(schema.GROUP)
    return dataset


def _add(dataset: fo.Dataset, folder: Path) -> None:
    manifest = load_manifest(folder)
    if manifest.verdict is None:
        raise ReleaseError("The release was not verified", "Export it again")
    present = set(dataset.distinct("release")) if dataset.get_field("release") is not None else set()
    if manifest.release in present:
        return
    if present and manifest.recording in dataset.distinct("recording"):
        raise DatasetError("The dataset holds another release of this recording", "Choose another name")
    for view in manifest.views:
        if view.id not in (dataset.group_slices or ()):
            dataset.add_group_slice(view.id, "video")
    schema.declare_fields(dataset, {**SAMPLE_FIELDS, STATE: fo.StringField})
    schema.declare_indexes(dataset, tuple(SAMPLE_FIELDS))
    schema.mark(dataset, KIND)
    group = fo.Group(id=str(object_ids("group", [manifest.release])[0]))
    samples = [_sample(folder, manifest.recording, manifest.release, view, group) for view in manifest.views]
    dataset.add_samples(samples, progress=False)
    for view, sample in zip(manifest.views, samples, strict=True):
        _write_states(dataset, folder, view.id, sample.id)


def _sample(folder: Path, recording: str, release: str, view: Any, group: fo.Group) -> fo.Sample:
    path = folder / f"{view.id}.mp4"
    pts = tables.read(folder / f"{view.id}.frames.parquet", tables.FRAMES).column("pts").to_numpy()
    seconds = float(pts[-1] - pts[0]) * view.time_base[0] / view.time_base[1] if len(pts) > 1 else 0.0
    rate = (len(pts) - 1) / seconds if seconds > 0 else 25.0
    return fo.Sample(
        filepath=str(path),
        metadata=Playable(path, rate, view.width, view.height, view.frames).metadata(),
        recording=recording,
        release=release,
        view=view.id,
        num_frames=view.frames,
        release_status="verified",
        **{field: view.states.get(state, 0) for field, state in _COUNTS.items()},
        **{schema.GROUP: group.element(view.id)},
    )


def _write_states(dataset: fo.Dataset, folder: Path, view: str, sample: str) -> None:
    table = tables.read(folder / f"{view}.states.parquet", tables.STATES)
    frames, states = table.column("frame").to_pylist(), table.column("state").to_pylist()
    collection = dataset.select_group_slices(view).select(sample)
    for start in range(0, len(frames), CHUNK):
        part = zip(frames[start : start + CHUNK], states[start : start + CHUNK], strict=True)
        collection.set_values(STATE, {sample: {frame + 1: state for frame, state in part}}, key_field="id")
