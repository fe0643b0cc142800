"""Settings of the loop that adapts a detector to a site."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from drape.adaptation.cards import checked_name
from drape.adaptation.config_guard import GuardConfig
from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.config import StageConfig


class AdaptationConfig(StageConfig):
    """How a detector is adapted to a site without labels.

    - ``rounds`` 2: the second learns from persons that only the first made visible; the paper (arXiv 2602.02850,
      section 4) gains little after it, and the loop ends by itself where nothing is gained.
    - ``blocks`` 25 and ``held_every`` 5: a fifth of the time is never learned from, in five stretches over the whole
      recording, so that the guard sees every phase of it.
    - ``least_gain`` 0.002: less than that is what two trainings with different seeds differ by.
    - Every round starts from the base weights, as in the paper: errors of one round are not trained on by the next.
    """

    name: str = Field("adapted", description="Name of the adapted model, as its folder is called")
    site: str = Field("", max_length=80, description="Name of the site on the model's card; empty: the recording's id")
    rounds: int = Field(2, ge=1, le=10, description="Most rounds of labels, training and judging")
    blocks: int = Field(25, ge=5, le=1000, description="Equal stretches of time that the recording is cut into")
    held_every: int = Field(5, ge=2, le=50, description="Of so many stretches one is held out to judge by")
    least_gain: float = Field(
        0.002, ge=0, le=1, description="A further round must raise the label-free agreement by this, or the loop ends"
    )
    mixed: Path | None = Field(
        None, description="Folder of labelled pictures to mix into the training (COCO: annotations.json, images/)"
    )
    labels: LabelConfig = LabelConfig()
    tuning: FineTuneConfig = FineTuneConfig()
    guard: GuardConfig = GuardConfig()

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        return checked_name(value)
