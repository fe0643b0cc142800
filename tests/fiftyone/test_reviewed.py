"""What a curator draws is masked; what a curator deletes stays masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pyarrow.compute as pc
import pytest
from drape import fiftyone_io, media, tables
from drape.errors import DatasetError
from drape.fiftyone_io import mosaic, reviewed
from drape.fiftyone_io.matching import is_known
from drape.tracking import TrackingConfig
from support import clips
from support.theatre import Theatre

CORNER = [0.02, 0.02, 0.1, 0.12]
"""A box where nobody is."""


def draw(theatre: Theatre, name: str, number: int, box: list[float], **attributes: Any) -> None:
    """Add a box to ``frames.persons`` as the App does."""
    sample = theatre.slice(name).first()
    sample.frames[number].persons.detections.append(fo.Detection(label="person", bounding_box=box, **attributes))
    sample.save()


def sources(theatre: Theatre, name: str, number: int) -> list[str]:
    labels = theatre.slice(name).first().frames[number].persons.detections
    return [label.source for label in labels]


def test_a_drawn_box_becomes_a_person_and_stays_one(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    before = ws.persons("view1").num_rows
    draw(theatre, "view1", 8, CORNER)
    assert reviewed.collect(theatre.dataset, ws) == 1
    assert reviewed.collect(theatre.dataset, ws) == 0, "collecting is idempotent"
    (row,) = ws.reviewed("view1").to_pylist()
    assert (row["frame"], row["source"], row["existence"], row["score"]) == (7, "reviewed", 1.0, None)
    assert row["time"] == ws.frames("view1").column("time")[7].as_py()
    assert [row[c] for c in ("x1", "y1", "x2", "y2")] == pytest.approx([6.4, 3.6, 38.4, 25.2], abs=1e-3)
    assert row["tracklet"] not in ws.persons("view1").column("tracklet").to_pylist()
    assert ws.everyone("view1").num_rows == before + 1
    fiftyone_io.track(theatre.dataset, theatre.recording, TrackingConfig(max_gap_s=0.1))
    assert sources(theatre, "view1", 8).count("reviewed") == 1, "tracking again keeps it"
    assert theatre.dataset.load_saved_view("Reviewed persons").count("frames.persons.detections") == 1
    assert ws.reviewed("view1").num_rows == 1


@pytest.mark.slow
def test_a_moved_box_is_added_and_the_old_place_stays(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    sample = theatre.slice("view2").first()
    label = sample.frames[10].persons.detections[0]
    tracklet, (x, y, w, h) = label.index, label.bounding_box
    label.bounding_box = [x - 0.05, y, w + 0.1, h]
    sample.save()
    before = ws.persons("view2")
    assert reviewed.collect(theatre.dataset, ws) == 1
    assert ws.persons("view2").equals(before)
    assert ws.reviewed("view2").column("tracklet").to_pylist() == [tracklet]


def test_deleting_every_box_unmasks_nobody(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    before = {name: ws.everyone(name) for name in ("view1", "view2")}
    theatre.slice("view1").set_field("frames.persons", None).save("frames.persons")
    theatre.slice("view2").first().frames.clear()
    reviewed.collect(theatre.dataset, ws)
    assert all(ws.everyone(name).equals(table) for name, table in before.items())


def test_a_box_drawn_on_the_mosaic_reaches_its_view_at_its_time(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    plan = mosaic.plan(ws)
    tile = plan.tiles[1]
    wanted = np.array([[40, 30, 80, 100]], np.float32)
    x1, y1, x2, y2 = tile.to_mosaic(wanted)[0].tolist()
    box = [x1 / plan.width, y1 / plan.height, (x2 - x1) / plan.width, (y2 - y1) / plan.height]
    draw(theatre, "mosaic", 21, box)
    assert reviewed.collect(theatre.dataset, ws) == 1
    assert ws.reviewed("view1").num_rows == 0
    (row,) = ws.reviewed(tile.view).to_pylist()
    assert row["frame"] == int(plan.shown[tile.view][20])
    assert [row[c] for c in ("x1", "y1", "x2", "y2")] == pytest.approx(wanted[0].tolist(), abs=0.01)
    assert reviewed.collect(theatre.dataset, ws) == 0


def test_a_box_on_the_mosaic_covers_the_frames_it_leaves_out(theatre: Theatre, tmp_path: Path) -> None:
    theatre.source = tmp_path / "fast"
    theatre.source.mkdir()
    clips.make_clip(theatre.source / "a.mp4", frames=24, fps=120)
    ws = theatre.ingested().workspace
    plan = mosaic.plan(ws)
    sample = theatre.slice("mosaic").first()
    sample.frames[3] = fo.Frame(
        persons=fo.Detections(detections=[fo.Detection(label="person", bounding_box=[0.2, 0.2, 0.5, 0.5])])
    )
    sample.save()
    first, following = (int(plan.shown["view1"][k]) for k in (2, 3))
    assert following - first >= 3
    assert reviewed.collect(theatre.dataset, ws) == following - first
    assert ws.reviewed("view1").column("frame").to_pylist() == list(range(first, following))


@pytest.mark.slow
def test_boxes_of_an_older_result_are_not_taken_for_a_curators(theatre: Theatre) -> None:
    ws = theatre.tracked().workspace
    tables.write(ws.persons("view1").slice(0, 5), ws.path("persons", "view1"))
    assert reviewed.collect(theatre.dataset, ws) == 0


@pytest.mark.slow
@pytest.mark.parametrize("box", [[0.1, 0.1, 0.0, 0.2], [0.1, float("nan"), 0.1, 0.2]])
def test_a_box_that_covers_nothing_is_told(theatre: Theatre, box: list[float]) -> None:
    ws = theatre.tracked().workspace
    draw(theatre, "view2", 5, box)
    with pytest.raises(DatasetError, match="view2, frame 5"):
        reviewed.collect(theatre.dataset, ws)


def test_matching_tells_rounding_from_a_hand() -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(np.arange(200), 5)
    boxes = rng.uniform(0, 2000, (1000, 4)).astype(np.float32)
    order = rng.permutation(1000)
    assert is_known(frames[order], boxes[order] + 0.01, frames, boxes).all()
    assert not is_known(frames, boxes + np.float32([0, 0, 1, 0]), frames, boxes).any()
    assert not is_known(frames + 1, boxes, frames, boxes).any()
    assert not is_known(frames, boxes, frames[:0], boxes[:0]).any()


@pytest.mark.slow
def test_a_release_masks_drawn_boxes_and_deleted_ones(theatre: Theatre, tmp_path: Path) -> None:
    ws = theatre.tracked().workspace
    draw(theatre, "view1", 20, CORNER)
    sample = theatre.slice("view1").first()
    removed = sample.frames[30].persons.detections.pop(0)
    sample.save()
    manifest = theatre.exported(tmp_path / "out")
    folder = tmp_path / "out" / theatre.recording
    images = {f.index: f.image for f in media.read_frames(clips.view_of(folder / "view1.mp4"))}
    assert abs(_inside(images[19], CORNER, 320, 180).astype(int) - 128).max() <= 6
    assert abs(_inside(images[29], removed.bounding_box, 320, 180).astype(int) - 128).max() <= 6
    assert np.ptp(_inside(images[40], CORNER, 320, 180)) > 12, "where nothing was drawn the picture is there"
    assert manifest["verdict"] is not None
    assert sources(theatre, "view1", 20).count("reviewed") == 1, "the App shows it as reviewed"
    rows = ws.persons("view1").filter(pc.field("frame") == 29).num_rows
    assert len(theatre.slice("view1").first().frames[30].persons.detections) == rows, "the deleted box is back"


def _inside(image: Any, box: list[float], width: int, height: int) -> Any:
    x, y, w, h = box
    x1, y1, x2, y2 = max(0.0, x), max(0.0, y), min(1.0, x + w), min(1.0, y + h)
    return image[int(y1 * height) : int(y2 * height), int(x1 * width) : int(x2 * width)]
