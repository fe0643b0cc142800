"""Events on demand do what they say, and the truth says so."""

from __future__ import annotations

import numpy as np
import pytest
from drape.errors import ConfigError
from drape.simulator import (
    CameraMoved,
    ClockDiffers,
    RateDiffers,
    Scene,
    SceneConfig,
    ViewDropsOut,
    ViewFreezes,
    ViewGoesDark,
)
from pydantic import ValidationError
from support.rooms import small


def scene(*events: object, **changes: object) -> Scene:
    return Scene(small(seed=4, seconds=4, events=events, **changes))


PLAIN = scene()


def same(a: Scene, b: Scene, view: int, frame: int) -> bool:
    return np.array_equal(a.frame(view, frame).image, b.frame(view, frame).image)


def test_a_moved_camera_looks_elsewhere_from_then_on() -> None:
    moved = scene(CameraMoved(view=0, at=2.0, yaw=15))
    assert same(PLAIN, moved, 0, 9) and not same(PLAIN, moved, 0, 10)
    assert same(PLAIN, moved, 1, 10), "the other view stays"
    before, after = moved.truth_only(0, 9).camera, moved.truth_only(0, 10).camera
    angle = np.degrees(np.arccos((np.trace(before.R @ after.R.T) - 1) / 2))
    assert angle == pytest.approx(15)
    assert np.allclose(before.eye, after.eye)
    assert moved.cameras[0] is not after and np.array_equal(moved.cameras[0].R, before.R)


def test_a_moved_cameras_truth_fits_its_picture() -> None:
    moved = scene(CameraMoved(view=0, at=0.0, yaw=-20, pitch=4), antialias=False)
    truth = moved.truth_only(0, 5)
    cast = moved._at(moved.view_time(0, 5)[1])
    for row in np.flatnonzero((truth.kind == 0) & (truth.role != "patient")):
        marks = truth.keypoints[row]
        pixels, _ = truth.camera.project(cast.points[truth.person[row]])
        known = marks[:, 2] > 0
        assert np.allclose(marks[known, :2], pixels[known], atol=1e-3)


def test_a_view_drops_out_and_its_file_is_shorter() -> None:
    lost = scene(ViewDropsOut(view=1, start=1.0, stop=2.0))
    assert (PLAIN.num_frames(1), lost.num_frames(1), lost.num_frames(0)) == (20, 15, 20)
    times = [lost.view_time(1, k)[0] for k in range(15)]
    assert np.diff(times).max() == pytest.approx(1.2), "a gap in the times"
    assert np.array_equal(PLAIN.frame(1, 10).image, lost.frame(1, 5).image)
    with pytest.raises(IndexError):
        lost.frame(1, 15)


def test_a_view_drops_out_and_leaves_black_frames() -> None:
    lost = scene(ViewDropsOut(view=1, start=1.0, stop=2.0, leaves="black"))
    assert lost.num_frames(1) == 20
    black = lost.frame(1, 5)
    assert black.image.max() == 0 and black.truth.state == "black"
    assert len(black.truth) == len(PLAIN.truth_only(1, 5)), "people are there, though nothing shows them"
    assert same(PLAIN, lost, 1, 4) and same(PLAIN, lost, 1, 10)


def test_a_frozen_view_repeats_its_last_frame() -> None:
    frozen = scene(ViewFreezes(view=0, start=1.0, stop=3.0))
    last = frozen.frame(0, 4)
    for k in (5, 14):
        held = frozen.frame(0, k)
        assert np.array_equal(held.image, last.image)
        assert held.truth.state == "frozen"
        assert held.truth.time == k / 5 and held.truth.world_time == last.truth.world_time
        assert np.array_equal(held.truth.boxes, last.truth.boxes), "the truth is that of what is shown"
    assert same(PLAIN, frozen, 0, 15)


def test_a_dark_view_is_dark_and_keeps_its_truth() -> None:
    dark = scene(ViewGoesDark(view=0, start=1.0, stop=2.0, level=0.1))
    normal, dim = PLAIN.frame(0, 6), dark.frame(0, 6)
    assert dim.image.mean() < 0.25 * normal.image.mean()
    assert dim.truth.state == "dark" and normal.truth.state == ""
    assert np.array_equal(dim.truth.boxes, normal.truth.boxes)
    assert same(PLAIN, dark, 0, 10)


def test_a_clock_that_differs_shows_another_time() -> None:
    late = scene(ClockDiffers(view=1, offset=0.4))
    for k in (0, 6):
        assert late.view_time(1, k) == pytest.approx((k / 5, k / 5 + 0.4))
        a, b = late.truth_only(1, k), PLAIN.truth_only(1, k + 2)
        assert np.allclose(a.keypoints, b.keypoints, atol=1e-3), "two frames of the world later"
    drifting = scene(ClockDiffers(view=0, offset=-0.2, drift=0.01))
    assert drifting.view_time(0, 15)[1] == pytest.approx(-0.2 + 1.01 * 3)


def test_frame_rates_differ() -> None:
    fast = scene(RateDiffers(view=1, fps=10))
    assert (fast.num_frames(0), fast.num_frames(1)) == (20, 40)
    assert fast.view_time(1, 7)[0] == pytest.approx(0.7)
    assert np.allclose(fast.truth_only(1, 8).keypoints, PLAIN.truth_only(1, 4).keypoints, atol=1e-3)


def test_events_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="there is no view 2"):
        SceneConfig(views=2, events=(CameraMoved(view=2, at=1),))
    with pytest.raises(ValidationError, match="stop after it starts"):
        SceneConfig(events=(ViewFreezes(view=0, start=3, stop=3),))
    with pytest.raises(ConfigError, match="whole recording"):
        scene(ViewDropsOut(view=0, start=0, stop=9))
    with pytest.raises(ValidationError):
        SceneConfig(events=({"kind": "earthquake", "view": 0},))


def test_events_come_from_plain_data() -> None:
    data = {"events": [{"kind": "view_freezes", "view": 1, "start": 1, "stop": 2}]}
    config = SceneConfig.model_validate(data)
    assert config.events == (ViewFreezes(view=1, start=1, stop=2),)
    assert SceneConfig.model_validate_json(config.model_dump_json()) == config
