"""The command line as users meet it."""

from __future__ import annotations

import inspect
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from drape.anonymization import ReleaseConfig, TermsConfig
from drape.association import AssociationConfig
from drape.cli_options import configure, with_options
from drape.detection import DetectionConfig
from drape.errors import ConfigError
from drape.retrieval import RetrievalConfig
from drape.tracking import TrackingConfig
from support import blobs
from support.command import content, drape, start
from support.walkers import walk

COMMANDS = (
    *("simulate", "ingest", "detect", "track", "associate", "retrieve"),
    *("run", "export", "verify", "info", "keys"),
)
DETECTOR = ("--preset", "blobs", "--segment-frames", "16", "--batch-size", "8")
QUICK = ("--steps", "20", "--floor-steps", "20", "--seeds", "1")
"""Association that learns little, but in a second."""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos") / "or_3"
    blobs.make_recording(folder, views=2, frames=50)
    return folder


def test_help_names_every_command_and_setting() -> None:
    text = drape("--help").stdout
    assert all(command in text for command in COMMANDS)
    text = drape("run", "--help").stdout
    for model in (DetectionConfig, TrackingConfig, AssociationConfig, RetrievalConfig, ReleaseConfig, TermsConfig):
        for name in model.model_fields:
            assert f"-{name.replace('_', '-')}" in text


@pytest.mark.slow
def test_stage_by_stage(videos: Path, tmp_path: Path) -> None:
    work, release = tmp_path / "work", tmp_path / "release"
    for arguments in (
        ("ingest", videos, "--workspace", work),
        ("detect", "--workspace", work, *DETECTOR),
        ("track", "--workspace", work, "--smoothing-s", "0.2"),
        ("associate", "--workspace", work, *QUICK),
        ("retrieve", "--workspace", work),
        ("export", "--workspace", work, "--out", release, "--fill", "blur"),
        ("verify", release),
    ):
        done = drape(*arguments)
        assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout
    shown = drape("info", work).stdout
    assert "cam_1" in shown
    assert "320x180" in shown
    assert "tracklets" in shown


@pytest.mark.slow
def test_settings_come_from_a_file_and_the_command_line_wins(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "drape.yaml").write_text(
        "detection: {preset: blobs, segment_frames: 16, batch_size: 8}\nrelease: {grey: 40, crf: 23}\n"
    )
    done = drape(
        "run", videos, "-w", tmp_path / "w", "-o", tmp_path / "r", "--config", tmp_path / "drape.yaml", "--grey", "200"
    )
    assert done.returncode == 0, done.stderr
    manifest = (tmp_path / "r" / "manifest.json").read_text()
    assert '"grey": 200' in manifest
    assert '"crf": 23' in manifest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ingest", "{tmp}/nowhere", "-w", "{tmp}/w"), "does not exist"),
        (("ingest", "{tmp}", "-w", "{tmp}/w"), "no videos"),
        (("detect", "-w", "{tmp}/w"), "no workspace here"),
        (("detect", "-w", "{tmp}/w", "--score-floor", "7"), "--score-floor"),
        (("detect", "-w", "{tmp}/w", "--preset", "nonsense"), "--preset"),
        (("track",), "Nothing to track"),
        (("track", "--mot", "a=b.txt"), "--fps"),
        (("track", "--mot", "../a=b.txt", "--fps", "25", "-o", "{tmp}/o"), "VIEW=FILE"),
        (("track", "--mot", "a={tmp}/none.txt", "--fps", "25", "-o", "{tmp}/o"), "cannot be read"),
        (("verify", "{tmp}"), "no release"),
        (("run", "{tmp}", "-w", "{tmp}/w", "-o", "{tmp}/r", "--config", "{tmp}/none.yaml"), "configuration file"),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = drape(*(a.format(tmp=tmp_path) for a in arguments))
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert str(tmp_path) not in done.stderr


