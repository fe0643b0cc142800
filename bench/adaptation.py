"""What the self-supervised loop gives a detector, on real video and in a simulated room; every cell is kept on disk.

``python -m bench.adaptation pets --size 480 --seeds 0,1,2 --out FOLDER``, ``… simulator``; ``… table`` prints what is
there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
import yaml
from drape import pipeline, tables
from drape.adaptation import AdaptationConfig, FineTuneConfig, LabelConfig
from drape.adaptation.union import union
from drape.boxes import Boxes, Floats
from drape.detection import DetectionConfig, NoticeWarning, build_detector
from drape.pipeline import PipelineConfig, Workspace
from drape.pipeline.adapting import adapt
from drape.simulator import Scene, SceneConfig
from drape.simulator.export import read_truth, write_recording

from bench import adaptation_tables as shown
from bench.datasets import PETS_FPS, shared

PARTS = {"rest": (400, 795), "first": (0, 400)}
"""Frames that are adapted to: others than those with labels, and those themselves (without their labels)."""
MEASURED = PARTS["first"]
CAMERAS = ("View_001", "View_006")
RULES = {"Drape": "weighted", "accept all": "accept_all", "score ≥ .6": "threshold"}
FIRST_SEED = 0


def pets_detection(size: int) -> DetectionConfig:
    """RTMDet-nano of the shared weights, whose norms are right for training."""
    weights = shared() / "weights" / "rtmdet_nano_person" / "rtmdet_nano_person_mmdet_bnrecal.pth"
    return DetectionConfig(preset="rtmdet-nano-person", weights=weights, size=size, device="cpu")


def pets_workspace(out: Path, part: str, stages: PipelineConfig) -> Workspace:
    """Both views of a part of PETS, with all stages of the base run."""
    folder = out / "pets" / part
    start, stop = PARTS[part]
    for camera in CAMERAS:
        pictures = folder / camera
        if len(list(pictures.glob("*.png"))) == stop - start:
            continue
        pictures.mkdir(parents=True, exist_ok=True)
        with av.open(str(shared() / "data" / "pets_2view" / f"{camera}.mp4")) as video:
            for index, frame in enumerate(video.decode(video=0)):
                if start <= index < stop:
                    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
                    cv2.imwrite(str(pictures / f"{index:04d}.png"), frame.to_ndarray(format="bgr24"), fast)
    manifest = folder / "recording.yaml"
    views = [{"name": camera, "media": camera, "fps": PETS_FPS} for camera in CAMERAS]
    manifest.write_text(yaml.safe_dump({"name": part, "views": views}))
    ws = pipeline.ingest(manifest, folder / f"workspace-{stages.detection.size}")
    base(ws, stages)
    return ws


def base(ws: Workspace, stages: PipelineConfig) -> None:
    """All stages of the base detector; what is there is not done again."""
    pipeline.detect(ws, stages.detection)
    pipeline.track(ws, stages.tracking)
    pipeline.associate(ws, stages.association)
    pipeline.retrieve(ws, stages.retrieval)


def copied(ws: Workspace, folder: Path) -> Workspace:
    """A workspace of its own for a cell; an interrupted cell goes on in the one it has."""
    if not folder.is_dir():
        shutil.copytree(ws.root, folder, ignore=shutil.ignore_patterns("adapt", ".lock"))
    return Workspace.open(folder)


def candidates(detection: DetectionConfig, pictures: Path, kept: Path) -> Any:
    """``CANDIDATES`` of the pictures of a folder, from ``kept`` where they are there."""
    if not kept.is_file():
        detector = build_detector(detection)
        rows: list[tuple[Boxes, Floats]] = []
        for path in sorted(pictures.glob("*.png")):
            rows += detector([np.asarray(cv2.imread(str(path)), np.uint8)])
        tables.write(shown.as_candidates(rows), kept)
    return tables.read(kept, tables.CANDIDATES)


def pets(out: Path, size: int, seeds: list[int], rules: list[str], parts: list[str], tuning: dict[str, Any]) -> None:
    """Adapt to both parts with every rule and seed; the rivals with the first seed and one round."""
    stages = PipelineConfig(detection=pets_detection(size))
    truth = shown.pets_truth(*MEASURED)
    measured = pets_workspace(out, "first", stages)
    pictures = out / "pets" / "first" / CAMERAS[0]
    before = measured.root / "candidates" / "view1.parquet"
    wanted = tables.read(before, tables.CANDIDATES)
    save(out, f"pets-{size}-base", {"part": "", "rule": "base", "rows": {"base": shown.figures(truth, wanted, wanted)}})
    for part, rule, seed in cells(parts, rules, seeds):
        name = f"pets-{size}-{part}-{rule}-{seed}"
        if (out / "cells" / f"{name}.json").is_file():
            continue
        begun, cpu = time.monotonic(), time.process_time()
        ws = copied(pets_workspace(out, part, stages), out / "work" / name)
        rounds = 2 if RULES[rule] == "weighted" else 1
        labels = LabelConfig(rule=RULES[rule], least_gap_s=0.5, seed=seed)
        config = AdaptationConfig(
            name=name.replace(" ", "-").replace("≥", "from").replace(".", ""),
            rounds=rounds,
            labels=labels,
            tuning=FineTuneConfig(**{"device": "cpu", "seed": seed, **tuning}),
        )
        found = adapt([ws], out / "models", config, stages)
        rows: dict[str, Any] = {}
        for weights in sorted(ws.root.glob("adapt/round-*/tuned-*/weights.pth")):
            number = weights.parent.parent.name.removeprefix("round-")
            tuned = stages.detection.model_copy(update={"weights": weights})
            alone = candidates(tuned, pictures, ws.root / f"measured-{number}.parquet")
            rows[f"{number} alone"] = shown.figures(truth, alone, wanted)
            rows[f"{number} with the base"] = shown.figures(
                truth, union(wanted, alone, stages.detection.nms_iou)[0], wanted
            )
        spent = {"cpu": round(time.process_time() - cpu), "wall": round(time.monotonic() - begun)}
        told = {"rounds": found.rounds, "best": found.best, "reasons": found.reasons, **spent}
        save(out, name, {"part": part, "rule": rule, "seed": seed, "size": size, "rows": rows, **told})
        shutil.rmtree(ws.root)


def cells(parts: list[str], rules: list[str], seeds: list[int]) -> Iterator[tuple[str, str, int]]:
    """Part, rule and seed of every cell, the first seed of all rules first."""
    for part in parts:
        for rule in rules:
            yield part, rule, seeds[0]
    for seed in seeds[1:]:
        for part in parts:
            if "Drape" in rules:
                yield part, "Drape", seed


def simulator(out: Path, scene: SceneConfig, seeds: list[int], tuning: dict[str, Any], detector: str) -> None:
    """Adapt a detector to a room it has never seen, and look for everybody in it."""
    example = DetectionConfig(preset="example", device="cpu", size=scene.width)
    stages = PipelineConfig(detection=example if detector == "example" else pets_detection(scene.width))
    room = f"{scene.family}-{scene.width}-{scene.seed}" + ("" if detector == "example" else f"-{detector}")
    place = out / f"room-{room}"
    if not (place / "recording" / "recording.yaml").is_file():
        write_recording(Scene(scene), place / "recording")
    ws = pipeline.ingest(place / "recording" / "recording.yaml", place / "workspace")
    base(ws, stages)
    truth = read_truth(place / "recording")
    for seed in seeds:
        name = f"simulator-{room}-{seed}"
        if (out / "cells" / f"{name}.json").is_file():
            continue
        begun, cpu = time.monotonic(), time.process_time()
        mine = copied(ws, out / "work" / name)
        config = AdaptationConfig(name=name, tuning=FineTuneConfig(**{"device": "cpu", "seed": seed, **tuning}))
        found = adapt([mine], out / "models", config, stages)
        seen = {"0 with the base": ws}
        for kind in ("alone", "union"):
            for path in sorted(mine.root.glob(f"adapt/{kind}-*")):
                number = path.name.removeprefix(f"{kind}-")
                seen[f"{number} {'alone' if kind == 'alone' else 'with the base'}"] = Workspace.open(path)
        rows = {}
        for label, one in sorted(seen.items()):
            boxes = {v: shown.without_excused(one.candidates(v), truth, v) for v in truth.views}
            people = None
            if one.has("tracklets"):
                people = {v: shown.without_excused(one.persons(v), truth, v) for v in truth.views}
            rows[label] = shown.room_figures({v: truth.wanted(v) for v in truth.views}, boxes, people)
        spent = {"cpu": round(time.process_time() - cpu), "wall": round(time.monotonic() - begun)}
        told = {"rounds": found.rounds, "best": found.best, "reasons": found.reasons, **spent}
        save(out, name, {"scene": scene.model_dump(mode="json"), "seed": seed, "rows": rows, **told})


def save(out: Path, name: str, content: dict[str, Any]) -> None:
    """Keep a cell."""
    path = out / "cells" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))
    partial.replace(path)
    print(f"{name}: done", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["table"], choices=["pets", "simulator", "table"])
    parser.add_argument("--out", type=Path, required=True, help="folder of pictures, workspaces and finished cells")
    parser.add_argument("--size", type=int, default=480, help="longer side of the detector's input on PETS")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rules", default=",".join(RULES), help="of the labels")
    parser.add_argument("--parts", default=",".join(PARTS), help="frames of PETS that are adapted to")
    parser.add_argument("--tuning", type=json.loads, default={}, help="settings of fine-tuning, as JSON")
    parser.add_argument("--family", default="new", help="of the simulated room")
    parser.add_argument("--room", type=int, default=1, help="seed of the simulated room")
    parser.add_argument("--width", type=int, default=640, help="of the simulated pictures and of the detector's input")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the simulated recording")
    parser.add_argument("--detector", default="example", choices=["example", "rtmdet-nano"], help="in simulated rooms")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    out = arguments.out.resolve()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoticeWarning)
        if "pets" in arguments.what:
            rules, parts = arguments.rules.split(","), arguments.parts.split(",")
            pets(out, arguments.size, seeds, rules, parts, arguments.tuning)
        if "simulator" in arguments.what:
            scene = SceneConfig(
                family=arguments.family,
                seed=arguments.room,
                seconds=arguments.seconds,
                fps=5,
                views=3,
                people=5,
                width=arguments.width,
                height=arguments.width * 9 // 16,
            )
            simulator(out, scene, seeds, arguments.tuning, arguments.detector)
    print(shown.markdown(out / "cells"))


if __name__ == "__main__":
    main()
