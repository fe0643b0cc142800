"""A synthetic operating room: rooms, cameras and crews from seeds, with the truth about every pixel."""

from drape.simulator.config import SceneConfig
from drape.simulator.events import (
    CameraMoved,
    ClockDiffers,
    Event,
    RateDiffers,
    ViewDropsOut,
    ViewFreezes,
    ViewGoesDark,
)
from drape.simulator.families import FAMILIES, Family
from drape.simulator.scene import Rendered, Scene
from drape.simulator.stills import render_still, stills
from drape.simulator.truth import KINDS, FrameTruth

__all__ = [
    "FAMILIES",
    "KINDS",
    "CameraMoved",
    "ClockDiffers",
    "Event",
    "Family",
    "FrameTruth",
    "RateDiffers",
    "Rendered",
    "Scene",
    "SceneConfig",
    "ViewDropsOut",
    "ViewFreezes",
    "ViewGoesDark",
    "render_still",
    "stills",
]
