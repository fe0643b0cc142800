"""A camera that is turned in the middle of a simulated recording: when it is noticed, and association before and after.

``python -m bench.moved --seeds 3``. People and rooms differ from seed to seed; boxes are missed, shifted and mixed with
false ones as in ``bench.association``; pictures of all views, 2.5 s apart, are looked at as in a real recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer
from drape.association import AssociatedRecording, AssociationConfig, Background, associate, associate_recording
from drape.association.background import camera_moves
from drape.detection.glimpses import decode, encode
from drape.evaluation.association import Scores, cells, measure
from drape.evaluation.summary import Column, Row, as_markdown
from drape.simulator import CameraMoved, Scene, SceneConfig

from bench.association import SIMULATED_FPS, detected, truth_table
from bench.datasets import Labelled

EVERY_S = 2.5
TURNED = 1
"""Number of the view that is turned."""
COLUMNS = (
    Column("ap", "AP", ".3f"),
    Column("fpr95", "FPR-95", ".3f"),
    Column("precision", "P", ".3f"),
    Column("recall", "R", ".3f"),
    Column("accuracy", "ACC", ".3f"),
)


def backgrounds(scene: Scene) -> dict[str, Background]:
    """Glimpses of all views, with the people's boxes in them."""
    out = {}
    for number, name in enumerate(scene.views):
        times, pictures, people = [], [], []
        for k in range(0, scene.num_frames(number), round(EVERY_S * SIMULATED_FPS)):
            drawn = scene.frame(number, k)
            picture = decode(encode(drawn.image))
            times.append(scene.view_time(number, k)[0])
            pictures.append(picture)
            people.append(drawn.truth.boxes * np.float32(picture.shape[1] / drawn.image.shape[1]))
        out[name] = Background(np.array(times), pictures, people)
    return out


def judged(pairs: pa.Table, truth: pa.Table, turned: str, low: float, high: float) -> Scores:
    """The pairs of the turned view with every other, between two times in seconds."""
    frame = pc.field("frame")
    some = truth.filter((frame >= low * SIMULATED_FPS) & (frame < high * SIMULATED_FPS))
    names = some.column("view").unique().to_pylist()
    both = [some.filter(pc.field("view").isin([turned, other])) for other in names if other != turned]
    return measure([cell for part in both for cell in cells(pairs, part)])


def compared(found: AssociatedRecording, labelled: Labelled, config: AssociationConfig, at: float) -> Iterator[Row]:
    """Before the turn, after it, and after it with nothing learned anew."""
    views, turned = labelled.views, labelled.views[TURNED].view
    end = max(float(view.times()[-1]) for view in views) + 1
    truth = truth_table(labelled)
    without = associate(views, config, model=found.model).pairs
    for pairs, low, high in ((found.pairs, 0.0, at), (found.pairs, at, end), (without, at, end)):
        yield dict(judged(pairs, truth, turned, low, high).as_dict())


NAMES = ("before the turn", "after it", "after it, the new place not learned")


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Rooms, each with a seed of its own.")] = 3,
    seconds: Annotated[float, typer.Option(min=60, help="Length of the recording.")] = 240,
    degrees: Annotated[float, typer.Option(help="By how much the camera is turned in the middle.")] = 5.0,
    views: Annotated[int, typer.Option(min=2, help="Views.")] = 3,
    steps: Annotated[int, typer.Option(min=10, help="Most steps of training.")] = 600,
) -> None:
    """Measure."""
    at = seconds / 2
    rows: list[list[Row]] = []
    for seed in range(1, seeds + 1):
        events = (CameraMoved(view=TURNED, at=at, yaw=degrees),) if degrees else ()
        scene = Scene(SceneConfig(seed=seed, seconds=seconds, fps=SIMULATED_FPS, views=views, events=events))
        labelled, pictures = detected(scene, seed), backgrounds(scene)
        noticed = {name: camera_moves(b.times, b.pictures, b.people) for name, b in pictures.items()}
        told = [f"{name} {m.noticed - at:+.1f} s, {m.shift:.1%}" for name, moves in noticed.items() for m in moves]
        config = AssociationConfig(seed=seed, steps=steps, keep_probability=1e-4)
        found = associate_recording(labelled.views, config, backgrounds=pictures)
        rows.append(list(compared(found, labelled, config, at)))
        figures = "; ".join(
            f"{name}: P {row['precision']:.3f} R {row['recall']:.3f} ACC {row['accuracy']:.3f}"
            for name, row in zip(NAMES, rows[-1], strict=True)
        )
        typer.echo(f"seed {seed}: noticed {', '.join(told) or 'nothing'}; {figures}", err=True)
    table: dict[str, Row] = {}
    for name, column in zip(NAMES, zip(*rows, strict=True), strict=True):
        values = {c.key: np.array([row[c.key] for row in column], np.float64) for c in COLUMNS}
        table[name] = {key: float(value.mean()) for key, value in values.items()}
        table[f"{name}: half the range"] = {key: float(np.ptp(value) / 2) for key, value in values.items()}
    print(as_markdown(table, COLUMNS))


if __name__ == "__main__":
    typer.run(main)
