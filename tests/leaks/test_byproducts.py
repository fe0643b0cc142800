"""What is beside a release: disks that refuse, old bytes, temporary files, networks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from drape.anonymization import ReleaseConfig, Terms
from drape.anonymization.disk import write_file
from drape.anonymization.quarantine import quarantine_path
from drape.errors import DrapeError
from support.releases import Scene, make_scene
from support.sealed import KEY, export_on

BLUR = ReleaseConfig(fill="blur")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), frames=6, size=(96, 64), people=1)


@pytest.fixture(scope="module")
def whole(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    target = tmp_path_factory.mktemp("whole") / "release"
    export_on(scene, target, Terms(key=KEY))
    return content(target)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("call", [0, 3, 8, 14, 17])
def test_r12_a_disk_that_fails_is_said_and_the_export_goes_on_later(
    scene: Scene, whole: dict[str, bytes], call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO at one of the moments at which data are forced to the disk."""
    real, left, target = os.fsync, [call], tmp_path / "out" / "release"

    def failing(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(file)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(DrapeError, match="Input/output error") as caught:
        export_on(scene, target, Terms(key=KEY))
    assert str(tmp_path) not in str(caught.value) and not target.exists()
    monkeypatch.undo()
    export_on(scene, target, Terms(key=KEY))
    assert content(target) == whole
    assert [path.name for path in target.parent.iterdir()] == ["release"]


def test_r21_a_file_written_over_a_longer_one_is_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(b"Mueller" * 1000)
    (tmp_path / "witness").hardlink_to(path)
    write_file(path, b"short")
    assert path.read_bytes() == b"short" and path.stat().st_ino != (tmp_path / "witness").stat().st_ino
    assert sorted(p.name for p in tmp_path.iterdir()) == ["manifest.json", "witness"]


def test_r30_an_export_leaves_nothing_beside_its_release(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tmp", "home", "cwd"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path / "cwd")
    export_on(scene, tmp_path / "out" / "release", Terms(key=KEY), BLUR)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["release"]
    assert not quarantine_path(tmp_path / "out" / "release").exists()
    assert [list((tmp_path / name).rglob("*")) for name in ("tmp", "home", "cwd")] == [[], [], []]


# Loaded by every Python process of the export, the verifier's too, before anything else.
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto"):
        open(os.environ["SEEN"], "a").write(event + "\\n")
        os._exit(77)
sys.addaudithook(watch)
open(os.environ["SEEN"] + ".started", "a").write("x")
"""
EXPORT = """
import sys
from pathlib import Path
from drape.anonymization import Terms
from support.releases import make_scene
from support.sealed import KEY, export_on
export_on(make_scene(Path(sys.argv[1]), frames=6, size=(96, 64), people=1), Path(sys.argv[2]), Terms(key=KEY))
if sys.argv[3:]:
    import socket
    socket.create_connection(("127.0.0.1", 9), 0.1)
"""


def test_r34_an_export_opens_no_connection(tmp_path: Path) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(WATCH)
    home = Path(__file__).parents[1]
    path = os.pathsep.join([str(tmp_path / "hook"), str(home), str(home.parent / "plugin")])
    for extra, status in (([], 0), (["connect"], 77)):  # the second shows that the watch would see one
        seen = tmp_path / f"seen{status}"
        done = subprocess.run(
            [sys.executable, "-c", EXPORT, str(tmp_path / "scene"), str(tmp_path / f"release{status}"), *extra],
            env={**os.environ, "PYTHONPATH": path, "SEEN": str(seen)},
        )
        assert done.returncode == status
        assert seen.exists() == bool(status)
        assert (tmp_path / f"seen{status}.started").read_text() == "xx"  # the export and its verifier
        assert (tmp_path / f"release{status}" / "manifest.json").is_file()
