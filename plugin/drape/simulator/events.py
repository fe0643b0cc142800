"""What goes wrong in a recording, on demand: cameras are moved, views fail, clocks differ. Times are seconds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from drape.config import StageConfig


class ViewEvent(StageConfig):
    """Something that happens to one view, numbered from 0."""

    view: int = Field(ge=0, le=11, description="Number of the view, from 0")


class CameraMoved(ViewEvent):
    """Someone bumps into the camera: from ``at`` on it looks elsewhere."""

    kind: Literal["camera_moved"] = "camera_moved"
    at: float = Field(ge=0, description="When, in seconds of the view's own clock")
    yaw: float = Field(12.0, ge=-90, le=90, description="Degrees to its right")
    pitch: float = Field(0.0, ge=-60, le=60, description="Degrees upwards")
    roll: float = Field(0.0, ge=-60, le=60, description="Degrees clockwise in the picture")


class Spell(ViewEvent):
    """Something that lasts from ``start`` until ``stop``, in seconds of the view's own clock."""

    start: float = Field(ge=0, description="First second")
    stop: float = Field(gt=0, description="Second after the last")


class ViewDropsOut(Spell):
    """The view is lost: its frames are ``missing`` (the file has fewer, with a gap in their times), or ``black``."""

    kind: Literal["view_drops_out"] = "view_drops_out"
    leaves: Literal["missing", "black"] = Field("missing", description="Frames are missing, or black")


class ViewFreezes(Spell):
    """The last frame before ``start`` is repeated."""

    kind: Literal["view_freezes"] = "view_freezes"


class ViewGoesDark(Spell):
    """The exposure falls to ``level``: light off, or a covered lens."""

    kind: Literal["view_goes_dark"] = "view_goes_dark"
    level: float = Field(0.06, ge=0, le=1, description="Exposure, as a factor")


class ClockDiffers(ViewEvent):
    """The view's clock: what it stamps with ``t`` happened at ``offset + (1 + drift) t``."""

    kind: Literal["clock_differs"] = "clock_differs"
    offset: float = Field(0.0, ge=-5, le=5, description="Seconds")
    drift: float = Field(0.0, ge=-0.01, le=0.01, description="Seconds per second")


class RateDiffers(ViewEvent):
    """The view has another frame rate than the recording."""

    kind: Literal["rate_differs"] = "rate_differs"
    fps: float = Field(gt=0, le=120, description="Frames per second")


Event = Annotated[
    CameraMoved | ViewDropsOut | ViewFreezes | ViewGoesDark | ClockDiffers | RateDiffers, Field(discriminator="kind")
]
