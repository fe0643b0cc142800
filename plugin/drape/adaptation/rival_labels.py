"""Pseudo labels as others make them, for comparison: every retrieved box, or every box of a sure detector."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.frames import by_frame
from drape.adaptation.marking import Marks, ignored
from drape.boxes import Boxes, area, intersection, nms

LEAST_AREA = 500.0
"""Square pixels."""
CONTAINED = 0.8
OVERLAP = 0.5


def rival_marks(
    persons: pa.Table, candidates: pa.Table, frames: NDArray[np.integer], size: tuple[int, int], config: LabelConfig
) -> Marks:
    """Hard labels of weight 1 in these frames, cleaned as in the paper's code (see ``cleaned``).

    Rule ``accept_all``: all boxes of ``PERSONS`` with a candidate of at least ``accept_score``, however doubtful.
    Rule ``threshold``: candidates of at least ``own_score``.
    """
    if config.rule == "accept_all":
        found = persons.filter(pc.is_valid(persons.column("candidate")))
        least = config.accept_score
    else:
        found, least = candidates, config.own_score
    found = found.filter(pc.greater_equal(found.column("score"), least))
    marks = ignored(found, config.rule, size)
    least_area = LEAST_AREA if config.rule == "accept_all" else 0.0
    kept = [np.zeros(0, np.int64)]
    for (rows,) in by_frame(frames, pa.table({"frame": marks.frame})):
        kept.append(rows.start + cleaned(marks.boxes[rows], marks.score[rows], least_area))
    marks = marks.take(np.concatenate(kept))
    return marks._replace(weight=np.ones(len(marks.frame), np.float32))


def cleaned(boxes: Boxes, scores: NDArray[np.float32], least_area: float) -> NDArray[np.int64]:
    """Rows that are kept: larger than an area, then, greedily by score, none that contains or is contained by more
    than .8 in a better one, none of IoU above .5 with a better one (code of arXiv 2602.02850)."""
    rows = np.flatnonzero(area(boxes) > least_area)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    kept: list[int] = []
    for row in rows.tolist():
        least = np.minimum(area(boxes[kept]), area(boxes[[row]]))
        if not kept or (intersection(boxes[[row]], boxes[kept])[0] <= CONTAINED * least).all():
            kept.append(row)
    rows = np.array(kept, np.int64)
    return np.sort(rows[nms(boxes[rows], scores[rows], OVERLAP)])
