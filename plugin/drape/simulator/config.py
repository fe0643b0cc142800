"""Settings of a simulated recording."""

from __future__ import annotations

from pydantic import Field, model_validator

from drape.config import StageConfig
from drape.simulator.events import Event, Spell
from drape.simulator.families import Family


class SceneConfig(StageConfig):
    """A recording: a site, a crew, how long, and what goes wrong.

    The defaults are small enough to be simulated in half a minute and large enough for people to be seen by real
    detectors: heads are some 15 pixels high.
    """

    family: Family = Field("source", description="Kind of site")
    site: int | None = Field(None, ge=0, description="Number of the site; the seed if not given")
    seed: int = Field(0, ge=0, description="Seed of the crew and of what it does")
    seconds: float = Field(20.0, gt=0, le=36000, description="Length of the recording")
    fps: float = Field(15.0, gt=0, le=120, description="Frames per second")
    views: int = Field(3, ge=1, le=12, description="Cameras")
    people: int = Field(5, ge=1, le=15, description="Crew, without the patient")
    width: int = Field(640, ge=64, le=4096, description="Pixels")
    height: int = Field(360, ge=64, le=4096, description="Pixels")
    antialias: bool = Field(True, description="Draw four samples per pixel")
    events: tuple[Event, ...] = Field((), description="What goes wrong")

    @model_validator(mode="after")
    def _possible(self) -> SceneConfig:
        for event in self.events:
            if event.view >= self.views:
                raise ValueError(f"{event.kind}: there is no view {event.view}")
            if isinstance(event, Spell) and event.stop <= event.start:
                raise ValueError(f"{event.kind}: it must stop after it starts")
        return self

    @property
    def site_seed(self) -> int:
        """Number of the site."""
        return self.seed if self.site is None else self.site
