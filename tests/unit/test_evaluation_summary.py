"""Rows of figures, and the benchmark that prints them for a workspace and its release."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from drape.boxes import area
from drape.evaluation.summary import COVERING, FINDING, as_markdown, as_table, cover, find
from drape.evaluation.truth import TRACKS
from drape.pipeline import Workspace
from drape.recording import Recording, View
from drape.tables import CANDIDATES, FRAMES, REGIONS, TRACKLETS, box_columns, boxes_of, make, write
from rich.console import Console
from support.evaluation import random_tracks, tracks

ROOT = Path(__file__).resolve().parents[2]
FRAMES_IN_VIEW, SIZE = 12, (100, 80)


def test_a_row_with_identities_has_every_figure() -> None:
    truth, durations = random_tracks(3), np.full(FRAMES_IN_VIEW, 0.5)
    row = find(truth, truth, durations)
    assert set(row) == {column.key for column in FINDING}
    assert (row["recall"], row["precision"], row["mota"], row["idf1"], row["gap_max"]) == (1, 1, 1, 1, 0)
    row = cover(truth, truth, durations, SIZE)
    assert set(row) == {column.key for column in COVERING}
    assert (row["covered"], row["fully_covered"], row["outside"]) == (1, 5, 0)
    assert 0 < row["masked"] <= area(boxes_of(truth)).sum() / (SIZE[0] * SIZE[1] * FRAMES_IN_VIEW)


def test_boxes_without_identities_have_no_identity_figures() -> None:
    truth = tracks([(0, 1, 0, 0, 10, 10), (1, 1, 0, 0, 10, 10), (2, 1, 0, 0, 10, 10)])
    found = truth.slice(0, 2).drop_columns(["id"])
    row = find(truth, found, np.ones(3))
    assert "idf1" not in row and "switches" not in row
    assert row["mota"] == pytest.approx(2 / 3)


def test_tables_show_what_there_is() -> None:
    rows = {"one": {"recall": 0.98765, "gap_max": 7.0}, "two": {"idf1": 0.5}}
    lines = as_markdown(rows, FINDING).splitlines()
    assert len(lines) == 4
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == ["one", "0.988", *"----", "-", "7", "-"]
    console = Console(width=200, record=True, file=StringIO())
    console.print(as_table(rows, FINDING, "a title"))
    text = console.export_text()
    assert "a title" in text and "0.988" in text and "0.500" in text


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A workspace whose persons are the truth moved by half a pixel, and a release that masks frames 0 to 9 whole."""
    truth = random_tracks(3)
    frame, boxes = truth.column("frame").to_numpy(), boxes_of(truth)
    view = View(id="view1", name="left", media=tmp_path / "left.mp4", width=SIZE[0], height=SIZE[1])
    workspace = Workspace.create(tmp_path / "ws", Recording(name="walk", views=(view,)))
    times = np.arange(FRAMES_IN_VIEW) * 0.5
    frames = make(FRAMES, frame=np.arange(FRAMES_IN_VIEW), pts=np.arange(FRAMES_IN_VIEW), time=times)
    moved = box_columns(boxes + np.float32(0.5))
    score = np.where(truth.column("id").to_numpy() == 0, 0.4, 0.9).astype(np.float32)
    candidates = make(CANDIDATES, frame=frame, time=times[frame], score=score, **moved)
    tracklets = make(
        TRACKLETS,
        frame=frame,
        time=times[frame],
        tracklet=truth.column("id").to_numpy(),
        existence=np.ones(len(frame), np.float32),
        source=["detected"] * len(frame),
        score=score,
        candidate=np.arange(len(frame)),
        **moved,
    )
    for kind, table in (("frames", frames), ("candidates", candidates), ("tracklets", tracklets)):
        write(table, workspace.path(kind, "view1"))
    masked = np.arange(10, dtype=np.int32)
    corners = {"x1": masked * 0, "y1": masked * 0, "x2": masked * 0 + SIZE[0], "y2": masked * 0 + SIZE[1]}
    write(make(REGIONS, frame=masked, fill=masked * 0, **corners), tmp_path / "release" / "view1.regions.parquet")
    _write_mot(truth, tmp_path / "gt.txt")
    _write_mot(truth.filter(truth.column("id").to_numpy() < 3), tmp_path / "other.txt")
    return tmp_path


def _write_mot(table: pa.Table, path: Path) -> None:
    assert table.schema.equals(TRACKS)
    lines = [
        f"{r['frame'] + 1},{r['id']},{r['x1']},{r['y1']},{r['x2'] - r['x1']},{r['y2'] - r['y1']},1,1,1"
        for r in table.to_pylist()
    ]
    path.write_text("\n".join(lines))


def _bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.pets", "--workspace", "ws", "--truth", "gt.txt", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _rows(markdown: str) -> dict[str, list[str]]:
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in markdown.splitlines() if line.startswith("|")]
    return {name: values for name, *values in cells if re.match(r"\w", name)}


@pytest.mark.slow
def test_the_benchmark_measures_workspace_and_release(measured: Path) -> None:
    result = _bench(
        measured,
        "--release",
        "release",
        "--frames",
        "12",
        "--markdown",
        "--plots",
        "out",
        "--tracks",
        "other=other.txt",
    )
    assert result.returncode == 0, result.stderr
    rows = _rows(result.stdout)
    assert rows["Drape"][:5] == ["1.000", "1.000", "1.000", "1.000", "0"]
    assert rows["detector > .5"][:2] == ["0.800", "1.000"]
    assert rows["detector > .3"][:2] == ["1.000", "1.000"]
    assert rows["other"][:2] == ["0.600", "1.000"]
    covered = dict(zip((c.heading for c in COVERING), rows["Drape, the release's masks"], strict=True))
    assert covered["covered share"] == "0.833"
    assert (covered["max (frames)"], covered["max (s)"]) == ("2", "1.0")
    assert (covered["fully covered tracks"], covered["masked area"]) == ("0", "0.833")
    assert float(rows["Drape, +20%"][0]) > float(rows["detector > .5, +20%"][0])
    assert rows["boxmot OC-SORT with byte"][0] == "0.922"
    assert {path.name for path in (measured / "out").iterdir()} == {"trade_off.png", "uncovered_runs.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (measured / "out").iterdir())


@pytest.mark.slow
def test_the_benchmark_says_what_is_missing(measured: Path) -> None:
    result = _bench(measured, "--release", "nowhere", "--frames", "12")
    assert result.returncode == 1
    assert "is missing" in result.stderr and "Traceback" not in result.stderr
