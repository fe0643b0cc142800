"""The truth of simulated frames, checked against the masks, OpenCV's camera model and polygons, and against itself
when people are drawn alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
import pytest
from drape.simulator import FrameTruth, Scene
from drape.simulator.buffers import Buffers, projected
from drape.simulator.keypoints import COUNT, FACE, LABELLED
from support.rooms import Clip, clip, small

FRAMES = range(0, 40, 8)


@cache
def scene(antialias: bool = True) -> Scene:
    return Scene(small(seed=1, seconds=8, views=3, people=5, antialias=antialias))


@cache
def truths() -> list[FrameTruth]:
    return [scene().truth_only(view, k) for k in FRAMES for view in range(3)]


def people(truth: FrameTruth) -> np.ndarray:
    """Rows of the crew."""
    return np.flatnonzero((truth.kind == 0) & (truth.role != "patient"))


def rows() -> Iterator[tuple[FrameTruth, int]]:
    for truth in truths():
        for row in people(truth):
            yield truth, int(row)


def test_there_is_much_to_check() -> None:
    assert sum(len(people(truth)) for truth in truths()) > 50
    assert {name for truth in truths() for name in truth.role} >= {"surgeon", "patient"}


def test_visible_lies_in_full_and_full_in_amodal_boxes() -> None:
    for truth in truths():
        assert np.all((truth.visible >= 0) & (truth.visible <= 1))
        assert np.all((truth.head_visible >= 0) & (truth.head_visible <= 1))
        assert np.all((truth.in_frame >= 0) & (truth.in_frame <= 1))
        seen = truth.area > 0
        inner, outer = truth.visible_boxes[seen], truth.boxes[seen]
        assert np.all(inner[:, :2] >= outer[:, :2]) and np.all(inner[:, 2:] <= outer[:, 2:])
        assert np.all(truth.boxes[:, :2] >= truth.amodal[:, :2] - 1) and np.all(
            truth.boxes[:, 2:] <= truth.amodal[:, 2:] + 1
        )
        assert np.all(truth.boxes[:, :2] >= 0) and np.all(truth.boxes[:, 2:] <= [320, 180])
        assert np.all(truth.visible_boxes[~seen] == 0)


def test_visible_boxes_are_those_of_the_instance_masks() -> None:
    checked = 0
    for view in range(3):
        truth = scene(antialias=False).truth_only(view, 16)
        assert truth.instances.max() <= len(truth)
        for row in np.flatnonzero(truth.area > 0):
            y, x = np.nonzero(truth.mask(row))
            assert truth.visible_boxes[row].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert len(x) == truth.area[row]
            checked += 1
    assert checked > 8


def test_with_four_samples_the_masks_lie_in_the_visible_boxes() -> None:
    for truth in truths():
        for row in np.flatnonzero(truth.area > 30):
            y, x = np.nonzero(truth.mask(row))
            box = truth.visible_boxes[row]
            assert x.min() >= np.floor(box[0]) and y.min() >= np.floor(box[1])
            assert x.max() < np.ceil(box[2]) and y.max() < np.ceil(box[3])
            assert len(x) == pytest.approx(truth.area[row], rel=0.2, abs=12)


def test_seen_key_points_lie_on_their_person_and_all_in_the_amodal_box() -> None:
    for truth, row in rows():
        marks = truth.keypoints[row]
        known = marks[:, 2] > 0
        low, high = truth.amodal[row, :2] - 2, truth.amodal[row, 2:] + 2
        assert np.all((marks[known, :2] >= low) & (marks[known, :2] <= high))
        near = cv2.dilate(truth.mask(row).astype(np.uint8), np.ones((5, 5), np.uint8))
        x, y = np.floor(marks[marks[:, 2] == 2, :2]).astype(int).T
        assert np.all(near[y, x] > 0)


def test_key_points_are_seen_and_hidden_and_only_the_figures_own_are_labelled() -> None:
    marks = np.concatenate([truth.keypoints[people(truth)] for truth in truths()])
    assert marks.shape[1:] == (COUNT, 3)
    assert np.all(marks[:, ~LABELLED] == 0)
    counts = [(marks[:, LABELLED, 2] == value).sum() for value in (0, 1, 2)]
    assert min(counts) > 100, "of every kind"
    assert set(np.unique(marks[..., 2])) == {0, 1, 2}


def test_a_face_that_is_turned_away_is_hidden() -> None:
    for truth, row in rows():
        eyes_and_nose = truth.keypoints[row, :3]
        ears = truth.keypoints[row, 3:5]
        if np.all(eyes_and_nose[:, 2] == 2):
            assert truth.head_visible[row] > 0
            between = ears[:, 0].min() - 3 <= eyes_and_nose[0, 0] <= ears[:, 0].max() + 3
            spread = np.ptp(truth.head_polygons[row][:, 0])
            assert between or np.abs(np.diff(ears[:, 0])) < spread, "a face seen from the front lies between the ears"


def test_noses_triangulate_to_within_a_millimetre() -> None:
    errors = []
    for k in FRAMES:
        cast = scene()._at(scene().view_time(0, k)[1])
        views = [scene().truth_only(view, k) for view in range(3)]
        for person in range(5):
            lines = []
            for truth in views:
                row = np.flatnonzero((truth.person == person) & (truth.kind == 0))
                if len(row) and truth.keypoints[row[0], 0, 2] > 0:
                    lines += _lines(truth, truth.keypoints[row[0], 0, :2])
            if len(lines) >= 4:
                point = np.linalg.svd(np.array(lines))[2][-1]
                errors.append(np.abs(point[:3] / point[3] - cast.points[person, 0]).max())
    assert len(errors) > 8
    assert max(errors) < 1e-3


def _lines(truth: FrameTruth, pixel: np.ndarray) -> list[np.ndarray]:
    """The two planes of a pixel's ray, undistorted by OpenCV."""
    camera = truth.camera
    x, y = cv2.undistortPointsIter(
        pixel.reshape(1, 1, 2).astype(np.float64), camera.K, camera.distortion, None, None, (3, 100, 1e-12)
    ).ravel()
    matrix = np.c_[camera.R, camera.t]
    return [x * matrix[2] - matrix[0], y * matrix[2] - matrix[1]]


