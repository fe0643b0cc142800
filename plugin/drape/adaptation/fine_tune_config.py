"""Settings of fine-tuning."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from drape.config import StageConfig


class FineTuneConfig(StageConfig):
    """How a detector learns from labelled pictures. The defaults are for some hundred pictures of one site.

    - ``rate`` 1e-4 with AdamW, a short warm-up and a cosine down to 5 %: the weights are good already and are to move
      little. ``batch`` 8 is what a CPU does in seconds.
    - ``frozen_norms``: statistics of a few pictures of one room are worse than those the base was trained with.
    - ``frozen_stages`` 1: edges and textures are the same in every room, and a step takes a third less time.
    - ``rehearsal``: without it a detector that sees one room for minutes forgets what persons look like elsewhere.
    - ``average`` 0.02: the weights written are the mean over about the last 50 steps, which is steadier from seed to
      seed than the last step's.
    - ``distillation`` 0: a step takes a quarter more time with it. It keeps what only low scores find, and lets the
      rate be higher: on a CPU in a hurry, ``epochs`` 2, ``batch`` 4, ``rate`` 5e-4 and ``distillation`` 1.
    - ``largest_gradient`` 10: as the example detector is trained; wrong labels give rare, large gradients.
    """

    epochs: float = Field(6.0, gt=0, le=1000, description="How often each picture is seen, if `steps` is empty")
    steps: int | None = Field(None, ge=1, le=1_000_000, description="Steps of the optimizer instead of `epochs`")
    batch: int = Field(8, ge=1, le=1024, description="Pictures per step, over all GPUs; split if memory runs out")
    rate: float = Field(1e-4, gt=0, le=0.1, description="Highest learning rate")
    backbone_rate: float = Field(1.0, ge=0, le=1, description="Learning rate of the backbone as a share of `rate`")
    frozen_stages: int = Field(
        1, ge=-1, le=10, description="The stem and so many stages of the backbone after it stay as they are; -1: none"
    )
    warm_up: int = Field(20, ge=0, le=100_000, description="Steps over which the learning rate rises")
    weight_decay: float = Field(0.0, ge=0, le=1, description="AdamW's decay towards zero; wanted only without a base")
    size: int | None = Field(
        None, ge=64, le=4096, description="Longer side of the input in pixels; empty: the base model's own"
    )
    average: float = Field(0.02, gt=0, le=1, description="Weight of a step in the averaged weights, which are written")
    frozen_norms: bool = Field(True, description="Keep the normalization layers as they are")
    largest_gradient: float = Field(10.0, gt=0, le=1e6, description="Norm at which gradients are cut")
    rehearsal: float = Field(
        0.01, ge=0, le=1, description="Share of the way back to the base's weights that each step goes"
    )
    distillation: float = Field(
        0.0, ge=0, le=100, description="Weight of agreeing with the base's scores outside the labelled boxes"
    )
    labelled_share: float = Field(
        0.5, ge=0, le=0.95, description="Share of the pictures that come from the labelled set, if there is one"
    )
    checkpoint_every: int = Field(50, ge=1, le=1_000_000, description="Steps between two points to go on from")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the order, the augmentation and everything random")
    device: str = Field("auto", description="auto (a CUDA GPU if there is one), cpu, cuda or cuda:N")
    half: bool = Field(True, description="Mixed precision on a CUDA GPU")
    launcher: Literal["none", "pytorch"] = Field("none", description="pytorch: one process per GPU of this machine")
    processes: int | None = Field(
        None, ge=1, le=64, description="Processes of the launcher; empty: as many as there are GPUs"
    )
    workers: int | None = Field(
        None, ge=0, le=64, description="Processes per GPU that prepare pictures; empty: none on a CPU, up to 8 on a GPU"
    )
    cache_gib: float = Field(1.0, ge=0, le=1024, description="Memory for decoded pictures, in GiB")

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ValueError("must be auto, cpu, cuda or cuda:N")
        return value

    @model_validator(mode="after")
    def _divisible(self) -> FineTuneConfig:
        if self.processes and self.launcher == "none":
            raise ValueError("processes needs the launcher pytorch")
        if self.processes and self.batch % self.processes:
            raise ValueError("batch must be a multiple of processes")
        return self
