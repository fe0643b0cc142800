"""How the risk of missed persons turns out: calibration, and the share of what is missed where it is highest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from drape.evaluation.matching import match
from drape.evaluation.truth import accepted
from drape.tables import boxes_of
from numpy.typing import NDArray

NEAR = 0.5
"""A guess is right if the middle of a missed person's box is nearer than this, in heights of that person."""
BINS = 10
TOP = 0.05


@dataclass(frozen=True)
class Outcome:
    """Guesses of one view and what became of them.

    Attributes:
        probability, right: (G,) of each guess, and whether a person was missed near it.
        risk, missed: (S,) per second: the sum of probabilities, and missed person-frames.
        guessed: how many of the missed person-frames have a guess near them.
    """

    probability: NDArray[np.float64]
    right: NDArray[np.bool_]
    risk: NDArray[np.float64]
    missed: NDArray[np.int64]
    guessed: int


def outcome(truth: pa.Table, persons: pa.Table, missed: pa.Table, times: NDArray[np.float64]) -> Outcome:
    """Compare guesses with the persons who are truly missed: no accepted box of theirs reaches IoU .5.

    Args:
        truth: ``TRACKS`` of the view.
        persons: ``PERSONS``.
        missed: ``MISSED``.
        times: (F,) seconds of the frames that the truth speaks of.
    """
    lost = np.setdiff1d(np.arange(len(truth)), match(truth, accepted(persons)).truth)
    frame, boxes = truth.column("frame").to_numpy()[lost], boxes_of(truth)[lost]
    at, guess = missed.column("frame").to_numpy(), boxes_of(missed)
    right, found = np.zeros(len(at), bool), np.zeros(len(frame), bool)
    for k in range(len(at)):
        here = np.flatnonzero(frame == at[k])
        middle = (boxes[here, :2] + boxes[here, 2:] - guess[k, :2] - guess[k, 2:]) / 2
        near = np.hypot(*middle.T) < NEAR * (boxes[here, 3] - boxes[here, 1])
        right[k] = near.any()
        found[here[near]] = True
    probability = missed.column("probability").to_numpy().astype(np.float64)
    second = np.floor(times - times[0]).astype(np.int64)
    count = int(second[-1]) + 1
    return Outcome(
        probability,
        right,
        np.bincount(second[at], probability, count),
        np.bincount(second[frame], minlength=count),
        int(found.sum()),
    )


def reliability(parts: Sequence[Outcome]) -> tuple[NDArray[np.float64], float]:
    """Rows (mean probability, share that was right, guesses) per tenth of probability, and the calibration error:
    the mean distance of the two, weighted by guesses (Naeini et al. 2015)."""
    p, right = (np.concatenate([getattr(o, name) for o in parts]) for name in ("probability", "right"))
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    rows = np.array([(p[bins == b].mean(), right[bins == b].mean(), (bins == b).sum()) for b in np.unique(bins)])
    if not len(rows):
        return np.zeros((0, 3)), 0.0
    return rows, float(np.abs(rows[:, 0] - rows[:, 1]) @ rows[:, 2] / rows[:, 2].sum())


def top_share(parts: Sequence[Outcome]) -> tuple[float, float]:
    """Share of all missed person-frames inside the riskiest 5 % of view-seconds, and inside the 5 % that hold most."""
    risk, missed = (np.concatenate([getattr(o, name) for o in parts]) for name in ("risk", "missed"))
    count = max(1, round(TOP * len(risk)))
    total = max(int(missed.sum()), 1)
    riskiest = np.argsort(-risk, kind="stable")[:count]
    return float(missed[riskiest].sum() / total), float(np.sort(missed)[::-1][:count].sum() / total)


def show(title: str, parts: Sequence[Outcome], plot: Path | None = None) -> None:
    """Print how guesses turned out, and write the reliability diagram to ``plot``."""
    rows, error = reliability(parts)
    got, best = top_share(parts)
    lost = sum(int(o.missed.sum()) for o in parts)
    guessed = sum(o.guessed for o in parts)
    print(f"{title}: {lost} person-frames missed, {guessed} of them near a guess; calibration error {error:.3f}")
    for mean, right, count in rows:
        print(f"  risk {mean:.2f}: {right:.2f} right, {int(count)} guesses")
    print(
        f"  riskiest 5 % of view-seconds hold {got:.2f} of what is missed; no choice of 5 % holds more than {best:.2f}"
    )
    if plot is not None and len(rows):
        _draw(rows, error, title, plot)


def _draw(rows: NDArray[np.float64], error: float, title: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 4.5), constrained_layout=True)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.scatter(rows[:, 0], rows[:, 1], s=10 + 200 * rows[:, 2] / rows[:, 2].max())
    axes.set_xlabel("risk")
    axes.set_ylabel("share truly missed")
    axes.set_title(f"{title}: calibration error {error:.3f}", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
