"""Settings of the training of a real-time detector."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from drape.adaptation.cards import checked_name
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.config import StageConfig

Architecture = Literal["rtmdet-nano-person", "example", "rtmdet-tiny", "rtmdet-s", "teacher"]


class DenseConfig(StageConfig):
    """Which of the teacher's own answers the student learns besides the pseudo labels.

    A student sees one room, at half the size: it has to learn by heart what persons look like there, and the more of
    the teacher's answers it is shown the better; they cost nothing but the decoding.

    - ``sure`` 0.5: from here on the teacher's boxes are right nine times of ten; each counts as much as its score.
    - ``doubtful`` 0.1: between the two nothing is to be learned, neither person nor background.
    """

    frames: int = Field(600, ge=0, le=100_000, description="Frames with the teacher's answers, over all views")
    sure: float = Field(0.5, gt=0, lt=1, description="Boxes of at least this score are taught")
    doubtful: float = Field(0.1, gt=0, lt=1, description="Boxes of at least this score and less are left out")

    @model_validator(mode="after")
    def _ordered(self) -> DenseConfig:
        if self.doubtful > self.sure:
            raise ValueError("doubtful must not be above sure")
        return self


class StudentConfig(StageConfig):
    """How a real-time detector is made of what a teacher knows of a site.

    - ``architecture`` rtmdet-nano-person and ``size`` 320: a quarter of the pixels of the size at which the same
      network serves as a teacher, so about four times its speed. `rtmdet-tiny` and `rtmdet-s` are for a GPU, or for
      small persons; `teacher` is the teacher's own network and weights, at the student's size.
    - ``tuning``: a higher rate than adaptation's and no rehearsal, for the weights are to move from one size to another
      and from the world to one room; a few hundred steps reach the teacher.
    """

    name: str = Field("student", description="Name of the model, as its folder is called")
    architecture: Architecture = Field("rtmdet-nano-person", description="Network of the student")
    mmdet_config: Path | None = Field(
        None,
        description="Your own mmdet configuration (.py or .json) of the RTMDet or YOLOX family instead. "
        "A .py file is Python and is run: use only files you trust",
    )
    weights: Path | None = Field(
        None,
        description="Weights to start from; empty: the architecture's published ones if it has any, else fresh ones",
    )
    person_class: int = Field(0, ge=0, description="Index of the class person in weights and configuration of your own")
    size: int = Field(320, ge=64, le=1920, description="Longer side of the student's input in pixels")
    tolerance: float = Field(
        0.01, ge=0, le=1, description="Share of the sure persons that the student may find less than its teacher"
    )
    teacher: DenseConfig = DenseConfig()
    tuning: FineTuneConfig = FineTuneConfig(epochs=6, rate=2e-4, rehearsal=0.005)

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        return checked_name(value)
