"""What association costs: time per instant and memory by the length of a recording, 4 views of 10 persons.

``python -m bench.cost_association lengths --hours 1 --hours 8``. Each length has a process of its own. Learning
is timed apart; calibration, matching, identities and expected boxes are what an instant costs. Tables go to disk.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from drape import tables
from drape.association import AssociationConfig, ViewBoxes, associate, learn, plain
from drape.association.threads import one_thread
from drape.pipeline.table_parts import writer

VIEWS, PEOPLE = 4, 10
KINDS = {"pairs": tables.PAIRS, "identities": tables.IDENTITIES, "expected": tables.EXPECTED}

app = typer.Typer(help=__doc__, add_completion=False)


def resident(name: str) -> float:
    """This process's resident memory in MiB, from Linux: ``VmRSS`` now, ``VmHWM`` at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def forget_peak() -> None:
    """From now on ``VmHWM`` counts anew."""
    Path("/proc/self/clear_refs").write_text("5")


def detections(hours: float, fps: float) -> list[ViewBoxes]:
    """People who stroll on circles, each seen and tracked in every view."""
    count = round(hours * 3600 * fps)
    rng = np.random.default_rng(0)
    frame, person = np.repeat(np.arange(count), PEOPLE), np.tile(np.arange(PEOPLE), count)
    phase = rng.uniform(0, 6, PEOPLE)[person] + frame / fps * rng.uniform(0.05, 0.2, PEOPLE)[person]
    views = []
    for v in range(VIEWS):
        x = 640 + 450 * np.cos(phase + v) + rng.normal(0, 2, len(frame))
        y = 300 + 150 * np.sin(phase + v) + rng.normal(0, 2, len(frame))
        boxes = np.stack([x, y, x + 60, y + 160], axis=1)
        score, times = np.clip(rng.normal(0.7, 0.15, len(frame)), 0.1, 0.99), np.arange(count) / fps
        views.append(plain(f"view{v + 1}", frame, times[frame], boxes, score, person, (1280, 720), times))
    return views


@app.command()
def lengths(
    hours: Annotated[list[float] | None, typer.Option(help="Lengths of recordings.")] = None,
    fps: Annotated[float, typer.Option(help="Instants per second.")] = 5.0,
) -> None:
    """Measure recordings of several lengths."""
    print(
        "| hours | instants | ms per instant | memory before, MiB | highest, MiB | detections, MiB | written, MiB |"
        " pairs, expected boxes per instant |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for length in hours or [0.2, 1.0]:
        command = [sys.executable, "-m", "bench.cost_association", "one", str(length), "--fps", str(fps)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(done.stdout.strip(), flush=True)


@app.command(hidden=True)
@one_thread
def one(hours: float, fps: float = 5.0) -> None:
    """Measure one recording in this process."""
    config = AssociationConfig(seeds=2, steps=600, floor_steps=20, max_instants=300)
    model, _ = learn(detections(min(hours, 0.2), fps), config)
    views = detections(hours, fps)
    size = sum(getattr(view, name).nbytes for view in views for name in ("frame", "index", "time", "boxes", "scores"))
    instants = len(views[0].times())
    forget_peak()
    before = resident("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: Path(folder) / f"{kind}.parquet" for kind in KINDS}
        start = time.process_time()
        with (
            writer(paths["pairs"], KINDS["pairs"]) as pairs,
            writer(paths["identities"], KINDS["identities"]) as identities,
            writer(paths["expected"], KINDS["expected"]) as expected,
        ):
            add = {"pairs": pairs, "identities": identities, "expected": expected}
            rows = dict.fromkeys(add, 0)

            def write(kind: str, part: pa.Table) -> None:
                rows[kind] += part.num_rows
                add[kind](part)

            associate(views, config, model=model, write=write)
        spent = 1000 * (time.process_time() - start) / instants
        written = sum(path.stat().st_size for path in paths.values()) / 2**20
    columns = f"{spent:.2f} | {before:.0f} | {resident('VmHWM'):.0f} | {size / 2**20:.0f} | {written:.0f}"
    columns += f" | {rows['pairs'] / instants:.0f}, {rows['expected'] / instants:.0f}"
    print(f"| {hours:g} | {instants} | {columns} |")


if __name__ == "__main__":
    app()
