"""Datasets of recordings: one group per recording, one slice per view, and the mosaic."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import fiftyone as fo
from bson import ObjectId

from drape.errors import DatasetError
from drape.fiftyone_io import schema
from drape.fiftyone_io.connection import database
from drape.fiftyone_io.ids import object_ids
from drape.fiftyone_io.playback import Playable
from drape.pipeline import Workspace

KIND = "recordings"


@database()
def create(name: str) -> fo.Dataset:
    """A new, persistent dataset of recordings, or the existing one of this name.

    Raises:
        DatasetError: a dataset of this name exists and is not one of recordings, the name cannot be used, or the
            database cannot be reached.
    """
    if fo.dataset_exists(name):
        return load(name)
    problem = name_problem(name)
    if problem is not None:
        raise problem
    dataset = fo.Dataset(name, persistent=True)
    dataset.add_group_field(schema.GROUP, default=schema.MOSAIC)
    dataset.add_group_slice(schema.MOSAIC, "video")
    schema.declare(dataset)
    schema.mark(dataset, KIND, uid=secrets.token_hex(8), workspaces={})
    return dataset


@database()
def load(name: str) -> fo.Dataset:
    """The dataset of recordings of this name.

    Raises:
        DatasetError: there is none, or it is something else.
    """
    if not fo.dataset_exists(name):
        raise DatasetError("There is no dataset of this name", "Ingest a recording into it first")
    dataset = fo.load_dataset(name)
    check(dataset)
    return dataset


def check(dataset: fo.Dataset) -> None:
    """Make sure that a dataset is one of recordings.

    Raises:
        DatasetError: it is not.
    """
    kind = schema.kind_of(dataset)
    if kind == "release":
        raise DatasetError("The dataset is a release, not one of recordings", "Open the dataset it was made from")
    if kind != KIND:
        raise DatasetError(
            "The dataset was not made by Drape", "Choose another name, or open a dataset made by ingest_recording"
        )


def name_problem(name: str, new: bool = False) -> DatasetError | None:
    """Why a dataset of recordings cannot have this name, or None if it can.

    Args:
        name: the wanted name.
        new: an existing dataset of recordings does not do either.
    """
    if not name.strip():
        return DatasetError("The dataset has no name", "Enter one")
    if fo.dataset_exists(name):
        if new:
            return DatasetError("A dataset of this name exists", "Choose another name")
        try:
            check(fo.load_dataset(name))
        except DatasetError as error:
            return error
        return None
    try:
        fo.core.utils.to_slug(name)
    except ValueError:
        return DatasetError("The name cannot be used for a dataset", "Use letters, digits and dashes")
    return None


@database()
def add_recording(dataset: fo.Dataset, ws: Workspace, videos: dict[str, Playable]) -> None:
    """Add a recording's samples; those that are there already keep their labels.

    Args:
        dataset: made by :func:`create`.
        ws: the recording's workspace, ingested.
        videos: for each view's id, and for ``"mosaic"``, what the App plays.

    Raises:
        DatasetError: the dataset holds this recording from another workspace.
    """
    check(dataset)
    recording = ws.recording
    known = workspace_paths(dataset)
    if known.get(recording.id, ws.root) != ws.root:
        raise DatasetError(
            "The dataset holds this recording already, from another workspace",
            "Use another dataset, or the workspace it was ingested into",
        )
    schema.mark_workspace(dataset, recording.id, str(ws.root))
    for name in videos:
        if name not in dataset.group_slices:
            dataset.add_group_slice(name, "video")
    present = slice_ids(dataset, recording.id)
    group = fo.Group(id=str(object_ids("group", [recording.id])[0]))
    missing = [name for name in videos if name not in present]
    samples = [_sample(ws, name, videos[name], group) for name in missing]
    if samples:
        dataset.add_samples(samples, progress=False)
    for name in present:
        _refresh(dataset, recording.id, name, videos[name])


def _refresh(dataset: fo.Dataset, recording: str, name: str, video: Playable) -> None:
    """Point a slice to what the App plays now; a newer version may have made another copy."""
    _, sample = one(dataset, recording, name)
    if sample.filepath != str(video.path):
        sample.filepath, sample.metadata, sample["num_frames"] = str(video.path), video.metadata(), video.num_frames
        sample.save()


def _sample(ws: Workspace, name: str, video: Playable, group: fo.Group) -> fo.Sample:
    facts: dict[str, Any] = {"clock_offset": 0.0, "clock_drift": 0.0}
    if name != schema.MOSAIC:
        clock = ws.recording.view(name).clock
        facts = {"clock_offset": clock.offset, "clock_drift": clock.drift}
    return fo.Sample(
        filepath=str(video.path),
        metadata=video.metadata(),
        recording=ws.recording.id,
        view=name,
        num_frames=video.num_frames,
        release_status="none",
        **{schema.GROUP: group.element(name)},
        **facts,
    )


def workspace_paths(dataset: fo.Dataset) -> dict[str, Path]:
    """Where each recording's workspace is, by recording id."""
    entry = dataset.info.get("drape", {})
    return {key: Path(path) for key, path in dict(entry.get("workspaces", {})).items()}


