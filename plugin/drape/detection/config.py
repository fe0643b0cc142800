"""Settings of the detection stage."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from drape.config import StageConfig
from drape.detection.detector import registered_detectors


class DetectionConfig(StageConfig):
    """How candidates are found. The defaults favour recall: what is dropped here, no later stage can bring back.

    - ``score_floor`` 0.05: tracking keeps or discards weak candidates with evidence of its own, and the boxes of
      half-hidden people have scores between 0.05 and 0.3. Below 0.05 almost all is background.
    - ``nms_iou`` 0.65: two people of whom one stands before the other overlap by about as much. The usual 0.5 would
      delete the hinder one, while a spare box on one person costs nothing in a mask.
    - ``max_per_frame`` 300: a guard only. A street with 30 people gives about 200 candidates down to 0.05.
    - ``size`` is the preset's own unless given: the one its weights were trained for, but 640 for the nano preset,
      whose published 320 loses small and distant people.
    - ``batch_size`` 8 and ``segment_frames`` 256: batches beyond 8 gain little on a GPU and nothing on a CPU; a
      segment is the unit of resuming, and is some seconds of work on a GPU and a minute on a CPU.
    """

    preset: str = Field(
        "rtmdet-m-person", description="Detector: a name that `drape.detection.registered_detectors()` lists"
    )
    weights: Path | None = Field(
        None,
        description="Your own weights for the preset's (or `mmdet_config`'s) architecture, instead of the named ones",
    )
    mmdet_config: Path | None = Field(
        None,
        description="Your own mmdet configuration (.py or .json) instead of the preset's; needs `weights`. "
        "A .py file is Python and is run: use only files you trust",
    )
    model: Path | None = Field(
        None, description="Folder of a model of your own site (made by `adapt` or `student`), instead of a preset"
    )
    score_floor: float = Field(0.05, ge=0.001, le=0.9, description="Candidates with a lower score are dropped")
    size: int | None = Field(
        None, ge=64, le=4096, description="Longer side of the detector's input in pixels; empty: the preset's own"
    )
    nms_iou: float = Field(
        0.65, ge=0.3, le=0.95, description="Of two candidates that overlap by more (IoU), the weaker one is dropped"
    )
    max_per_frame: int = Field(300, ge=1, le=1000, description="At most this many candidates are kept per frame")
    person_class: int | None = Field(
        None, ge=0, description="Index of the class person, if neither the weights nor the configuration name it"
    )
    batch_size: int = Field(8, ge=1, le=256, description="Frames per forward pass; halved by itself if memory runs out")
    segment_frames: int = Field(
        256, ge=1, le=65536, description="Frames per segment, the unit of resuming; a multiple of `batch_size`"
    )
    device: str = Field("auto", description="auto (a CUDA GPU if there is one), cpu, cuda or cuda:N")
    half: bool = Field(
        True, description="Compute in 16 bits on a CUDA GPU (about twice as fast, same boxes within a pixel)"
    )

    @field_validator("preset")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in registered_detectors():
            raise ValueError(f"there is no such preset; choose one of: {', '.join(registered_detectors())}")
        return value

    @field_validator("model")
    @classmethod
    def _card(cls, value: Path | None) -> Path | None:
        # The card stands for its folder: its digest in run records is that of the model.
        return value if value is None or value.name == "model.json" else value / "model.json"

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise ValueError("must be auto, cpu, cuda or cuda:N")
        return value

    @model_validator(mode="after")
    def _agree(self) -> DetectionConfig:
        if self.segment_frames % self.batch_size:
            raise ValueError("segment_frames must be a multiple of batch_size")
        if self.mmdet_config is not None and self.weights is None:
            raise ValueError("mmdet_config needs weights")
        if self.model is not None and (self.weights is not None or self.mmdet_config is not None):
            raise ValueError("model needs neither weights nor mmdet_config: its folder holds both")
        return self
