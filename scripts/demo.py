"""``make demo``: the main job on real multi-view video, offline, from videos to a verified release and a picture.

The videos and the detector's weights come from the folder of development data (DRAPE_SHARED, default ../shared).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import yaml
from drape import tables
from drape.anonymization import verify_release
from drape.cli import progress_bars
from drape.detection import DetectionConfig
from drape.errors import DrapeError
from drape.media import read_frames
from drape.pipeline import PipelineConfig, Workspace, run
from drape.recording import View
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
TILE = 420
"""Width in pixels of one picture of the strip."""
console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "demo-output", help="folder for everything that is made")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("DRAPE_SHARED", ROOT.parent / "shared")).resolve()
    videos = shared / "data" / "caliscope_4view"
    weights = shared / "weights" / "rtmdet_nano_person" / "rtmdet_nano_person_mmdet.pth"
    for path, what in ((videos, "videos"), (weights, "detector's weights")):
        if not path.exists():
            console.print(
                f"[red]The demo's {what} are not there.[/red] Set DRAPE_SHARED to the development data's folder"
            )
            return 1
    console.print(f"Demo on real video: four synchronized room cameras, from the development data ({videos.name}).")
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    try:
        return demo(videos, weights, arguments.out)
    except DrapeError as error:
        console.print(f"[red]error:[/red] {error}")
        return 1


def demo(videos: Path, weights: Path, out: Path) -> int:
    """Run the pipeline, verify the release once more from its files alone, and show what was done."""
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
    show(workspace, manifest)
    picture = out / "strip.jpg"
    cv2.imwrite(str(picture), strip(workspace, out / "release"), [cv2.IMWRITE_JPEG_QUALITY, 88])
    frames = sum(view.num_frames for view in workspace.recording.views)
    console.print(f"{frames} frames in {seconds:.0f} s; release verified: {verdict['ok']}")
    console.print(f"release    {relative(out / 'release')}\npicture    {relative(picture)}")
    console.print(f"look again .venv/bin/drape verify {relative(out / 'release')}")
    return 0 if verdict["ok"] else 1


def recording_manifest(videos: Path) -> dict[str, object]:
    """Four cameras whose capture times were written down beside the videos."""
    times = videos / "timestamps.csv"
    cameras = sorted(videos.glob("cam_*.mp4"))
    return {"name": "room", "views": [{"media": str(c), "timestamps": str(times)} for c in cameras]}


def show(workspace: Workspace, manifest: dict) -> None:
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
    console.print(table)


def strip(workspace: Workspace, release: Path) -> np.ndarray:
    """A row per view: source, found, released, at the middle of the recording."""
    rows = []
    for view in workspace.recording.views:
        index = view.num_frames // 2
        source = frame_at(view, index)
        released = frame_at(View(id=view.id, name=view.id, media=release / f"{view.id}.mp4"), index)
        pictures = (source, found(source, workspace, view, index), released[: source.shape[0], : source.shape[1]])
        height = round(TILE * source.shape[0] / source.shape[1])
        rows.append(np.hstack([cv2.resize(p, (TILE, height), interpolation=cv2.INTER_AREA) for p in pictures]))
    head = np.full((34, 3 * TILE, 3), 255, np.uint8)
    for column, word in enumerate(("source", "found", "released")):
        cv2.putText(head, word, (column * TILE + 12, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([head, *rows])


def frame_at(view: View, index: int) -> np.ndarray:
    """One upright picture of a view."""
    return next(frame.image for frame in read_frames(view, start=index))


def found(picture: np.ndarray, workspace: Workspace, view: View, index: int) -> np.ndarray:
    """The picture with the persons of this frame drawn: green where accepted, orange where doubtful."""
    picture = picture.copy()
    persons = workspace.persons(view.id)
    rows = np.flatnonzero(persons.column("frame").to_numpy() == index)
    exists = persons.column("existence").to_numpy()
    for row, (x1, y1, x2, y2) in zip(rows, tables.boxes_of(persons)[rows].round().astype(int), strict=True):
        colour = (80, 200, 60) if exists[row] >= 0.5 else (0, 160, 255)
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour, 3)
        cv2.putText(picture, f"{exists[row]:.2f}", (x1 + 4, y1 + 26), cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour, 2)
    return picture


def relative(path: Path) -> str:
    """A path as a user in the project's folder would type it."""
    return os.path.relpath(path, Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
