"""How well the built-in example detector finds persons at sites it has never seen: of its own family, and of a new one.

``python -m bench.example_detector`` prints the table that the detector's card holds.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from drape import tables
from drape.boxes import Boxes, Floats
from drape.detection import DetectionConfig, Detector, NoticeWarning, build_detector
from drape.evaluation.matching import match
from drape.progress import Progress, silent
from drape.simulator import Family, stills
from drape.simulator.export_sought import sought
from rich.console import Console

SCORES = (0.1, 0.3, 0.5)
SITES = 10
PER_SITE = 24
FIRST_SITE = 9000
"""Sites from this number on are never trained on."""

CLEAR_VISIBLE, CLEAR_HEIGHT, SOME_VISIBLE = 0.75, 60.0, 0.2
"""Clearly visible: at least three quarters of the person are seen, 60 pixels high. To be found at all: a fifth."""


@dataclass(frozen=True)
class Pictures:
    """Persons and candidates of many pictures, as tables whose ``frame`` is the picture.

    ``persons`` are all of whom anything is seen; ``visible`` (N,) is the share of each that is, and 0 for the patient,
    reflections and pictures on screens.
    """

    persons: pa.Table
    visible: Floats
    candidates: pa.Table


@dataclass(frozen=True)
class Figures:
    """Recall of clearly visible persons and of all, and precision, at one score."""

    score: float
    clear: float
    every: float
    precision: float


def look(detector: Detector, family: Family, sites: int = SITES, per_site: int = PER_SITE) -> Pictures:
    """Show the detector stills of unseen sites of a family."""
    boxes: list[Boxes] = []
    visible: list[Floats] = []
    answers: list[tuple[Boxes, Floats]] = []
    for site in range(FIRST_SITE, FIRST_SITE + sites):
        for image, truth in stills(family, site, per_site):
            wanted, share = sought(truth)
            shown = truth.area > 0
            boxes.append(wanted[shown])
            visible.append(share[shown])
            answers.append(detector([image])[0])
    persons = _table([(b, v) for b, v in zip(boxes, visible, strict=True)])
    return Pictures(persons, np.concatenate(visible), _table(answers))


def _table(rows: list[tuple[Boxes, Floats]]) -> pa.Table:
    frame = np.repeat(np.arange(len(rows), dtype=np.int32), [len(boxes) for boxes, _ in rows])
    boxes = tables.box_columns(np.concatenate([boxes for boxes, _ in rows]))
    score = np.concatenate([scores for _, scores in rows]).astype(np.float32)
    return tables.make(tables.CANDIDATES, frame=frame, time=frame.astype(np.float64), **boxes, score=score)


def figures(pictures: Pictures) -> Iterator[Figures]:
    """Figures at each score, at IoU .5. A box on somebody who is hardly seen or not asked for counts
    neither for nor against."""
    heights = np.diff(tables.boxes_of(pictures.persons)[:, 1::2], axis=1)[:, 0]
    every = pictures.visible >= SOME_VISIBLE
    clear = (pictures.visible >= CLEAR_VISIBLE) & (heights >= CLEAR_HEIGHT)
    scores = pictures.candidates.column("score").to_numpy()
    for score in SCORES:
        found = pictures.candidates.filter(pa.array(scores >= score))
        hit = match(pictures.persons, found).truth
        right, excused = every[hit].sum(), (~every[hit]).sum()
        counted = max(found.num_rows - excused, 1)
        yield Figures(score, clear[hit].sum() / clear.sum(), right / every.sum(), right / counted)


def table(detector: Detector, progress: Progress = silent) -> str:
    """The card's table, in Markdown."""
    lines = ["| family | score | recall, clearly visible | recall, all | precision |", "|---|---:|---:|---:|---:|"]
    families: tuple[Family, ...] = ("source", "new")
    for number, family in enumerate(families):
        progress(number, len(families), "look at unseen sites")
        for row in figures(look(detector, family)):
            cells = (f"{row.score:.1f}", f"{row.clear:.3f}", f"{row.every:.3f}", f"{row.precision:.3f}")
            lines.append(f"| {family} | {' | '.join(cells)} |")
    progress(len(families), len(families), "look at unseen sites")
    return "\n".join(lines)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoticeWarning)
        detector = build_detector(DetectionConfig(preset="example", device="cpu"))
    Console().print(table(detector), markup=False)


if __name__ == "__main__":
    main()
