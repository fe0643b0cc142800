"""A release as a dataset: masked media and counts, and no trace of where they come from."""

from __future__ import annotations

import json
from pathlib import Path

import fiftyone as fo
import pytest
from drape import fiftyone_io, tables
from drape.anonymization import ReleaseConfig
from drape.errors import DatasetError, ReleaseError, VerificationError
from drape.fiftyone_io.private_names import find_private, private_names, strings
from drape.fiftyone_io.stages import names_of
from drape.recording import Recording, View
from support.theatre import Theatre

VIEW1 = {"view1's name", "view1's file name"}
PRIVATE = ("Mueller", "Hans", "ceiling_or7", "door_or7", "hospital")


@pytest.fixture
def released(theatre: Theatre, tmp_path: Path) -> Theatre:
    theatre.tracked().exported(tmp_path / "out", f"{theatre.name}-public")
    return theatre


def public(theatre: Theatre) -> fo.Dataset:
    return fo.load_dataset(f"{theatre.name}-public", reload=True)


@pytest.mark.slow
def test_a_release_dataset_holds_the_allow_list_and_nothing_private(released: Theatre, tmp_path: Path) -> None:
    dataset, folder = public(released), tmp_path / "out" / released.recording
    assert dataset.persistent
    assert dataset.group_slices == ["view1", "view2"]
    assert dataset.list_runs() == dataset.list_saved_views() == []
    manifest = json.loads((folder / "manifest.json").read_text())
    for view in manifest["views"]:
        sample = dataset.select_group_slices(view["id"]).first()
        assert sample.filepath == str(folder / f"{view['id']}.mp4")
        assert (sample.recording, sample.release) == (manifest["recording"], manifest["release"])
        assert (sample.num_masked, sample.num_empty, sample.num_unknown) == tuple(
            view["states"].get(name, 0) for name in ("detected", "verified_empty", "unknown")
        )
        assert sample.metadata.total_frame_count == sample.num_frames == 50
        assert sample.metadata.frame_rate == pytest.approx(25)
        states = tables.read(folder / f"{view['id']}.states.parquet", tables.STATES).column("state").to_pylist()
        assert dataset.select_group_slices(view["id"]).values("frames.state")[0] == states
    _no_private_byte(dataset, tmp_path / "exported")
    assert released.slice("view1").first().release_status == "verified"
    _adding_again_changes_nothing(released, tmp_path)
    _planted_names_are_found(released)


def _no_private_byte(dataset: fo.Dataset, folder: Path) -> None:
    dataset.export(export_dir=str(folder), dataset_type=fo.types.FiftyOneDataset, export_media=False)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"samples.json", "frames.json", "metadata.json"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert b"view1" in content or b"detected" in content
        assert [name for name in PRIVATE if name.encode() in content] == []


def _adding_again_changes_nothing(theatre: Theatre, tmp_path: Path) -> None:
    before = public(theatre).select_group_slices().values(["id", "filepath"])
    theatre.exported(tmp_path / "out", f"{theatre.name}-public")
    assert public(theatre).select_group_slices().values(["id", "filepath"]) == before
    other = fiftyone_io.export(
        theatre.dataset, theatre.recording, ReleaseConfig(margin_x=0.3), tmp_path / "other", None
    )
    with pytest.raises(DatasetError, match="another release of this recording"):
        fiftyone_io.add_release(f"{theatre.name}-public", tmp_path / "other" / other["recording"], {})


def _planted_names_are_found(theatre: Theatre) -> None:
    dataset, names = public(theatre), names_of(theatre.dataset, theatre.recording)
    fiftyone_io.check_release(dataset, names)
    sample = dataset.first()
    sample.tags = ["from ceiling_or7"]
    sample.save()
    with pytest.raises(VerificationError, match="view1's") as caught:
        fiftyone_io.check_release(dataset, names)
    assert "ceiling" not in str(caught.value)
    sample.tags = []
    sample.save()
    dataset.info["note"] = {"Mueller_Hans": 1}
    dataset.save()
    with pytest.raises(VerificationError, match="the recording's name"):
        fiftyone_io.check_release(dataset, names)
    del dataset.info["note"]
    dataset.save()
    frame_view = dataset.select_group_slices("view2")
    frame_view.set_values("frames.state", [["door_or7.mp4"] * 50])
    with pytest.raises(VerificationError, match="view2's"):
        fiftyone_io.check_release(dataset, names)
    dataset.add_sample_field("surgeon", fo.StringField)
    with pytest.raises(VerificationError, match="field surgeon"):
        fiftyone_io.check_release(dataset, names)


