"""Pictures that are kept with a run: how the association learned, and what its evidence and the risk are worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drape.retrieval import Retrieved

if TYPE_CHECKING:
    from drape.association import AssociatedRecording

SIZE = (10, 4)
BINS = 20


def plot_association(found: AssociatedRecording, path: Path) -> Path:
    """Held-out synchronization accuracy over training, and how evidence became probability."""
    figure = Figure(SIZE, layout="constrained")
    left, right = figure.subplots(1, 2)
    _learning(left, found)
    _pairs(right, found.pairs)
    return _saved(figure, path)


def plot_retrieval(found: Retrieved, path: Path) -> Path:
    """How sure persons are before and after the other views were heard, and where somebody is likely missed."""
    figure = Figure(SIZE, layout="constrained")
    left, right = figure.subplots(1, 2)
    _existence(left, list(found.persons.values()))
    _risk(right, found.missed)
    return _saved(figure, path)


def _learning(axes: Axes, found: AssociatedRecording) -> None:
    axes.set(title="Learning", xlabel="step", ylabel="synchronization accuracy, held out", ylim=(0.45, 1.02))
    axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":", label="chance")
    for number, trace in enumerate(found.history.networks if found.history else []):
        axes.plot(trace.step, trace.accuracy, marker=".", label=f"network {number + 1}")
    axes.legend()


def _pairs(axes: Axes, pairs: pa.Table) -> None:
    probability = pairs.column("probability").to_numpy()
    matched = pairs.column("matched").to_numpy(zero_copy_only=False).astype(bool)
    edges = np.linspace(0, 1, BINS + 1).tolist()
    axes.hist([probability[~matched], probability[matched]], bins=edges, stacked=True, label=["not matched", "matched"])
    axes.set(title="Pairs of detections", xlabel="probability of being one person", ylabel="pairs", yscale="symlog")
    axes.legend()


def _existence(axes: Axes, persons: list[pa.Table]) -> None:
    table = pa.concat_tables(persons)
    edges = np.linspace(0, 1, BINS + 1).tolist()
    sources = table.column("source").to_numpy(zero_copy_only=False)
    exists = table.column("existence").to_numpy()
    kinds = [kind for kind in ("detected", "tracked", "associated", "interpolated") if (sources == kind).any()]
    axes.hist([exists[sources == kind] for kind in kinds], bins=edges, stacked=True, label=kinds)
    axes.set(title="Persons", xlabel="existence probability", ylabel="boxes", yscale="symlog")
    if kinds:
        axes.legend()


def _risk(axes: Axes, missed: dict[str, pa.Table]) -> None:
    axes.set(title="Where somebody may be missed", xlabel="time (s)", ylabel="expected persons missed")
    for view, table in missed.items():
        time, row = np.unique(table.column("time").to_numpy(), return_inverse=True)
        expected = np.bincount(row, table.column("probability").to_numpy(), len(time))
        axes.plot(time, expected, ".", label=view, markersize=3)
    if missed:
        axes.legend()


def _saved(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path
