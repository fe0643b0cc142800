"""The simulator: how fast it is, how much memory it takes, and how real detectors see its people.

``python -m bench.simulator`` prints everything; ``speed``, ``memory`` and ``recall`` one part each. The detectors are
RTMDet-nano and YOLOX-nano with the weights of the development data (``DRAPE_SHARED``).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from drape.boxes import iou
from drape.simulator import FrameTruth, Scene, SceneConfig
from numpy.typing import NDArray

SPEED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("320 x 180", {"width": 320, "height": 180}),
    ("640 x 360", {}),
    ("640 x 360, one sample per pixel", {"antialias": False}),
    ("640 x 360, 10 people, 6 views", {"people": 10, "views": 6}),
    ("640 x 360, new site", {"family": "new"}),
    ("1280 x 720", {"width": 1280, "height": 720}),
    ("1280 x 720, one sample per pixel", {"width": 1280, "height": 720, "antialias": False}),
)
SOURCE_SITES, NEW_SITES = (101, 102, 103, 104, 105, 106), (201, 202, 203, 204, 205, 206)
THRESHOLDS = (0.1, 0.3, 0.5)
CLEAR_VISIBLE, CLEAR_INSIDE, CLEAR_HEIGHT = 0.75, 0.85, 60

Frames = list[tuple[NDArray[np.uint8], FrameTruth]]
app = typer.Typer(help=__doc__, add_completion=False, invoke_without_command=True)


@app.callback()
def everything(context: typer.Context) -> None:
    """All parts, one after the other."""
    if context.invoked_subcommand is None:
        speed()
        memory()
        recall()


@app.command()
def speed(frames: Annotated[int, typer.Option(min=1, help="Instants per setting.")] = 20) -> None:
    """View-frames per second of processor time, everything included, and of the truth alone."""
    print("| size | set-up, s | view-frames/s/core | truth alone |\n|---|---|---|---|")
    for name, changes in SPEED:
        start = time.process_time()
        scene = Scene(SceneConfig(**{"seconds": 10, **changes}))
        for view in range(len(scene.views)):
            scene.frame(view, 0)
        setup = time.process_time() - start
        rates = [_rate(scene, frames, draw) for draw in (scene.frame, scene.truth_only)]
        print(f"| {name} | {setup:.1f} | {rates[0]:.0f} | {rates[1]:.0f} |", flush=True)


def _rate(scene: Scene, frames: int, draw: Any) -> float:
    views = range(len(scene.views))
    start = time.process_time()
    for k in range(1, frames + 1):
        for view in views:
            draw(view, k * 7 % scene.num_frames(view))
    return frames * len(scene.views) / (time.process_time() - start)


@app.command()
def memory() -> None:
    """Largest resident memory while rendering recordings of several lengths, each in a process of its own."""
    print("\n| recording | peak memory, MB |\n|---|---|")
    for seconds in (10, 60, 600, 3600):
        command = [sys.executable, "-m", "bench.simulator", "peak", str(seconds)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        print(f"| 3 views, 5 people, {seconds} s | {out.strip()} |", flush=True)


@app.command(hidden=True)
def peak(seconds: float) -> None:
    """Render 60 frames spread over a recording, and print this process's largest resident memory in MB."""
    scene = Scene(SceneConfig(seconds=seconds))
    for k in np.linspace(0, scene.num_frames(0) - 1, 20).astype(int):
        for view in range(3):
            scene.frame(view, int(k))
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


