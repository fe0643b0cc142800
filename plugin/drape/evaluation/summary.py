"""All figures of one view in one row, and rows side by side in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.table import Table

from drape.evaluation.detection import detection
from drape.evaluation.exposure import detection_gaps, exposure, masking
from drape.evaluation.mot import mot

Row = dict[str, float]
"""Figures by key; a figure that does not apply is absent."""


class Column(NamedTuple):
    """A figure's key in a row, its heading, and how it is written."""

    key: str
    heading: str
    form: str


FINDING = (
    Column("recall", "recall", ".3f"),
    Column("precision", "precision", ".3f"),
    Column("mota", "MOTA", ".3f"),
    Column("idf1", "IDF1", ".3f"),
    Column("switches", "id switches", ".0f"),
    Column("gap_mean", "longest gap, mean", ".1f"),
    Column("gap_max", "max (frames)", ".0f"),
    Column("often_found", "persons found in ≥ 95 % of frames", ".2f"),
)
"""How persons are found and kept apart, at an IoU of .5."""

COVERING = (
    Column("covered", "covered share", ".3f"),
    Column("uncovered_mean", "longest uncovered run, mean", ".1f"),
    Column("uncovered_max", "max (frames)", ".0f"),
    Column("uncovered_seconds", "max (s)", ".1f"),
    Column("exposed_share", "exposed person-time", ".3f"),
    Column("often_covered", "persons covered in ≥ 95 % of frames", ".2f"),
    Column("fully_covered", "fully covered tracks", ".0f"),
    Column("masked", "masked area", ".3f"),
    Column("outside", "over-masking", ".4f"),
)
"""What masks hide: a person-frame is covered if at least 90 % of the box lie in the union of the frame's masks; areas
are shares of the picture."""


def find(truth: pa.Table, found: pa.Table, durations: NDArray[np.float64], threshold: float = 0.5) -> Row:
    """The figures ``FINDING`` of one view.

    Args:
        truth: table ``TRACKS``.
        found: table with ``frame`` and box columns, and ``id`` if it has identities. Without identities, MOTA is
            counted without switches (MODA), and IDF1 and switches are absent.
        durations: (F,) seconds for which each frame is shown, F > the last frame of the truth.
        threshold: least IoU of a match.
    """
    boxes, gaps = detection(truth, found, threshold), detection_gaps(truth, found, durations, threshold)
    row: Row = {
        "recall": boxes.recall,
        "precision": boxes.precision,
        "mota": boxes.moda,
        "gap_mean": gaps.longest_mean,
        "gap_max": gaps.longest_max,
        "often_found": gaps.often_covered,
    }
    if "id" in found.column_names:
        identities = mot(truth, found, threshold)
        row |= {"mota": identities.mota, "idf1": identities.idf1, "switches": identities.num_switches}
    return row


def cover(truth: pa.Table, masks: pa.Table, durations: NDArray[np.float64], size: tuple[int, int]) -> Row:
    """The figures ``COVERING`` of one view.

    Args:
        truth: table ``TRACKS``.
        masks: table with ``frame`` and box columns (``REGIONS``, or boxes of persons).
        durations: (F,) seconds for which each frame is shown; F is the number of frames that are evaluated.
        size: width and height of the frame in pixels.
    """
    exposed, area = exposure(truth, masks, durations, size), masking(truth, masks, size, len(durations))
    return {
        "covered": exposed.covered,
        "uncovered_mean": exposed.longest_mean,
        "uncovered_max": exposed.longest_max,
        "uncovered_seconds": exposed.longest_seconds_max,
        "exposed_share": exposed.exposed_share,
        "often_covered": exposed.often_covered,
        "fully_covered": exposed.fully_covered,
        "masked": area.masked,
        "outside": area.outside,
    }


def as_table(rows: Mapping[str, Row], columns: Sequence[Column], title: str) -> Table:
    """Named rows as a table for the terminal."""
    table = Table("", title=title)
    for column in columns:
        table.add_column(column.heading, justify="right")
    for cells in _cells(rows, columns):
        table.add_row(*cells)
    return table


def as_markdown(rows: Mapping[str, Row], columns: Sequence[Column]) -> str:
    """Named rows as a Markdown table."""
    lines = [["", *(column.heading for column in columns)], ["---", *["---:"] * len(columns)], *_cells(rows, columns)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(rows: Mapping[str, Row], columns: Sequence[Column]) -> Iterator[list[str]]:
    for name, row in rows.items():
        yield [name, *(format(row[c.key], c.form) if c.key in row else "-" for c in columns)]
