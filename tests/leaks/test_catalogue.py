"""Numbers of the catalogue of leaks (docs/threat-model.md) that no other file here tests on whole releases."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from drape import tables
from drape.anonymization import ReleaseConfig, export_release, verify_release
from drape.errors import DrapeError
from drape.media import read_frames
from drape.recording import Recording, View
from support.clips import make_clip, read_stripes, view_of
from support.releases import Scene, copy_release, film, forge, make_scene, pictures, resign, scene_of, walk

SOLID = ReleaseConfig()
TIGHT = SOLID.model_copy(update={"min_margin_px": 0, "margin_top": 0.05})


def export_views(scenes: list[Scene], target: Path) -> dict:
    """A recording of several scenes, as view1, view2, …"""
    by_id = {f"view{i + 1}": scene for i, scene in enumerate(scenes)}
    views = [s.view.model_copy(update={"id": v, "name": f"{s.view.name} {v}"}) for v, s in by_id.items()]
    return export_release(
        Recording(name="PRIVATE_NAME", views=tuple(views)).with_views(views),
        lambda view: by_id[view].frames,
        lambda view: by_id[view].covered,
        lambda view: by_id[view].persons,
        SOLID,
        target,
        {},
    )


def test_r04_views_of_different_lengths_keep_all_their_frames(tmp_path: Path) -> None:
    lengths = (10, 7, 13)
    scenes = [make_scene(tmp_path / str(n), frames=n, size=(96, 64), people=1) for n in lengths]
    manifest = export_views(scenes, tmp_path / "release")
    assert tuple(view["frames"] for view in manifest["views"]) == lengths
    assert tuple(sum(view["states"].values()) for view in manifest["views"]) == lengths


def test_r08_twelve_views(tmp_path: Path) -> None:
    scene = make_scene(tmp_path / "scene", frames=3, size=(64, 48), people=1)
    manifest = export_views([scene] * 12, tmp_path / "release")
    assert [view["id"] for view in manifest["views"]] == [f"view{i}" for i in range(1, 13)]
    assert verify_release(tmp_path / "release")["ok"]


def test_r09_a_crowd_of_thirty(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=4, size=(320, 240))
    place = np.stack(np.meshgrid(np.arange(6) * 50, np.arange(5) * 45), axis=2).reshape(1, 30, 2) + np.zeros((4, 1, 1))
    boxes = np.concatenate([place, place + np.array([20, 40])], axis=2).astype(np.float32)
    scene = scene_of(view_of(clip), boxes)
    scene.export(tmp_path / "release", ReleaseConfig(fill="blur"))
    regions = tables.read(tmp_path / "release" / "view1.regions.parquet", tables.REGIONS)
    assert len(regions) == 4 * 30
    fills = tables.read(tmp_path / "release" / "view1.fills.parquet", tables.FILLS)
    assert len(fills) == 31 and verify_release(tmp_path / "release")["ok"]


NAMES = {
    "umlaut and date": "Müller_Hans_1970-03-05",
    "shell": ";rm -rf $HOME `id`",
    "option": "-i",
    "newline": "a\nb",
    "right to left": "\u202e4pm.mp4",
    "long": "x" * 240,
    "quotes": "a\"b'c",
    "percent": "%03d",
    "colon": "concat:a|b",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_r13_names_neither_act_nor_appear(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    clip = make_clip(tmp_path / "clip.mp4", frames=4)
    clip.rename(folder / f"{name}.mp4")
    before = (folder / f"{name}.mp4").read_bytes()
    scene = scene_of(View(id="view1", name=name, media=folder / f"{name}.mp4"), walk(4, (192, 128)))
    scene.export(tmp_path / "release", SOLID)
    assert (folder / f"{name}.mp4").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["release", "sources"]
    assert all(p.name.startswith(("view1.", "manifest.json", "report.html")) for p in (tmp_path / "release").iterdir())
    if len(name) > 4:
        assert not [p.name for p in (tmp_path / "release").iterdir() if name.encode() in p.read_bytes()]


SIZES = [(16, 16), (2, 2), (641, 479), (1000, 10), (10, 400)]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=[f"{w}x{h}" for w, h in SIZES])
def test_r14_unusual_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    """Odd ones are padded by a column or a row, and nothing of a mask is lost at the edge."""
    clip = make_clip(tmp_path / "clip.mp4", frames=3, size=size, pix_fmt="yuv444p")
    box = np.tile(np.array([0, 0, *size], np.float32), (3, 1, 1))
    manifest = scene_of(view_of(clip), box).export(tmp_path / "release", SOLID)
    view = manifest["views"][0]
    assert (view["width"], view["height"]) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert manifest["verdict"]["views"]["view1"]["masked_share"] == 1
    assert ("odd size padded by repeating the edge" in view["notes"]) == bool(size[0] % 2 or size[1] % 2)


FORMATS = {
    "10-bit HEVC": (
        "a.mp4",
        {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
    ),
    "4:2:2": ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuv422p"}),
    "4:4:4 10-bit ProRes": ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv444p10le"}),
    "grey": ("a.mkv", {"codec": "ffv1", "pix_fmt": "gray"}),
    "motion JPEG, full range": ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "RGB": ("a.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
    "alpha": ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuva420p"}),
    "transport stream": ("a.ts", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_r17_formats_are_kept_frame_by_frame_or_converted_with_a_note(name: str, tmp_path: Path) -> None:
    file, options = FORMATS[name]
    clip = make_clip(tmp_path / file, frames=6, **options)
    box = np.tile(np.array([60, 60, 110, 68], np.float32), (6, 1, 1))
    manifest = scene_of(view_of(clip), box).export(tmp_path / "release", TIGHT)
    view = View(id="view1", name="view1", media=tmp_path / "release" / "view1.mp4")
    assert [read_stripes(frame.image) for frame in read_frames(view)] == list(range(6))
    converted = "pictures converted to 8-bit 4:2:0" in manifest["views"][0]["notes"]
    assert converted == (options.get("pix_fmt", "yuv420p") not in ("yuv420p", "yuvj420p"))


def test_r18_no_ghost_of_a_person_after_a_cut(tmp_path: Path) -> None:
    """The picture changes altogether, and at once somebody is masked where nobody was; at the coarsest quality."""
    size, count = (320, 240), 20
    boxes = walk(count, size, 2)
    films = pictures(boxes, size, 0)
    for index in range(10, count):
        films[index] = tuple(np.ascontiguousarray(plane[::-1, ::-1]) for plane in films[index])
    boxes[10:] = np.array([size[0], size[1]] * 2, np.float32) - boxes[10:][..., [2, 3, 0, 1]]
    scene = scene_of(View(id="view1", name="x", media=film(tmp_path / "cut.mkv", films)), boxes)
    manifest = scene.export(tmp_path / "release", SOLID.model_copy(update={"crf": 24}))
    errors = manifest["verdict"]["views"]["view1"]["errors"]
    assert 20 * np.log10(255 / errors["rms"]) > 40


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    return forge(make_scene(folder / "scene", frames=6, size=(96, 64), people=1), SOLID, folder / "release")


MUTATIONS = 150


@pytest.mark.slow
def test_r33_mutated_releases_give_typed_errors_or_the_same_verdict(good: Path, tmp_path: Path) -> None:
    """Headers and streams of all files, with digests that fit: no crash, and what passes shows what it must show."""
    folder = copy_release(good, tmp_path / "release")
    honest = verify_release(good)
    chance = random.Random(1)  # noqa: S311
    files = sorted(path for path in folder.iterdir() if path.suffix != ".json")
    refused = 0
    for number in range(MUTATIONS):
        path = files[number % len(files)]
        content = bytearray((good / path.name).read_bytes())
        for _ in range(chance.choice([1, 1, 3, 20])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if number % 7 == 0:
            del content[chance.randrange(len(content)) :]
        path.write_bytes(content)
        resign(folder)
        try:
            verdict = verify_release(folder)
        except DrapeError:
            refused += 1
        else:
            seen, wanted = verdict["views"]["view1"], honest["views"]["view1"]
            assert seen["frames"] == wanted["frames"] and seen["times_sha256"] == wanted["times_sha256"]
            assert all(seen["errors"][name] <= bound for name, bound in verdict["bounds"].items())
        path.write_bytes((good / path.name).read_bytes())
    assert refused > MUTATIONS / 2


@pytest.mark.slow
def test_r35_every_input_frame_is_one_output_frame_whatever_the_masks(tmp_path: Path) -> None:
    """Random boxes, outside the picture and empty ones too: numbers of frames survive, masks show their fill."""
    rng = np.random.default_rng(5)
    clip = make_clip(tmp_path / "clip.mp4", frames=15, size=(192, 128))
    base = scene_of(view_of(clip), np.zeros((15, 0, 4), np.float32))
    for turn in range(2):
        corner = rng.uniform([-40, 58], [200, 62], (15, 3, 2))  # between the stripes' upper and lower halves
        boxes = np.concatenate([corner, corner + rng.uniform(0, [60, 4], (15, 3, 2))], axis=2).astype(np.float32)
        scene = Scene(base.view, base.frames, scene_of(view_of(clip), boxes).persons, base.covered)
        config = ReleaseConfig(fill=("solid", "blur")[turn % 2], margin_top=0, margin_bottom=0, min_margin_px=0)
        scene.export(tmp_path / str(turn), config)
        view = View(id="view1", name="view1", media=tmp_path / str(turn) / "view1.mp4")
        assert [read_stripes(frame.image) for frame in read_frames(view)] == list(range(15))
