"""Tables become frame labels: exactly, in bulk, and twice the same."""

from __future__ import annotations

import time
from typing import Any

import fiftyone as fo
import numpy as np
import pyarrow as pa
import pytest
from bson import ObjectId
from drape import fiftyone_io, media, tables
from drape.detection import DetectionConfig
from drape.errors import DatasetError
from drape.fiftyone_io import mosaic, rollups, write
from drape.fiftyone_io.ids import instance_ids, object_ids
from drape.tracking import TrackingConfig
from fiftyone import ViewField as F
from support.theatre import Theatre

ATTRIBUTES = ("bounding_box", "confidence", "index", "source", "score", "label", "id", "instance._id")


def labels(theatre: Theatre, name: str, field: str) -> dict[str, list[list[Any]]]:
    """Every attribute of every label of a slice, by frame."""
    paths = ["frames.frame_number", *(f"frames.{field}.detections.{one}" for one in ATTRIBUTES)]
    values = theatre.slice(name).values(paths)
    return dict(zip(("number", *ATTRIBUTES), (value[0] for value in values), strict=True))


def expected(table: pa.Table, num_frames: int, column: str) -> list[list[Any]]:
    """A column of a table, by frame."""
    rows: list[list[Any]] = [[] for _ in range(num_frames)]
    for frame, value in zip(table.column("frame").to_pylist(), table.column(column).to_pylist(), strict=True):
        rows[frame].append(value)
    return rows


