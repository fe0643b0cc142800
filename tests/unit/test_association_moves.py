"""A moved camera: in pictures of the room, and in how well views agree."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drape import tables
from drape.association.background import Move, camera_moves
from drape.association.move_score import learn
from drape.association.moves import Alarm, MovesConfig, agreement, alarms, moved_intervals, suspects, token_keys
from numpy.typing import NDArray

from tests.support.ground import scene

SIZE = (320, 180)
FOCAL = 277.0
TIMES = np.arange(0.0, 60.0, 2.5)


@pytest.fixture(scope="module")
def room() -> NDArray[np.uint8]:
    """A wide picture of textured rectangles and lines."""
    rng = np.random.default_rng(4)
    wide = np.full((360, 640), 120, np.uint8)
    for _ in range(150):
        x, y = int(rng.integers(0, 620)), int(rng.integers(0, 340))
        w, h = int(rng.integers(8, 70)), int(rng.integers(8, 60))
        cv2.rectangle(wide, (x, y), (x + w, y + h), int(rng.integers(20, 235)), -1 if rng.random() < 0.6 else 1)
    return np.asarray(cv2.GaussianBlur(wide, (0, 0), 0.8), np.uint8)


def seen(room: NDArray[np.uint8], yaw: float, light: float = 1.0, seed: int = 0) -> NDArray[np.uint8]:
    """The room through a camera that is turned by ``yaw`` degrees, with noise."""
    k = np.array([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]])
    wall = np.array([[FOCAL, 0, 320], [0, FOCAL, 180], [0, 0, 1]])
    a = np.deg2rad(yaw)
    turn = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    picture = cv2.warpPerspective(room, k @ turn @ np.linalg.inv(wall), SIZE, flags=cv2.INTER_AREA)
    noise = np.random.default_rng(seed).normal(0, 3, picture.shape)
    return np.clip(picture * light + noise, 0, 255).astype(np.uint8)


def watched(pictures: list[NDArray[np.uint8]], people: list[NDArray[np.float32]] | None = None) -> list[Move]:
    nobody = [np.zeros((0, 4), np.float32)] * len(pictures)
    return camera_moves(TIMES[: len(pictures)], pictures, people or nobody)


@pytest.mark.parametrize("degrees", [1.0, 5.0, -12.0])
def test_a_turn_is_noticed_within_ten_seconds_with_its_size(room: NDArray[np.uint8], degrees: float) -> None:
    moves = watched([seen(room, 0 if t < 30 else degrees, seed=i) for i, t in enumerate(TIMES)])
    assert len(moves) == 1
    assert moves[0].before == 27.5
    assert moves[0].after == 30.0
    assert moves[0].noticed <= 40.0
    assert moves[0].shift == pytest.approx(np.tan(np.deg2rad(abs(degrees))) * FOCAL / SIZE[0], rel=0.25)


@pytest.mark.parametrize("seed", range(3))
def test_a_fixed_camera_is_not_suspected_when_light_and_people_change(room: NDArray[np.uint8], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pictures, people = [], []
    for i, t in enumerate(TIMES):
        picture = seen(room, 0, light=0.4 if 20 <= t < 40 else 1.0, seed=100 * seed + i)
        boxes = np.array([[x, 40, x + 50, 170] for x in rng.integers(0, 270, 2)], np.float32)
        for x1, y1, x2, y2 in boxes.astype(int):
            picture[y1:y2, x1:x2] = rng.integers(0, 255, (y2 - y1, x2 - x1))
        pictures.append(picture)
        people.append(boxes if i % 2 else boxes[:1])
    assert watched(pictures, people) == []


def test_darkness_and_a_frozen_picture_are_no_move_and_one_in_the_dark_is_found_later(room: NDArray[np.uint8]) -> None:
    black = [np.zeros(SIZE[::-1], np.uint8)] * 6
    before, after = seen(room, 0), seen(room, 5)
    assert watched([before] * 8 + black + [before] * 8) == []
    moves = watched([before] * 8 + black + [after] * 8)
    assert [(m.before, m.after) for m in moves] == [(17.5, 35.0)]


def test_a_bump_that_goes_back_is_no_lasting_move(room: NDArray[np.uint8]) -> None:
    assert watched([seen(room, 5 if i in (9, 10) else 0, seed=i) for i in range(24)]) == []


def test_two_moves_are_two(room: NDArray[np.uint8]) -> None:
    moves = watched([seen(room, 0 if t < 20 else 6 if t < 40 else -3, seed=i) for i, t in enumerate(TIMES)])
    assert [m.after for m in moves] == [20.0, 40.0]
    assert moves[1].shift > moves[0].shift


@pytest.mark.slow
def test_a_camera_that_sags_slowly_is_compared_with_its_first_place(room: NDArray[np.uint8]) -> None:
    times = np.arange(0, 600, 5.0)
    pictures = [seen(room, t / 200, seed=i) for i, t in enumerate(times)]
    moves = camera_moves(times, pictures, [np.zeros((0, 4), np.float32)] * len(times))
    assert moves
    assert all(0.009 < m.shift < 0.02 for m in moves)


def test_a_turn_to_another_wall_is_a_move_of_unknown_size(room: NDArray[np.uint8]) -> None:
    other = np.ascontiguousarray(np.rot90(room, 2)[::-1].copy())[::-1].copy()
    elsewhere = cv2.transpose(other)[:360, :640]
    elsewhere = cv2.resize(elsewhere, (640, 360))
    moves = watched([seen(room, 0, seed=i) for i in range(10)] + [seen(elsewhere, 0, seed=i) for i in range(14)])
    assert len(moves) == 1
    assert np.isnan(moves[0].shift)


@pytest.fixture(scope="module")
def turned() -> tuple[dict[str, list[Alarm]], dict[str, list[Alarm]]]:
    """Whom the agreement suspects where the second camera turns by 5 degrees at 90 s, and where none does."""
    out = []
    for turn in ((1, 90.0, 5.0), None):
        made = scene(views=4, people=6, seconds=130, fps=4.0, seed=0, miss=0.1, clutter=0.5, turn=turn)
        out.append(suspects(agreement(made.views, learn(made.views, 0, 60))))
    return out[0], out[1]


@pytest.mark.slow
def test_agreement_names_the_turned_camera_within_ten_seconds(
    turned: tuple[dict[str, list[Alarm]], dict[str, list[Alarm]]],
) -> None:
    assert list(turned[0]) == ["view2"]
    (alarm,) = turned[0]["view2"]
    assert 85 <= alarm.time <= 95
    assert alarm.noticed <= 100


@pytest.mark.slow
def test_agreement_suspects_nobody_where_nothing_moved(
    turned: tuple[dict[str, list[Alarm]], dict[str, list[Alarm]]],
) -> None:
    assert turned[1] == {}


def test_a_fall_that_lasts_alarms_and_one_that_passes_does_not() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0, 300, 0.5)
    values = rng.normal(2, 0.5, len(times))
    assert alarms((times, values), MovesConfig()) == []
    passing, lasting = values.copy(), values.copy()
    passing[(times > 100) & (times < 102)] -= 3
    lasting[times > 100] -= 3
    assert alarms((times, passing), MovesConfig()) == []
    (alarm,) = alarms((times, lasting), MovesConfig())
    assert alarm.time == pytest.approx(100, abs=2)
    assert alarm.noticed <= 110


def test_pictures_decide_where_there_are_some_and_tokens_follow_the_moves() -> None:
    move = Move(27.5, 30.0, 35.0, 0.07, 0.9)
    fall = Alarm(31.0, 36.0, 4.0)
    table = moved_intervals({"view1": [move], "view2": []}, {"view1": [fall], "view2": [fall], "view3": [fall]})
    assert table.schema.equals(tables.INTERVALS)
    assert table.column("view").to_pylist() == ["view1", "view3"]
    assert table.column("confidence")[0].as_py() == pytest.approx(0.95)
    keys = token_keys(table, "view1", np.array([0.0, 27.5, 28.0, 100.0]))
    assert keys.tolist() == ["view1", "view1", "view1#1", "view1#1"]
    assert set(token_keys(table, "view2", np.array([0.0, 100.0])).tolist()) == {"view2"}
