"""A release appears whole, verified and with its own frames, or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from drape import tables
from drape.anonymization import ReleaseConfig, export_release, read_manifest, verify_release
from drape.anonymization.quarantine import Quarantine, quarantine_path
from drape.errors import DrapeError, MediaError, ReleaseError, WorkspaceError
from drape.media import read_frames
from drape.recording import Recording, View
from support.clips import make_clip, read_stripes, truncate, view_of
from support.releases import PRIVATE, Scene, make_scene, planes_of, scene_of

SOLID, BLUR = ReleaseConfig(), ReleaseConfig(fill="blur")


def middle(frames: int, size: tuple[int, int], people: int = 1) -> np.ndarray:
    """Boxes that stay clear of where the stripes are read."""
    width, height = size
    box = [width * 0.3, height * 0.47, width * 0.6, height * 0.53]
    return (
        np.tile(np.array(box, np.float32), (frames, people, 1)) + np.arange(frames, dtype=np.float32)[:, None, None] % 5
    )


TIGHT = SOLID.model_copy(update={"min_margin_px": 0, "margin_top": 0.05})


def numbers(video: Path) -> list[int]:
    view = View(id="view1", name="view1", media=video)
    return [read_stripes(frame.image) for frame in read_frames(view)]


VARIANTS = {
    "plain": {},
    "variable rate": {"pts": [0, 40, 41, 90, 200, 210, 400, 1400, 1433, 1467, 1500, 1600]},
    "late start": {"pts": list(range(700, 1900, 100))},
    "NTSC": {"time_base": (1001, 30000), "fps": 29.97},
    "turned by 90": {"rotation": 90},
    "turned by 180": {"rotation": 180},
    "turned by 270, mirrored": {"rotation": 270, "flip": True},
    "odd size": {"size": (191, 127), "codec": "libx264", "pix_fmt": "yuv444p"},
    "10 bit": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
    "full range": {"full_range": True},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_released_frame_is_the_source_s(name: str, tmp_path: Path) -> None:
    options = dict(VARIANTS[name])
    fps = options.pop("fps", 25)
    clip = make_clip(tmp_path / "clip.mp4", frames=12, fps=Fraction(30000, 1001) if fps == 29.97 else fps, **options)
    size = options.get("size", (192, 128))
    scene = scene_of(view_of(clip), middle(12, size))
    release = tmp_path / "release"
    manifest = scene.export(release, TIGHT)
    assert numbers(release / "view1.mp4") == list(range(12))
    assert manifest["views"][0]["frames"] == 12
    view = View(id="view1", name="view1", media=release / "view1.mp4")
    times = np.array([frame.time for frame in read_frames(view)])
    assert np.allclose(times, scene.frames.column("time").to_numpy(), atol=1e-9)
    released = tables.read(release / "view1.frames.parquet", tables.FRAMES).column("time").to_numpy()
    assert released[0] == 0 and np.allclose(np.diff(released), np.diff(times))


def test_a_truncated_source_releases_nothing(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=40, grain=20)
    scene = scene_of(view_of(clip), middle(40, (192, 128)))
    torn = truncate(clip, 0.6, tmp_path / "torn.mp4")
    scene = Scene(scene.view.model_copy(update={"media": torn}), scene.frames, scene.persons, scene.covered)
    target = tmp_path / "out" / "release"
    with pytest.raises(MediaError):
        scene.export(target, SOLID)
    assert list(target.parent.iterdir()) == []


def test_a_source_that_was_replaced_releases_nothing(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=12)
    scene = scene_of(view_of(clip), middle(12, (192, 128)))
    make_clip(clip, frames=13)
    target = tmp_path / "out" / "release"
    with pytest.raises(MediaError, match="not those that were ingested"):
        scene.export(target, SOLID)
    assert list(target.parent.iterdir()) == []


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), frames=30, unknown=[3])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_folder_and_its_manifest(scene: Scene, tmp_path: Path) -> None:
    release = tmp_path / "new" / "release"
    manifest = scene.export(release, SOLID, detector={"name": "rtmdet-nano", "weights": "0" * 64})
    assert sorted(p.name for p in release.parent.iterdir()) == ["release"]
    assert sorted(p.name for p in release.iterdir()) == [
        "manifest.json",
        "report.html",
        "view1.fills.parquet",
        "view1.frames.parquet",
        "view1.mp4",
        "view1.regions.parquet",
        "view1.states.parquet",
    ]
    assert read_manifest(release) == json.loads((release / "manifest.json").read_text())
    assert manifest["recording"] == scene.recording.id
    assert manifest["provenance"]["detector"]["name"] == "rtmdet-nano"
    view = manifest["views"][0]
    assert view["source_sha256"] == tables.sha256(scene.view.media)
    assert view["states"] == {"detected": 29, "unknown": 1, "verified_empty": 0}
    assert view["files"]["view1.mp4"]["sha256"] == tables.sha256(release / "view1.mp4")
    assert manifest["verdict"]["views"]["view1"]["frames"] == 30
    assert verify_release(release) == {**manifest["verdict"], "signature": {"signed": False}}
    text = (release / "manifest.json").read_text()
    assert PRIVATE not in text and str(tmp_path) not in text
    assert release.stat().st_mode & 0o077 == 0o777 & ~_umask() & 0o077


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_same_inputs_give_the_same_bytes(scene: Scene, tmp_path: Path) -> None:
    scene.export(tmp_path / "a", SOLID)
    scene.export(tmp_path / "b", SOLID)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_two_blurred_releases_share_no_noise(scene: Scene, tmp_path: Path) -> None:
    scene.export(tmp_path / "a", BLUR)
    scene.export(tmp_path / "b", BLUR)
    a, b = content(tmp_path / "a"), content(tmp_path / "b")
    assert a["view1.regions.parquet"] == b["view1.regions.parquet"]
    assert a["view1.fills.parquet"] != b["view1.fills.parquet"]


def test_two_faces_under_one_mask_give_the_same_release(tmp_path: Path) -> None:
    """Not only the masked planes: the whole encoded file, to the bit."""
    scenes = [make_scene(tmp_path / str(seed), frames=30, seed=seed, suffix=".mkv") for seed in (1, 2)]
    for number, scene in enumerate(scenes):
        scene.export(tmp_path / f"release{number}", SOLID)
    assert scenes[0].view.sha256 != scenes[1].view.sha256
    videos = [(tmp_path / f"release{number}" / "view1.mp4").read_bytes() for number in (0, 1)]
    assert videos[0] == videos[1]


def test_a_card_shows_nothing(scene: Scene, tmp_path: Path) -> None:
    scene.export(tmp_path / "release", SOLID)
    y, u, v = planes_of(tmp_path / "release" / "view1.mp4")[3]
    assert max(np.abs(p.astype(int) - 128).max() for p in (y, u, v)) <= 3


def test_views_of_different_clocks_share_the_first_frame_s_time(tmp_path: Path) -> None:
    one, two = (make_scene(tmp_path / name, frames=12) for name in "ab")
    late = two.frames.set_column(2, "time", pa.array(two.frames.column("time").to_numpy() + 1.7e9 + 2))
    early = one.frames.set_column(2, "time", pa.array(one.frames.column("time").to_numpy() + 1.7e9))
    schema = tables.FRAMES
    frames = {"view1": early.cast(schema), "view2": late.cast(schema)}
    views = [one.view, two.view.model_copy(update={"id": "view2", "name": "other"})]
    recording = Recording(name=PRIVATE, views=tuple(views)).with_views(views)
    persons = {"view1": one.persons, "view2": two.persons}
    covered = {"view1": one.covered, "view2": two.covered}
    target = tmp_path / "release"
    export_release(recording, frames.__getitem__, covered.__getitem__, persons.__getitem__, SOLID, target, {})
    first = [tables.read(target / f"{v}.frames.parquet", schema).column("time")[0].as_py() for v in frames]
    assert first == pytest.approx([0, 2], abs=1e-5)


@pytest.mark.parametrize(
    "provenance", [{"weights": "/home/hans/x.pth"}, {"a": [{"b": PRIVATE}]}, {PRIVATE + ".mp4": 1}]
)
def test_private_names_in_the_provenance_are_refused(scene: Scene, provenance: dict, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="private name"):
        export_release(
            scene.recording,
            lambda _: scene.frames,
            lambda _: scene.covered,
            lambda _: scene.persons,
            SOLID,
            tmp_path / "release",
            provenance,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_a_target_that_exists_is_left_alone(scene: Scene, kind: str, tmp_path: Path) -> None:
    target = tmp_path / "release"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    before = [(p.name, p.lstat().st_ino) for p in tmp_path.iterdir()]
    with pytest.raises(ReleaseError, match="The target exists"):
        scene.export(target, SOLID)
    assert [(p.name, p.lstat().st_ino) for p in tmp_path.iterdir()] == before


def test_a_missing_table_releases_nothing(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "out" / "release"
    with pytest.raises(WorkspaceError, match="is missing"):
        export_release(
            scene.recording,
            lambda view: tables.read(tmp_path / view / "frames", tables.FRAMES),
            lambda _: scene.covered,
            lambda _: scene.persons,
            SOLID,
            target,
            {},
        )
    assert not target.parent.exists()


@pytest.mark.parametrize("where", ["a file", "/sys/kernel"])
def test_a_place_that_cannot_be_written_says_so(scene: Scene, where: str, tmp_path: Path) -> None:
    parent = Path(where)
    if where == "a file":
        parent = tmp_path / "file"
        parent.write_text("x")
    elif not parent.is_dir() or os.path.ismount("/sys") is False:
        pytest.skip("no file system here that refuses even root")
    with pytest.raises(ReleaseError, match="could not be written") as caught:
        scene.export(parent / "release", SOLID)
    assert str(parent) not in str(caught.value)


def test_two_exports_to_one_target_do_not_meet(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "release"
    with Quarantine(target, "another export's inputs"), pytest.raises(ReleaseError, match="is running"):
        scene.export(target, SOLID)


def test_a_folder_others_may_enter_is_not_used(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "release"
    quarantine_path(target).mkdir(mode=0o755)
    with pytest.raises(ReleaseError, match="not private"):
        scene.export(target, SOLID)
    quarantine_path(target).rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    quarantine_path(target).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DrapeError):
        scene.export(target, SOLID)
    assert list((tmp_path / "elsewhere").iterdir()) == []


FULL = """
import resource, sys
from pathlib import Path
from drape.anonymization import ReleaseConfig
from drape.errors import DrapeError
from support.releases import make_scene
scene = make_scene(Path(sys.argv[1]), frames=60, size=(640, 480))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    scene.export(Path(sys.argv[2]), ReleaseConfig())
except DrapeError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [30_000, 1_000])
def test_a_full_disk_leaves_nothing_and_is_resumed(limit: int, tmp_path: Path) -> None:
    target = tmp_path / "out" / "release"
    home = Path(__file__).parents[1]
    path = os.pathsep.join([str(home), str(home.parent / "plugin")])
    said = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "scene"), str(target), str(limit)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "could not be written" in said and str(tmp_path) not in said
    assert not target.exists()
    assert [p.name for p in target.parent.iterdir()] == [quarantine_path(target).name]
    assert not list(quarantine_path(target).rglob("*.mp4"))
    scene = make_scene(tmp_path / "scene", frames=60, size=(640, 480))
    assert scene.export(target, SOLID)["verdict"]["ok"]
    assert [p.name for p in target.parent.iterdir()] == ["release"]
