"""The rasteriser on triangles whose pixels are known."""

from __future__ import annotations

import numpy as np
import pytest
from drape.simulator.buffers import Buffers
from drape.simulator.raster import kernel, measure
from drape.simulator.truth import inside_convex
from numba.core import caching

SQUARE = np.array([[2, 1], [2, 7], [8, 7], [8, 1]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def drawn(depths: list[float], order: list[int], facing: int = 0) -> Buffers:
    """Squares at several depths, drawn in an order; square i is shifted by i pixels to the right."""
    buffers = Buffers(10, 12)
    for i in order:
        inverse = np.full(4, 1 / depths[i], np.float32)
        bits = np.full(2, 1 << i, np.uint32)
        buffers.draw(SQUARE + np.float32([i, 0]), inverse, FACES, bits, first=2 * i, facing=facing)
    return buffers


def test_a_square_covers_the_pixels_whose_centres_lie_in_it() -> None:
    buffers = drawn([2.0], [0])
    expected = np.zeros((10, 12), bool)
    expected[1:7, 2:8] = True
    assert np.array_equal(buffers.triangle >= 0, expected)
    assert np.array_equal(buffers.cover == 1, expected)
    assert np.allclose(buffers.depth[expected], 0.5) and not buffers.depth[~expected].any()


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearer_square_hides_the_farther_whatever_the_order(order: list[int]) -> None:
    buffers = drawn([2.0, 1.0], order)
    owner = np.array([0, 0, 1, 1], np.int32)
    visible, full, count = measure(
        buffers.triangle, buffers.cover, owner, np.zeros(4, bool), 2, np.array([0, 0, 12, 10])
    )
    assert visible.tolist() == [[2, 1, 3, 7], [3, 1, 9, 7]]
    assert full.tolist() == [[2, 1, 8, 7], [3, 1, 9, 7]]
    assert count[:, :2].tolist() == [[6, 36], [36, 36]]


def test_triangles_that_face_away_can_be_left_out() -> None:
    either = [(drawn([1.0], [0], facing).triangle >= 0).sum() for facing in (-1, 1)]
    assert sorted(either) == [0, 36]


def test_depth_within_a_tilted_triangle_is_right_in_perspective() -> None:
    """1 / depth is linear in the picture, and the weights give back the depth."""
    buffers = Buffers(40, 40)
    uv = np.array([[0, 0], [0, 40], [40, 0]], np.float32)
    depths = np.array([1.0, 2.0, 4.0])
    buffers.draw(uv, (1 / depths).astype(np.float32), np.array([[0, 1, 2]], np.int32), np.ones(1, np.uint32))
    y, x = np.nonzero(buffers.triangle >= 0)
    b, c = buffers.second[y, x], buffers.third[y, x]
    by_weights = (1 - b - c) * depths[0] + b * depths[1] + c * depths[2]
    assert np.allclose(by_weights, 1 / buffers.depth[y, x], rtol=1e-4)
    plane = 1 - 0.5 * (y + 0.5) / 40 - 0.75 * (x + 0.5) / 40
    assert np.allclose(buffers.depth[y, x], plane, atol=1e-4)


def test_what_lies_behind_the_lens_is_not_drawn() -> None:
    buffers = Buffers(10, 12)
    inverse = np.array([1, 1, 0, 1], np.float32)
    buffers.draw(SQUARE, inverse, FACES, np.ones(2, np.uint32))
    assert not buffers.cover.any()


def test_a_convex_polygon_holds_the_centres_inside_it_either_way_round() -> None:
    expected = np.zeros((10, 12), bool)
    expected[1:7, 2:8] = True
    for corners in (SQUARE, SQUARE[::-1]):
        assert np.array_equal(inside_convex(corners, (10, 12)), expected)
    assert not inside_convex(np.zeros((0, 2), np.float32), (10, 12)).any()
    assert inside_convex(SQUARE + 6, (10, 12)).sum() == 12, "cut at the picture's edge"


def test_without_a_folder_to_keep_compiled_code_it_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    twice = kernel(lambda x: 2 * x)
    assert twice(21) == 42
