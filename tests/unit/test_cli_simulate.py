"""``drape simulate``: from options to a recording that the pipeline reads, or to one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from drape.cli_simulate import parse_event, simulate_command
from drape.errors import ConfigError, RecordingError
from drape.recording import load_recording
from drape.simulator.export import read_truth
from typer.testing import CliRunner

SMALL = ["--seconds", "0.4", "--fps", "5", "--people", "1", "--width", "160", "--height", "96"]


def simulate(*options: str) -> str:
    """Run the command; returns what it prints, or raises what it raises."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("simulate")(simulate_command)
    result = CliRunner().invoke(app, [*options], catch_exceptions=True)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_options_become_a_recording(tmp_path: Path) -> None:
    out = tmp_path / "made"
    event = "camera_moved:view2,at=0.2,yaw=15"
    told = simulate("--site", "dim", "--seed", "4", "--views", "2", "--event", event, "--out", str(out), *SMALL)
    assert "2 view(s)" in told
    assert [view.name for view in load_recording(out / "recording.yaml").views] == ["view1", "view2"]
    truth = read_truth(out)
    assert truth.size == (160, 96)
    assert truth.frames("view1").num_rows == 2
    assert truth.events() == [
        {"kind": "camera_moved", "view": "view2", "at": 0.2, "yaw": 15.0, "pitch": 0.0, "roll": 0.0}
    ]
    assert {"dim", "4"} <= {*load_recording(out / "recording.yaml").name.replace("-", " ").split()}


def test_the_site_can_be_kept_while_the_operation_changes(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        simulate("--seed", seed, "--site-number", "5", "--views", "1", "--out", str(tmp_path / seed), *SMALL)
    first, second = (read_truth(tmp_path / seed) for seed in ("1", "2"))
    assert first.calibration() == second.calibration()
    assert not first.persons("view1").equals(second.persons("view1"))


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RecordingError, match="not empty"):
        simulate("--out", str(tmp_path), *SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--site", "moon"), "--site"),
        (("--views", "13"), "--views"),
        (("--event", "camera_moved:view9,at=1"), "view9 of 3"),
        (("--event", "camera_moved:view1,at=soon"), r"--event \(at\)"),
        (("--event", "earthquake:view1"), "--event"),
        (("--event", "camera_moved"), "KIND:VIEW"),
        (("--event", "camera_moved:view0,at=1"), "KIND:VIEW"),
        (("--width", "161", "--height", "96"), "even"),
    ],
)
def test_what_is_wrong_is_said(options: tuple[str, ...], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        simulate("--out", str(tmp_path / "made"), "--seconds", "0.2", *options)
    assert not (tmp_path / "made" / "recording.yaml").exists()


def test_an_event_is_a_kind_a_view_and_settings() -> None:
    assert parse_event("clock_differs:view3,offset=-0.4,drift=1e-4") == {
        "kind": "clock_differs",
        "view": 2,
        "offset": "-0.4",
        "drift": "1e-4",
    }
    assert parse_event("view_freezes:view12,start=1,stop=2")["view"] == 11
