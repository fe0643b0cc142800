"""What the views say together, in the dataset: identities, likely misses, intervals, saved views."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import numpy as np
import pytest
from drape import fiftyone_io, tables
from drape.fiftyone_io import rollups, write
from drape.tracking import TrackingConfig
from support.theatre import Theatre

MISSED = {"frame": [3, 3, 9], "x1": [10, 60, 12], "y1": [20, 20, 22], "x2": [40, 90, 42], "y2": [80, 80, 82]}


def plant(theatre: Theatre) -> None:
    """Write likely misses and intervals of view1 into the workspace, as the retrieval would."""
    ws = theatre.workspace
    times = ws.frames("view1").column("time").to_numpy()
    table = tables.make(
        tables.MISSED,
        **MISSED,
        time=times[MISSED["frame"]],
        probability=[0.9, 0.2, 0.6],
        reason=["seen_elsewhere", "low_score", "interrupted"],
        tracklet=[None, None, 1],
        person=[0, None, None],
    )
    tables.write(table, ws.path("missed", "view1"))
    tables.write(intervals("likely_missed", times[3], times[10], "seen_elsewhere"), ws.whole_path("intervals"))
    tables.write(intervals("unsynchronized", times[0], times[5], "stands still"), ws.whole_path("synchrony"))


def intervals(label: str, start: float, stop: float, reason: str) -> Any:
    columns = {"view": ["view1"], "start": [start], "stop": [stop], "confidence": [0.8], "reason": [reason]}
    return tables.make(tables.INTERVALS, label=[label], **columns)


def test_likely_misses_become_labels_intervals_rollups_and_a_view(theatre: Theatre) -> None:
    ws, dataset = theatre.retrieved().workspace, theatre.dataset
    plant(theatre)
    write.write_missed(dataset, ws)
    rollups.write_missed_counts(dataset, ws)
    rollups.write_synchrony(dataset, ws)
    sample = theatre.slice("view1").first()
    labels = sample.frames[4].missed.detections
    assert [(round(d.confidence, 6), d.reason, d.index) for d in labels] == [
        (0.9, "seen_elsewhere", None),
        (0.2, "low_score", None),
    ]
    assert labels[0].bounding_box == pytest.approx([10 / 320, 20 / 180, 30 / 320, 60 / 180])
    assert labels[0].instance is not None
    assert labels[1].instance is None
    assert sample.frames[10].missed.detections[0].index == 1
    assert {(d.label, tuple(d.support)) for d in sample.intervals.detections} == {
        ("likely_missed", (4, 10)),
        ("unsynchronized", (1, 5)),
    }
    assert sample.num_missed == 1
    assert sample.missed_risk == pytest.approx((0.9 + 0.2 + 0.6) / 25, rel=1e-4)
    assert sample.longest_exposure == pytest.approx(7 / 25)
    view = fo.load_dataset(theatre.name).load_saved_view("Likely missed persons")
    assert view.values("view") == ["view1"]
    assert view.count("frames.missed.detections") == 2


def test_a_person_is_one_instance_in_all_views_and_in_the_mosaic(theatre: Theatre) -> None:
    ws = theatre.retrieved().workspace
    seen: dict[int, set[str]] = {}
    for name in ("view1", "view2"):
        persons = ws.persons(name).column("person").to_pylist()
        ids = [i for frame in theatre.slice(name).values("frames.persons.detections.instance._id")[0] for i in frame]
        assert len(ids) == len(persons)
        for person, instance in zip(persons, ids, strict=True):
            if person is not None:
                seen.setdefault(person, set()).add(str(instance))
    assert seen
    assert all(len(instances) == 1 for instances in seen.values())
    mosaic = theatre.slice("mosaic").values("frames.persons.detections.instance._id")[0]
    assert set().union(*seen.values()) <= {str(i) for frame in mosaic for i in frame}


def test_the_retrievals_words_are_in_the_dataset(theatre: Theatre) -> None:
    dataset = theatre.retrieved().dataset
    ws = theatre.workspace
    assert {"Retrieved by association", "Retrieved by tracking", "Likely missed persons"} <= set(
        dataset.list_saved_views()
    )
    for stage in ("associate", "retrieve"):
        key = f"{stage}_{theatre.recording.replace('-', '_')}"
        assert dataset.get_run_info(key).config.config == ws.record(stage)["config"]
    flat = dataset.select_group_slices(["view1", "view2"])
    for name in ("over_views", "over_time", "copy"):
        values = flat.values(f"frames.persons.detections.{name}", unwind=True)
        tables_ = [v for view in ("view1", "view2") for v in ws.persons(view).column(name).to_pylist()]
        known = [v for v in tables_ if v is not None]
        assert np.allclose([float(v) for v in values if v is not None], [float(v) for v in known], atol=1e-5)


def test_tracking_again_takes_back_what_was_retrieved(theatre: Theatre) -> None:
    theatre.retrieved()
    plant(theatre)
    dataset, ws = theatre.dataset, theatre.workspace
    write.write_missed(dataset, ws)
    rollups.write_missed_counts(dataset, ws)
    assert theatre.slice("view1").count("frames.missed.detections") == 3
    fiftyone_io.track(dataset, theatre.recording, TrackingConfig(smoothing_s=0.5))
    assert theatre.slice("view1").count("frames.missed.detections") == 0
    assert theatre.slice("view1").first().num_missed == 0
