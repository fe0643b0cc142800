"""Plots of measurements (matplotlib, of the ``dev`` extra)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

Points = Sequence[tuple[float, float]]

RUN_BINS = (0, 1, 3, 6, 11, 21, 51, 101)
"""Shortest run of each bar; persons who are never uncovered have a bar of their own."""


def trade_off(
    curves: Mapping[str, Sequence[tuple[float, float]]], points: Mapping[str, tuple[float, float]], path: Path
) -> None:
    """Plot covered share against over-masking and write a PNG.

    Args:
        curves: by method, (over-masking, covered share) for growing margins.
        points: single settings, such as the release's own masks.
        path: file to write.
    """
    figure, axes = plt.subplots(figsize=(7, 4.5), constrained_layout=True)
    for name, curve in curves.items():
        axes.plot(*np.transpose(curve), marker=".", label=name)
    for name, (outside, covered) in points.items():
        axes.plot(outside, covered, "*", markersize=12, label=name)
    axes.set_xlabel("over-masking: share of the picture masked outside every person")
    axes.set_ylabel("person-frames with ≥ 90 % of the box masked")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def gap_histogram(gaps: Mapping[str, ArrayLike], path: Path) -> None:
    """Plot how many persons have a longest uncovered run of which length, and write a PNG.

    Args:
        gaps: by method, one length in frames per person.
        path: file to write.
    """
    bins = np.append(RUN_BINS, np.inf)
    labels = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(RUN_BINS)]
    labels.append(f"≥ {RUN_BINS[-1]}")
    figure, axes = plt.subplots(figsize=(7, 4), constrained_layout=True)
    width = 0.8 / max(len(gaps), 1)
    for position, (name, lengths) in enumerate(gaps.items()):
        counts, _ = np.histogram(np.asarray(lengths), bins=bins)
        axes.bar(np.arange(len(labels)) + (position + 0.5) * width - 0.4, counts, width, label=name)
    axes.set_xticks(np.arange(len(labels)), labels)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("longest uncovered run of a person (frames)")
    axes.set_ylabel("persons")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)
