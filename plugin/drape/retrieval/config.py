"""Settings of retrieval."""

from __future__ import annotations

from pydantic import Field

from drape.config import StageConfig


class RetrievalConfig(StageConfig):
    """Settings of the fusion of evidence and of the risk of missed persons.

    ``score_slope`` and ``score_bias`` make a probability of a detector's score where no tracker has done so; they say
    that detectors are overconfident, and were chosen on MVOR days 1-3 (Faster R-CNN). Everything that tells how much
    a place, a size or another view is worth is learned from the recording itself, without labels; ``views_weight`` is
    only where that learning starts from. ``keep_sure`` was chosen on PETS view 1, frames 1-400: at .75 an object that
    the tracker takes for a person, and that no other view sees, keeps its mask; at .85 it is doubted. Time spans suit
    people who walk and stand in a room.
    """

    floor_score: float = Field(0.1, ge=0, lt=1, description="Candidates below this score are not looked at")
    score_slope: float = Field(1.5, gt=0, le=5, description="Log-odds of existence per log-odds of the score")
    score_bias: float = Field(-2.0, ge=-8, le=8, description="Log-odds of existence at score .5, without a tracker")
    views_weight: float = Field(3.0, ge=0, le=8, description="Log-odds that full support of other views is worth")
    mask_existence: float = Field(0.5, gt=0, lt=1, description="Persons of at least this existence are masked")
    keep_sure: float = Field(0.85, ge=0.5, le=1, description="What the own view holds so sure is masked in any case")
    reliable_views: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Other views may doubt what is less sure if they see this share of each other's persons",
    )
    label_existence: float = Field(0.9, gt=0, lt=1, description="Persons of at least this existence teach a detector")
    min_existence_kept: float = Field(0.1, ge=0, le=0.5, description="Added boxes below this existence are not kept")
    same_person_iou: float = Field(0.5, gt=0, lt=1, description="Boxes of a frame that overlap more are one person")
    support_s: float = Field(1.0, ge=0, le=30, description="Seconds over which a tracklet shares the views' support")
    max_gap_s: float = Field(10.0, ge=0, le=120, description="Longest gap that is filled for a person seen elsewhere")
    reach_s: float = Field(2.0, ge=0, le=30, description="Seconds for which a lost person is expected where last seen")
    min_risk: float = Field(0.05, gt=0, lt=1, description="Missed persons less probable than this are not reported")
    interval_risk: float = Field(
        0.5, gt=0, le=1, description="Intervals: times at which somebody is missed this surely"
    )
    chunk: int = Field(200_000, ge=1000, le=10_000_000, description="Candidates of all views worked on at once")
    sample: int = Field(2000, ge=100, le=100_000, description="Candidates per view that places are learned from")
    seed: int = Field(0, ge=0, description="Seed of the sampling")
