"""Fixed regions are read strictly, cover what they name, and lie over every frame without changing a decision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape.anonymization import FixedRegions, ReleaseConfig
from drape.anonymization.fixed import STRIPS, fixed_boxes, with_fixed
from drape.anonymization.policy import SOLID, STATE_NAMES
from drape.errors import ConfigError
from drape.recording import Recording, View
from hypothesis import given, settings
from hypothesis import strategies as st
from support.releases import make_scene

WIDTH, HEIGHT = 64, 48


def regions(**views: list) -> FixedRegions:
    return FixedRegions.model_validate(views)


def painted(boxes: np.ndarray) -> np.ndarray:
    canvas = np.zeros((HEIGHT, WIDTH), bool)
    for x1, y1, x2, y2 in boxes:
        canvas[y1:y2, x1:x2] = True
    return canvas


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_file_gives_the_regions_of_views_by_id_or_name(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"regions{suffix}"
    path.write_text(
        '{"view1": [{"what": "monitor", "box": [1, 2, 30, 20]}], "Saal 3": [{"polygon": [[0,0],[9,0],[0,9]]}]}'
    )
    views = tuple(View(id=f"view{i}", name=name, media=Path("a")) for i, name in ((1, "door"), (2, "Saal 3"), (3, "x")))
    found = FixedRegions.load(path).by_view(Recording(name="r", views=views))
    assert {view: [r.what for r in mine] for view, mine in found.items()} == {
        "view1": ["monitor"],
        "view2": ["other"],
        "view3": [],
    }
    assert fixed_boxes(found["view1"], WIDTH, HEIGHT).tolist() == [[0, 2, 30, 20]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("view1: [{}]", "either a box or a polygon"),
        ("view1: [{box: [1, 2, 3, 4], polygon: [[0, 0], [1, 0], [1, 1]]}]", "either a box or a polygon"),
        ("view1: [{box: [5, 2, 3, 4]}]", "x1 < x2"),
        ("view1: [{box: [.nan, 2, 3, 4]}]", "Fixed region 1"),
        ("view1: [{polygon: [[0, 0], [1, 0]]}]", "at least 3"),
        ("view1: [{what: patient, box: [1, 2, 3, 4]}]", "Fixed region 1"),
        ("view1: [{box: [1, 2, 3, 4], color: red}]", "Fixed region 1"),
        ("[1, 2]", "Fixed region 1"),
        ("view1: !!python/object/apply:os.getcwd []", "cannot be read"),  # R22
        ("{", "cannot be read"),
    ],
)
def test_a_file_of_something_else_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "regions.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        FixedRegions.load(path)


def test_a_view_that_is_not_there_and_one_named_twice_are_refused() -> None:
    recording = Recording(name="r", views=(View(id="view1", name="door", media=Path("a")),))
    box = {"box": (0, 0, 4, 4)}
    with pytest.raises(ConfigError, match="name no view") as caught:
        regions(Mueller_Hans=[box]).by_view(recording)
    assert "Mueller" not in str(caught.value)
    with pytest.raises(ConfigError, match="two lists"):
        regions(view1=[box], door=[box]).by_view(recording)


def test_parts_outside_the_frame_are_cut_and_regions_outside_it_are_none() -> None:
    (mine,) = regions(view1=[{"box": (-10, 40, 9, 90)}, {"box": (70, 0, 80, 10)}]).root.values()
    assert fixed_boxes(mine, 63, 47).tolist() == [[0, 40, 10, 48]]


corner = st.tuples(st.integers(-20, WIDTH + 20), st.integers(-20, HEIGHT + 20))


@settings(max_examples=150, deadline=None)
@given(st.lists(corner, min_size=3, max_size=7))
def test_a_polygon_is_covered_whatever_its_form(corners: list[tuple[int, int]]) -> None:
    """Crossing ones too. A ray from the middle of a pixel crosses the rim of what it lies in an odd number of times."""
    (mine,) = regions(view1=[{"polygon": corners}]).root.values()
    boxes = fixed_boxes(mine, WIDTH, HEIGHT)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = np.zeros((HEIGHT, WIDTH), bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        if ax != bx:
            inside ^= ((ax < x) != (bx < x)) & (ay + (by - ay) * (x - ax) / (bx - ax) < y)
    assert not (inside & ~painted(boxes)).any()
    assert (boxes % 2 == 0).all()


def test_a_polygon_is_not_covered_by_its_bounding_box() -> None:
    triangle = regions(view1=[{"polygon": [(0, 0), (60, 0), (0, 44)]}]).root["view1"]
    boxes = fixed_boxes(triangle, WIDTH, HEIGHT)
    assert len(boxes) <= STRIPS + 1
    area = painted(boxes).sum()
    assert 60 * 44 / 2 <= area < 60 * 44 * 0.62


def test_they_lie_over_every_frame_but_cards_and_change_no_decision(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, frames=6, size=(WIDTH, HEIGHT), unknown=[2], people=1)
    plan = scene.plan(ReleaseConfig(fill="blur"))
    boxes = np.array([[0, 0, 10, 8], [30, 30, 40, 40]], np.int32)
    more = with_fixed(plan, boxes)
    for frame in range(6):
        before, after = plan.regions_of(frame), more.regions_of(frame)
        added = 0 if frame == 2 else 2
        assert more.boxes[after][: before.stop - before.start].tolist() == plan.boxes[before].tolist()
        assert more.boxes[after][len(plan.boxes[before]) :].tolist() == boxes[:added].tolist()
        assert more.fills[after][: before.stop - before.start].tolist() == plan.fills[before].tolist()
        assert set(more.fills[after][len(plan.boxes[before]) :].tolist()) <= {SOLID}
    assert more.states.tolist() == plan.states.tolist()
    assert STATE_NAMES[int(more.states[2])] == "unknown"
    assert more.digest() != plan.digest() == with_fixed(plan, boxes[:0]).digest()
