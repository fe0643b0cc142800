"""Settings of the guard that every adapted detector must pass."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drape.config import StageConfig


class GuardConfig(StageConfig):
    """What may fall, and by how much, before a round is taken back. A round taken back costs its time; one that is
    wrongly kept would cost people, so the tolerances are near what repeated trainings differ by.

    - ``score`` 0.5: at this score boxes start tracklets and count in every later stage, so a detector whose scores
      shift is judged as the pipeline would feel it.
    - ``least_persons`` 10: with fewer, one frame decides, and a round that cannot be judged is not kept.
    - ``sure_tolerance`` 0.02: share of the sure persons of held-out stretches. Trainings that differ in their seed
      alone differ by less than 0.01 there.
    - ``steady_tolerance``, ``matched_tolerance`` 0.05: a detector that finds more finds harder boxes too, which
      flicker more and are matched less; false boxes lower these shares by more.
    - ``unsupported_more`` 0.15: share of the boxes for which neither the persons known before nor another view vouch.
      Newly found people of a single view are such boxes, so some must be allowed.
    - ``canary_tolerance`` 0.1: of about 100 persons in rendered rooms of other sites. What a detector learns of one
      room costs a little elsewhere; a detector that lost its sight loses far more.
    - ``labelled_tolerance`` 0.01: with labels there is no doubt, but few of them make noise.
    """

    score: float = Field(0.5, gt=0, lt=1, description="Boxes of at least this score are compared")
    sure_existence: float = Field(0.9, gt=0.5, lt=1, description="Persons of at least this existence are sure")
    least_persons: int = Field(
        10, ge=0, le=100_000, description="Sure persons of held-out frames without whom no round can be judged"
    )
    sure_tolerance: float = Field(0.02, ge=0, le=1, description="Sure persons: the found share may fall by this")
    steady_tolerance: float = Field(0.05, ge=0, le=1, description="Agreement over time may fall by this")
    matched_tolerance: float = Field(0.05, ge=0, le=1, description="Agreement over views may fall by this")
    unsupported_more: float = Field(
        0.15, ge=0, le=1, description="Boxes that nothing supports: their share of all boxes may grow by this"
    )
    standing_share: float = Field(
        0.5, gt=0, le=1, description="A new box at one place in this share of the frames is taken for a thing"
    )
    canary: Path | None = Field(
        None,
        description="Folder of your own labelled pictures from other sites (COCO: annotations.json, images/), "
        "on which an adapted detector must not fall either",
    )
    labelled: Path | None = Field(
        None, description="Folder of labelled pictures of this very site (likewise), if there are any"
    )
    canary_sites: int = Field(4, ge=0, le=50, description="Rendered rooms that the canary pictures show")
    canary_tolerance: float = Field(0.1, ge=0, le=1, description="Recall on the canary pictures may fall by this")
    labelled_tolerance: float = Field(0.01, ge=0, le=1, description="AP50 and recall on labels may fall by this")
