"""The demo on real video: four synchronized room cameras and a real detector, both from the development data."""

from __future__ import annotations

import os
import time
from pathlib import Path

import yaml
from demo_pictures import write_strip
from drape.anonymization import verify_release
from drape.cli import progress_bars
from drape.detection import DetectionConfig
from drape.errors import WeightsError
from drape.pipeline import PipelineConfig, Workspace, run
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent


def demo(out: Path, console: Console) -> bool:
    """From videos to a verified release, verified once more from its files alone; returns whether it holds.

    Raises:
        WeightsError: the videos or the weights are not on this machine.
    """
    videos, weights = sources()
    console.print(f"Demo on real video: four synchronized room cameras ({videos.name}).")
    manifest_file = out / "recording.yaml"
    manifest_file.write_text(yaml.safe_dump(recording_manifest(videos)))
    config = PipelineConfig(detection=DetectionConfig(preset="rtmdet-nano-person", weights=weights, size=640))
    begun = time.monotonic()
    with progress_bars() as progress:
        manifest = run(manifest_file, out / "workspace", out / "release", config, progress)
    seconds = time.monotonic() - begun
    with progress_bars() as progress:
        verdict = verify_release(out / "release", progress)
    workspace = Workspace.open(out / "workspace")
    console.print(found_and_released(workspace, manifest))
    write_strip(workspace, out / "release", out / "strip.jpg")
    frames = sum(view.num_frames for view in workspace.recording.views)
    console.print(f"{frames} frames in {seconds:.0f} s; release verified: {verdict['ok']}")
    return bool(verdict["ok"])


def sources() -> tuple[Path, Path]:
    """Folder of the videos, and the detector's weights.

    Raises:
        WeightsError: they are not there.
    """
    shared = Path(os.environ.get("DRAPE_SHARED", ROOT.parent / "shared")).resolve()
    videos = shared / "data" / "caliscope_4view"
    weights = shared / "weights" / "rtmdet_nano_person" / "rtmdet_nano_person_mmdet.pth"
    if not (videos.is_dir() and weights.is_file()):
        raise WeightsError(
            "The videos and weights of the real demo are not on this machine",
            "Set DRAPE_SHARED to the development data's folder, or run `make demo` without REAL=1, which needs nothing",
        )
    return videos, weights


def recording_manifest(videos: Path) -> dict[str, object]:
    """Four cameras whose capture times were written down beside the videos."""
    times = videos / "timestamps.csv"
    cameras = sorted(videos.glob("cam_*.mp4"))
    return {"name": "room", "views": [{"media": str(c), "timestamps": str(times)} for c in cameras]}


def found_and_released(workspace: Workspace, manifest: dict) -> Table:
    """Per view: what was found, and what the release decided about each frame."""
    table = Table(title="What was found and released")
    for column in ("view", "frames", "candidates", "persons", "tracklets", "detected", "verified empty", "unknown"):
        table.add_column(column, justify="left" if column == "view" else "right")
    detected, tracked = (workspace.record(stage) or {} for stage in ("detect", "track"))
    for view in manifest["views"]:
        found, kept = (record["views"][view["id"]]["counts"] for record in (detected, tracked))
        counts = (found["frames"], found["candidates"], kept["persons"], kept["tracklets"])
        states = (view["states"].get(s, 0) for s in ("detected", "verified_empty", "unknown"))
        table.add_row(view["id"], *map(str, (*counts, *states)))
    return table
