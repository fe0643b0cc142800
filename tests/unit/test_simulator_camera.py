"""Cameras against OpenCV's camera model."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drape.simulator.camera import NEAR, look_at

EYE, TARGET = np.array([-2.5, -2.0, 2.5]), np.array([0.2, 0.1, 0.9])


def camera(**changes: float) -> object:
    return look_at(EYE, TARGET, 70.0, (640, 360), **{"k1": -0.08, "k2": 0.01, **changes})


def test_projection_agrees_with_opencv() -> None:
    view = camera(roll=3.0)
    points = np.random.default_rng(0).uniform([-1.5, -1.5, 0], [1.5, 1.5, 2], (200, 3))
    pixels, depth = view.project(points)
    rotation, _ = cv2.Rodrigues(view.R)
    expected, _ = cv2.projectPoints(points, rotation, view.t, view.K, view.distortion)
    assert np.abs(pixels - expected[:, 0]).max() < 1e-6
    assert np.allclose(depth, (points @ view.R.T + view.t)[:, 2])


def test_a_camera_looks_at_its_target_and_stands_where_it_was_put() -> None:
    view = camera()
    pixels, depth = view.project(TARGET)
    assert np.allclose(pixels, [320, 180])
    assert depth == pytest.approx(np.linalg.norm(TARGET - EYE))
    assert np.allclose(view.eye, EYE)
    assert np.allclose(view.R @ view.R.T, np.eye(3)) and np.linalg.det(view.R) == pytest.approx(1)


@pytest.mark.parametrize(
    ("turn", "moves"), [((10, 0, 0), (-1, 0)), ((-10, 0, 0), (1, 0)), ((0, 10, 0), (0, 1)), ((0, -10, 0), (0, -1))]
)
def test_turning_right_moves_the_picture_left_and_up_moves_it_down(turn: tuple, moves: tuple) -> None:
    before = camera()
    after = before.turned(*turn)
    shift = after.project(TARGET)[0] - [320, 180]
    assert np.allclose(after.eye, EYE)
    assert np.sign(np.round(shift, 6)).tolist() == list(moves)
    focal = before.K[0, 0]
    assert np.abs(shift).max() == pytest.approx(focal * np.tan(np.radians(10)), rel=0.02)


def test_clockwise_roll_turns_the_pictures_content_anticlockwise() -> None:
    above = TARGET + np.array([0, 0, 0.5])
    before, after = camera(), camera().turned(0, 0, 20)
    assert after.project(above)[0][0] < before.project(above)[0][0] - 5
    assert np.allclose(after.project(TARGET)[0], [320, 180])


def test_points_behind_or_at_the_lens_have_no_depth() -> None:
    view = camera()
    ahead, behind = EYE + 0.5 * (TARGET - EYE), EYE - (TARGET - EYE)
    near = EYE + (TARGET - EYE) / np.linalg.norm(TARGET - EYE) * NEAR * 0.9
    inverse = view.inverse_depth(view.to_camera(np.stack([ahead, behind, near])))
    assert inverse[0] > 0 and inverse[1] == inverse[2] == 0
