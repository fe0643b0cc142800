"""Head, silhouette or body: what is masked of whom, how rectangles cover shapes, and that releases of them hold."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.anonymization import PROFILES, ReleaseConfig, export_release, plan_view, verify_release
from drape.anonymization.render import Renderer
from drape.anonymization.shapes import DIRECTIONS, STRIPS, corners, strips
from drape.anonymization.targets import BODY, HEAD, SILHOUETTE, aim
from drape.errors import ReleaseError, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.releases import KEY, Scene, forge, make_scene, pictures, walk

SIZE = (320, 240)
HEADS = ReleaseConfig(target="head")


def circle(centre: NDArray, radius: float) -> NDArray:
    """Polygon (16, 2) around a circle."""
    return corners((DIRECTIONS @ centre + radius)[None])[0]


def heads_table(persons: pa.Table, polygons: list[NDArray] | None = None, rule: str = "key_points") -> pa.Table:
    """Table ``HEADS``: round heads at the top of the boxes, unless polygons are given."""
    boxes, frame = tables.boxes_of(persons), persons.column("frame").to_numpy()
    middle = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1] + 18], axis=1)
    polygons = polygons or [circle(point, 17) for point in middle]
    around = np.array([[*p.min(axis=0), *p.max(axis=0)] for p in polygons], np.float32)
    return tables.make(
        tables.HEADS,
        frame=frame,
        time=persons.column("time"),
        index=(np.arange(len(frame)) - np.searchsorted(frame, frame)).astype(np.int32),
        tracklet=persons.column("tracklet"),
        person=persons.column("person"),
        x=[p[:, 0].astype(np.float32) for p in polygons],
        y=[p[:, 1].astype(np.float32) for p in polygons],
        rule=[rule] * len(frame),
        confidence=[0.9] * len(frame),
        **tables.box_columns(around),
    )


def poses_table(persons: pa.Table, shares: dict[int, tuple[float, float]]) -> pa.Table:
    """Table ``POSES`` with points at shares of the boxes, all others unknown."""
    boxes, frame = tables.boxes_of(persons).astype(np.float64), persons.column("frame").to_numpy()
    points, scores = np.full((len(frame), 17, 2), np.nan), np.zeros((len(frame), 17))
    for point, share in shares.items():
        points[:, point] = boxes[:, :2] + np.array(share) * (boxes[:, 2:] - boxes[:, :2])
        scores[:, point] = 0.9
    return tables.make(
        tables.POSES,
        frame=frame,
        time=persons.column("time"),
        index=(np.arange(len(frame)) - np.searchsorted(frame, frame)).astype(np.int32),
        tracklet=persons.column("tracklet"),
        person=persons.column("person"),
        x=list(points[..., 0].astype(np.float32)),
        y=list(points[..., 1].astype(np.float32)),
        score=list(scores.astype(np.float32)),
        outside=list(np.isnan(points).any(axis=2)),
    )


STANDING = {
    0: (0.5, 0.08),
    5: (0.75, 0.2),
    6: (0.25, 0.2),
    9: (0.97, 0.5),
    10: (0.03, 0.5),
    11: (0.65, 0.5),
    12: (0.35, 0.5),
    15: (0.65, 0.97),
    16: (0.35, 0.97),
}


def with_column(table: pa.Table, name: str, values: object) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), frames=10, size=SIZE)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-40, 360), st.floats(-40, 280)), min_size=1, max_size=12),
    st.floats(0.5, 40),
)
def test_rectangles_cover_the_polygon_and_little_more(points: list[tuple[float, float]], radius: float) -> None:
    reach = (np.array(points) @ DIRECTIONS.T).max(axis=0) + radius
    shape, boxes = strips(reach[None], SIZE[1])
    assert len(boxes) <= STRIPS and (shape == 0).all()
    assert (boxes[:, 1] % 2 == 0).all() and (boxes[1:, 1] == boxes[:-1, 3]).all()
    polygon = corners(reach[None])[0]
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    inside = (np.stack([x, y], axis=2) @ DIRECTIONS.T <= reach).all(axis=2)
    covered = np.zeros(SIZE[::-1], bool)
    for x1, y1, x2, y2 in boxes:
        covered[int(y1) : int(y2), max(int(np.floor(x1)), 0) : max(int(np.ceil(x2)), 0)] = True
    assert not (inside & ~covered).any()
    if len(boxes):
        step = (boxes[:, 3] - boxes[:, 1]).max()
        apart = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
        assert not inside.any() or apart[covered].max() <= np.hypot(step, step * 3) + 4
        assert boxes[:, 0].min() >= polygon[:, 0].min() - 1e-3 and boxes[:, 2].max() <= polygon[:, 0].max() + 1e-3


def aimed(scene: Scene, config: ReleaseConfig, heads: pa.Table | None, poses: pa.Table | None = None, persons=None):
    return aim(persons if persons is not None else scene.persons, heads, poses, SIZE, config)


def test_heads_are_masked_where_they_are_known_and_bodies_elsewhere(scene: Scene) -> None:
    heads = heads_table(scene.persons)
    assert (aimed(scene, HEADS, heads).target == HEAD).all()
    assert (aimed(scene, HEADS, None).target == BODY).all()
    assert (aimed(scene, ReleaseConfig(), heads).target == BODY).all()
    assert (aimed(scene, HEADS, heads.slice(2)).target[:2] == BODY).all()
    assert (aimed(scene, HEADS, heads_table(scene.persons, rule="whole_box")).target == BODY).all()
    strict = HEADS.model_copy(update={"head_rules": ("over_time",)})
    assert (aimed(scene, strict, heads).target == BODY).all()


def test_a_head_that_cannot_be_the_persons_masks_the_body(scene: Scene) -> None:
    boxes = tables.boxes_of(scene.persons)
    middle = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1] + 18], axis=1)
    polygons = [circle(point, 17) for point in middle]
    polygons[0] = circle(middle[0] + [0, -200], 17)
    polygons[1] = np.full((16, 2), np.nan)
    polygons[2] = circle(np.array([-60.0, 40.0]), 17)
    assert aimed(scene, HEADS, heads_table(scene.persons, polygons)).target[:4].tolist() == [BODY, BODY, BODY, HEAD]


def test_heads_of_other_persons_are_refused(scene: Scene) -> None:
    other = with_column(heads_table(scene.persons), "tracklet", [9] * scene.persons.num_rows)
    with pytest.raises(ReleaseError, match="other persons"):
        aimed(scene, HEADS, other)


def test_classes_have_targets_of_their_own_and_doubt_takes_the_largest(scene: Scene) -> None:
    tracklet = scene.persons.column("tracklet").to_numpy()
    frame = scene.persons.column("frame").to_numpy()
    heads = heads_table(scene.persons)
    named = with_column(scene.persons, "person", np.where(tracklet == 0, 3, 4))
    config = ReleaseConfig(target="head", people=("patient=3",))
    assert (aimed(scene, config, heads, persons=named).target == np.where(tracklet == 0, BODY, HEAD)).all()
    once = with_column(
        scene.persons, "person", [3 if t == 0 and f == 4 else None for t, f in zip(tracklet, frame, strict=True)]
    )
    assert (aimed(scene, config, heads, persons=once).target == BODY).all()
    reviewed = with_column(scene.persons, "source", np.where(frame == 2, "reviewed", "detected"))
    assert (aimed(scene, HEADS, heads, persons=reviewed).target == np.where(frame == 2, BODY, HEAD)).all()
    mirror = with_column(scene.persons, "copy", tracklet == 1)
    config = ReleaseConfig(targets=("reflection=head", "reviewed=body"))
    assert (aimed(scene, config, heads, persons=mirror).target == np.where(tracklet == 1, HEAD, BODY)).all()
    both = ReleaseConfig(target="head", people=("staff=3", "opt_out=3"), targets=("staff=head", "opt_out=body"))
    assert (aimed(scene, both, heads, persons=named).target[tracklet == 0] == BODY).all()


def test_classes_without_targets_and_free_names_are_refused() -> None:
    for bad in ({"people": ("visitor=1",)}, {"people": ("Hans=1",)}, {"targets": ("staff=face",)}):
        with pytest.raises(ValueError, match=r"target|pattern"):
            ReleaseConfig(**bad)


def test_a_silhouette_needs_a_whole_pose_and_a_sure_head(scene: Scene) -> None:
    config = ReleaseConfig(target="silhouette")
    heads, poses = heads_table(scene.persons), poses_table(scene.persons, STANDING)
    found = aimed(scene, config, heads, poses)
    assert (found.target == SILHOUETTE).all()
    points = np.stack([np.array(poses.column(name).to_pylist()) for name in ("x", "y")], axis=2)
    margin = 0.08 * (SIZE[1] * 0.55)
    inside = (np.nan_to_num(points, nan=160) @ DIRECTIONS.T <= found.reach[:, None] - margin + 1e-3).all(axis=2)
    assert inside[~np.isnan(points).any(axis=2)].all()
    assert (aimed(scene, config, heads).target == BODY).all()
    assert (aimed(scene, config, heads_table(scene.persons, rule="upper_box"), poses).target == BODY).all()
    for missing in ((5,), (15, 16), (9, 10, 15)):
        less = {point: at for point, at in STANDING.items() if point not in missing}
        assert (aimed(scene, config, heads, poses_table(scene.persons, less)).target == BODY).all()


def test_smaller_targets_mask_less_and_all_of_the_shape(scene: Scene) -> None:
    heads, poses = heads_table(scene.persons), poses_table(scene.persons, STANDING)
    masked = {}
    for target in ("head", "silhouette", "body"):
        plan = plan_view(
            scene.view, scene.frames, scene.covered, scene.persons, ReleaseConfig(target=target), heads, poses
        )
        masked[target] = _painted(plan.boxes[plan.regions_of(5)])
    sizes = [masked[target].sum() for target in ("head", "silhouette", "body")]
    assert sizes[0] < 0.5 * sizes[1] < 0.5 * sizes[2]
    for polygon in _polygons(heads, 5):
        mask = np.zeros(SIZE[::-1], np.uint8)
        cv2.fillConvexPoly(mask, np.round(polygon).astype(np.int32), 1)
        assert not ((mask > 0) & ~masked["head"]).any()


def _painted(boxes: NDArray) -> NDArray:
    hidden = np.zeros(SIZE[::-1], bool)
    for x1, y1, x2, y2 in boxes:
        hidden[y1:y2, x1:x2] = True
    return hidden


def _polygons(heads: pa.Table, frame: int) -> list[NDArray]:
    rows = heads.filter(pa.array(heads.column("frame").to_numpy() == frame))
    return [np.array(pair).T for pair in zip(rows.column("x").to_pylist(), rows.column("y").to_pylist(), strict=True)]


def test_heads_too_stand_a_moment_before_and_after(scene: Scene) -> None:
    heads = heads_table(scene.persons)
    frame = scene.persons.column("frame").to_numpy()
    few = scene.persons.filter(pa.array(frame == 5))
    config = ReleaseConfig(target="head", temporal_padding_s=0.08)
    plan = plan_view(scene.view, scene.frames, scene.covered, few, config, heads.filter(pa.array(frame == 5)))
    assert np.flatnonzero(np.diff(plan.offsets)).tolist() == [3, 4, 5, 6, 7]
    moving = plan_view(scene.view, scene.frames, scene.covered, scene.persons, config, heads)
    still = plan_view(
        scene.view,
        scene.frames,
        scene.covered,
        scene.persons,
        HEADS.model_copy(update={"temporal_padding_s": 0}),
        heads,
    )
    assert _painted(moving.boxes[moving.regions_of(5)]).sum() > _painted(still.boxes[still.regions_of(5)]).sum()


def export(scene: Scene, target: Path, config: ReleaseConfig, heads: pa.Table) -> dict:
    return export_release(
        scene.recording,
        lambda _: scene.frames,
        lambda _: scene.covered,
        lambda _: scene.persons,
        config,
        target,
        {},
        heads=lambda _: heads,
    )


@pytest.mark.parametrize("fill", ["solid", "blur"])
def test_a_release_of_heads_is_verified_and_says_what_it_masks(scene: Scene, tmp_path: Path, fill: str) -> None:
    heads = heads_table(scene.persons)
    rules = np.where(heads.column("frame").to_numpy() < 3, "over_time", "key_points")
    heads = with_column(heads, "rule", rules)
    manifest = export(scene, tmp_path / "r", ReleaseConfig(target="head", fill=fill), heads)
    view = manifest["views"][0]
    assert view["targets"] == {"head": 20, "silhouette": 0, "body": 0}
    assert view["head_rules"] == {"over_time": 6, "key_points": 14}
    assert manifest["config"]["target"] == "head"
    assert not next(code for code in manifest["dicom"] if code["code"] == "113102")["applied"]
    assert verify_release(tmp_path / "r")["ok"]
    report = (tmp_path / "r" / "report.html").read_text()
    assert "20 are covered" in report and "6 from the moments just before and after" in report
    if fill == "blur":
        fills = tables.read(tmp_path / "r" / "view1.fills.parquet", tables.FILLS)
        assert set(fills.column("rows").to_pylist()) == {1}


def test_a_public_release_masks_bodies_whatever_was_asked(scene: Scene) -> None:
    config = ReleaseConfig(target="head", targets=("staff=head", "reviewed=silhouette"))
    strengthened, changed = PROFILES["public"].strengthen(config)
    assert (strengthened.target, strengthened.targets) == ("body", ("staff=body", "reviewed=body"))
    assert {"target", "targets"} <= set(changed)
    partners, _ = PROFILES["consortium"].strengthen(config)
    assert partners.target == "head" and "upper_box" not in partners.head_rules
    assert PROFILES["public"].strengthen(ReleaseConfig())[0].head_rules == ReleaseConfig().head_rules


def test_two_people_under_one_head_mask_give_the_same_pixels(scene: Scene) -> None:
    plan = _HeadScene(scene.view, scene.frames, scene.persons, scene.covered).plan(HEADS)
    people = [pictures(walk(4, SIZE), SIZE, seed) for seed in (1, 2)]
    for index, (one, two) in enumerate(zip(*people, strict=True)):
        hidden = _painted(plan.boxes[plan.regions_of(index)])
        assert (one[0] != two[0])[hidden].mean() > 0.3
        for planes in (one, two):
            Renderer(plan, HEADS, KEY, "view1").mask(index, planes)
        assert np.array_equal(one[0][hidden], two[0][hidden])
        assert (one[0] != two[0])[~hidden].any()


class _HeadScene(Scene):
    """A scene whose plan is of heads."""

    def plan(self, config: ReleaseConfig):
        return plan_view(self.view, self.frames, self.covered, self.persons, config, heads_table(self.persons))


@pytest.mark.parametrize("strip", [0, 1, -1])
def test_one_unmasked_strip_of_a_head_is_found(scene: Scene, tmp_path: Path, strip: int) -> None:
    heads = _HeadScene(scene.view, scene.frames, scene.persons, scene.covered)
    plan = heads.plan(HEADS)
    x1, y1, x2, y2 = plan.boxes[plan.regions_of(4)][strip]

    def reveal(index: int, planes, source) -> None:
        if index == 4:
            for plane, original, scale in zip(planes, source, (1, 2, 2), strict=True):
                here = np.s_[y1 // scale : y2 // scale, x1 // scale : x2 // scale]
                plane[here] = original[here]

    good = forge(heads, HEADS, tmp_path / "good")
    assert verify_release(good)["ok"]
    bad = forge(heads, HEADS, tmp_path / "bad", reveal)
    with pytest.raises(VerificationError, match="does not show its fill"):
        verify_release(bad)
    assert json.loads((bad / "manifest.json").read_text())["format"] == 3
