"""Evaluation's figures beside those of pycocotools, xtcocotools, motmetrics and plain loops, on the same input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table() -> list[list[str]]:
    """The cells of each row of ``python -m bench.metrics``, which fails if a figure differs by more than 1e-6."""
    result = subprocess.run([sys.executable, "-m", "bench.metrics"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in result.stdout.splitlines() if line[:1] == "|"]


def test_every_figure_equals_that_of_its_peer(table: list[list[str]]) -> None:
    rows = table[2:]
    assert len(rows) > 60
    assert all(float(row[5]) <= 1e-6 for row in rows)
    assert {"pycocotools", "motmetrics", "loops"} <= {row[2] for row in rows}
    figures = {row[0] for row in rows}
    assert {"ap", "ap50", "ap75", "ar", "mota", "idf1", "HOTA", "multi-view recall", "4D-OR AP (11 points)"} <= figures
    assert {"scene-instant recall", "exposure: events", "Clopper-Pearson bound", "heads masked to 99 %"} <= figures


def test_the_published_detector_of_mvor_on_its_first_three_days(table: list[list[str]], shared: Path) -> None:
    """The whole file gives AP .504, AP50 .756, AP75 .574, AR .601; this is its part of days 1-3."""
    rows = {row[0]: float(row[3]) for row in table[2:] if row[1].startswith("MVOR")}
    assert [rows[name] for name in ("ap", "ap50", "ap75", "ar")] == pytest.approx(
        [0.497, 0.750, 0.565, 0.595], abs=6e-4
    )


def test_the_published_figures_of_tud(table: list[list[str]], shared: Path) -> None:
    rows = {(row[1], row[0]): float(row[3]) for row in table[2:] if row[1].startswith("TUD") and row[2] == "motmetrics"}
    published = {"TUD-Campus": (0.526, 0.558), "TUD-Stadtmitte": (0.564, 0.645)}
    for name, figures in published.items():
        assert (rows[name, "mota"], rows[name, "idf1"]) == pytest.approx(figures, abs=5.1e-4)