@app.command()
def recall(
    step: Annotated[float, typer.Option(help="Seconds between the frames that are looked at.")] = 5.0,
) -> None:
    """Recall of real detectors on a source family and a new one, at IoU .5, by score."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    found = list(_detectors())
    if not found:
        print("\nThe detectors' weights are missing: set DRAPE_SHARED to the folder of development data")
        return
    print(f"\nRecall at score {' / '.join(map(str, THRESHOLDS))}; boxes of {len(SOURCE_SITES)} sites each.\n")
    print("| family | detector | clear | clear at .5, by site | all | false per image |\n|---|---|---|---|---|---|")
    for family, seeds in (("source", SOURCE_SITES), ("dim", NEW_SITES), ("new", NEW_SITES)):
        sites = [_frames(family, seed, step) for seed in seeds]
        for name, detector in found:
            _print_recall(family, name, detector, sites)


def _detectors() -> Any:
    """Names and detectors whose weights are there."""
    from drape.detection import DetectionConfig, build_detector
    from drape.openmmlab import shipped

    shared = Path(os.environ.get("DRAPE_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))
    rtmdet = shared / "weights" / "rtmdet_nano_person" / "rtmdet_nano_person_mmdet.pth"
    yolox = shared / "weights" / "yolox_nano" / "yolox_nano_coco_mmdet.pth"
    if rtmdet.is_file():
        for size in (320, 640):
            settings = DetectionConfig(preset="rtmdet-nano-person", weights=rtmdet, size=size, device="cpu")
            yield f"RTMDet-nano, {size} px", build_detector(settings)
    if yolox.is_file():
        config = shipped("mmdet", "configs/yolox/yolox_nano_8xb8-300e_coco.py")
        settings = DetectionConfig(mmdet_config=config, weights=yolox, size=416, person_class=0, device="cpu")
        yield "YOLOX-nano, 416 px", build_detector(settings)


def _frames(family: str, seed: int, step: float) -> Frames:
    scene = Scene(SceneConfig.model_validate({"family": family, "seed": seed, "seconds": 20}))
    instants = range(0, scene.num_frames(0), max(1, round(step * scene.config.fps)))
    frames = [scene.frame(view, k) for k in instants for view in range(len(scene.views))]
    return [(frame.image, frame.truth) for frame in frames]


def _print_recall(family: str, name: str, detector: Any, sites: list[Frames]) -> None:
    clear: list[list[float]] = [[] for _ in sites]
    everybody: list[float] = []
    false: list[float] = []
    for site, (image, truth) in ((i, frame) for i, frames in enumerate(sites) for frame in frames):
        boxes, scores = detector([image])[0]
        crew = (truth.kind == 0) & (truth.role != "patient") & (truth.visible * truth.in_frame >= 0.2)
        target = np.where((truth.visible > 0.6)[:, None], truth.boxes, truth.visible_boxes)[crew]
        best, spare = _matched(boxes, scores, target)
        tall = truth.boxes[crew, 3] - truth.boxes[crew, 1] >= CLEAR_HEIGHT
        is_clear = (truth.visible[crew] >= CLEAR_VISIBLE) & (truth.in_frame[crew] >= CLEAR_INSIDE) & tall
        clear[site] += best[is_clear].tolist()
        everybody += best.tolist()
        false += spare
    pooled = [score for part in clear for score in part]
    by_site = " ".join(f"{np.mean(np.array(part) >= 0.5):.2f}" for part in clear if part)
    found = f"{_shares(pooled)} (n {len(pooled)}) | {by_site} | {_shares(everybody)} (n {len(everybody)})"
    images = sum(len(frames) for frames in sites)
    spare_rates = " / ".join(f"{np.sum(np.array(false) >= t) / images:.2f}" for t in THRESHOLDS)
    print(f"| {family} | {name} | {found} | {spare_rates} |", flush=True)


def _shares(scores: list[float]) -> str:
    return " / ".join(f"{np.mean(np.array(scores) >= t):.2f}" for t in THRESHOLDS)


def _matched(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], target: NDArray[np.float32]
) -> tuple[NDArray[np.float64], list[float]]:
    """Score of each target's box (0: none), best boxes first, at IoU .5; scores of boxes that overlap none by .3."""
    overlap = iou(boxes.astype(np.float32), target.astype(np.float32))
    best, spare = np.zeros(len(target)), []
    for i in range(len(boxes)):
        free = np.where(best > 0, -1, overlap[i]) if len(target) else np.zeros(0)
        if len(free) and free.max() >= 0.5:
            best[int(free.argmax())] = scores[i]
        elif not len(target) or overlap[i].max() <= 0.3:
            spare.append(float(scores[i]))
    return best, spare


if __name__ == "__main__":
    app()
