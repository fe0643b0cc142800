"""Association of views, beside what others reach on the same data.

``python -m bench.association mvor wildtrack wildtrack-noisy simulator-4 --seeds 3``
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from drape import tables
from drape.association import Association, AssociationConfig, ViewBoxes, associate, learn, plain
from drape.evaluation.association import score
from drape.evaluation.summary import Column, Row, as_markdown, as_table
from drape.simulator import KINDS, Scene, SceneConfig
from numpy.typing import NDArray
from rich.console import Console

from bench import datasets
from bench.datasets import Labelled

COLUMNS = (
    Column("ap", "AP", ".3f"),
    Column("fpr95", "FPR-95", ".3f"),
    Column("precision", "P", ".3f"),
    Column("recall", "R", ".3f"),
    Column("accuracy", "ACC", ".3f"),
    Column("ipaa100", "IPAA-100", ".3f"),
    Column("ipaa90", "IPAA-90", ".3f"),
    Column("ipaa80", "IPAA-80", ".3f"),
    Column("sync", "sync. accuracy", ".3f"),
    Column("minutes", "training (min)", ".1f"),
    Column("ms", "ms per instant", ".2f"),
)
SIMULATED_S = 240.0
SIMULATED_FPS = 2.0
LEAST_VISIBLE = 0.3
MISSED, JITTER, CLUTTER = 0.1, 0.03, 0.5
"""What a detector does to the simulator's boxes: misses, noise in shares of the size, false boxes per frame."""


@dataclass(frozen=True)
class Task:
    """What is learned from, what is matched and judged, and what others reach on it."""

    title: str
    train: list[ViewBoxes]
    judged: Labelled
    others: dict[str, Row]


def mvor() -> Task:
    """Days 1-3: learned from a detector's boxes, judged on the annotated ones."""
    others: dict[str, Row] = {
        "Self-MVA's geometry, ours, with that day's boxes (AP .88-.89)": {
            "ap": 0.885, "precision": 0.90, "recall": 0.93, "accuracy": 0.86
        },
        "the same, another day": {"ap": 0.82, "precision": 0.875, "recall": 0.92, "accuracy": 0.835},
    }  # fmt: skip
    return Task("MVOR, days 1-3", datasets.mvor_candidates(), datasets.mvor_truth(), others)


def wildtrack() -> Task:
    """Learned from and judged on the annotated boxes, identities hidden."""
    truth = datasets.wildtrack_truth()
    others: dict[str, Row] = {
        "Self-MVA's geometry, ours, full set": {
            "ap": 0.726, "fpr95": 0.075, "precision": 0.934, "recall": 0.968, "accuracy": 0.926
        },
        "calibrated ground plane, Hungarian": {"precision": 0.92, "recall": 0.96, "accuracy": 0.90},
        "calibrated ground plane, cut at 2 m first": {"precision": 0.999, "recall": 0.999, "accuracy": 0.999},
    }  # fmt: skip
    return Task("WILDTRACK, 200 instants, annotated boxes", truth.views, truth, others)


def wildtrack_noisy() -> Task:
    """Learned from a real detector's boxes, judged on the annotated ones."""
    others: dict[str, Row] = {"Self-MVA's geometry, ours": {"precision": 0.07, "accuracy": 0.23, "sync": 0.57}}
    title = "WILDTRACK, 200 instants, learned from real detections"
    return Task(title, datasets.wildtrack_detections(), datasets.wildtrack_truth(), others)


def simulator(views: int) -> Task:
    """A simulated operating room of look-alike people; its boxes are missed, shifted and mixed with false ones."""
    judged = simulated(views)
    return Task(f"Simulator, {views} views", judged.views, judged, {})


def simulated(count: int, seed: int = 0) -> Labelled:
    """Boxes of the people of a simulated recording, as a middling detector would give them."""
    config = SceneConfig(seed=seed, seconds=SIMULATED_S, fps=SIMULATED_FPS, views=count, antialias=False)
    return detected(Scene(config), seed)


