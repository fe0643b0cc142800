"""Ingest: what stands in the dataset, and what bad input gets."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import fiftyone as fo
import numpy as np
import pytest
from drape import fiftyone_io, media
from drape.detection import DetectionConfig
from drape.errors import DatasetError, DrapeError, MediaError, WorkspaceError
from drape.fiftyone_io import dataset as datasets
from drape.fiftyone_io import playback, schema
from drape.recording import View
from support import blobs, clips
from support.theatre import Theatre


def test_a_recording_becomes_a_group_with_a_slice_per_view_and_a_mosaic(theatre: Theatre) -> None:
    dataset = theatre.ingested().dataset
    recording = theatre.workspace.recording
    assert dataset.persistent
    assert dataset.media_type == "group"
    assert dataset.default_group_slice == "mosaic"
    assert set(dataset.group_slices) == {"view1", "view2", "mosaic"}
    assert len(dataset.distinct("group.id")) == 1
    for view in recording.views:
        sample = theatre.slice(view.id).one(fo.ViewField("view") == view.id)
        assert sample.filepath == str(view.media)
        assert (sample.recording, sample.num_frames, sample.release_status) == (recording.id, 50, "none")
        assert (sample.clock_offset, sample.clock_drift) == (0.0, 0.0)


def test_metadata_are_the_engines_own_facts(theatre: Theatre) -> None:
    theatre.ingested()
    for name in ("view1", "view2", "mosaic"):
        sample = theatre.slice(name).first()
        facts, found = sample.metadata, media.probe(View(id="v", name="v", media=Path(sample.filepath)))
        assert (facts.frame_width, facts.frame_height) == (found.width, found.height)
        assert facts.total_frame_count == found.num_frames == sample.num_frames
        assert facts.frame_rate == pytest.approx(float(found.average_rate or 0))
        assert facts.duration == pytest.approx(2.0)
        assert facts.size_bytes == Path(sample.filepath).stat().st_size
        assert facts.mime_type == "video/mp4"


def test_fields_indexes_and_sidebar_are_declared(theatre: Theatre) -> None:
    dataset = theatre.ingested().dataset
    assert set(schema.IDENTITY) | set(schema.ROLLUPS) | {"intervals"} <= set(dataset.get_field_schema())
    assert {"candidates", "persons"} <= set(dataset.get_frame_field_schema())
    assert set(schema.INDEXED) <= set(dataset.list_indexes())
    assert dataset.app_config.disable_frame_filtering is True
    assert "frames.persons" in dataset.app_config.active_fields.paths
    assert {"recording", "persons", "release"} <= {group.name for group in dataset.app_config.sidebar_groups}


@pytest.mark.slow
def test_a_curators_own_sidebar_stays(theatre: Theatre) -> None:
    dataset = theatre.ingested().dataset
    dataset.app_config.sidebar_groups = dataset.app_config.sidebar_groups[:2]
    dataset.save()
    schema.declare(dataset)
    assert len(theatre.dataset.app_config.sidebar_groups) == 2


def test_ingesting_again_changes_nothing(theatre: Theatre) -> None:
    before = theatre.ingested().dataset.select_group_slices().values(["id", "filepath", "group.id"])
    after = theatre.ingested().dataset.select_group_slices().values(["id", "filepath", "group.id"])
    assert after == before


@pytest.mark.slow
def test_an_ingest_that_was_stopped_is_completed(theatre: Theatre) -> None:
    dataset = theatre.ingested().dataset
    group = dataset.distinct("group.id")
    dataset.delete_samples(theatre.slice("view2").values("id"))
    theatre.ingested()
    assert sorted(theatre.dataset.select_group_slices().values("view")) == ["mosaic", "view1", "view2"]
    assert theatre.dataset.distinct("group.id") == group


@pytest.mark.slow
def test_a_second_recording_becomes_a_second_group(theatre: Theatre, tmp_path: Path) -> None:
    theatre.ingested()
    blobs.make_recording(tmp_path / "second", views=3, frames=12, seed=5)
    _, recording = fiftyone_io.ingest(theatre.name, tmp_path / "second", theatre.work)
    dataset = theatre.dataset
    assert len(dataset.distinct("group.id")) == 2
    assert "view3" in dataset.group_slices
    assert fiftyone_io.recordings_of(dataset)[1] == recording
    assert datasets.flat(dataset, recording).values("num_frames") == [12, 12, 12]


def test_two_workers_do_not_lose_each_others_workspace(theatre: Theatre) -> None:
    mine, first = theatre.ingested().dataset, theatre.recording
    schema.mark_workspace(fo.load_dataset(theatre.name, reload=True), "rec-other", "/elsewhere")
    schema.mark_workspace(mine, "rec-third", "/third")
    assert set(datasets.workspace_paths(theatre.dataset)) == {first, "rec-other", "rec-third"}


@pytest.mark.slow
def test_the_same_recording_from_another_workspace_is_refused(theatre: Theatre, tmp_path: Path) -> None:
    theatre.ingested()
    with pytest.raises(DatasetError, match="already, from another workspace"):
        fiftyone_io.ingest(theatre.name, theatre.source, tmp_path / "elsewhere")


def test_a_dataset_of_somebody_else_is_refused_and_left_alone(theatre: Theatre) -> None:
    fo.Dataset(theatre.name, persistent=True).add_sample(fo.Sample(filepath="picture.jpg"))
    with pytest.raises(DatasetError, match="not made by Drape"):
        theatre.ingested()
    assert theatre.dataset.count() == 1
    assert theatre.dataset.media_type == "image"


def test_a_damaged_view_leaves_no_dataset(theatre: Theatre, tmp_path: Path) -> None:
    shutil.copytree(theatre.source, tmp_path / "damaged")
    video = tmp_path / "damaged" / "door_or7.mp4"
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(MediaError) as caught:
        fiftyone_io.ingest(theatre.name, tmp_path / "damaged", theatre.work)
    assert caught.value.role == "view2"
    assert "door" not in str(caught.value)
    assert not fo.dataset_exists(theatre.name)


def test_a_view_that_vanished_is_named_by_its_role(theatre: Theatre, tmp_path: Path) -> None:
    shutil.copytree(theatre.source, tmp_path / "moved")
    theatre.source = tmp_path / "moved"
    theatre.ingested()
    (theatre.source / "door_or7.mp4").unlink()
    with pytest.raises(MediaError, match="view2: the media are gone") as caught:
        fiftyone_io.detect(theatre.dataset, theatre.recording, DetectionConfig(preset="blobs"))
    assert "door" not in str(caught.value)


def test_workspaces_do_not_lie_among_the_media(theatre: Theatre) -> None:
    theatre.work = theatre.source / "work"
    with pytest.raises(WorkspaceError, match="inside the source's folder"):
        theatre.ingested()
    assert not (theatre.source / "work").exists()


def test_a_lost_workspace_is_told(theatre: Theatre) -> None:
    theatre.ingested()
    shutil.rmtree(theatre.work)
    with pytest.raises(DrapeError, match="no workspace"):
        _ = theatre.workspace


@pytest.mark.slow
def test_every_kind_of_view_names_its_recordings(theatre: Theatre, tmp_path: Path) -> None:
    theatre.tracked()
    blobs.make_recording(tmp_path / "second", views=1, frames=8, seed=5)
    fiftyone_io.ingest(theatre.name, tmp_path / "second", theatre.work)
    dataset, first = theatre.dataset, fiftyone_io.recordings_of(theatre.dataset)[0]
    grouped = dataset.match(fo.ViewField("recording") == first)
    flat = datasets.flat(dataset, first)
    views = {
        "grouped": grouped,
        "selected": dataset.select(grouped.first().id),
        "flat": flat,
        "clips": flat.match_frames(fo.ViewField("persons.detections").length() > 0).to_clips("frames.persons"),
        "frames": flat.to_frames(sample_frames="dynamic"),
        "patches": flat.to_frames(sample_frames="dynamic").to_patches("persons"),
    }
    found = {name: fiftyone_io.recordings_of(view) for name, view in views.items()}
    assert found == {name: [first] for name in views}
    assert len(fiftyone_io.recordings_of(dataset)) == 2


@pytest.mark.slow
def test_a_single_view_and_image_folders_work(theatre: Theatre, tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "kinect"
    folder.mkdir(parents=True)
    frames = media.read_frames(View(id="v", name="v", media=theatre.source / "ceiling_or7.mp4"))
    for frame, _ in zip(frames, range(10), strict=False):
        cv2.imwrite(str(folder / f"{frame.index:03d}.png"), frame.image[:179, :319])
    theatre.source = folder.parent
    theatre.tracked()
    sample = theatre.slice("view1").first()
    assert Path(sample.filepath).is_relative_to(theatre.work)
    assert (sample.metadata.frame_width, sample.metadata.frame_height) == (320, 180)
    assert sample.metadata.total_frame_count == len(list(media.read_frames(clips.view_of(Path(sample.filepath))))) == 10
    widest = max(box[0] + box[2] for boxes in _boxes(theatre, "view1") for box in boxes)
    assert 0 < widest <= 319 / 320 + 1e-6, "boxes are shares of the copy, which is one column wider"


def _numbers(path: str) -> list[int]:
    return [clips.read_stripes(frame.image) for frame in media.read_frames(clips.view_of(Path(path)))]


def _boxes(theatre: Theatre, name: str) -> list[list[list[float]]]:
    boxes: list[list[list[float]]] = theatre.slice(name).values("frames.persons.detections.bounding_box")[0]
    return boxes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "kwargs"),
    [
        (".mp4", {"pts": [0, 40, 70, 170, 180, 300, 310, 420, 500, 501]}),
        (".mp4", {"frames": 10, "rotation": 90}),
        (".mp4", {"frames": 10, "pix_fmt": "yuv444p"}),
        (".avi", {"frames": 10, "codec": "mpeg4"}),
    ],
    ids=["uneven times", "turned", "4:4:4", "avi"],
)
def test_what_browsers_cannot_step_through_gets_a_copy_frame_by_frame(
    theatre: Theatre, tmp_path: Path, suffix: str, kwargs: dict[str, Any]
) -> None:
    theatre.source = tmp_path / "other"
    theatre.source.mkdir()
    clips.make_clip(theatre.source / f"a{suffix}", **kwargs)
    theatre.ingested()
    sample = theatre.slice("view1").first()
    assert Path(sample.filepath).is_relative_to(theatre.work)
    assert _numbers(sample.filepath) == list(range(10))
    assert (sample.metadata.frame_width, sample.metadata.frame_height) == (192, 128)
    pts = [frame.pts for frame in media.read_frames(clips.view_of(Path(sample.filepath)))]
    assert len(set(np.diff(pts))) == 1


def test_what_the_app_plays_is_the_source_where_it_can(theatre: Theatre) -> None:
    ws = theatre.ingested().workspace
    view = ws.recording.views[0]
    played = playback.playable(ws, view)
    assert played.path == view.media
    assert played.rate == pytest.approx(25.0)
