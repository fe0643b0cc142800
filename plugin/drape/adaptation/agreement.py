"""What can be said of a detector at a site without any label: agreement with sure persons, over time, over views."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.adaptation.config_guard import GuardConfig
from drape.adaptation.frames import by_frame
from drape.boxes import Boxes, iou
from drape.tables import boxes_of

SAME = 0.5
"""IoU from which a box finds a person."""
AGAIN = 0.3
"""IoU from which a box of the next frame goes on with one of this frame."""
ACCEPTED = 0.5
DOUBTED = -0.5
"""Log-odds of the other views at which a person is no longer sure; where they know nothing they say about 0."""
LOOKED_AT = 200
"""Frames of a view in which things at one place are looked for."""


class Counts(NamedTuple):
    """What one view counts; sums over views make an ``Agreement``.

    Attributes:
        frames: frames that were looked at.
        boxes: the detector's boxes of at least the score.
        sure, sure_found: persons that are sure, and how many of them a box finds.
        accepted, accepted_found: the same of all accepted persons.
        neighbours, continued: how often a box has a frame before or behind, and how often that holds its like.
        comparable, matched: boxes that could be matched with another view's, and those that were.
        asked, unsupported: boxes of which it was asked who vouches for them, and those for whom neither an accepted
            person nor another view does.
        standing: places at which most frames have a box and no accepted person is.
    """

    frames: int
    boxes: int
    sure: int
    sure_found: int
    accepted: int
    accepted_found: int
    neighbours: int
    continued: int
    comparable: int
    matched: int
    asked: int
    unsupported: int
    standing: int


class Agreement(NamedTuple):
    """Label-free figures of a detector on held-out stretches; NaN where there is nothing to say.

    Attributes:
        sure: found share of the persons that the pipeline before was sure of.
        accepted: found share of all accepted persons; what is missing must be retrieved.
        steady: share of neighbouring frames in which a box goes on.
        matched: share of the boxes that are matched with another view's.
        synchrony: how often boxes of two views go better together at one time than at different ones.
        unsupported: share of the boxes that neither a person known before nor another view vouches for.
        standing: places with a box in most frames where no person is known.
        boxes: boxes per frame.
        persons: sure persons that were asked for.
    """

    sure: float
    accepted: float
    steady: float
    matched: float
    synchrony: float
    unsupported: float
    standing: int
    boxes: float
    persons: int


def count(
    candidates: pa.Table,
    persons: pa.Table,
    frames: NDArray[np.integer],
    matched: NDArray[np.int8] | None,
    config: GuardConfig,
) -> Counts:
    """Count the agreement of one view.

    Args:
        candidates: ``CANDIDATES`` of the detector that is judged, sorted by frame.
        persons: ``PERSONS`` that the pipeline found before, of the same view.
        frames: (F,) the held-out frames of which the detector could say something, ascending.
        matched: (N,) 1 where a candidate was matched with another view's, 0 where it was not, -1 where it was not
            compared; None: the view is compared with no other.
    """
    score = candidates.column("score").to_numpy()
    seen = candidates.filter(pa.array(score >= config.score))
    partners = np.full(len(seen), -1, np.int8) if matched is None else matched[score >= config.score]
    accepted = persons.filter(pc.greater_equal(persons.column("existence"), ACCEPTED))
    sure = _sure(accepted, config)
    boxes, people = boxes_of(seen), boxes_of(accepted)
    kept, vouched = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    found = np.zeros(len(people), bool)
    wanted = np.zeros(len(people), bool)
    for mine, theirs in by_frame(frames, seen, accepted):
        like = iou(boxes[mine], people[theirs])
        kept[mine], wanted[theirs] = True, True
        if like.size:
            vouched[mine], found[theirs] = (like >= SAME).any(axis=1), (like >= SAME).any(axis=0)
    neighbours, continued = _continued(boxes, seen, frames)
    alone = kept & ~vouched
    compared = kept & (partners >= 0)
    asked = kept if matched is None else compared
    return Counts(
        frames=len(frames),
        boxes=int(kept.sum()),
        sure=int((wanted & sure).sum()),
        sure_found=int((found & sure).sum()),
        accepted=int(wanted.sum()),
        accepted_found=int(found.sum()),
        neighbours=neighbours,
        continued=continued,
        comparable=int(compared.sum()),
        matched=int((kept & (partners > 0)).sum()),
        asked=int(asked.sum()),
        unsupported=int((asked & ~vouched & (partners < 1)).sum()),
        standing=_standing(boxes[alone], seen.column("frame").to_numpy()[alone], frames, config.standing_share),
    )


def summed(parts: list[Counts], synchrony: float = float("nan")) -> Agreement:
    """The figures of several views together."""
    nothing = Counts(*[0] * len(Counts._fields))
    total = Counts(*(sum(values) for values in zip(nothing, *parts, strict=True)))
    return Agreement(
        sure=_share(total.sure_found, total.sure),
        accepted=_share(total.accepted_found, total.accepted),
        steady=_share(total.continued, total.neighbours),
        matched=_share(total.matched, total.comparable),
        synchrony=synchrony,
        unsupported=_share(total.unsupported, total.asked),
        standing=total.standing,
        boxes=_share(total.boxes, total.frames),
        persons=total.sure,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _sure(accepted: pa.Table, config: GuardConfig) -> NDArray[np.bool_]:
    """Persons whom a detector has seen, whom time supports, and whom the other views do not doubt."""
    existence = accepted.column("existence").to_numpy()
    seen = accepted.column("candidate").is_valid().to_numpy(zero_copy_only=False)
    copy = accepted.column("copy").to_numpy(zero_copy_only=False)
    views = accepted.column("over_views").fill_null(0.0).to_numpy()
    return np.asarray((existence >= config.sure_existence) & seen & ~copy & (views > DOUBTED))


def _continued(boxes: Boxes, seen: pa.Table, frames: NDArray[np.integer]) -> tuple[int, int]:
    """Pairs (box, neighbouring frame), and those in which the neighbour holds a box like it."""
    spans = [mine for (mine,) in by_frame(frames, seen)]
    beside = np.flatnonzero(np.diff(frames) == 1)
    asked = held = 0
    for k in beside:
        like = iou(boxes[spans[k]], boxes[spans[k + 1]]) >= AGAIN
        asked += sum(like.shape)
        held += int(like.any(axis=0).sum() + like.any(axis=1).sum()) if like.size else 0
    return asked, held


def _standing(boxes: Boxes, at: NDArray[np.integer], frames: NDArray[np.integer], share: float) -> int:
    """Number of places that have a box in at least ``share`` of the frames."""
    if not len(frames):
        return 0
    looked = frames[np.linspace(0, len(frames) - 1, min(LOOKED_AT, len(frames))).astype(np.int64)]
    inside = np.isin(at, looked)
    boxes, at = boxes[inside], at[inside]
    places, free = 0, np.ones(len(boxes), bool)
    enough = max(2, share * len(looked))
    for k in range(len(boxes)):
        if not free[k]:
            continue
        here = free & (iou(boxes[k : k + 1], boxes)[0] >= SAME)
        if len(np.unique(at[here])) >= enough:
            places += 1
            free &= ~here
        free[k] = False
    return places