def test_labels_are_the_tables(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    for view in ws.recording.views:
        for field, table, score in (
            ("candidates", ws.candidates(view.id), "score"),
            ("persons", ws.persons(view.id), "existence"),
        ):
            found = labels(theatre, view.id, field)
            assert found["number"] == list(range(1, 51))
            assert found["confidence"] == expected(table, 50, score)
            boxes = np.array([box for boxes in found["bounding_box"] for box in boxes])
            size = np.array([view.width, view.height], np.float64)
            pixels = np.concatenate([boxes[:, :2] * size, (boxes[:, :2] + boxes[:, 2:]) * size], axis=1)
            np.testing.assert_allclose(pixels, tables.boxes_of(table), atol=1e-4)
            assert {one for labels_ in found["label"] for one in labels_} == {"person"}
        persons = ws.persons(view.id)
        assert found["index"] == expected(persons, 50, "tracklet")
        assert found["source"] == expected(persons, 50, "source")
        assert found["score"] == expected(persons, 50, "score")


def test_a_tracklet_is_one_instance_in_its_view_and_in_the_mosaic(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    pairs = {}
    for name in ("view1", "view2", "mosaic"):
        found = labels(theatre, name, "persons")
        pairs[name] = {
            (str(instance), index)
            for instances, indexes in zip(found["instance._id"], found["index"], strict=True)
            for instance, index in zip(instances, indexes, strict=True)
        }
    assert len({instance for instance, _ in pairs["view1"]}) == len(
        set(ws.persons("view1").column("tracklet").to_pylist())
    )
    assert not {i for i, _ in pairs["view1"]} & {i for i, _ in pairs["view2"]}
    assert pairs["mosaic"] == pairs["view1"] | pairs["view2"]


def test_twice_gives_the_same_documents(theatre: Theatre) -> None:
    theatre.tracked()
    before = {name: labels(theatre, name, "persons") for name in ("view1", "view2", "mosaic")}
    candidates = labels(theatre, "view1", "candidates")
    fiftyone_io.detect(theatre.dataset, theatre.recording, DetectionConfig(preset="blobs"))
    fiftyone_io.track(theatre.dataset, theatre.recording, TrackingConfig())
    assert {name: labels(theatre, name, "persons") for name in before} == before
    assert labels(theatre, "view1", "candidates") == candidates
    assert len(theatre.dataset.list_runs()) == 3


@pytest.mark.slow
def test_labels_of_an_earlier_result_are_gone(theatre: Theatre) -> None:
    theatre.detected()
    many = theatre.slice("view1").count("frames.candidates.detections")
    fiftyone_io.detect(theatre.dataset, theatre.recording, DetectionConfig(preset="blobs", score_floor=0.8))
    few = theatre.slice("view1").count("frames.candidates.detections")
    assert few == theatre.workspace.candidates("view1").num_rows < many


def test_the_mosaic_shows_each_view_at_its_place_and_time(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    plan = mosaic.plan(ws)
    found = labels(theatre, "mosaic", "persons")
    assert len(found["number"]) == plan.num_frames
    for k in (0, 17, 33, plan.num_frames - 1):
        wanted = []
        for tile in plan.tiles:
            table = ws.persons(tile.view)
            boxes = tables.boxes_of(
                table.filter(pa.compute.equal(table.column("frame"), int(plan.shown[tile.view][k])))
            )
            wanted += [tuple(box) for box in tile.to_mosaic(boxes).tolist()]
        size = np.array([plan.width, plan.height])
        boxes = np.array(found["bounding_box"][k])
        shown = np.concatenate([boxes[:, :2] * size, (boxes[:, :2] + boxes[:, 2:]) * size], axis=1)
        np.testing.assert_allclose(np.sort(shown, axis=0), np.sort(np.array(wanted), axis=0), atol=1e-3)


@pytest.mark.slow
def test_boxes_on_the_mosaic_lie_on_vivid_figures(theatre: Theatre) -> None:
    theatre.tracked()
    sample = theatre.slice("mosaic").first()
    boxes = labels(theatre, "mosaic", "persons")["bounding_box"]
    vivid = []
    for frame in media.read_frames(_view(sample.filepath)):
        height, width = frame.image.shape[:2]
        spread = frame.image.max(axis=2).astype(int) - frame.image.min(axis=2)
        for x, y, w, h in boxes[frame.index]:
            inside = spread[
                max(0, int(y * height)) : int((y + h) * height), max(0, int(x * width)) : int((x + w) * width)
            ]
            vivid.append(float((inside > 80).mean()) if inside.size else 1.0)
    assert np.median(vivid) > 0.4


def _view(path: str) -> Any:
    from support import clips

    return clips.view_of(path)


def test_documents_are_those_fiftyone_would_make(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    part = ws.persons("view1").slice(0, 3)
    ids = object_ids("x", range(3))
    boxes = write.normalised(tables.boxes_of(part), 320, 180)
    columns = write.person_columns(ws.recording.id, "view1", part)
    made = write.documents(ids, boxes, columns)
    for k, document in enumerate(made):
        label = fo.Detection(
            id=str(ids[k]),
            label="person",
            bounding_box=boxes[k].tolist(),
            confidence=columns["confidence"][k],
            index=columns["index"][k],
            instance=fo.Instance(id=str(columns["instance"][k]["_id"])),
            source=columns["source"][k],
            score=columns["score"][k],
            over_time=columns["over_time"][k],
            over_views=columns["over_views"][k],
            copy=columns["copy"][k],
        )
        assert _plain(label.to_dict()) == _plain(document)


def _plain(value: Any) -> Any:
    if hasattr(value, "items"):
        return {key: _plain(one) for key, one in value.items()}
    return value


def test_ids_follow_from_their_keys_and_do_not_meet() -> None:
    assert object_ids("a", ["1", "2"]) == object_ids("a", ["1", "2"])
    everything = [
        *object_ids("a", range(20_000)),
        *object_ids("b", range(20_000)),
        *instance_ids("r", "v", range(99), [None] * 99),
    ]
    assert len(set(everything)) == 40_099
    assert all(isinstance(one, ObjectId) for one in everything[:3])


@pytest.mark.slow
def test_bulk_writing_is_fast(theatre: Theatre) -> None:
    dataset = theatre.ingested().dataset
    collection = theatre.slice("view1")
    sample = collection.first().id
    frames = np.repeat(np.arange(2000, dtype=np.int32), 20)
    boxes = np.random.default_rng(0).random((len(frames), 4))
    begun = time.perf_counter()
    made = write.documents(object_ids("speed", range(len(frames))), boxes, {"confidence": [0.5] * len(frames)})
    write.write_frames(collection, sample, "frames.candidates", frames, made, (0, 2000))
    seconds = time.perf_counter() - begun
    assert theatre.slice("view1").count("frames.candidates.detections") == len(frames)
    assert seconds < 6, f"40,000 boxes took {seconds:.1f} s; a loop over samples takes more than a minute"
    assert dataset.name == theatre.name


def test_rollups_count_what_the_tables_hold(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    whole = {"num_persons": 0, "num_tracklets": 0, "num_interpolated": 0, "num_empty": 0}
    for view in ws.recording.views:
        table = ws.persons(view.id)
        rows = [
            row
            for row in table.select(["frame", "tracklet", "source", "existence"]).to_pylist()
            if row["existence"] >= 0.5
        ]
        per_frame = [sum(row["frame"] == k for row in rows) for k in range(50)]
        counts = {
            "num_persons": max(per_frame),
            "num_tracklets": len({row["tracklet"] for row in rows}),
            "num_interpolated": sum(row["source"] == "interpolated" for row in rows),
            "num_empty": per_frame.count(0),
        }
        sample = theatre.slice(view.id).first()
        assert {name: sample[name] for name in counts} == counts
        assert sample.num_unknown == 0
        whole = {n: max(whole[n], counts[n]) if n == "num_persons" else whole[n] + counts[n] for n in whole}
    sample = theatre.slice("mosaic").first()
    assert {name: sample[name] for name in whole} == whole
    assert whole["num_tracklets"] > 0


def test_unknown_frames_become_intervals(theatre: Theatre) -> None:
    ws = theatre.detected().workspace
    known = np.ones(50, bool)
    known[[3, 4, 5, 20, 49]] = False
    covered = tables.make(
        tables.COVERED, frame=np.arange(50, dtype=np.int32), known=known, reason=[None if k else "dark" for k in known]
    )
    assert rollups.unknown_intervals(covered) == [(4, 6), (21, 21), (50, 50)]
    tables.write(covered, ws.path("covered", "view2"))
    rollups.write_unknown(theatre.dataset, ws)
    rollups.write_unknown(theatre.dataset, ws)
    sample = theatre.slice("view2").first()
    assert [tuple(d.support) for d in sample.intervals.detections] == [(4, 6), (21, 21), (50, 50)]
    assert sample.num_unknown == 5
    assert theatre.slice("view1").first().num_unknown == 0
    assert theatre.slice("mosaic").first().num_unknown == 5


def test_saved_views_hold_what_they_say(theatre: Theatre) -> None:
    dataset = theatre.tracked().dataset
    ws = theatre.workspace
    assert set(dataset.list_saved_views()) == {
        "Low-confidence candidates",
        "Unknown frames",
        "Detected persons",
        "Retrieved by tracking",
        "Interpolated persons",
        "Reviewed persons",
        "Frames without a person",
    }
    sources = [source for view in ws.recording.views for source in ws.persons(view.id).column("source").to_pylist()]
    for source in ("detected", "interpolated", "reviewed"):
        view = dataset.load_saved_view(f"{source.capitalize()} persons")
        assert view.count("frames.persons.detections") == sources.count(source)
    weak = [s for view in ws.recording.views for s in ws.candidates(view.id).column("score").to_pylist() if s < 0.3]
    assert dataset.load_saved_view("Low-confidence candidates").count("frames.candidates.detections") == len(weak)
    empty = dataset.load_saved_view("Frames without a person")
    assert empty.count("frames.persons.detections") == 0
    assert len(dataset.load_saved_view("Unknown frames")) == 0
    assert sources.count("detected") > 0


def test_runs_keep_the_record_and_the_views(theatre: Theatre) -> None:
    dataset = theatre.tracked().dataset
    key = f"detect_{theatre.recording.replace('-', '_')}"
    config = dataset.get_run_info(key).config
    record = theatre.workspace.record("detect")
    assert config.method == "drape/detect"
    assert config.config["preset"] == "blobs"
    assert config.detector == record["detector"]
    assert config.views == record["views"]
    assert sorted(dataset.load_run_view(key).values("view")) == ["view1", "view2"]
    text = str(config.serialize())
    assert "Mueller" not in text
    assert "ceiling" not in text


@pytest.mark.slow
def test_tracking_needs_candidates(theatre: Theatre) -> None:
    theatre.ingested()
    with pytest.raises(Exception, match="no candidates of view1 yet"):
        fiftyone_io.track(theatre.dataset, theatre.recording, TrackingConfig())
    assert theatre.slice("view1").match_frames(F("persons") != None).count() == 0  # noqa: E711


@pytest.mark.slow
def test_a_slice_that_was_deleted_is_told(theatre: Theatre) -> None:
    theatre.detected()
    theatre.dataset.delete_samples(theatre.slice("view2").values("id"))
    with pytest.raises(DatasetError, match="no view2"):
        fiftyone_io.track(theatre.dataset, theatre.recording, TrackingConfig())
