"""A real-time student beside its teacher: persons found, frames per second, and how far the export is from PyTorch.

``python -m bench.student pets simulator --sizes 320,256 --markdown``
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import torch
import typer
from drape import tables
from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.dense import dense_labels
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.adaptation.fine_tuning import BaseModel
from drape.adaptation.labels import labelled_frames, pseudo_labels
from drape.adaptation.onnx_export import Exported, export_onnx, input_shape
from drape.adaptation.student import train_student
from drape.adaptation.student_config import DenseConfig, StudentConfig
from drape.adaptation.training_set import TrainingSet, write_training_set
from drape.detection import DetectionConfig, Detector, build_detector
from drape.evaluation.detection import average_precision, curve, recall_at_precision
from drape.evaluation.summary import Column, Row, as_markdown, as_table
from drape.tracking import track_view
from rich.console import Console

from bench import student_sites
from bench.student_sites import Place, boxes_table, counted

COLUMNS = (
    Column("ap", "AP50", ".3f"),
    Column("r90", "recall at precision .9", ".3f"),
    Column("r95", "at .95", ".3f"),
    Column("less", "recall less than the teacher's, points", "+.1f"),
    Column("fps", "frames/s of one core", ".1f"),
    Column("faster", "x teacher, same runtime", ".2f"),
    Column("fastest", "x teacher's best", ".2f"),
    Column("score_error", "score, ONNX to PyTorch", ".1e"),
    Column("box_error", "box, pixels", ".1e"),
)
SITES: dict[str, Callable[[], Place]] = {"pets": student_sites.pets, "simulator": student_sites.simulator}
TORCH, ONNX = "PyTorch", "ONNX"
FLOOR = 0.05


class Rival(NamedTuple):
    """A row: whose it is (``teacher`` or another), in which runtime, and the export's errors if there are any."""

    owner: str
    runtime: str
    detector: Detector
    exported: Exported | None = None


def exported(base: BaseModel, place: Place, longer: int, out: Path) -> Exported:
    """A model as an ONNX file, checked on some of the judged frames."""
    pictures = [image for k, image in zip(range(4), place.judged(), strict=False)]
    return export_onnx(base, input_shape([place.size], longer), pictures, out, place.licence)


def run_onnx(found: Exported) -> Detector:
    """The detector of an exported file."""
    return build_detector(DetectionConfig(preset="onnx", weights=found.path, device="cpu", score_floor=FLOOR))


def run_torch(config: Path, weights: Path, size: int | None) -> Detector:
    """The detector of a configuration and weights, in PyTorch."""
    settings = DetectionConfig(
        mmdet_config=config, weights=weights, size=size, person_class=0, device="cpu", score_floor=FLOOR
    )
    return build_detector(settings)


def lessons(place: Place, teacher: Detector, frames: int, out: Path) -> TrainingSet:
    """The training set: pseudo labels of tracked persons, and the teacher's own answers on ``frames`` more frames.
    One that an earlier run of the same benchmark has left in ``out`` is taken."""
    marker = out.with_suffix(".json")
    if marker.is_file():
        images, boxes, digest = json.loads(marker.read_text())
        return TrainingSet(out, out / "annotations.json", images, boxes, digest)
    known: dict[str, tuple[pa.Table, pa.Table, pa.Table, pa.Table]] = {}
    for view, read in place.taught.items():
        index, times, rows = [], [], []
        for number, seconds, image in read():
            index.append(number)
            times.append(seconds)
            rows.append(teacher([image])[0])
        found = boxes_table([boxes for boxes, _ in rows], [scores for _, scores in rows])
        at = found.column("frame").to_numpy()
        columns = {name: found.column(name).to_numpy() for name in ("x1", "y1", "x2", "y2", "score")}
        number, seconds = np.array(index, np.int32), np.array(times)
        candidates = tables.make(tables.CANDIDATES, frame=number[at], time=seconds[at], **columns)
        table = tables.make(tables.FRAMES, frame=number, pts=number, time=seconds)
        covered = tables.make(
            tables.COVERED, frame=number, known=np.ones(len(number), bool), reason=[None] * len(number)
        )
        persons = tables.unconfirmed(track_view(table, candidates, place.size))
        known[view] = persons, covered, candidates, table
    persons, covered, candidates, tables_of = ({view: parts[k] for view, parts in known.items()} for k in range(4))
    empty = {view: tables.empty(tables.GLIMPSES) for view in known}
    sizes = dict.fromkeys(known, place.size)
    labels, chosen = pseudo_labels(persons, covered, candidates, sizes, empty, LabelConfig(least_gap_s=0.2))
    times = {view: _by_frame(table) for view, table in tables_of.items()}
    which = {view: table.column("frame").to_numpy() for view, table in tables_of.items()}
    labels, chosen = dense_labels(labels, chosen, candidates, times, which, DenseConfig(frames=frames))
    taught = {(frame.view, frame.frame): frame for frame in labelled_frames(labels, chosen)}
    pictures = (
        (taught[view, number], image)
        for view, read in place.taught.items()
        for number, _, image in read()
        if (view, number) in taught
    )
    written = write_training_set(pictures, out)
    marker.write_text(json.dumps([written.images, written.boxes, written.digest]))
    return written


