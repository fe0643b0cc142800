"""``make bench``: the main job on PETS, its accuracy beside other trackers, and its cost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from drape.cli import main as drape


def main() -> int:
    """Run everything that can be measured with the development data; print tables as Markdown."""
    shared = Path(os.environ.get("DRAPE_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))
    pets = shared / "data" / "pets_2view"
    weights = shared / "weights" / "rtmdet_nano_person" / "rtmdet_nano_person_mmdet.pth"
    if not pets.is_dir() or not weights.is_file():
        print("The benchmarks need the development data: set DRAPE_SHARED to their folder", file=sys.stderr)
        return 1
    truth = pets / "gt_view001_frames_1-400_mot.txt"
    with tempfile.TemporaryDirectory() as folder:
        work, release = f"{folder}/work", f"{folder}/release"
        drape_run = ["run", str(pets), "-w", work, "-o", release, "--preset", "rtmdet-nano-person", "--size", "640"]
        run_cli([*drape_run, "--weights", str(weights)])
        for arguments in (
            ["bench.pets", "--workspace", work, "--release", release, "--truth", str(truth), "--markdown"],
            ["bench.sensitivity", "--workspace", work, "--truth", str(truth)],
            ["bench.masking", "--workspace", work, "--truth", str(truth), "--markdown"],
            ["bench.cost", "tracking", "--workspace", work],
            ["bench.cost", "export", "--workspace", work],
            ["bench.cost", "memory", "--video", str(pets / "View_001.mp4"), "--weights", str(weights)],
        ):
            subprocess.run([sys.executable, "-m", *arguments], check=True)
    return 0


def run_cli(arguments: list[str]) -> None:
    """Run ``drape``; typer leaves by ``SystemExit``, which only matters if it is not zero."""
    try:
        drape(arguments)
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    sys.exit(main())
