"""Settings of the pose stage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from drape.config import StageConfig
from drape.pose.estimator import registered_estimators


class PoseConfig(StageConfig):
    """How key points are found and smoothed. Poses are made of everybody who will be masked, doubtful persons included.

    - ``preset`` rtmpose-m-wholebody: the largest that a machine without a GPU runs at some persons a second, distilled
      from a larger one; rtmw-x-384 is more exact and eight times as slow.
    - ``min_existence`` 0.1 is what a release masks from: a person below it needs no head.
    - ``flip_test`` off: it doubles the work for about half a point of average precision.
    - ``batch_size`` 32 fills a GPU; on a CPU there is nothing to gain beyond 8. ``frames_at_once`` 8 frames of an
      operating room hold as many persons. ``segment_frames`` 256 as in detection.
    - Outliers are looked for among neighbours 0.1 s to either side; a point that lies further from their median than
      three of their deviations and 4 % of the box's height is dropped: walking limbs move by less between two frames.
      With the example model on a rendered recording, what is dropped (0.4 %) was wrong by five times the median error.
    - Smoothing has a deviation of 0.08 s, two frames at common rates: there it lowers the mean error by 4 %, and 0.15 s
      begins to raise the median. Nothing is smoothed in recordings of one frame a second.
    """

    preset: str = Field(
        "rtmpose-m-wholebody", description="Pose model: a name that `drape.pose.registered_estimators()` lists"
    )
    weights: Path | None = Field(
        None,
        description="Your own weights for the preset's (or `mmpose_config`'s) architecture, instead of the named ones",
    )
    mmpose_config: Path | None = Field(
        None,
        description="Your own top-down mmpose configuration (.py or .json) instead of the preset's; needs `weights`. "
        "A .py file is Python and is run: use only files you trust",
    )
    points: Literal["all", "body"] = Field(
        "all", description="all: every key point that the model gives (133, or 17); body: the first 17 of them"
    )
    flip_test: bool = Field(False, description="Also look at the mirrored person and take the mean: twice the work")
    min_existence: float = Field(
        0.1, ge=0, le=0.5, description="Poses are made of persons with at least this existence probability"
    )
    batch_size: int = Field(
        32, ge=1, le=1024, description="Persons per forward pass; halved by itself if memory runs out"
    )
    frames_at_once: int = Field(8, ge=1, le=256, description="Frames whose persons are put into batches together")
    segment_frames: int = Field(
        256, ge=1, le=65536, description="Frames per segment, the unit of resuming; a multiple of `frames_at_once`"
    )
    device: str = Field("auto", description="auto (a CUDA GPU if there is one), cpu, cuda or cuda:N")
    half: bool = Field(True, description="Compute in 16 bits on a CUDA GPU (about twice as fast, same points)")
    outlier_window_s: float = Field(
        0.1, ge=0, le=1, description="Neighbours this many seconds before and after say what an outlier is; 0: none is"
    )
    outlier_deviations: float = Field(
        3.0, ge=1, le=20, description="A point further off than this many deviations of its neighbours is dropped"
    )
    outlier_floor: float = Field(
        0.04,
        ge=0,
        le=1,
        description="Points closer to their neighbours than this share of the box's height are kept",
    )
    smoothing_s: float = Field(
        0.08, ge=0, le=1, description="Standard deviation of the smoothing over time, in seconds; 0: none"
    )

    @field_validator("preset")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in registered_estimators():
            raise ValueError(f"there is no such preset; choose one of: {', '.join(registered_estimators())}")
        return value

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ValueError("must be auto, cpu, cuda or cuda:N")
        return value

    @model_validator(mode="after")
    def _agree(self) -> PoseConfig:
        if self.segment_frames % self.frames_at_once:
            raise ValueError("segment_frames must be a multiple of frames_at_once")
        if self.mmpose_config is not None and self.weights is None:
            raise ValueError("mmpose_config needs weights")
        return self
