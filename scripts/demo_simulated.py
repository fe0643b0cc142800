"""The demo on a simulated operation: a site the example detector has never seen, every stage measured on the truth."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo_figures import Row, as_table, detections_as_persons, measure
from demo_pictures import write_strip, write_video
from drape import pipeline
from drape.anonymization import ReleaseConfig, verify_release
from drape.cli import progress_bars
from drape.detection import DetectionConfig, NoticeWarning
from drape.pipeline import PipelineConfig, Workspace
from drape.progress import Progress
from drape.simulator import Scene, SceneConfig
from drape.simulator.export import read_truth, write_recording
from rich.console import Console

VIEWS, RATE, PEOPLE = 3, 15.0, 6

Stage = Callable[[Workspace, PipelineConfig, Progress], Any]


def _agree(workspace: Workspace, config: PipelineConfig, progress: Progress) -> None:
    pipeline.associate(workspace, config.association, progress)
    pipeline.retrieve(workspace, config.retrieval, progress)


LOOP: tuple[tuple[str, Stage], ...] = (
    ("track", lambda ws, config, progress: pipeline.track(ws, config.tracking, progress)),
    ("associate, retrieve", _agree),
)
"""The stages between detection and export, in their order; each leaves better persons in the workspace."""


@dataclass(frozen=True)
class Setting:
    """What is simulated (a family of sites, a seed, seconds), and whether a FiftyOne dataset is made of it."""

    family: Any
    seed: int
    seconds: float
    app: bool


def demo(out: Path, setting: Setting, console: Console) -> bool:
    """From nothing to a verified release and its figures; returns whether the release holds."""
    begun = time.monotonic()
    console.print(
        f"Demo on a simulated operation: {VIEWS} cameras, site family {setting.family!r}, {setting.seconds:g} s."
    )
    config = PipelineConfig(detection=DetectionConfig(preset="example"))
    with progress_bars() as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", NoticeWarning)  # this is the one place where the example detector belongs
        source = simulate(out / "recording", setting, progress)
        workspace = pipeline.ingest(source, _workspace_folder(out, source, setting), progress)
        rows = stages(workspace, out / "recording", config, progress)
        manifest = pipeline.export(workspace, config.release, out / "release", progress)
        verdict = verify_release(out / "release", progress)
        write_strip(workspace, out / "release", out / "strip.jpg")
        write_video(workspace, out / "release", out / "mosaic.mp4", progress=progress)
        if setting.app:
            into_fiftyone(source, out, config, progress)
    console.print(as_table(rows))
    frames = sum(view.num_frames for view in workspace.recording.views)
    unknown = sum(view["states"].get("unknown", 0) for view in manifest["views"])
    console.print(
        f"{frames} frames in {time.monotonic() - begun:.0f} s; {unknown} released as cards because nothing was known "
        f"of them; release verified: {verdict['ok']}"
    )
    return bool(verdict["ok"])


def simulate(folder: Path, setting: Setting, progress: Progress) -> Path:
    """Render the recording with its truth; returns its manifest."""
    scene = Scene(
        SceneConfig(
            family=setting.family, seed=setting.seed, seconds=setting.seconds, fps=RATE, views=VIEWS, people=PEOPLE
        )
    )
    return write_recording(scene, folder, progress)


def stages(workspace: Workspace, truth_folder: Path, config: PipelineConfig, progress: Progress) -> list[Row]:
    """Run detection and the loop; a row of figures after each."""
    truth = read_truth(truth_folder)
    pipeline.detect(workspace, config.detection, progress)
    alone = ReleaseConfig(min_existence=0.5)
    rows = [measure("detect, ≥ .5", workspace, truth.wanted, detections_as_persons(workspace), alone)]
    for name, stage in LOOP:
        stage(workspace, config, progress)
        rows.append(measure(name, workspace, truth.wanted, workspace.persons, config.release))
    return rows


def _workspace_folder(out: Path, source: Path, setting: Setting) -> Path:
    if not setting.app:
        return out / "workspace"
    from drape.fiftyone_io.stages import workspace_folder

    return workspace_folder(out / "workspaces", source)


def into_fiftyone(source: Path, out: Path, config: PipelineConfig, progress: Progress) -> None:
    """Make the dataset drape-demo of the workspace; what the stages have computed is not computed again."""
    import fiftyone as fo
    from drape import fiftyone_io
    from drape.fiftyone_io import stages as on_dataset

    if fo.dataset_exists("drape-demo"):
        fo.delete_dataset("drape-demo")
    dataset, recording = on_dataset.ingest("drape-demo", source, out / "workspaces", progress)
    on_dataset.detect(dataset, recording, config.detection, progress)
    on_dataset.track(dataset, recording, config.tracking, progress)
    on_dataset.associate(dataset, recording, config.association, progress)
    on_dataset.retrieve(dataset, recording, config.retrieval, progress)
    workspace = fiftyone_io.workspace(dataset, recording)
    fiftyone_io.import_simulated_truth(dataset, workspace, out / "recording", progress)
