"""Fills: what is painted depends on nothing but the cells, and the cells on nothing but coarse colours and a key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drape import tables
from drape.anonymization import ReleaseConfig, ReleaseSecret
from drape.anonymization.cells import LONG, SHORT, cell_means, grid_shape, quantize, sample
from drape.anonymization.fill import Fill, fills_table, paint, read_fills, solid
from drape.anonymization.policy import Plan
from drape.anonymization.render import Renderer
from drape.anonymization.secret import destroy
from drape.errors import ReleaseError, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = ReleaseSecret(b"k" * 32)
WIDTH, HEIGHT = 48, 32


def noise_planes(seed: int, width: int = WIDTH, height: int = HEIGHT):
    rng = np.random.default_rng(seed)
    shapes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    return tuple(rng.integers(16, 236, shape, dtype=np.uint8) for shape in shapes)


def plan_of(frames: list[list[tuple[int, int, int, int, int]]], people: int) -> Plan:
    """A plan of (x1, y1, x2, y2, fill) per frame."""
    rows = np.array([row for frame in frames for row in frame], np.int32).reshape(-1, 5)
    return Plan(
        size=(WIDTH, HEIGHT),
        pts=np.arange(len(frames)),
        states=np.full(len(frames), 2, np.int8),
        offsets=np.cumsum([0, *map(len, frames)]),
        boxes=rows[:, :4],
        fills=rows[:, 4],
        people=np.arange(-1, people, dtype=np.int32),
        intervals=np.zeros(people + 1, np.int32),
    )


def rectangles():
    """Even, non-empty rectangles in the picture."""
    side = lambda n: st.tuples(st.integers(0, n // 2 - 1), st.integers(1, n // 2)).map(  # noqa: E731
        lambda p: (2 * p[0], 2 * min(n // 2, p[0] + p[1]))
    )
    return st.tuples(side(WIDTH), side(HEIGHT)).map(lambda p: (p[0][0], p[1][0], p[0][1], p[1][1]))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(rectangles(), max_size=4), min_size=1, max_size=3), st.sampled_from(["solid", "blur"]))
def test_every_masked_sample_is_its_fill_and_every_other_is_untouched(frames: list, kind: str) -> None:
    number = iter(range(1, 99))
    numbered = [[(*box, next(number) if kind == "blur" else 0) for box in boxes] for boxes in frames]
    plan = plan_of(numbered, sum(map(len, frames)) if kind == "blur" else 0)
    first, second = (Renderer(plan, ReleaseConfig(fill=kind), KEY, "view1") for _ in range(2))
    for index, boxes in enumerate(numbered):
        source, planes, again = (noise_planes(index) for _ in range(3))
        first.mask(index, planes)
        second.mask(index, again)
        for before, after, same, scale, name in zip(source, planes, again, (1, 2, 2), "yuv", strict=True):
            masked = np.zeros(before.shape, bool)
            shown = before.copy()
            for x1, y1, x2, y2, fill in boxes:
                where = np.s_[y1 // scale : y2 // scale, x1 // scale : x2 // scale]
                masked[where] = True
                alone = tuple(np.zeros_like(p) for p in source)
                paint(alone, np.array([x1, y1, x2, y2]), first.fills[fill])
                shown[where] = alone["yuv".index(name)][where]
            assert np.array_equal(after[~masked], before[~masked])
            assert np.array_equal(after, shown)
            assert np.array_equal(after, same)


def test_a_solid_region_does_not_depend_on_what_was_there() -> None:
    plan = plan_of([[(4, 4, 30, 20, 0)]], 0)
    one, two = noise_planes(1), noise_planes(2)
    for mine, other in zip(one, two, strict=True):
        keep = np.ones(mine.shape, bool)
        scale = HEIGHT // mine.shape[0]
        keep[4 // scale : 20 // scale, 4 // scale : 30 // scale] = False
        other[keep] = mine[keep]
    for planes in (one, two):
        Renderer(plan, ReleaseConfig(grey=90), KEY, "view1").mask(0, planes)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert (one[0][4:20, 4:30] == 90).all() and (one[1][2:10, 2:15] == 128).all()


def test_a_card_hides_everything() -> None:
    plan = plan_of([[(0, 0, WIDTH, HEIGHT, 0)]], 0)
    planes = noise_planes(3)
    Renderer(plan, ReleaseConfig(), KEY, "view1").mask(0, planes)
    assert [np.unique(p).tolist() for p in planes] == [[128], [128], [128]]


def test_people_with_equal_cell_means_look_the_same_when_blurred() -> None:
    rng = np.random.default_rng(0)
    one = noise_planes(4, 96, 192)
    box = np.array([0, 0, 96, 192], np.int32)
    rows, cols = grid_shape(96, 192)
    two = tuple(p.copy() for p in one)
    for plane in two:
        height, width = plane.shape
        for r in range(rows):
            for c in range(cols):
                where = np.s_[
                    r * height // rows : (r + 1) * height // rows, c * width // cols : (c + 1) * width // cols
                ]
                cell = plane[where]
                plane[where] = rng.permutation(cell.reshape(-1)).reshape(cell.shape)
    assert not np.array_equal(one[0], two[0])
    a, b = (sample(planes, box, KEY, "view1/1/0") for planes in (one, two))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_later_frames_of_an_interval_do_not_count() -> None:
    box = (8, 8, 24, 32, 1)
    plan = plan_of([[box], [box]], 1)
    outputs = []
    for seed in (10, 11):
        renderer = Renderer(plan, ReleaseConfig(fill="blur"), KEY, "view1")
        renderer.mask(0, noise_planes(5))
        planes = noise_planes(seed)
        renderer.mask(1, planes)
        outputs.append(planes[0][8:32, 8:24].copy())
    assert np.array_equal(*outputs)


def test_a_sample_is_of_the_source_not_of_what_was_painted_before() -> None:
    overlapping = [[(0, 0, 32, 32, 1), (0, 0, 32, 32, 2)]]
    renderer = Renderer(plan_of(overlapping, 2), ReleaseConfig(fill="blur"), KEY, "view1")
    planes = noise_planes(6)
    expected = sample(tuple(p.copy() for p in planes), np.array([0, 0, 32, 32]), KEY, "view1/1/0")
    renderer.mask(0, planes)
    assert all(np.array_equal(a, b) for a, b in zip(renderer.fills[2], expected, strict=True))


def test_the_noise_is_fixed_by_secret_and_label() -> None:
    planes, box = noise_planes(7), np.array([0, 0, WIDTH, HEIGHT])
    base = sample(planes, box, KEY, "view1/1/0")
    assert np.array_equal(base.y, sample(planes, box, ReleaseSecret(b"k" * 32), "view1/1/0").y)
    assert not np.array_equal(base.y, sample(planes, box, ReleaseSecret(b"j" * 32), "view1/1/0").y)
    assert not np.array_equal(base.y, sample(planes, box, KEY, "view1/1/1").y)
    assert not np.array_equal(base.y, sample(planes, box, KEY, "view2/1/0").y)


def test_the_noise_is_even_and_bounded() -> None:
    values = np.concatenate([KEY.noise(str(i), 64, 20) for i in range(400)])
    assert (values.min(), values.max()) == (-20, 20)
    assert abs(values.mean()) < 0.5
    counts = np.bincount(values + 20)
    assert counts.min() > 0.7 * counts.mean()


@given(st.integers(1, 400), st.integers(1, 400))
def test_a_person_gives_few_cells(half_width: int, half_height: int) -> None:
    width, height = 2 * half_width, 2 * half_height
    rows, cols = grid_shape(width, height)
    assert 1 <= min(rows, cols) <= SHORT and max(rows, cols) <= LONG
    assert rows <= height // 2 and cols <= width // 2


def test_what_averaging_over_intervals_can_give_is_the_coarse_level() -> None:
    """Noise after the quantization is no dither: two means in one level cannot be told apart, however often seen."""
    means = np.array([[100, 109]])
    assert quantize(means, 32).tolist() == [[96, 96]]
    seen = [quantize(quantize(means, 32) + KEY.noise(str(i), 2, 20), 8).mean(axis=0) for i in range(200)]
    assert quantize(np.array([128]), 16).tolist() == [128]
    assert abs(np.mean(seen) - 96) < 3


def test_cell_means_are_those_of_the_parts() -> None:
    region = np.arange(35, dtype=np.uint8).reshape(5, 7)
    found = cell_means(region, (2, 3))
    assert found[0, 0] == region[:2, :2].mean() // 1
    assert found[1, 2] == region[2:, 4:].mean() // 1


def test_fills_survive_the_table() -> None:
    fills = [solid(77), Fill(*(np.arange(6, dtype=np.uint8).reshape(3, 2) + i for i in range(3)))]
    read = read_fills(fills_table(fills), "view1")
    assert all(np.array_equal(a, b) for f, g in zip(fills, read, strict=True) for a, b in zip(f, g, strict=True))


@pytest.mark.parametrize(
    "change", [{"rows": [1, 40]}, {"kind": ["solid", "solid"]}, {"fill": [0, 2]}, {"cols": [1, 0]}]
)
def test_a_table_of_something_else_is_refused(change: dict) -> None:
    fills = [solid(77), Fill(*(np.zeros((3, 2), np.uint8) for _ in range(3)))]
    columns = fills_table(fills).to_pydict() | change
    with pytest.raises(VerificationError, match="grid of few cells"):
        read_fills(tables.make(tables.FILLS, **columns), "view1")


def test_a_secret_is_private_kept_and_destroyed(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = ReleaseSecret.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600 and path.stat().st_size == 32
    again = ReleaseSecret.load_or_create(path)
    assert np.array_equal(secret.noise("a", 9, 20), again.noise("a", 9, 20))
    other = ReleaseSecret.load_or_create(tmp_path / "other")
    assert not np.array_equal(secret.noise("a", 30, 20), other.noise("a", 30, 20))
    link = tmp_path / "link"
    link.hardlink_to(path)  # the same bytes on the disk, still to be seen after the file is gone
    destroy(path)
    assert not path.exists() and link.read_bytes() == bytes(32)
    destroy(path)


def test_a_damaged_or_public_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(ReleaseError, match="damaged"):
        ReleaseSecret.load_or_create(path)
    path.chmod(0o644)
    with pytest.raises(ReleaseError, match="not private"):
        ReleaseSecret.load_or_create(path)
