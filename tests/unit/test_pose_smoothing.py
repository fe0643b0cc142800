"""Smoothing of points over tracklets: what it takes away, what it leaves, what it never invents."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from drape.pose import PoseConfig, smooth_segments
from drape.pose.rows import RAW, outside_of, points_of, raw_table
from drape.tables import POSES, box_columns

FPS = 25.0
COUNT = 17


def _raw(points: np.ndarray, scores: np.ndarray, fps: float = FPS, boxes: np.ndarray | None = None) -> pa.Table:
    """``RAW`` of tracklets (T, F, K, 2) that are seen in every frame, sorted by frame."""
    tracks, frames = points.shape[:2]
    frame = np.repeat(np.arange(frames), tracks)
    track = np.tile(np.arange(tracks), frames)
    flat = points.transpose(1, 0, 2, 3).reshape(-1, COUNT, 2).astype(np.float32)
    if boxes is None:
        boxes = np.tile(np.array([[0, 0, 400, 400]], np.float32), (len(frame), 1))
    persons = pa.table(
        {
            "frame": frame.astype(np.int32),
            "time": frame / fps,
            "index": track.astype(np.int32),
            "tracklet": (track + 3).astype(np.int32),
            "person": pa.nulls(len(frame), pa.int32()),
            **box_columns(boxes),
        }
    )
    return raw_table(persons, flat, scores.transpose(1, 0, 2).reshape(-1, COUNT).astype(np.float32))


def _walk(tracks: int = 2, frames: int = 60, speed: float = 3.0) -> np.ndarray:
    """People who walk evenly, ``speed`` pixels a frame, and points that hang about them."""
    rng = np.random.default_rng(0)
    limbs = rng.uniform(50, 200, (tracks, 1, COUNT, 2))
    return limbs + speed * np.arange(frames)[None, :, None, None] * np.array([1, 0.2])


def _smooth(raw: pa.Table, **settings: float) -> tuple[np.ndarray, np.ndarray, pa.Table]:
    table = pa.concat_tables([POSES.empty_table(), *smooth_segments([raw], PoseConfig(**settings))])
    assert table.schema == POSES
    points, scores = points_of(table)
    tracks = len(set(raw.column("tracklet").to_pylist()))
    shape = (-1, tracks, COUNT)
    return points.reshape(*shape, 2).swapaxes(0, 1), scores.reshape(shape).swapaxes(0, 1), table


def test_noise_shrinks_and_walkers_are_not_dragged_behind() -> None:
    truth = _walk()
    rng = np.random.default_rng(1)
    noisy = truth + rng.normal(0, 2, truth.shape)
    scores = np.full(truth.shape[:3], 0.8)
    points, after, _ = _smooth(_raw(noisy, scores))
    before_error = np.abs(noisy - truth)[:, 5:-5].mean()
    error = np.abs(points - truth)[:, 5:-5]
    assert np.isfinite(points).all()
    assert error.mean() < 0.7 * before_error
    assert abs((points - truth)[:, 5:-5].mean()) < 0.15
    np.testing.assert_array_equal(after, scores.astype(np.float32))


def test_even_motion_is_left_as_it_is() -> None:
    truth = _walk(speed=7.0)
    points, _, _ = _smooth(_raw(truth, np.full(truth.shape[:3], 0.6)))
    np.testing.assert_allclose(points[:, 6:-6], truth[:, 6:-6], atol=0.01)
    assert np.abs(points - truth).max() < 0.1 * 7.0  # at the ends, where the slope is known less well


def test_surer_points_weigh_more() -> None:
    truth = _walk(1, 31, speed=0.0)
    scores = np.full(truth.shape[:3], 0.9)
    pushed = truth.copy()
    pushed[:, 15] += 10  # within the floor, so no outlier
    sure = _smooth(_raw(pushed, scores))[0][0, 14, :, 0] - truth[0, 14, :, 0]
    scores[:, 15] = 0.2
    doubtful = _smooth(_raw(pushed, scores))[0][0, 14, :, 0] - truth[0, 14, :, 0]
    assert (sure > 1).all()
    assert (doubtful < 0.3 * sure).all()


def test_jumps_are_dropped_and_not_replaced() -> None:
    truth = _walk()
    rng = np.random.default_rng(2)
    wrong = rng.random(truth.shape[:3]) < 0.05
    jumped = truth + wrong[..., None] * np.array([120.0, -80.0])
    scores = np.where(wrong, 0.7, 0.8)
    points, after, table = _smooth(_raw(jumped, scores))
    dropped = np.isnan(points).all(axis=-1)
    inner = np.s_[:, 2:-2]
    assert (dropped == wrong)[inner].mean() > 0.995
    assert dropped[inner][wrong[inner]].mean() > 0.95
    assert (after[dropped] == 0).all()
    assert (after[~dropped] > 0).all()
    outside = np.array(table.column("outside").to_pylist()).reshape(-1, 2, COUNT).swapaxes(0, 1)
    assert outside[dropped].all()
    kept = ~dropped & ~wrong
    inner = np.s_[:, 9:-9]  # so far do jumps at the very ends reach, where nobody can tell
    assert np.abs(points - truth)[inner][kept[inner]].max() < 6


def test_what_is_unknown_stays_unknown_and_does_not_spread() -> None:
    truth = _walk()
    scores = np.full(truth.shape[:3], 0.8)
    missing = truth.copy()
    missing[:, 20:23] = np.nan
    scores[:, 20:23] = 0
    points, after, _ = _smooth(_raw(missing, scores))
    assert np.isnan(points[:, 20:23]).all()
    assert (after[:, 20:23] == 0).all()
    off = np.delete(np.abs(points - truth), np.s_[20:23], axis=1)
    assert off.max() < 0.1 * 3.0


def test_doubtful_neighbours_do_not_condemn_a_sure_point() -> None:
    truth = _walk(1, 9, speed=0.0)
    scores = np.full(truth.shape[:3], 0.2)
    scores[:, 4] = 0.9
    moved = truth + 150.0
    moved[:, 4] = truth[:, 4]
    points, _, _ = _smooth(_raw(moved, scores))
    assert np.isfinite(points[:, 4]).all()


@pytest.mark.parametrize("settings", [{}, {"outlier_window_s": 0, "smoothing_s": 0}])
def test_one_frame_a_second_is_left_alone(settings: dict[str, float]) -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 300, (2, 20, COUNT, 2))
    fps = 1.0 if not settings else FPS
    after, _, _ = _smooth(_raw(points, np.full(points.shape[:3], 0.8), fps), **settings)
    np.testing.assert_array_equal(after, points.astype(np.float32))


def test_segments_may_be_cut_anywhere() -> None:
    rng = np.random.default_rng(4)
    truth = _walk(3, 50)
    noisy = truth + rng.normal(0, 4, truth.shape) + 90 * (rng.random((*truth.shape[:3], 1)) < 0.03)
    raw = _raw(noisy, rng.uniform(0.1, 1, truth.shape[:3]))
    config = PoseConfig()
    whole = pa.concat_tables(smooth_segments([raw], config))
    for cuts in ([0, 48, 96, 150], [0, 1, 2, 3, 149, 150], list(range(0, 151, 3))):
        parts = [raw.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
        parts.insert(1, RAW.empty_table())
        pieces = list(smooth_segments(parts, config))
        assert [p.num_rows for p in pieces] == [p.num_rows for p in parts if p.num_rows]
        for a, b in zip(points_of(pa.concat_tables(pieces)), points_of(whole), strict=True):
            np.testing.assert_array_equal(a, b)
    assert list(smooth_segments([], config)) == []


def test_points_outside_their_box_are_told() -> None:
    points = np.array([[[10, 10], [9.9, 10], [20, 30], [20, 30.1], [np.nan, np.nan]]], np.float32)
    boxes = np.array([[10, 10, 20, 30]], np.float32)
    np.testing.assert_array_equal(outside_of(points, boxes), [[False, True, False, True, True]])
    standing = np.full((1, 5, COUNT, 2), 50.0)
    standing[:, :, 3] = 500
    table = _smooth(_raw(standing, np.full((1, 5, COUNT), 0.9)))[2]
    outside = np.array(table.column("outside").to_pylist())
    assert outside[:, 3].all()
    assert not np.delete(outside, 3, axis=1).any()
