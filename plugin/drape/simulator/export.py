"""Simulated recordings on disk: what a hospital would send, and the truth about it beside it.

::

    recording.yaml                   what `drape ingest` reads; it tells of no clock that differs
    videos/VIEW.mp4                  H.264, frames at the times they are stamped with
    truth/scene.json                 the settings, the roles by identity
    truth/events.json                what goes wrong, when, in which view
    truth/calibration.json           every view's cameras
    truth/{frames,persons,heads,keypoints,masks}/VIEW.parquet     see ``simulator.export_tables``
    coco.json, mot/VIEW.txt          the same for other tools
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import yaml

from drape.errors import ConfigError
from drape.media import VideoWriter
from drape.media.planes import image_to_planes
from drape.progress import Progress, silent
from drape.simulator.camera import Camera
from drape.simulator.export_coco import CocoWriter, mot_lines
from drape.simulator.export_read import RecordingTruth, read_truth
from drape.simulator.export_tables import ViewTables, masks_of
from drape.simulator.scene import Rendered, Scene

__all__ = ["RecordingTruth", "read_truth", "write_recording"]

_TICKS = 90_000
"""Per second; whole for all usual frame rates."""

_REPORT_EVERY = 10


def write_recording(scene: Scene, folder: Path, progress: Progress = silent) -> Path:
    """Render a scene into a folder, frame by frame; memory does not grow with its length.

    Args:
        scene: what to render; its pictures' width and height must be even.
        folder: made if it does not exist. What it holds of these files is replaced.
        progress: counts frames of all views.

    Returns:
        The recording's manifest, ``recording.yaml``. It is written last: without it the folder is unfinished.

    Raises:
        ConfigError: the pictures' size is odd.
        WorkspaceError: the disk is full, or the folder cannot be written.
    """
    config = scene.config
    if config.width % 2 or config.height % 2:
        raise ConfigError("Video needs an even width and height", "Add one pixel")
    for part in ("videos", "mot", "truth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    manifest = folder / "recording.yaml"
    manifest.unlink(missing_ok=True)
    total = sum(scene.num_frames(view) for view in range(len(scene.views)))
    with ExitStack() as stack:
        coco = CocoWriter(folder / "coco.json", (config.width, config.height), scene.views)
        stack.callback(coco.close)
        files = [_ViewFiles(stack, folder, view, config.width, config.height) for view in scene.views]
        for done, (view, frame) in enumerate(_in_order_of_time(scene)):
            rendered = scene.frame(view, frame)
            masks = masks_of(rendered.truth)
            files[view].add(rendered, masks)
            coco.add(rendered.truth, masks)
            if done % _REPORT_EVERY == 0:
                progress(done, total, "simulate")
    cameras = {view: file.cameras for view, file in zip(scene.views, files, strict=True)}
    _write_facts(scene, folder / "truth", cameras)
    name = f"simulated {config.family} {config.site_seed}-{config.seed}"
    views = [{"name": view, "media": f"videos/{view}.mp4"} for view in scene.views]
    manifest.write_text(yaml.safe_dump({"name": name, "views": views}, sort_keys=False))
    progress(total, total, "simulate")
    return manifest


def _in_order_of_time(scene: Scene) -> Iterator[tuple[int, int]]:
    """View and frame numbers in the order of what they show: views that show the same instant share its bodies."""

    def of_view(view: int) -> Iterator[tuple[float, int, int]]:
        for frame in range(scene.num_frames(view)):
            yield scene.view_time(view, frame)[1], view, frame

    for _, view, frame in heapq.merge(*(of_view(view) for view in range(len(scene.views)))):
        yield view, frame


class _ViewFiles:
    """Everything that is written of one view; ``cameras`` are its calibrations so far."""

    def __init__(self, stack: ExitStack, folder: Path, view: str, width: int, height: int) -> None:
        self.cameras: list[dict[str, Any]] = []
        self._camera: Camera | None = None
        self._video = stack.enter_context(VideoWriter(folder / "videos" / f"{view}.mp4", width, height, (1, _TICKS)))
        self._mot: TextIO = stack.enter_context((folder / "mot" / f"{view}.txt").open("w"))
        self._tables = ViewTables(folder / "truth", view)
        stack.callback(self._tables.close)

    def add(self, rendered: Rendered, masks: dict[int, str]) -> None:
        truth = rendered.truth
        if truth.camera is not self._camera:
            self._camera = truth.camera
            self.cameras.append({"from_frame": truth.frame, "from_time": truth.time, **_calibration(truth.camera)})
        self._video.write(round(truth.time * _TICKS), *image_to_planes(rendered.image))
        self._tables.add(truth, len(self.cameras) - 1, masks)
        self._mot.write(mot_lines(truth))


def _calibration(camera: Camera) -> dict[str, Any]:
    """World: metres, z up. Camera: x right, y down, z forward. Pixels: the first one's centre is (0.5, 0.5)."""
    matrices = {name: np.asarray(getattr(camera, name)).tolist() for name in ("K", "R", "t")}
    return {**matrices, "k1": camera.k1, "k2": camera.k2, "width": camera.width, "height": camera.height}


def _write_facts(scene: Scene, folder: Path, cameras: dict[str, list[dict[str, Any]]]) -> None:
    def write(name: str, content: Any) -> None:
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")

    settings = scene.config.model_dump(mode="json", exclude={"events"})
    write("scene.json", {"settings": settings, "roles": list(scene.roles), "views": scene.views})
    write("events.json", [{**e.model_dump(mode="json"), "view": scene.views[e.view]} for e in scene.config.events])
    write("calibration.json", cameras)
