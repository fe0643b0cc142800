"""Head pixels under masks against counting, areas known from geometry, and cases worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
import pytest
from drape.boxes import as_boxes
from drape.errors import EvaluationError
from drape.evaluation.heads import HeadPixels, ellipse_pixels, head_coverage, head_table, over_masking
from drape.tables import box_columns

SIZE = (60, 40)


def _masks(rows: list[tuple[float, ...]]) -> pa.Table:
    array = np.array(rows, np.float64).reshape(-1, 5)
    return pa.table({"frame": array[:, 0].astype(np.int32), **box_columns(as_boxes(array[:, 1:]))})


def _square(frame: int, x: int, y: int, side: int = 10) -> HeadPixels:
    return HeadPixels(frame, x, y, np.ones((side, side), bool))


def _ellipses(*rows: tuple[float, ...]) -> pa.Table:
    array = np.array(rows, np.float64)
    return head_table(np.zeros(len(array)), np.arange(len(array)), array)


def test_two_masks_hide_a_head_together() -> None:
    heads = [_square(0, 10, 10), _square(0, 30, 10), _square(1, 10, 10)]
    result = head_coverage(heads, _masks([(0, 10, 10, 16, 20), (0, 14, 5, 25, 20), (0, 30, 10, 40, 15)]), SIZE)
    assert result.shares.tolist() == [1.0, 0.5, 0.0]
    assert (result.pixels, result.whole, result.heads) == (pytest.approx(0.5), pytest.approx(1 / 3), 3)


def test_ninety_nine_per_cent_are_whole() -> None:
    head = [_square(0, 10, 10)]
    assert head_coverage(head, _masks([(0, 10, 10, 20, 19), (0, 10, 19, 19, 20)]), SIZE).whole == 1.0
    assert head_coverage(head, _masks([(0, 10, 10, 20, 19), (0, 10, 19, 18, 20)]), SIZE).whole == 0.0


def test_what_lies_outside_the_picture_needs_no_mask() -> None:
    heads = [_square(0, -5, -5), _square(0, 55, 35), _square(0, 70, 5)]
    result = head_coverage(heads, _masks([(0, 0, 0, 5, 5)]), SIZE)
    np.testing.assert_array_equal(result.shares, [1.0, 0.0, np.nan])
    assert (result.heads, result.pixels) == (2, 0.5)


def test_without_heads_nothing_is_shown() -> None:
    result = head_coverage([], _masks([(0, 0, 0, 5, 5)]), SIZE)
    assert (result.pixels, result.whole, result.heads) == (1.0, 1.0, 0)


def test_a_mask_between_pixels_hides_those_whose_centre_it_holds() -> None:
    head = [_square(0, 10, 10)]
    assert head_coverage(head, _masks([(0, 10.5, 10, 20, 20)]), SIZE).pixels == 1.0
    assert head_coverage(head, _masks([(0, 10.6, 10, 20, 20)]), SIZE).pixels == 0.9


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_an_ellipse_has_its_area_and_its_place(angle: float) -> None:
    (pixels,) = ellipse_pixels(_ellipses((100.0, 80.0, 60.0, 30.0, angle)))
    assert pixels.mask.sum() == pytest.approx(np.pi * 30 * 15, rel=0.01)
    drawn = np.zeros((160, 200), np.uint8)
    cv2.ellipse(drawn, ((99.5, 79.5), (60.0, 30.0), angle), 1, -1)
    whole = np.zeros_like(drawn)
    height, width = pixels.mask.shape
    whole[pixels.y : pixels.y + height, pixels.x : pixels.x + width] = pixels.mask
    both = (whole & drawn).sum()
    assert both / whole.sum() > 0.97 and both / drawn.sum() > 0.93


def test_a_pixel_belongs_to_the_ellipse_that_holds_its_centre() -> None:
    (pixels,) = ellipse_pixels(_ellipses((10.5, 20.5, 3.0, 1.0, 0.0)))
    rows, columns = np.nonzero(pixels.mask)
    assert list(zip((columns + pixels.x).tolist(), (rows + pixels.y).tolist(), strict=True)) == [
        (9, 20),
        (10, 20),
        (11, 20),
    ]


def test_an_ellipse_turns_clockwise() -> None:
    (pixels,) = ellipse_pixels(_ellipses((50.0, 50.0, 40.0, 10.0, 45.0)))
    assert pixels.mask[60 - pixels.y, 60 - pixels.x]
    assert not pixels.mask[40 - pixels.y, 60 - pixels.x]


def test_the_box_of_an_ellipse_hides_it_and_the_largest_box_in_it_does_not() -> None:
    heads = ellipse_pixels(_ellipses((30.0, 20.0, 20.0, 30.0, 0.0)))
    assert head_coverage(heads, _masks([(0, 20, 5, 40, 35)]), SIZE).whole == 1.0
    inner = head_coverage(heads, _masks([(0, 30 - 10 / np.sqrt(2), 20 - 15 / np.sqrt(2), 37, 31)]), SIZE)
    assert inner.pixels == pytest.approx(2 / np.pi, abs=0.05)


def test_a_head_without_size_is_refused() -> None:
    with pytest.raises(EvaluationError):
        ellipse_pixels(_ellipses((30.0, 20.0, 0.0, 30.0, 0.0)))


def test_over_masking_counts_what_belongs_to_nobody() -> None:
    truth = [_square(0, 10, 10), _square(0, -5, 35), _square(2, 0, 0)]
    masks = _masks([(0, 10, 10, 20, 20), (0, 15, 10, 25, 20), (0, 0, 30, 10, 40), (1, 0, 0, 10, 10)])
    masked, needed = 150 + 100 + 100, 100 + 25
    assert over_masking(truth, masks, SIZE) == pytest.approx(1 - needed / masked)
    assert over_masking(truth, _masks([]), SIZE) == 0.0
    assert over_masking([], _masks([(0, 0, 0, 5, 5)]), SIZE) == 1.0