def test_silhouettes_are_those_that_opencv_fills() -> None:
    """Every triangle projected and filled by OpenCV: another camera model's code, another rasteriser."""
    k, checked = 16, 0
    cast = scene()._at(scene().view_time(0, k)[1])
    figures = scene()._stage.figures
    for view in range(3):
        truth = scene().truth_only(view, k)
        camera = truth.camera
        rotation, _ = cv2.Rodrigues(camera.R)
        for row in people(truth):
            vertices = cast.bodies.vertices.reshape(5, -1, 3)[truth.person[row]].astype(np.float64)
            if (vertices @ camera.R.T + camera.t)[:, 2].min() < 0.5:
                continue
            pixels, _ = cv2.projectPoints(vertices, rotation, camera.t, camera.K, camera.distortion)
            filled = np.zeros((1440, 2560), np.uint8)
            for face in figures.faces:
                cv2.fillConvexPoly(filled, np.round(pixels[face, 0] * 8 * 16).astype(np.int32), 1, cv2.LINE_8, 4)
            y, x = np.nonzero(filled)
            box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) / 8
            assert np.abs(truth.boxes[row] - box).max() <= 0.75
            assert truth.area[row] <= filled.sum() / 64 * 1.02
            whole = truth.area[row] / max(truth.visible[row], 1e-6)
            if truth.visible[row] > 0.05:
                assert whole == pytest.approx(filled.sum() / 64, rel=0.03)
            checked += 1
    assert checked >= 5


