"""Everybody who will be masked gets a pose or is known to have none; a resumed run gives the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.boxes import Boxes
from drape.errors import ConfigError, MediaError
from drape.pose import DeviceError, PoseError, PoseSegment, estimate_view
from drape.pose.rows import RAW, points_of
from drape.recording import Clock, View
from support import blobs
from support.poses import Dots, dots_config

FRAMES = 42
CONFIG = dots_config(segment_frames=16, frames_at_once=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    truth = blobs.make_recording(folder, views=1, frames=FRAMES)["view1"]
    np.save(folder / "truth.npy", truth)
    return folder


@pytest.fixture
def view(folder: Path) -> View:
    return View(id="view1", name="cam_1", media=folder / "cam_1.mp4", clock=Clock(offset=10.0))


@pytest.fixture
def persons(folder: Path) -> pa.Table:
    """The true figures; those hardly seen have an existence below the floor."""
    truth = np.load(folder / "truth.npy")
    return _persons(truth[:, 0], truth[:, 2:6], truth[:, 1], np.where(truth[:, 6] > 0.2, 0.9, 0.02))


def _persons(frame: Any, boxes: Any, tracklet: Any, existence: Any, copy: Any = None) -> pa.Table:
    count = len(frame)
    return tables.make(
        tables.PERSONS,
        frame=np.asarray(frame, np.int32),
        time=10 + np.asarray(frame) / 25,
        **tables.box_columns(np.asarray(boxes, np.float32)),
        tracklet=np.asarray(tracklet, np.int32),
        existence=np.asarray(existence, np.float32),
        source=["detected"] * count,
        score=np.full(count, 0.5, np.float32),
        candidate=pa.nulls(count, pa.int32()),
        person=np.asarray(tracklet, np.int32) + 7,
        over_time=pa.nulls(count, pa.float32()),
        over_views=pa.nulls(count, pa.float32()),
        copy=np.zeros(count, bool) if copy is None else copy,
    ).sort_by("frame")


def _poses(segments: Sequence[PoseSegment]) -> pa.Table:
    return pa.concat_tables([segment.poses for segment in segments])


def test_everybody_above_the_floor_gets_a_pose(view: View, persons: pa.Table) -> None:
    seen: list[tuple[int, int, str]] = []
    segments = list(estimate_view(view, persons, Dots(), CONFIG, progress=lambda *args: seen.append(args)))
    assert [(s.start, s.stop) for s in segments] == [(0, 16), (16, 32), (32, 42)]
    poses = _poses(segments)
    assert poses.schema == RAW
    rows = persons.to_pylist()
    number = {id(row): sum(r["frame"] == row["frame"] for r in rows[:k]) for k, row in enumerate(rows)}
    wanted = [(r["frame"], number[id(r)], r["tracklet"], r["person"], r["x1"]) for r in rows if r["existence"] >= 0.1]
    names = ("frame", "index", "tracklet", "person", "x1")
    assert list(zip(*(poses.column(n).to_pylist() for n in names), strict=True)) == wanted
    assert 60 < poses.num_rows < persons.num_rows
    np.testing.assert_allclose(poses.column("time").to_numpy(), 10 + poses.column("frame").to_numpy() / 25)
    points, scores = points_of(poses)
    assert scores.max() > 0.5
    boxes = tables.boxes_of(poses)
    off = points[..., 0].mean(axis=1) - boxes[:, [0, 2]].mean(axis=1)
    assert np.abs(off).mean() < 6  # the colour that the points follow is the figure's
    assert seen[-1] == (42, 0, "pose view1")


def test_resuming_gives_the_same_bits(view: View, persons: pa.Table) -> None:
    whole = list(estimate_view(view, persons, Dots(), CONFIG))
    for start in (16, 32, 48):
        rest = list(estimate_view(view, persons, Dots(), CONFIG, start=start))
        assert [s.start for s in rest] == [s.start for s in whole if s.start >= start]
        for a, b in zip(rest, [s for s in whole if s.start >= start], strict=True):
            assert a.poses.equals(b.poses)
    with pytest.raises(ConfigError, match="beginning of a segment"):
        next(estimate_view(view, persons, Dots(), CONFIG, start=7))


def test_frames_without_persons_are_not_looked_at(view: View, persons: pa.Table) -> None:
    nobody = Dots()
    segments = list(estimate_view(view, tables.empty(tables.PERSONS), nobody, CONFIG))
    assert [s.stop for s in segments] == [16, 32, 42]
    assert _poses(segments).num_rows == 0
    assert nobody.calls == []
    some = Dots()
    late = persons.filter(pa.compute.greater_equal(persons.column("frame"), 30))
    poses = _poses(list(estimate_view(view, late, some, CONFIG)))
    assert set(poses.column("frame").to_pylist()) == set(late.column("frame").to_pylist())
    assert all(all(call) for call in some.calls)


def test_sixty_persons_copies_among_them_in_one_frame(view: View) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(-30, 280, (60, 2))
    copies = np.arange(60) % 5 == 0
    persons = _persons(np.full(60, 9), np.concatenate([low, low + 40], axis=1), np.arange(60), np.full(60, 0.3), copies)
    poses = _poses(list(estimate_view(view, persons, Dots(), CONFIG)))
    assert poses.column("index").to_pylist() == list(range(60))
    assert set(poses.column("frame").to_pylist()) == {9}


def test_a_person_on_whom_the_model_fails_is_unknown_and_nobody_else(view: View, persons: pa.Table) -> None:
    rows = persons.filter(pa.compute.greater_equal(persons.column("existence"), 0.1))
    cursed = tables.boxes_of(rows)[20]

    def curse(boxes: Sequence[Boxes]) -> None:
        if any((found == cursed).all(axis=1).any() for found in boxes):
            raise ValueError("cannot look at this one")

    whole = points_of(_poses(list(estimate_view(view, persons, Dots(), CONFIG))))
    points, scores = points_of(_poses(list(estimate_view(view, persons, Dots(curse), CONFIG))))
    assert np.isnan(points[20]).all()
    assert (scores[20] == 0).all()
    np.testing.assert_array_equal(np.delete(points, 20, axis=0), np.delete(whole[0], 20, axis=0))
    np.testing.assert_array_equal(np.delete(scores, 20, axis=0), np.delete(whole[1], 20, axis=0))


class Wrong(Dots):
    """Answers what the protocol forbids."""

    def __init__(self, spoil: Any) -> None:
        super().__init__()
        self.spoil = spoil

    def __call__(self, images: Any, boxes: Any) -> Any:
        return [self.spoil(points, scores) for points, scores in super().__call__(images, boxes)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p, s: (p * np.nan, s),
        lambda p, s: (p, s * np.nan),
        lambda p, s: (p, s + 5),
        lambda p, s: (p[:, :16], s[:, :16]),
        lambda p, s: (p[..., 0], s),
    ],
    ids=["points", "scores", "scale", "count", "shape"],
)
def test_answers_that_break_the_protocol_are_an_error(view: View, persons: pa.Table, spoil: Any) -> None:
    with pytest.raises(PoseError, match="failed on all persons of the frames from 0 to 15"):
        next(estimate_view(view, persons, Wrong(spoil), CONFIG))


def test_a_lost_device_ends_the_run(view: View, persons: pa.Table) -> None:
    def lose(_: Sequence[Boxes]) -> None:
        raise DeviceError("The GPU stopped working", "Restart it")

    def forget(_: Sequence[Boxes]) -> None:
        raise MemoryError

    with pytest.raises(DeviceError, match="stopped working"):
        next(estimate_view(view, persons, Dots(lose), CONFIG))
    with pytest.raises(DeviceError, match="memory"):
        next(estimate_view(view, persons, Dots(forget), CONFIG))


def test_a_video_that_ends_too_early_is_an_error(view: View, persons: pa.Table, tmp_path: Path) -> None:
    longer = view.model_copy(update={"num_frames": 43})
    with pytest.raises(PoseError, match="ended after 42 of 43"):
        list(estimate_view(longer, persons, Dots(), CONFIG))
    late = _persons([60], [[0, 0, 9, 9]], [1], [0.9])
    with pytest.raises(PoseError, match="ended after 42 of 61"):
        list(estimate_view(view, late, Dots(), CONFIG))
    broken = tmp_path / "cam_1.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(MediaError):
        list(estimate_view(view.model_copy(update={"media": broken}), persons, Dots(), CONFIG))
