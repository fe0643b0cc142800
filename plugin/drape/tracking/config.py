"""Settings of tracking."""

from __future__ import annotations

from pydantic import Field

from drape.config import StageConfig


class TrackingConfig(StageConfig):
    """Settings of the two-pass tracker.

    The scheme is ByteTrack's (Zhang et al. 2022), with its 0.5 between high and low scores. The defaults were chosen,
    after several sweeps, on the first 400 frames of PETS S2L1 view 1 with RTMDet-nano candidates; no other annotated
    video was at hand. ``python -m bench.sensitivity`` shows what hangs on them there: recall stays within .94 and .97
    whichever one is halved or doubled, but precision (.93) falls to .79 with half ``begin_score``, .82 with half
    ``min_iou_low`` and .86 with twice ``agility``, and IDF1 (.93) lies near its best among the neighbours (.60 to .93).
    Motion is in heights and seconds at walking pace; the pace of a recording is measured, so that a wrong frame rate
    in a container does no harm.
    """

    high_score: float = Field(0.5, gt=0, lt=1, description="Candidates above this score lead the association")
    floor_score: float = Field(0.1, ge=0, lt=1, description="Candidates below this score are not looked at")
    begin_score: float = Field(0.5, gt=0, lt=1, description="A track begins at a candidate of at least this score")
    min_similarity_high: float = Field(0.1, gt=0, lt=1, description="Least IoU x score to follow a high candidate")
    min_iou_low: float = Field(0.5, gt=0, lt=1, description="Least IoU to follow a low candidate")
    max_begin_iou: float = Field(0.6, gt=0, le=1, description="A track begins only if it overlaps others less")
    max_lost_s: float = Field(2.0, ge=0, le=60, description="Seconds a track waits for its person to come back")
    agility: float = Field(0.1, gt=0, le=10, description="Random acceleration of a walking person, in heights")
    first_speed: float = Field(0.3, gt=0, le=10, description="Unknown first speed of a walking person, in heights/s")
    smoothing_s: float = Field(0.25, ge=0, le=2, description="Width of the smoothing in time, in s at walking pace")
    max_gap_s: float = Field(2.0, ge=0, le=60, description="Longest gap, in seconds, that interpolation fills")
    min_existence_kept: float = Field(0.02, ge=0, le=0.5, description="Boxes below this existence are not kept")
