"""``drape adapt``, ``student``, ``models`` and ``pose`` as users meet them, on a simulated operation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drape.adaptation import AdaptationConfig, FineTuneConfig, GuardConfig, LabelConfig
from drape.adaptation.student_config import DenseConfig, StudentConfig
from drape.config import parts_of
from drape.pose import PoseConfig
from drape.pose.head_config import HeadConfig
from support.command import drape

DETECTOR = ("--preset", "example", "--device", "cpu", "--size", "192")
BASE = ("--preset", "example", "--detection-device", "cpu", "--detection-size", "192")
QUICK = ("--steps", "2", "--batch", "2", "--tuning-size", "128", "--tuning-device", "cpu")


def test_help_names_every_setting_of_the_loop() -> None:
    for command, models in (
        ("adapt", (AdaptationConfig, LabelConfig, FineTuneConfig, GuardConfig)),
        ("student", (StudentConfig, DenseConfig, FineTuneConfig)),
        ("pose", (PoseConfig, HeadConfig)),
    ):
        text = drape(command, "--help").stdout
        for model in models:
            for name in set(model.model_fields) - set(parts_of(model)):
                assert f"-{name.replace('_', '-')}" in text, (command, name)


@pytest.mark.slow
def test_a_site_from_its_recording_to_a_release_of_heads(tmp_path: Path) -> None:
    folder, work, models, release = (tmp_path / name for name in ("room", "work", "models", "release"))
    config = tmp_path / "settings.yaml"
    config.write_text(
        "association: {steps: 20, floor_steps: 20, seeds: 1}\n"
        "adaptation: {rounds: 1, blocks: 5, labels: {images: 6, label_existence: 0.5, least_gap_s: 0.2},"
        " guard: {canary_sites: 1}}\n"
    )
    scene = ("--views", "2", "--width", "320", "--height", "180", "--seconds", "3", "--fps", "8", "--people", "3")
    steps = (
        ("simulate", "--site", "gowned", "--seed", "4", *scene, "--out", folder),
        ("ingest", folder / "recording.yaml", "--workspace", work),
        ("adapt", "-w", work, "-m", models, "--config", config, "--name", "room-3", *BASE, *QUICK),
        ("models", models),
        ("student", "-w", work, "-m", models, "--config", config, "--architecture", "example", "--frames", "4",
         "--student-size", "192", *BASE, *QUICK),
        ("detect", "-w", work, "--model", models / "student", "--device", "cpu"),
        ("track", "-w", work),
        ("pose", "-w", work, "--preset", "example", "--device", "cpu"),
        ("export", "-w", work, "--out", release, "--target", "head"),
        ("verify", release),
    )  # fmt: skip
    told = {}
    for arguments in steps:
        done = drape(*arguments)
        assert done.returncode == 0, (arguments[0], done.stdout, done.stderr)
        told[arguments[0]] = done.stdout
    assert "Round 1" in told["adapt"]
    kept = (models / "room-3" / "model.json").is_file()
    assert ("is kept" in told["adapt"]) == kept
    assert ("room-3" in told["models"]) == kept
    card = json.loads((models / "student" / "model.json").read_text())
    assert card["detector"]["engine"] == "onnx"
    assert "frames per second" in told["student"]
    assert "upper box" in told["pose"]
    manifest = json.loads((release / "manifest.json").read_text())
    assert sum(view["targets"]["head"] for view in manifest["views"]) > 0


@pytest.mark.slow
def test_errors_say_what_to_do(tmp_path: Path) -> None:
    done = drape("adapt", "-w", tmp_path / "nowhere", "-m", tmp_path / "models")
    assert done.returncode == 1
    assert "workspace" in done.stderr.lower()
    done = drape("detect", "-w", tmp_path / "nowhere", "--model", tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