def _by_frame(frames: pa.Table) -> np.ndarray:
    """Seconds by frame index; 0 where there is no such frame."""
    index = frames.column("frame").to_numpy()
    times = np.zeros(index.max() + 1)
    times[index] = frames.column("time").to_numpy()
    return times


def compare(place: Place, rivals: Mapping[str, Rival]) -> dict[str, Row]:
    """Show the judged frames to all rivals, each frame to one after the other, and measure time of the processor."""
    answers: dict[str, list] = {name: [] for name in rivals}
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for image in place.judged():
        for name, rival in rivals.items():
            begun = time.process_time()
            answers[name].append(rival.detector([image])[0])
            seconds[name].append(time.process_time() - begun)
    rows: dict[str, Row] = {}
    for name, rival in rivals.items():
        found = boxes_table([b for b, _ in answers[name]], [s for _, s in answers[name]])
        points = curve(place.truth, counted(place, found))
        rows[name] = {
            "ap": average_precision(points),
            "r90": recall_at_precision(points, 0.9)[0],
            "r95": recall_at_precision(points, 0.95)[0],
            "fps": 1 / float(np.median(seconds[name])),
        }
        if rival.exported:
            rows[name] |= {"score_error": rival.exported.score_error, "box_error": rival.exported.box_error}
    _beside_the_teacher(rivals, rows)
    return rows


def _beside_the_teacher(rivals: Mapping[str, Rival], rows: dict[str, Row]) -> None:
    teachers = {rival.runtime: rows[name] for name, rival in rivals.items() if rival.owner == "teacher"}
    best = max(row["fps"] for row in teachers.values())
    for name, rival in rivals.items():
        same = teachers[rival.runtime]
        rows[name] |= {
            "less": 100 * (same["r90"] - rows[name]["r90"]),
            "faster": rows[name]["fps"] / same["fps"],
            "fastest": rows[name]["fps"] / best,
        }


def measure(place: Place, sizes: list[int], steps: int, frames: int, seed: int, work: Path) -> dict[str, Row]:
    """Teach students of several sizes and compare them with their teacher."""
    work.mkdir(parents=True, exist_ok=True)
    longer = place.teacher_size
    best = exported(place.teacher, place, longer, work / "teacher.onnx")
    teacher = run_onnx(best)
    training = lessons(place, teacher, frames, work / "lessons")
    print(f"{training.images} pictures with {training.boxes} boxes were learned from\n", flush=True)
    config = work / "teacher.json"
    place.teacher.config.dump(config)
    rivals = {
        f"teacher at {longer}, {TORCH}": Rival("teacher", TORCH, run_torch(config, place.teacher.weights, longer)),
        f"teacher at {longer}, {ONNX}": Rival("teacher", ONNX, teacher, best),
    }
    for size in sizes:
        before = exported(place.start, place, size, work / f"start-{size}.onnx")
        rivals[f"student at {size} before training, {ONNX}"] = Rival("start", ONNX, run_onnx(before), before)
        tuning = StudentConfig().tuning
        tuning = FineTuneConfig.model_validate({**tuning.model_dump(), "steps": steps, "seed": seed, "device": "cpu"})
        begun = time.process_time()
        student = train_student(
            place.start,
            training,
            StudentConfig(size=size, tuning=tuning),
            work / f"student-{size}-{steps}-{seed}",
            licence=place.licence,
        )
        print(f"student at {size}: {steps} steps in {time.process_time() - begun:.0f} s of one core\n", flush=True)
        detector = run_torch(student.config, student.tuned.weights, None)
        rivals[f"student at {size}, {TORCH}"] = Rival("student", TORCH, detector)
        rivals[f"student at {size}, {ONNX}"] = Rival("student", ONNX, run_onnx(student.exported), student.exported)
    return compare(place, rivals)


def main(
    places: Annotated[list[str], typer.Argument(help=f"Some of: {', '.join(SITES)}.")],
    sizes: Annotated[str, typer.Option(help="Longer sides of the students' inputs, in pixels.")] = "320",
    steps: Annotated[int, typer.Option(min=1, help="Steps of each student's training.")] = 300,
    frames: Annotated[int, typer.Option(min=0, help="Frames with the teacher's own answers.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = 0,
    work: Annotated[Path | None, typer.Option(help="Folder to keep everything in; a second run goes on there.")] = None,
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
) -> None:
    """Teach students without labels and show them beside their teachers."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        for name in places:
            if name not in SITES:
                raise typer.BadParameter(f"choose among {', '.join(SITES)}", param_hint="places")
            place = SITES[name]()
            wanted = [int(size) for size in sizes.split(",")]
            rows = measure(place, wanted, steps, frames, seed, (work or Path(scratch)) / name)
            if markdown:
                print(f"**{place.title}**\n\n{as_markdown(rows, COLUMNS)}\n", flush=True)
            else:
                Console().print(as_table(rows, COLUMNS, place.title))


if __name__ == "__main__":
    typer.run(main)
