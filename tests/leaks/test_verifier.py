"""Releases with a planted fault are refused, good ones are not.

Each fault is written by the product's own writer, with a manifest that agrees with it, so that nothing but the fault
can give it away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from drape import tables
from drape.anonymization import ReleaseConfig, verify_apart, verify_release
from drape.anonymization.manifest import NAME
from drape.errors import ReleaseError, VerificationError
from drape.media import VideoWriter
from support.releases import Planes, Scene, copy_release, forge, make_scene, planes_of, resign, sign

SOLID, BLUR = ReleaseConfig(), ReleaseConfig(fill="blur")
MIDDLE = 20
UNKNOWN = 30
Fault = Callable[[int, Planes, Planes], None]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), unknown=[UNKNOWN])


@pytest.fixture(scope="module")
def good(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forge(scene, SOLID, tmp_path_factory.mktemp("good") / "release")


def box_of(scene: Scene, config: ReleaseConfig, frame: int, row: int = 0) -> tuple[int, int, int, int]:
    plan = scene.plan(config)
    x1, y1, x2, y2 = plan.boxes[plan.regions_of(frame)][row]
    return int(x1), int(y1), int(x2), int(y2)


def show(planes: Planes, source: Planes, box: Iterable[int]) -> None:
    """Put a piece of the source back."""
    for mine, other, scale in zip(planes, source, (1, 2, 2), strict=True):
        x1, y1, x2, y2 = (int(v) // scale for v in box)
        mine[y1:y2, x1:x2] = other[y1:y2, x1:x2]


@pytest.mark.parametrize("config", [SOLID, BLUR, SOLID.model_copy(update={"crf": 24, "grey": 16})])
def test_good_releases_pass(scene: Scene, config: ReleaseConfig, tmp_path: Path) -> None:
    verdict = verify_release(forge(scene, config, tmp_path / "release"))
    assert verdict["ok"] is True
    view = verdict["views"]["view1"]
    assert view["frames"] == 40 and 0.1 < view["masked_share"] < 0.8
    assert all(view["errors"][name] <= bound for name, bound in verdict["bounds"].items())


@pytest.mark.parametrize("config", [SOLID, BLUR], ids=["solid", "blur"])
@pytest.mark.parametrize("frame", [0, MIDDLE, 39])
def test_a_person_unmasked_in_one_frame_is_found(
    scene: Scene, config: ReleaseConfig, frame: int, tmp_path: Path
) -> None:
    def fault(index: int, planes: Planes, source: Planes) -> None:
        if index == frame:
            show(planes, source, box_of(scene, config, frame, 1))

    with pytest.raises(VerificationError, match=f"frame {frame}: a masked region does not show its fill"):
        verify_release(forge(scene, config, tmp_path / "release", fault))


@pytest.mark.parametrize("config", [SOLID, BLUR], ids=["solid", "blur"])
@pytest.mark.parametrize("corner", [(0.5, 0.5), (0.0, 0.0), (0.3, 0.9)])
def test_a_patch_of_16_pixels_is_found(
    scene: Scene, config: ReleaseConfig, corner: tuple[float, float], tmp_path: Path
) -> None:
    x1, y1, x2, y2 = box_of(scene, config, MIDDLE)
    left, top = (int(a + share * (b - a - 16)) // 2 * 2 for a, b, share in ((x1, x2, corner[0]), (y1, y2, corner[1])))

    def fault(index: int, planes: Planes, source: Planes) -> None:
        if index == MIDDLE:
            show(planes, source, (left, top, left + 16, top + 16))

    with pytest.raises(VerificationError, match=f"frame {MIDDLE}: a masked region"):
        verify_release(forge(scene, config, tmp_path / "release", fault))


@pytest.mark.parametrize("shift", [(8, 0), (-8, 0), (0, 8), (0, -8)])
def test_a_mask_8_pixels_beside_its_place_is_found(scene: Scene, shift: tuple[int, int], tmp_path: Path) -> None:
    x1, y1, x2, y2 = box_of(scene, SOLID, MIDDLE)

    def fault(index: int, planes: Planes, source: Planes) -> None:
        if index != MIDDLE:
            return
        show(planes, source, (x1, y1, x2, y2))
        dx, dy = shift
        for plane, scale, value in zip(planes, (1, 2, 2), (128, 128, 128), strict=True):
            left, top, right, bottom = (max(0, v) // scale for v in (x1 + dx, y1 + dy, x2 + dx, y2 + dy))
            plane[top:bottom, left:right] = value

    with pytest.raises(VerificationError, match=f"frame {MIDDLE}: a masked region"):
        verify_release(forge(scene, SOLID, tmp_path / "release", fault))


def test_a_faint_person_is_found(scene: Scene, tmp_path: Path) -> None:
    """Less than a fifth of the contrast is left: too little for any block, but not for the region as a whole."""

    def fault(index: int, planes: Planes, source: Planes) -> None:
        if index == MIDDLE:
            x1, y1, x2, y2 = box_of(scene, SOLID, MIDDLE)
            where = np.s_[y1:y2, x1:x2]
            faint = planes[0][where] + (source[0][where].astype(int) - 128) * 0.18
            planes[0][where] = np.round(faint).astype(np.uint8)

    with pytest.raises(VerificationError, match=f"frame {MIDDLE}: a masked region"):
        verify_release(forge(scene, SOLID, tmp_path / "release", fault))


def test_an_unknown_frame_that_is_shown_is_found(scene: Scene, tmp_path: Path) -> None:
    def fault(index: int, planes: Planes, source: Planes) -> None:
        if index == UNKNOWN:
            show(planes, source, (0, 0, 64, 64))

    with pytest.raises(VerificationError, match=f"frame {UNKNOWN}: a masked region"):
        verify_release(forge(scene, SOLID, tmp_path / "release", fault))


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (lambda i: () if i == 39 else (i,), "has 39 frames instead of 40"),
        (lambda i: () if i == 10 else (i,), "frame 10: it is not at its time"),
        (lambda i: () if i == 10 else (i - (i > 10),), "a masked region does not show its fill"),
    ],
    ids=["the last dropped", "one dropped", "one dropped, the others moved up"],
)
def test_a_dropped_frame_is_found(
    scene: Scene, keep: Callable[[int], Iterable[int]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(VerificationError, match=said):
        verify_release(forge(scene, SOLID, tmp_path / "release", keep=keep))


def test_a_duplicated_frame_is_found(scene: Scene, tmp_path: Path) -> None:
    folder = forge(scene, SOLID, tmp_path / "release")
    plan = scene.plan(SOLID)
    longer = plan.pts.copy()
    shown = planes_of(folder / "view1.mp4")
    step = int(longer[1] - longer[0])
    with VideoWriter(folder / "view1.mp4", *plan.size, scene.view.time_base) as writer:
        for index, planes in enumerate(shown):
            writer.write(int(longer[index]) + step * (index > 10), *planes)
            if index == 10:
                writer.write(int(longer[index]) + step, *planes)
    resign(folder)
    with pytest.raises(VerificationError, match=r"a masked region|is not at its time"):
        verify_release(folder)


def test_a_frame_at_a_wrong_time_is_found(scene: Scene, good: Path, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    frames = tables.read(folder / "view1.frames.parquet", tables.FRAMES).to_pydict()
    frames["pts"][7] += 1
    tables.write(tables.make(tables.FRAMES, **frames), folder / "view1.frames.parquet")
    resign(folder)
    with pytest.raises(VerificationError, match="frame 7: it is not at its time"):
        verify_release(folder)


def change_table(folder: Path, name: str, schema: tables.pa.Schema, change: Callable[[dict], None]) -> None:
    path = folder / f"view1.{name}.parquet"
    columns = tables.read(path, schema).to_pydict()
    change(columns)
    tables.write(tables.make(schema, **columns), path)
    resign(folder)


def drop_first_region(columns: dict) -> None:
    for values in columns.values():
        del values[0]


def make_odd(columns: dict) -> None:
    columns["x1"][0] += 1


def point_nowhere(columns: dict) -> None:
    columns["fill"][0] = 1


@pytest.mark.parametrize("change", [drop_first_region, make_odd, point_nowhere])
def test_regions_that_do_not_fit_are_found(good: Path, change: Callable[[dict], None], tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    change_table(folder, "regions", tables.REGIONS, change)
    with pytest.raises(VerificationError, match="regions"):
        verify_release(folder)


@pytest.mark.parametrize("state", ["verified_empty", "unknown", "seen"])
def test_decisions_that_do_not_fit_are_found(good: Path, state: str, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    change_table(folder, "states", tables.STATES, lambda columns: columns["state"].__setitem__(5, state))
    manifest = json.loads((folder / NAME).read_text())
    states = manifest["views"][0]["states"]
    states["detected"] -= 1
    if state in states:
        states[state] += 1
    (folder / NAME).write_text(json.dumps(manifest))
    with pytest.raises(VerificationError, match="decision"):
        verify_release(folder)


def test_a_replaced_changed_missing_or_added_file_is_found(good: Path, scene: Scene, tmp_path: Path) -> None:
    def refused(name: str, act: Callable[[Path], object], said: str) -> None:
        folder = copy_release(good, tmp_path / name)
        act(folder)
        with pytest.raises(VerificationError, match=said):
            verify_release(folder)

    refused("replaced", lambda f: (f / "view1.mp4").write_bytes(scene.view.media.read_bytes()), "was changed")
    refused("missing", lambda f: (f / "view1.fills.parquet").unlink(), "exactly the files")
    refused("added", lambda f: (f / "notes.txt").write_text("x"), "exactly the files")
    refused("linked", lambda f: _link(f / "view1.mp4", good / "view1.mp4"), "not an ordinary file")


def _link(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def test_the_source_in_place_of_the_release_is_found_even_with_a_fitting_manifest(
    good: Path, scene: Scene, tmp_path: Path
) -> None:
    folder = copy_release(good, tmp_path / "release")
    (folder / "view1.mp4").write_bytes(scene.view.media.read_bytes())
    sign(scene, SOLID, folder)
    with pytest.raises(VerificationError, match="frame 0: a masked region"):
        verify_release(folder)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format": 2}'])
def test_a_folder_that_is_no_release_is_refused(good: Path, content: str, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    (folder / NAME).write_text(content)
    with pytest.raises(ReleaseError, match="not that of a release"):
        verify_release(folder)
    with pytest.raises(ReleaseError, match="holds no release"):
        verify_release(tmp_path / "nothing")


def test_a_manifest_cannot_lead_out_of_the_folder(good: Path, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    (folder / NAME).write_text((folder / NAME).read_text().replace('"view1"', '"../view1"'))
    with pytest.raises(ReleaseError, match="not that of a release"):
        verify_release(folder)


def test_the_process_of_its_own_says_the_same(good: Path, scene: Scene, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    assert verify_apart(good, lambda *news: told.append(news)) == verify_release(good)
    assert told[-1] == (40, 40, "verify view1")
    bad = forge(scene, SOLID, tmp_path / "bad", keep=lambda i: () if i == 39 else (i,))
    with pytest.raises(VerificationError, match="has 39 frames instead of 40"):
        verify_apart(bad)
    with pytest.raises(VerificationError, match="holds no release"):
        verify_apart(tmp_path / "nothing")
