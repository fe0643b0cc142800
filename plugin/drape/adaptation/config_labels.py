"""Settings of the pseudo labels that a detector learns from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from drape.config import StageConfig


class LabelConfig(StageConfig):
    """Which persons of which frames a detector learns from. The defaults rather leave out than teach wrongly.

    - ``label_existence`` 0.8 is retrieval's strict operating point: four of five such boxes and more are persons, and
      the existence is their weight besides. From ``ignore_existence`` 0.15 to there nothing is learned and nothing
      unlearned; below, all evidence together speaks against a person, and the place counts as background.
    - ``ignore_score`` 0.3: a candidate of that score that no tracklet took up has never been weighed; it is ignored.
    - ``images`` 160 over all views, ``least_gap_s`` 1 apart: neighbouring frames show the same. ``background`` 0.1 of
      them may be frames without anybody.
    - ``least_novelty`` 0.02: frames whose boxes cover the same places as those of a chosen one, but for this share of
      what they cover, and that hold nobody who is hard to find, are near-duplicates and left out.
    - ``still_s`` 20: what does not move for so long, and is seen in no other view though there are others, may be a
      picture on a screen; it is neither taught nor forbidden.
    - ``least_side`` 8 pixels: less than a person that any detector could find.

    The other rules are rivals to measure against, not for use: ``accept_all`` is that of arXiv 2602.02850's code (every
    box that retrieval returned of a score from ``accept_score`` on, hard labels, suppression by containment and
    overlap, every n-th frame), ``threshold`` plain self-training on the detector's own boxes from ``own_score`` on.
    """

    rule: Literal["weighted", "accept_all", "threshold"] = Field(
        "weighted", description="How labels are made; the others are rivals for measurements"
    )
    images: int = Field(160, ge=1, le=100_000, description="Most frames to learn from, over all views")
    least_gap_s: float = Field(1.0, ge=0, le=600, description="Frames of a view are chosen at least so far apart")
    background: float = Field(0.1, ge=0, le=0.5, description="Most frames without anybody, as a share of `images`")
    least_novelty: float = Field(
        0.02, ge=0, le=1, description="Frames that differ less from a chosen one are left out, unless they are hard"
    )
    label_existence: float = Field(0.8, ge=0.5, le=1, description="Persons of this existence probability are taught")
    ignore_existence: float = Field(
        0.15, ge=0, le=0.5, description="From here to `label_existence` nothing is learned; below is background"
    )
    ignore_score: float = Field(
        0.3, ge=0, le=1, description="Candidates of this score that were never weighed are ignored"
    )
    still_s: float = Field(20.0, ge=0, description="What stands still so long, and alone in its view, is ignored")
    least_side: float = Field(8.0, ge=1, le=200, description="Boxes with a shorter side, in pixels, are ignored")
    accept_score: float = Field(0.2, ge=0, le=1, description="Rule accept_all: lowest score")
    own_score: float = Field(0.6, ge=0, le=1, description="Rule threshold: lowest score")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Decides between frames that are as good as each other")

    @model_validator(mode="after")
    def _ordered(self) -> LabelConfig:
        if self.ignore_existence > self.label_existence:
            raise ValueError("ignore_existence must not exceed label_existence")
        return self
