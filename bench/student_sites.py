"""Where students are taught and judged: PETS with a real teacher, and rooms of the simulator."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from drape import openmmlab, tables
from drape.adaptation.fine_tuning import BaseModel
from drape.boxes import Boxes, iou
from drape.detection import PRESETS
from drape.evaluation.truth import between, read_truth
from drape.media import read_frames
from drape.recording import View
from drape.simulator import Family, Scene, SceneConfig
from drape.simulator.export_sought import sought
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Numbered = Iterator[tuple[int, float, Image]]
"""Frames: index, time in seconds, picture."""

JUDGED = 400
"""Frames of PETS' view 1 that have labels, from the first."""
SEEN = 0.2
"""Share of a simulated person that must be visible for a detector to be asked."""


@dataclass(frozen=True)
class Place:
    """A site: who teaches, from which frames, and what is judged.

    Attributes:
        title: what it is, for the table.
        teacher, teacher_size: the teacher's model, and the longer side of its input.
        start: the student's model before training.
        licence: of the student's weights.
        size: width and height of all frames.
        taught: by view id, the frames to learn from.
        judged: the frames to judge by, in order.
        truth: table with ``frame`` (its number among ``judged``) and box columns.
        excused: likewise: who may be found or not.
    """

    title: str
    teacher: BaseModel
    teacher_size: int
    start: BaseModel
    licence: str
    size: tuple[int, int]
    taught: dict[str, Callable[[], Numbered]]
    judged: Callable[[], Iterator[Image]]
    truth: pa.Table
    excused: pa.Table


def shared() -> Path:
    """Folder of the development data."""
    return Path(os.environ.get("DRAPE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def nano(file: str) -> BaseModel:
    """RTMDet-nano for persons, with weights of the development data."""
    config = openmmlab.load_config(PRESETS["rtmdet-nano-person"].configuration())
    return BaseModel(config, shared() / "weights" / "rtmdet_nano_person" / file, None, 0)


def example() -> BaseModel:
    """The built-in example detector."""
    preset = PRESETS["example"]
    return BaseModel(openmmlab.load_config(preset.configuration()), preset.weights(), None, 0)


def pets() -> Place:
    """PETS 2009 S2L1: taught by RTMDet-nano at 640 pixels on frames 401-795 of view 1 and every second one of view 6;
    judged on the labelled frames 1-400 of view 1, which nobody has learned from."""
    folder = shared() / "data" / "pets_2view"
    views = {name: View(id=name, name=name, media=folder / f"{file}.mp4") for name, file in _PETS.items()}
    truth = between(read_truth(folder / "gt_view001_frames_1-400_mot.txt"), 0, JUDGED)

    def judged() -> Iterator[Image]:
        for frame in read_frames(views["view1"]):
            if frame.index == JUDGED:
                return
            yield frame.image

    return Place(
        title=f"PETS, view 1, frames 1-{JUDGED}, {truth.num_rows} boxes",
        teacher=nano("rtmdet_nano_person_mmdet.pth"),
        teacher_size=640,
        start=nano("rtmdet_nano_person_mmdet_bnrecal.pth"),
        licence="Apache-2.0",
        size=(768, 576),
        taught={
            "view1": lambda: ((f.index, f.time, f.image) for f in read_frames(views["view1"], JUDGED)),
            "view6": lambda: ((f.index, f.time, f.image) for f in read_frames(views["view6"]) if f.index % 2 == 0),
        },
        judged=judged,
        truth=truth,
        excused=truth.slice(0, 0),
    )


_PETS = {"view1": "View_001", "view6": "View_006"}


def simulator(family: Family = "new", site: int = 9101) -> Place:
    """A room of a family that the example detector has never seen: taught by that detector at 480 pixels, at which it
    finds most there, on the first two thirds of a recording of two views; judged on the last third."""
    scene = Scene(SceneConfig(family=family, seed=site, seconds=240, fps=1, views=2, people=7, antialias=False))
    border = scene.num_frames(0) * 2 // 3
    late = [(view, frame) for view in range(2) for frame in range(border, scene.num_frames(view))]
    wanted, excused = zip(*(_asked(scene, *one) for one in late), strict=True)

    def taught(view: int) -> Numbered:
        for frame in range(border):
            yield frame, scene.view_time(view, frame)[0], scene.frame(view, frame).image

    return Place(
        title=f"simulated room {family} {site}, {sum(map(len, wanted))} boxes",
        teacher=example(),
        teacher_size=480,
        start=example(),
        licence="Apache-2.0",
        size=(scene.config.width, scene.config.height),
        taught={scene.views[0]: lambda: taught(0), scene.views[1]: lambda: taught(1)},
        judged=lambda: (scene.frame(*one).image for one in late),
        truth=boxes_table(list(wanted)),
        excused=boxes_table(list(excused)),
    )


def _asked(scene: Scene, view: int, frame: int) -> tuple[Boxes, Boxes]:
    """Boxes of persons that a detector is asked for, and those of whom too little is seen."""
    truth = scene.truth_only(view, frame)
    boxes, share = sought(truth)
    return boxes[share >= SEEN], boxes[(truth.area > 0) & (share < SEEN)]


def boxes_table(rows: list[Boxes], scores: list[NDArray[np.float32]] | None = None) -> pa.Table:
    """Boxes of numbered frames as ``CANDIDATES``; score 1 where none is given."""
    frame = np.repeat(np.arange(len(rows), dtype=np.int32), [len(boxes) for boxes in rows])
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *rows])
    score = np.ones(len(boxes), np.float32) if scores is None else np.concatenate(scores)
    return tables.make(tables.CANDIDATES, frame=frame, time=frame / 1.0, **tables.box_columns(boxes), score=score)


def counted(place: Place, found: pa.Table) -> pa.Table:
    """Candidates without those on somebody who may be found or not, and on nobody who must be."""
    if not place.excused.num_rows:
        return found
    boxes, at = tables.boxes_of(found), found.column("frame").to_numpy()
    keep = np.ones(len(boxes), bool)
    for frame in np.unique(at):
        mine = np.flatnonzero(at == frame)
        sides = [tables.boxes_of(t)[t.column("frame").to_numpy() == frame] for t in (place.truth, place.excused)]
        wanted, excused = ((iou(boxes[mine], side) >= 0.5).any(axis=1) for side in sides)
        keep[mine] = wanted | ~excused
    return found.filter(pa.array(keep))
