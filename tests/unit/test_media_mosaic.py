"""All views in one picture: each where it was planned, each showing the frame of that instant."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from drape.boxes import as_boxes
from drape.errors import MediaError
from drape.media import NOT_SHOWN, Mosaic, plan_mosaic, probe, read_frames, render_mosaic, scan
from drape.recording import Clock, View
from support.clips import make_clip, read_stripes, view_of


def view(number: int, width: int = 192, height: int = 128) -> View:
    return View(id=f"view{number}", name=f"PRIVATE{number}", media=Path("x.mp4"), width=width, height=height)


def plan(sizes: list[tuple[int, int]], height: int = 720, times: list[float] | None = None) -> Mosaic:
    views = [view(i, *size) for i, size in enumerate(sizes, start=1)]
    stamps = np.array(times or [0.0, 0.1, 0.2])
    return plan_mosaic(views, {v.id: stamps for v in views}, height)


@pytest.mark.parametrize(
    "sizes",
    [
        [(1920, 1080)],
        [(768, 576)] * 2,
        [(1088, 1920)] * 4,
        [(1920, 1080)] * 12,
        [(641, 479), (1920, 1080), (1080, 1920)],
        [(10000, 10), (640, 480)],
    ],
)
def test_tiles_fill_even_places_without_overlap(sizes: list[tuple[int, int]]) -> None:
    mosaic = plan(sizes)
    assert mosaic.width % 2 == mosaic.height % 2 == 0
    assert mosaic.height <= 720
    for tile, (width, height) in zip(mosaic.tiles, sizes, strict=True):
        assert not any(value % 2 for value in (tile.x, tile.y, tile.width, tile.height))
        assert tile.x >= 0 and tile.y >= 0
        assert tile.x + tile.width <= mosaic.width and tile.y + tile.height <= mosaic.height
        if min(tile.width, tile.height) > 50:
            assert tile.width / tile.height == pytest.approx(width / height, rel=0.04)
    for a, b in combinations(mosaic.tiles, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
        assert apart


def test_four_wide_views_are_two_by_two() -> None:
    mosaic = plan([(1280, 720)] * 4)
    assert (mosaic.width, mosaic.height) == (1280, 720)
    assert [(t.x, t.y) for t in mosaic.tiles] == [(0, 0), (640, 0), (0, 360), (640, 360)]


def test_too_many_views_for_the_height() -> None:
    with pytest.raises(ValueError, match="too few"):
        plan([(1920, 1080)] * 60, height=64)


def test_no_views_or_no_frames() -> None:
    with pytest.raises(ValueError, match="at least one frame of each"):
        plan_mosaic([], {})
    with pytest.raises(ValueError, match="at least one frame of each"):
        plan_mosaic([view(1)], {"view1": np.array([])})


def test_boxes_go_to_the_mosaic_and_back() -> None:
    tile = plan([(641, 479), (1920, 1080), (1080, 1920)]).tiles[1]
    corners = as_boxes([[0, 0, 1920, 1080], [960, 540, 1000, 600]])
    placed = tile.to_mosaic(corners)
    assert placed[0].tolist() == [tile.x, tile.y, tile.x + tile.width, tile.y + tile.height]
    assert np.allclose(tile.to_view(placed), corners, atol=1e-3)
    outside = tile.to_view(as_boxes([[tile.x - 50, tile.y, tile.x - 10, tile.y + 10]]))
    assert outside[0, 0] == outside[0, 2] == 0


def test_each_view_shows_its_latest_frame() -> None:
    times = {
        "view1": np.array([0.0, 0.1, 0.2, 0.3, 0.4]),
        "view2": np.array([0.05, 0.15, 0.35]),
        "view3": np.array([0.2]),
    }
    mosaic = plan_mosaic([view(1), view(2), view(3)], times, rate=Fraction(10))
    assert (mosaic.start, mosaic.num_frames) == (0.0, 5)
    assert mosaic.shown["view1"].tolist() == [0, 1, 2, 3, 4]
    assert mosaic.shown["view2"].tolist() == [NOT_SHOWN, 0, 1, 1, 2]
    assert mosaic.shown["view3"].tolist() == [NOT_SHOWN, NOT_SHOWN, 0, 0, 0]


def test_a_view_is_black_after_its_end_and_in_gaps() -> None:
    times = {"view1": np.arange(0, 6, 0.1), "view2": np.concatenate([np.arange(0, 1, 0.1), [4.0, 4.1]])}
    shown = plan_mosaic([view(1), view(2)], times, rate=Fraction(10)).shown["view2"]
    assert shown[:10].tolist() == list(range(10))
    assert set(shown[10:19].tolist()) == {9}
    assert set(shown[19:40].tolist()) == {NOT_SHOWN}
    assert shown[40:42].tolist() == [10, 11]
    assert set(shown[42:].tolist()) == {NOT_SHOWN}


def test_rate_is_the_fastest_view_s_and_bounded() -> None:
    times = {"view1": np.arange(10) / 25, "view2": np.arange(10) * 1001 / 15000}
    assert plan_mosaic([view(1), view(2)], times).rate == 25
    assert plan_mosaic([view(1)], {"view1": np.arange(10) / 240}).rate == 30
    assert plan_mosaic([view(1)], {"view1": np.arange(10) * 1001 / 30000}).rate == Fraction(30000, 1001)


def test_ntsc_times_are_not_missed_by_rounding() -> None:
    times = np.arange(100_000) * 1001 / 30000 + 123.456
    mosaic = plan_mosaic([view(1)], {"view1": times})
    assert np.array_equal(mosaic.shown["view1"], np.arange(100_000))


def test_digest_tells_plans_apart() -> None:
    one = plan([(640, 480)] * 2)
    assert one.digest() == plan([(640, 480)] * 2).digest()
    assert one.digest() != plan([(640, 480)] * 3).digest()
    assert one.digest() != plan([(640, 480)] * 2, times=[0.0, 0.1, 0.25]).digest()


def _recording(folder: Path) -> tuple[list[View], dict[str, np.ndarray]]:
    turned = make_clip(folder / "b.mp4", 12, fps=10, size=(128, 192), rotation=90)
    clips = [
        view_of(make_clip(folder / "a.mp4", 30, fps=25), id="view1"),
        view_of(turned, id="view2", clock=Clock(offset=0.4)),
        view_of(make_clip(folder / "c.webm", 5, fps=25, codec="libvpx-vp9", size=(191, 127)), id="view3"),
    ]
    scanned = [scan(clip) for clip in clips]
    return [v for v, _ in scanned], {v.id: t["time"].to_numpy() for v, t in scanned}


def test_rendered_mosaic_shows_what_was_planned(tmp_path: Path) -> None:
    views, times = _recording(tmp_path)
    mosaic = plan_mosaic(views, times, height=480)
    seen: list[tuple[int, int, str]] = []
    render_mosaic(views, mosaic, tmp_path / "out.mp4", lambda *args: seen.append(args), labels=False)
    assert seen[-1] == (mosaic.num_frames, mosaic.num_frames, "mosaic")
    found = probe(view_of(tmp_path / "out.mp4"))
    assert (found.width, found.height, found.average_rate) == (mosaic.width, mosaic.height, 25)
    for frame in read_frames(view_of(tmp_path / "out.mp4")):
        for tile in mosaic.tiles:
            cell = frame.image[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
            index = int(mosaic.shown[tile.view][frame.index])
            if index == NOT_SHOWN:
                assert cell[4:-4, 4:-4].max() < 20
            else:
                assert read_stripes(cell) == index
    assert {NOT_SHOWN, 0, 4} <= set(mosaic.shown["view3"].tolist())
    assert mosaic.shown["view2"][0] == NOT_SHOWN


def test_labels_show_in_black_cells_too(tmp_path: Path) -> None:
    views, times = _recording(tmp_path)
    mosaic = plan_mosaic(views, times, height=480)
    render_mosaic(views, mosaic, tmp_path / "out.mp4")
    image = next(iter(read_frames(view_of(tmp_path / "out.mp4")))).image
    tile = mosaic.tiles[1]
    cell = image[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
    assert cell[:24, :60].max() > 150
    assert cell[40:].max() < 20


def test_the_mosaic_holds_no_private_name(tmp_path: Path) -> None:
    views, times = _recording(tmp_path)
    render_mosaic(views, plan_mosaic(views, times, height=240), tmp_path / "out.mp4")
    assert b"PRIVATE" not in (tmp_path / "out.mp4").read_bytes()


def test_a_view_that_lost_frames_leaves_no_file(tmp_path: Path) -> None:
    views, times = _recording(tmp_path)
    mosaic = plan_mosaic(views, times, height=240)
    make_clip(tmp_path / "a.mp4", 10)
    with pytest.raises(MediaError, match="view1, frame 10: the frame is not there any more"):
        render_mosaic(views, mosaic, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