def test_your_own_detections_need_no_video(tmp_path: Path) -> None:
    scene = walk(count=60)
    lines = []
    for row in scene.candidates.to_pylist():
        x, y, w, h = row["x1"], row["y1"], row["x2"] - row["x1"], row["y2"] - row["y1"]
        lines.append(f"{row['frame'] + 1},-1,{x:.2f},{y:.2f},{w:.2f},{h:.2f},{row['score']:.3f},-1,-1,-1")
    (tmp_path / "d.txt").write_text("\n".join(lines))
    done = drape(
        "track",
        "--mot",
        f"a={tmp_path / 'd.txt'}",
        "--mot",
        f"b={tmp_path / 'd.txt'}",
        "--fps",
        "25",
        "-o",
        tmp_path / "o",
    )
    assert done.returncode == 0, done.stderr
    tracks = np.loadtxt(tmp_path / "o" / "a.txt", delimiter=",")
    assert tracks.shape[1] == 10
    assert (tracks[:, 7:] == -1).all()
    accepted = tracks[tracks[:, 6] >= 0.5]
    assert len(accepted) >= 0.98 * 4 * 60
    assert set(accepted[:, 0]) == set(range(1, 61))
    assert len(set(accepted[:, 1])) == 4
    assert (tmp_path / "o" / "b.txt").read_bytes() == (tmp_path / "o" / "a.txt").read_bytes()


@pytest.mark.parametrize(
    "text", ["1,-1,0,0,10,10,0.9\n0,-1,0,0,10,10,0.9", "a,b,c", "1,-1,0,0,0,10,0.9", "1,-1,0,0,10,10,90", "1,2,3"]
)
def test_detections_that_are_not_mot_text_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text(text)
    done = drape("track", "--mot", f"a={tmp_path / 'd.txt'}", "--fps", "25", "-o", tmp_path / "o")
    assert done.returncode == 1
    assert "of a " in done.stderr
    assert not (tmp_path / "o").exists()


def test_settings_that_share_a_name_are_told_apart_by_their_stage() -> None:
    got: dict[str, dict] = {}

    @with_options(a=TrackingConfig, b=TrackingConfig, release=ReleaseConfig)
    def command(*, a: dict, b: dict, release: dict) -> None:
        got.update(a=a, b=b, release=release)

    options = {p.name: None for p in inspect.signature(command).parameters.values()}
    assert {"a_max_gap_s", "b_max_gap_s", "fill"} <= set(options)
    command(**{**options, "b_max_gap_s": 3.0, "fill": "blur"})
    assert got == {"a": {}, "b": {"max_gap_s": 3.0}, "release": {"fill": "blur"}}

    def clash(fill: str, *, release: dict) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="two options are called fill"):
        with_options(release=ReleaseConfig)(clash)


def test_settings_out_of_bounds_are_named() -> None:
    with pytest.raises(ConfigError, match="--max-gap-s"):
        configure(TrackingConfig(), {"max_gap_s": -1})


@pytest.mark.slow
def test_killed_at_ten_points_nothing_is_released_and_the_resumed_run_is_bit_identical(
    videos: Path, tmp_path: Path
) -> None:
    """``kill -9`` at ten random points of ``drape run``, each run going on from where the last one died."""
    whole = tmp_path / "whole"
    begun = time.monotonic()
    done = drape("run", videos, "-w", tmp_path / "w0", "-o", whole, *DETECTOR, *QUICK)
    assert done.returncode == 0, done.stderr
    seconds = time.monotonic() - begun
    rng = np.random.default_rng(20)
    killed = 0
    for point in range(20):
        work, release = tmp_path / f"w{point + 1}", tmp_path / f"r{point + 1}"
        process = start("run", videos, "-w", work, "-o", release, *DETECTOR, *QUICK)
        time.sleep(float(rng.uniform(0.2, 0.9)) * seconds)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += not release.exists()
        process.wait()
        assert not release.exists() or content(release) == content(whole)
        resumed = drape("run", videos, "-w", work, "-o", release, *DETECTOR, *QUICK)
        assert resumed.returncode == 0, resumed.stderr
        assert content(release) == content(whole)
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(f".r{point + 1}.")] == []
        if killed == 10:
            break
    assert killed == 10
