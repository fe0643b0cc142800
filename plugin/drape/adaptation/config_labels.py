"""Settings of the pseudo labels that a detector learns from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from drape.config import StageConfig


class LabelConfig(StageConfig):
    """Which persons of which frames a detector learns from. The defaults rather leave out than teach wrongly.

    - ``label_existence`` 0.9: retrieval's strict operating point. On PETS (view 1, tracking alone) 98 % of the boxes
      taught are persons; at 0.8 it is 94 %, and no person more is found. From ``ignore_existence`` 0.15 to there
      nothing is learned and nothing unlearned; below, all evidence together speaks against a person: background.
    - ``ignore_score`` 0.3: a candidate of that score that no tracklet took up has never been weighed; it is ignored.
      ``missed_probability`` 0.05: so is every place where retrieval reports that somebody is likely missed.
    - ``longest_gap_s`` 0.5: within it a line between two sound boxes is as good as a box; longer ones are ignored.
    - ``images`` 160 over all views, ``least_gap_s`` 1 apart: neighbouring frames show the same. ``background`` 0.1 of
      them show nobody: enough to unlearn what the room is taken for, too few to teach that rooms are empty.
    - ``least_novelty`` 0.1: boxes of people who stand still differ by about a twentieth of their area from frame to
      frame. Frames that differ from a chosen one by less than a tenth, and whose small grey pictures differ by less
      than a hundredth of white, are near-duplicates.
    - ``still_s`` 20, ``still_move`` 0.05, ``still_change`` 4: nobody who lives keeps his box within a twentieth of his
      height, and his picture within 4 grey levels, for so long. What does, and no other view sees, hangs on a wall; it
      is neither taught nor forbidden.
    - ``least_side`` 8 pixels: less than a person that any detector could find. ``least_inside`` 0.4: of whom less is in
      the picture, his box says little about him.

    The other rules are rivals to measure against, not for use: ``accept_all`` is that of arXiv 2602.02850's code (every
    box that retrieval returned of a score from ``accept_score`` on, hard labels, suppression by containment and
    overlap, frames evenly in time), ``threshold`` plain self-training on the detector's own boxes from ``own_score``
    on, likewise.
    """

    rule: Literal["weighted", "accept_all", "threshold"] = Field(
        "weighted", description="How labels are made; the others are rivals for measurements"
    )
    images: int = Field(160, ge=1, le=100_000, description="Most frames to learn from, over all views")
    least_gap_s: float = Field(1.0, ge=0, le=600, description="Frames of a view are chosen at least so far apart")
    background: float = Field(0.1, ge=0, le=0.5, description="Most frames without anybody, as a share of all")
    least_novelty: float = Field(0.1, ge=0, le=1, description="Frames that differ less from a chosen one are left out")
    label_existence: float = Field(0.9, ge=0.5, le=1, description="Persons of this existence probability are taught")
    ignore_existence: float = Field(
        0.15, ge=0, le=0.5, description="From here to `label_existence` nothing is learned; below is background"
    )
    ignore_score: float = Field(
        0.3, ge=0, le=1, description="Candidates of this score that were never weighed are ignored"
    )
    missed_probability: float = Field(0.05, gt=0, le=1, description="Likely misses from here on are ignored")
    longest_gap_s: float = Field(0.5, ge=0, le=10, description="Longest gap whose filled-in boxes are taught")
    least_side: float = Field(8.0, ge=1, le=200, description="Boxes with a shorter side, in pixels, are ignored")
    least_inside: float = Field(0.4, gt=0, le=1, description="Boxes of which less is in the picture are ignored")
    still_s: float = Field(20.0, ge=0, le=3600, description="What stands still so long may be a picture")
    still_move: float = Field(0.05, gt=0, le=0.5, description="Largest movement of a picture's box, in its heights")
    still_change: float = Field(4.0, gt=0, le=128, description="Largest change of a picture's look, in grey levels")
    accept_score: float = Field(0.2, ge=0, le=1, description="Rule accept_all: lowest score")
    own_score: float = Field(0.6, ge=0, le=1, description="Rule threshold: lowest score")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Decides between frames that are as good as each other")
