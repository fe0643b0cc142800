"""An export killed at any point leaves nothing at the target and nobody unmasked, and goes on to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from drape.anonymization import ReleaseConfig
from drape.anonymization.compare import measure
from drape.anonymization.fill import Fill, solid
from drape.anonymization.quarantine import quarantine_path
from drape.anonymization.verifier import BOUNDS
from drape.errors import ReleaseError
from support.releases import Scene, two_views

pytestmark = pytest.mark.slow
FRAMES = 120
SOLID, BLUR = ReleaseConfig(), ReleaseConfig(fill="blur")

# The exporting process kills itself at its N-th sign of progress, or just before it changes the disk for the N-th time,
# so that points are chosen and not left to chance.
EXPORT = """
import os, signal, sys
from pathlib import Path
from drape.anonymization import ReleaseConfig
from drape.errors import ReleaseError
from support.releases import two_views

folder, target, fill, what, when = *map(Path, sys.argv[1:3]), *sys.argv[3:5], int(sys.argv[5])
left = [when]

def step():
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def tell(done, total, name):
    if what == "progress":
        step()

def watch(event, arguments):
    ours = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir") and str(target.parent) in str(arguments)
    if what == "disk" and ours:
        step()

sys.addaudithook(watch)
two_views(folder, 120).export(target, ReleaseConfig(fill=fill), progress=tell)
"""


def run(folder: Path, target: Path, fill: str, what: str, when: int) -> int:
    home = Path(__file__).parents[1]
    path = os.pathsep.join([str(home), str(home.parent / "plugin")])
    command = [sys.executable, "-c", EXPORT, str(folder), str(target), fill, what, str(when)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL).returncode


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    two_views(folder, FRAMES)
    return folder


@pytest.fixture(scope="module")
def whole(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("whole") / "release"
    two_views(sources, FRAMES).export(target, SOLID)
    return target


@pytest.mark.parametrize(
    ("what", "when"),
    [("progress", n) for n in (1, 6, 12, 19)]
    + [("disk", n) for n in (2, 5, 7, 9, 13, 15, 18, 22, 24, 26, 27, 32, 37, 39, 41, 43, 45, 46, 47, 48, 50)],
)
def test_killed_and_resumed(sources: Path, whole: Path, what: str, when: int, tmp_path: Path) -> None:
    target = tmp_path / "release"
    assert run(sources, target, "solid", what, when) == -signal.SIGKILL
    left = quarantine_path(target)
    if target.exists():  # killed after the rename
        assert content(target) == content(whole)
        assert not (left / "secret").exists()
        with pytest.raises(ReleaseError, match="The target exists"):
            two_views(sources, FRAMES).export(target, SOLID)
        assert [p.name for p in tmp_path.iterdir()] == ["release"]
        return
    assert {p.name for p in tmp_path.iterdir()} <= {left.name}
    if left.exists():
        assert left.stat().st_mode & 0o777 == 0o700
        _nobody_is_seen(left, two_views(sources, FRAMES).scenes[0], whole / "view1.mp4")
    two_views(sources, FRAMES).export(target, SOLID)
    assert content(target) == content(whole)
    assert [p.name for p in tmp_path.iterdir()] == ["release"]


def test_a_finished_view_is_not_written_again(sources: Path, tmp_path: Path) -> None:
    target = tmp_path / "release"
    assert run(sources, target, "solid", "progress", 7) == -signal.SIGKILL
    kept = quarantine_path(target) / "release" / "view1.mp4"
    stamp = kept.stat().st_ino, kept.stat().st_mtime_ns
    two_views(sources, FRAMES).export(target, SOLID)
    assert (target / "view1.mp4").stat().st_ino == stamp[0]
    assert (target / "view1.mp4").stat().st_mtime_ns == stamp[1]


def test_blur_goes_on_with_the_kept_secret(sources: Path, tmp_path: Path) -> None:
    """What an uninterrupted run with that secret gives, bit for bit; and the secret is gone afterwards."""
    target, other = tmp_path / "a" / "release", tmp_path / "b" / "release"
    assert run(sources, target, "blur", "progress", 7) == -signal.SIGKILL
    left, planted = quarantine_path(target), quarantine_path(other)
    assert (left / "secret").stat().st_mode & 0o777 == 0o600
    planted.mkdir(parents=True, mode=0o700)
    for name in ("secret", "inputs"):
        (planted / name).write_bytes((left / name).read_bytes())
        (planted / name).chmod(0o600)
    first = content(left / "release")
    assert "view1.mp4" in first and "view2.mp4" not in first
    for where in (target, other):
        two_views(sources, FRAMES).export(where, BLUR)
        assert [p.name for p in where.parent.iterdir()] == ["release"]
    assert content(target) == content(other)
    assert first["view1.mp4"] == content(target)["view1.mp4"]


def test_a_quarantine_of_other_inputs_is_discarded(sources: Path, tmp_path: Path) -> None:
    target = tmp_path / "release"
    assert run(sources, target, "blur", "progress", 7) == -signal.SIGKILL
    left = quarantine_path(target)
    secret = (left / "secret").read_bytes()
    (tmp_path / "witness").hardlink_to(left / "secret")
    darker = SOLID.model_copy(update={"grey": 60})
    two_views(sources, FRAMES).export(target, darker)
    two_views(sources, FRAMES).export(tmp_path / "fresh", darker)
    assert content(target) == content(tmp_path / "fresh")
    assert secret != bytes(32) and (tmp_path / "witness").read_bytes() == bytes(32)


def _nobody_is_seen(left: Path, scene: Scene, like: Path) -> None:
    """Decode whatever video lies in a quarantine, torn files too: every masked region shows its fill."""
    plan = scene.plan(SOLID)
    fills: list[Fill] = [solid(SOLID.grey)]
    for video in left.rglob("*.mp4"):
        if video.name != "view1.mp4":
            continue
        for index, planes in enumerate(_decode_torn(video, like)):
            rows = plan.regions_of(index)
            found = measure(planes, plan.boxes[rows], fills, plan.fills[rows]).errors
            assert found.region <= BOUNDS["region"] and found.inner_block <= BOUNDS["inner_block"], (video, index)


def _decode_torn(torn: Path, finished: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Frames of a file whose index was never written, with the parameters of a finished one."""
    with av.open(str(finished)) as container:
        parameters = container.streams.video[0].codec_context.extradata
    context = av.CodecContext.create("h264", "r")
    context.extradata = parameters
    frames = []
    for picture in _pictures(torn.read_bytes()):
        frames += context.decode(av.Packet(picture))
    frames += context.decode(None)
    for frame in frames:
        picture = frame.to_ndarray(format="yuv420p")
        height, width = frame.height, frame.width
        u, v = picture[height:].reshape(2, height // 2, width // 2)
        yield picture[:height], np.ascontiguousarray(u), np.ascontiguousarray(v)


def _pictures(data: bytes) -> Iterator[bytes]:
    """The coded pictures behind the first "mdat", with all their slices; the last, maybe torn, is left out."""
    position, picture = data.find(b"mdat") + 4, b""
    while 4 <= position < len(data) - 5:
        size = int.from_bytes(data[position : position + 4], "big")
        if not 0 < size <= len(data) - position - 4:
            return
        if data[position + 5] & 128 and picture:  # first_mb_in_slice is 0: a new picture starts
            yield picture
            picture = b""
        picture += data[position : position + 4 + size]
        position += 4 + size


def test_torn_files_can_be_read_by_this_test(sources: Path, whole: Path, tmp_path: Path) -> None:
    """The check above sees frames, also of a file that was cut off, and would see a person in them."""
    scene = two_views(sources, FRAMES).scenes[0]
    data = (whole / "view1.mp4").read_bytes()
    (tmp_path / "release").mkdir()
    torn = tmp_path / "release" / "view1.mp4"
    torn.write_bytes(data[: len(data) * 3 // 4])
    assert len(list(_decode_torn(torn, whole / "view1.mp4"))) > FRAMES // 3
    _nobody_is_seen(tmp_path, scene, whole / "view1.mp4")
    torn.write_bytes(scene.view.media.read_bytes())
    with pytest.raises(AssertionError):
        _nobody_is_seen(tmp_path, scene, scene.view.media)