def detected(scene: Scene, seed: int) -> Labelled:
    """The boxes a middling detector would give of a scene at ``SIMULATED_FPS`` frames a second."""
    config, rng = scene.config, np.random.default_rng(seed)
    views, persons = [], []
    for number, name in enumerate(scene.views):
        rows = []
        for frame in range(scene.num_frames(number)):
            truth = scene.truth_only(number, frame)
            real = (truth.kind == KINDS.index("person")) & (truth.visible * truth.in_frame >= LEAST_VISIBLE)
            for box, person in zip(truth.boxes[real], truth.person[real], strict=True):
                if rng.random() >= MISSED:
                    size = np.tile(box[2:] - box[:2], 2)
                    rows.append((frame, *(box + rng.normal(0, JITTER, 4) * size), rng.uniform(0.4, 1), person))
            for _ in range(rng.poisson(CLUTTER)):
                x, y, h = rng.uniform(0, config.width - 60), rng.uniform(0, config.height - 120), rng.uniform(50, 120)
                rows.append((frame, x, y, x + h / 2, y + h, rng.uniform(0.1, 0.6), -1))
        array = np.array(rows)
        frames, times = array[:, 0].astype(np.int64), np.arange(scene.num_frames(number)) / SIMULATED_FPS
        size = (config.width, config.height)
        views.append(plain(name, frames, times[frames], array[:, 1:5], array[:, 5], size=size, instants=times))
        persons.append(array[:, 6].astype(np.int64))
    return Labelled(views, persons)


def truth_table(labelled: Labelled) -> pa.Table:
    """Known persons as ``IDENTITIES``."""
    parts = [
        tables.make(
            tables.IDENTITIES,
            view=np.full(len(view), view.view, object),
            frame=view.frame.astype(np.int32),
            index=view.index.astype(np.int32),
            person=person.astype(np.int32),
            copy=np.zeros(len(view), bool),
        )
        for view, person in zip(labelled.views, labelled.person, strict=True)
    ]
    return pa.concat_tables(parts)


def run(task: Task, config: AssociationConfig) -> tuple[Row, Association]:
    """Learn, match, and judge."""
    start = time.process_time()
    model, history = learn(task.train, config)
    trained = time.process_time()
    found = associate(task.judged.views, config, model=model)
    spent = time.process_time() - trained
    instants = len(np.unique(np.concatenate([view.time for view in task.judged.views])))
    row: Row = dict(score(found.pairs, truth_table(task.judged)).as_dict())
    row |= {"sync": float(np.mean(history.accuracy)), "minutes": (trained - start) / 60, "ms": 1000 * spent / instants}
    return row, found


def spread(rows: list[Row]) -> tuple[Row, Row]:
    """Mean and half the range of each figure."""
    columns: dict[str, NDArray[np.float64]] = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return (
        {key: float(values.mean()) for key, values in columns.items()},
        {key: float(np.ptp(values) / 2) for key, values in columns.items()},
    )


TASKS: dict[str, Callable[[], Task]] = {
    "mvor": mvor,
    "wildtrack": wildtrack,
    "wildtrack-noisy": wildtrack_noisy,
    "simulator-3": lambda: simulator(3),
    "simulator-4": lambda: simulator(4),
    "simulator-6": lambda: simulator(6),
}


def main(
    names: Annotated[list[str], typer.Argument(help=f"What to measure: {', '.join(TASKS)}.")],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings, each with a first seed of its own.")] = 3,
    networks: Annotated[int, typer.Option(min=1, help="Networks averaged in each training.")] = 2,
    markdown: Annotated[bool, typer.Option(help="Print Markdown.")] = False,
) -> None:
    """Measure association."""
    unknown = sorted(set(names) - set(TASKS))
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}", param_hint="names")
    for name in names:
        task = TASKS[name]()
        rows = []
        for k in range(seeds):
            config = AssociationConfig(seed=1000 * k, seeds=networks, keep_probability=1e-4)
            row, _ = run(task, config)
            rows.append(row)
            figures = ", ".join(f"{key} {value:.3f}" for key, value in row.items())
            typer.echo(f"{task.title}, seed {config.seed}: {figures}", err=True)
        mean, half = spread(rows)
        result = {**task.others, f"Drape, mean of {seeds}": mean, "half the range": half}
        if markdown:
            print(f"**{task.title}**\n\n{as_markdown(result, COLUMNS)}\n")
        else:
            Console(width=170).print(as_table(result, COLUMNS, task.title))


if __name__ == "__main__":
    typer.run(main)
