"""What can be seen of a training while it runs: losses as a table, a plot, and a sheet of labelled samples."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from drape import tables
from drape.adaptation.augmentation import Sample
from drape.adaptation.lessons import Image
from drape.progress import Progress, silent

_TAUGHT, _IGNORED = (80, 220, 80), (60, 160, 255)


class Watch:
    """Losses of every step so far, kept up to date on disk.

    Args:
        folder: where ``losses.parquet`` and ``losses.png`` are written; None: nowhere.
        steps: how many there will be.
        progress: told of every step.
    """

    def __init__(self, folder: Path | None, steps: int, progress: Progress = silent) -> None:
        self.rows: list[dict[str, float]] = []
        self._folder, self._steps, self._progress = folder, steps, progress

    def __call__(self, step: int, values: dict[str, float]) -> None:
        """Note a step, counted from 1, with its learning rate and losses."""
        self.rows.append({"step": float(step), **values})
        self._progress(step, self._steps, "fine-tuning")

    def written(self) -> None:
        """Bring the files up to date."""
        if self._folder is not None:
            table = losses(self.rows)
            tables.write(table, self._folder / "losses.parquet")
            plot(table, self._folder / "losses.png")


def losses(rows: list[dict[str, float]]) -> pa.Table:
    """Table of a training: ``step`` from 1, ``rate``, ``loss`` and its parts; null where a part was absent."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "step"))
    columns = {name: pa.array([row.get(name) for row in rows], pa.float64()) for name in names}
    return pa.table({"step": pa.array([int(row["step"]) for row in rows], pa.int64()), **columns})


def plot(table: pa.Table, path: Path) -> Path:
    """Losses, smoothed over about 20 steps, and the learning rate."""
    from matplotlib.figure import Figure

    figure = Figure((10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    step = table.column("step").to_numpy()
    for name in table.column_names:
        if name.startswith("loss"):
            values = table.column(name).to_numpy().astype(np.float64)
            left.plot(step, _smooth(values), label=name, linewidth=1.8 if name == "loss" else 1.0)
    left.set(title="Losses", xlabel="step", ylim=(0, None))
    left.legend()
    right.plot(step, table.column("rate").to_numpy())
    right.set(title="Learning rate", xlabel="step", ylim=(0, None))
    partial = path.with_name(f".{path.stem}.partial.png")
    figure.savefig(partial, dpi=110)
    partial.replace(path)
    return path


def _smooth(values: np.ndarray) -> np.ndarray:
    width = min(20, len(values))
    known = np.isfinite(values)
    sums = np.convolve(np.where(known, values, 0.0), np.ones(width), "same")
    counts = np.convolve(known.astype(float), np.ones(width), "same")
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def sheet(samples: list[Sample], columns: int = 4, width: int = 400) -> Image:
    """Samples as the network gets them, side by side: taught boxes green and the bolder the more they are believed,
    ignored regions orange; (H, W, 3) BGR."""
    tiles = [_drawn(sample, width) for sample in samples]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def _drawn(sample: Sample, width: int) -> Image:
    height, across = sample.pixels.shape[:2]
    scale = width / across
    tile = cv2.resize(sample.pixels, (width, round(height * scale)), interpolation=cv2.INTER_AREA)
    told = [(b, _IGNORED, 1) for b in sample.ignored]
    told += [(b, _TAUGHT, 1 + round(2 * float(w))) for b, w in zip(sample.boxes, sample.weights, strict=True)]
    for box, colour, thick in told:
        x1, y1, x2, y2 = np.rint(box * scale).astype(int).tolist()
        cv2.rectangle(tile, (x1, y1), (x2, y2), colour, thick)
    return np.asarray(tile, np.uint8)