@pytest.mark.slow
def test_private_names_in_the_folder_or_the_dataset_are_refused(theatre: Theatre, tmp_path: Path) -> None:
    theatre.tracked()
    with pytest.raises(ReleaseError, match="holds the recording's name"):
        theatre.exported(tmp_path / "Mueller_Hans" / "out", f"{theatre.name}-public")
    assert not fo.dataset_exists(f"{theatre.name}-public")
    with pytest.raises(ReleaseError, match="holds view2's"):
        theatre.exported(tmp_path / "out", f"{theatre.name}-door_or7")
    fo.Dataset(f"{theatre.name}-taken", persistent=True)
    with pytest.raises(DatasetError, match="not one of releases"):
        fiftyone_io.add_release(f"{theatre.name}-taken", tmp_path / "out" / theatre.recording, {})
    with pytest.raises(DatasetError, match="not one of releases"):
        fiftyone_io.add_release(theatre.name, tmp_path / "out" / theatre.recording, {})


def test_a_folder_without_a_release_is_refused(theatre: Theatre, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no release"):
        fiftyone_io.add_release(f"{theatre.name}-public", tmp_path, {})


@pytest.mark.slow
def test_tracking_again_outdates_the_release(theatre: Theatre, tmp_path: Path) -> None:
    from drape.tracking import TrackingConfig

    theatre.tracked().exported(tmp_path / "out")
    assert set(theatre.dataset.select_group_slices().values("release_status")) == {"verified"}
    fiftyone_io.track(theatre.dataset, theatre.recording, TrackingConfig(max_gap_s=0.2))
    assert set(theatre.dataset.select_group_slices().values("release_status")) == {"outdated"}


def recording(name: str, *views: str) -> Recording:
    media = [View(id=f"view{i}", name=v, media=Path(f"/data/{name}/{v}.mp4")) for i, v in enumerate(views, start=1)]
    return Recording(id="rec-1", name=name, views=tuple(media))


@pytest.mark.parametrize("word", ["video", "media", "data", "view", "frame", "sample", "release", "state", "group"])
def test_innocent_words_of_the_database_are_no_leak(theatre: Theatre, word: str) -> None:
    dataset = fo.Dataset(f"{theatre.name}-x", persistent=True)
    dataset.add_group_field("group")
    dataset.add_group_slice("view1", "video")
    from drape.fiftyone_io import release, schema

    schema.declare_fields(dataset, {**release.SAMPLE_FIELDS, release.STATE: fo.StringField})
    schema.mark(dataset, release.KIND)
    sample = fo.Sample(filepath="/out/rec-1/view1.mp4", group=fo.Group().element("view1"), view="view1")
    dataset.add_sample(sample)
    fiftyone_io.check_release(dataset, private_names(recording(word, f"{word}s")))
    sample.filepath = f"/out/{word}s/view1.mp4"
    sample.save()
    with pytest.raises(VerificationError):
        fiftyone_io.check_release(dataset, private_names(recording(word, f"{word}s")))


def test_names_are_found_where_they_stand() -> None:
    names = private_names(recording("take3", "or", "view1"), workspace="/srv/work/take3-ab")
    assert "view1" not in names, "a source that is called like a pseudonym gives nothing away"
    assert find_private(["/x/take3_b/view1.mp4"], names) == "the recording's name"
    assert find_private(["/srv/work/take3-ab/frames"], names) in {"the workspace", "the recording's name"}
    assert find_private(["/x/or/view1.mp4"], names) in VIEW1, "a short name counts as a piece of a path"
    assert find_private(["/x/theory/for/view1.mp4"], names) is None
    assert find_private(["take3"], names, {"take3"}) is None
    document = {"a": ["x", {"_cls": "y", "b": "z"}], "info": {"key": {"deep": 1}}, "n": 1}
    assert sorted(strings(document)) == ["deep", "key", "x", "z"]