@pytest.mark.parametrize("antialias", [True, False])
def test_people_drawn_alone_give_the_same_masks_and_visible_shares(antialias: bool) -> None:
    """Each person alone, then put together by depth, must give what was drawn together."""
    room = scene(antialias)
    ss, checked = 2 if antialias else 1, 0
    for view, k in ((0, 8), (1, 16), (2, 24)):
        truth = room.truth_only(view, k)
        cast = room._at(room.view_time(view, k)[1])
        backdrop = room._views[view].backdrop(room._clocks[view].moment(k))
        alone = [_alone(room, cast, backdrop.camera, person, ss) for person in range(5)]
        nearest = np.maximum(backdrop.depth, np.max(alone, axis=0))
        for row in people(truth):
            mine = alone[truth.person[row]]
            seen = (mine > 0) & (mine >= nearest) & (mine > backdrop.depth)
            assert seen.sum() / (mine > 0).sum() == pytest.approx(float(truth.visible[row]), abs=1e-6)
            assert np.array_equal(truth.mask(row), seen[ss // 2 :: ss, ss // 2 :: ss])
            checked += 1
    assert checked >= 8


def _alone(room: Scene, cast: object, camera: object, person: int, ss: int) -> np.ndarray:
    """1 / depth of one person drawn in an empty world; 0 where it is not."""
    faces = room._stage.figures.faces
    buffers = Buffers(camera.height * ss, camera.width * ss)
    if cast.bodies.shown[person]:
        vertices = cast.bodies.vertices.reshape(5, -1, 3)[person]
        buffers.draw(*projected(camera, vertices, ss), faces, np.zeros(len(faces), np.uint32), facing=-1)
    return buffers.depth


def test_heads_are_where_their_faces_are() -> None:
    for truth, row in rows():
        if not len(truth.head_polygons[row]):
            assert np.isnan(truth.head_ellipses[row]).all()
            continue
        x, y, long, short, _ = truth.head_ellipses[row]
        polygon = truth.head_polygons[row]
        assert polygon[:, 0].min() <= x <= polygon[:, 0].max() and polygon[:, 1].min() <= y <= polygon[:, 1].max()
        size = np.ptp(polygon, axis=0)
        assert 0.7 * size.min() < min(long, short) and max(long, short) < 1.5 * size.max()
        face = truth.keypoints[row, FACE : FACE + 68]
        for point in face[face[:, 2] > 0, :2]:
            assert cv2.pointPolygonTest(polygon.reshape(-1, 1, 2), point.astype(float).tolist(), True) > -1.5
        assert truth.head_mask(row).sum() == pytest.approx(truth.head_area[row], rel=0.1, abs=6)


def test_the_patient_lies_under_drapes_and_has_a_head() -> None:
    found = [(t, int(row)) for t in truths() for row in np.flatnonzero(t.role == "patient")]
    assert found
    assert len({int(t.person[row]) for t, row in found}) == 1
    for truth, row in found:
        assert np.all(truth.keypoints[row, 5:17, 2] <= 1), "the drapes hide the body"
        assert truth.position[row, 2] == pytest.approx(1.0, abs=0.15)
    assert any(truth.head_visible[row] > 0.2 for truth, row in found)


def test_truth_is_the_same_with_and_without_a_picture() -> None:
    with_picture, without = scene().frame(1, 12).truth, scene().truth_only(1, 12)
    for name in ("person", "boxes", "visible", "visible_boxes", "keypoints", "instances", "head_ellipses"):
        assert np.array_equal(getattr(with_picture, name), getattr(without, name), equal_nan=True)


def test_small_clips_come_from_the_cache_unchanged(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAPE_TEST_CACHE", str(tmp_path))
    first, second = clip(seed=3, seconds=0.6), clip(seed=3, seconds=0.6)
    assert isinstance(first, Clip) and len(list(tmp_path.iterdir())) == 1
    assert np.array_equal(first.images[1], second.images[1])
    a, b = first.truths[1][2], Scene(small(seed=3, seconds=0.6)).frame(1, 2).truth
    assert np.array_equal(a.keypoints, b.keypoints) and a.time == b.time and a.view == "view2"
    assert [p.tolist() for p in a.head_polygons] == [p.tolist() for p in b.head_polygons]
