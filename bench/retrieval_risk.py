"""How the risk of missed persons turns out: calibration, and the share of what is missed where it is highest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from drape.boxes import Boxes, iou
from drape.evaluation.matching import match
from drape.evaluation.truth import accepted
from drape.tables import boxes_of
from numpy.typing import NDArray

NEAR_IOU = 0.3
"""A guess is right if it overlaps a missed person this much; a person makes one guess of his frame right."""
BINS = 10
TOP = 0.05


@dataclass(frozen=True)
class Outcome:
    """Guesses of one view and what became of them.

    Attributes:
        probability, right, reason: (G,) of each guess that counts, whether a person was missed there, and why guessed.
        unclear: (G0,) of all guesses handed in, those that lie on somebody barely visible: they count neither way.
        risk, missed: (S,) per second: the sum of probabilities, and missed person-frames.
        guessed: how many of the missed person-frames have a guess.
    """

    probability: NDArray[np.float64]
    right: NDArray[np.bool_]
    reason: NDArray[np.str_]
    unclear: NDArray[np.bool_]
    risk: NDArray[np.float64]
    missed: NDArray[np.int64]
    guessed: int


def outcome(
    truth: pa.Table,
    persons: pa.Table,
    missed: pa.Table,
    times: NDArray[np.float64],
    barely: tuple[NDArray[np.int64], Boxes] | None = None,
) -> Outcome:
    """Compare guesses with the persons who are truly missed: no accepted box of theirs reaches IoU .5.

    Args:
        truth: ``TRACKS`` of the view: the visible persons.
        persons: ``PERSONS``.
        missed: ``MISSED``.
        times: (F,) seconds of the frames that the truth speaks of.
        barely: frames and boxes of persons who are too little visible to count as missed.
    """
    lost = np.setdiff1d(np.arange(len(truth)), match(truth, accepted(persons)).truth)
    frame, boxes = truth.column("frame").to_numpy()[lost], boxes_of(truth)[lost]
    at, guess = missed.column("frame").to_numpy(), boxes_of(missed)
    probability = missed.column("probability").to_numpy().astype(np.float64)
    right, found = _right(at, guess, probability, frame, boxes)
    unclear = np.zeros(len(at), bool)
    if barely is not None:
        unclear = ~right & _right(at, guess, probability, *barely)[0]
    second = np.floor(times - times[0]).astype(np.int64)
    count = int(second[-1]) + 1
    clear = ~unclear
    return Outcome(
        probability[clear],
        right[clear],
        np.array(missed.column("reason").to_pylist(), dtype=np.str_)[clear],
        unclear,
        np.bincount(second[at], probability, count),
        np.bincount(second[frame], minlength=count),
        int(found.sum()),
    )


def _right(
    at: NDArray, guess: Boxes, probability: NDArray, frame: NDArray, boxes: Boxes
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of every guess whether it is of somebody, and of everybody whether he is guessed; the most probable first."""
    right, found = np.zeros(len(at), bool), np.zeros(len(frame), bool)
    for one in np.intersect1d(at, frame):
        rows, here = np.flatnonzero(at == one), np.flatnonzero(frame == one)
        overlap = iou(guess[rows], boxes[here])
        for k in np.argsort(-probability[rows], kind="stable"):
            free = np.where(found[here], 0.0, overlap[k])
            if free.max() >= NEAR_IOU:
                right[rows[k]] = found[here[free.argmax()]] = True
    return right, found


def reliability(parts: Sequence[Outcome], reason: str | None = None) -> tuple[NDArray[np.float64], float]:
    """Rows (mean probability, share that was right, guesses) per tenth of probability, and the calibration error:
    the mean distance of the two, weighted by guesses (Naeini et al. 2015); of one reason, or of all."""
    p, right, why = (np.concatenate([getattr(o, name) for o in parts]) for name in ("probability", "right", "reason"))
    if reason is not None:
        p, right = p[why == reason], right[why == reason]
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
    lost, guessed = sum(int(o.missed.sum()) for o in parts), sum(o.guessed for o in parts)
    why = np.unique(np.concatenate([o.reason for o in parts]))
    print(f"\n**{title}**: {lost} person-frames missed, {guessed} of them guessed; calibration error {error:.3f}\n")
    print("| risk | truly missed | guesses |\n|---:|---:|---:|")
    for mean, right, count in rows:
        print(f"| {mean:.2f} | {right:.2f} | {int(count)} |")
    print("\n| reason | calibration error | mean risk | truly missed | guesses |\n|---|---:|---:|---:|---:|")
    for reason in why:
        table, own = reliability(parts, reason)
        mean, right = table[:, :2].T @ table[:, 2] / table[:, 2].sum()
        print(f"| {reason} | {own:.3f} | {mean:.2f} | {right:.2f} | {int(table[:, 2].sum())} |")
    ratio = f"{got / best:.2f}" if best else "-"
    print(
        f"\nThe riskiest 5 % of view-seconds hold {got:.2f} of what is missed; no choice of 5 % holds more than"
        f" {best:.2f} (ratio {ratio}).",
        flush=True,
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