def uid(dataset: fo.Dataset) -> str:
    """What tells this dataset apart from every other, whatever its name."""
    return str(dataset.info["drape"]["uid"])


def workspace(dataset: fo.Dataset, recording: str) -> Workspace:
    """The workspace of one of the dataset's recordings.

    Raises:
        DatasetError: the dataset does not know it, or the folder holds another recording now.
        WorkspaceError: it is gone or damaged.
    """
    path = workspace_paths(dataset).get(recording)
    if path is None:
        raise DatasetError(
            f"The dataset does not say where the workspace of {recording} is", "Ingest the recording again"
        )
    ws = Workspace.open(path)
    if ws.recording.id != recording:
        raise DatasetError(f"The workspace of {recording} holds another recording now", "Ingest the recording again")
    return ws


def flat(dataset: fo.Dataset, recording: str | None = None, mosaic: bool = False) -> fo.DatasetView:
    """The views of a recording (or of all) as a flat collection. Filters go after this, never before it.

    Args:
        dataset: of recordings.
        recording: its id; None for all.
        mosaic: whether the mosaic belongs to it too.
    """
    names = [name for name in dataset.group_slices if mosaic or name != schema.MOSAIC]
    view = dataset.select_group_slices(names)
    return view if recording is None else view.match(fo.ViewField("recording") == recording)


def slice_ids(dataset: fo.Dataset, recording: str) -> dict[str, str]:
    """Sample ids of a recording's slices, by slice name, ``"mosaic"`` included."""
    names, ids = flat(dataset, recording, mosaic=True).values(["view", "id"])
    return dict(zip(names, ids, strict=True))


def one(dataset: fo.Dataset, recording: str, name: str) -> tuple[fo.DatasetView, fo.Sample]:
    """One slice of a recording as a flat collection of one sample, and that sample.

    Raises:
        DatasetError: the dataset has no such slice.
    """
    view = dataset.select_group_slices(name).match(fo.ViewField("recording") == recording)
    try:
        return view, view.one(fo.ViewField("recording") == recording)
    except ValueError as error:
        raise DatasetError(f"The dataset has no {name} of {recording}", "Ingest the recording again") from error


@database()
def recordings_of(collection: Any) -> list[str]:
    """Ids of the recordings that a dataset or view touches, in the order of the dataset.

    Args:
        collection: a dataset of recordings, or any view of it: grouped, flat, clips, frames or patches.

    Raises:
        DatasetError: it is not of recordings.
    """
    dataset = collection._root_dataset
    check(dataset)
    every = list(workspace_paths(dataset))
    if collection is dataset:
        return every
    if collection._is_generated:
        samples = [ObjectId(i) for i in collection.distinct("sample_id")]
        touched = flat(dataset, mosaic=True).select(samples).distinct("recording")
    elif collection.media_type == fo.core.media.GROUP:
        touched = collection.select_group_slices(dataset.group_slices).distinct("recording")
    else:
        touched = collection.distinct("recording")
    return [recording for recording in every if recording in set(touched)]
