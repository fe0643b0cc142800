"""Which frames a view has, what they are stamped with, and when in the world they were taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drape.errors import ConfigError
from drape.simulator.arrays import Mask
from drape.simulator.config import SceneConfig
from drape.simulator.events import (
    CameraMoved,
    ClockDiffers,
    RateDiffers,
    Spell,
    ViewDropsOut,
    ViewFreezes,
    ViewGoesDark,
)

BLACK = 0.0


@dataclass(frozen=True)
class Moment:
    """A frame's time.

    Attributes:
        time: seconds it is stamped with.
        shown_time: seconds the picture it shows is stamped with: earlier where the view is frozen.
        world_time: seconds of the world at which that happened.
        tick: number of the shown picture, for its noise.
        exposure: factor.
        state: "", "frozen", "dark" or "black".
        pose: how often the camera has been moved.
    """

    time: float
    shown_time: float
    world_time: float
    tick: int
    exposure: float
    state: str
    pose: int


class ViewClock:
    """The clock of view number ``view``.

    Attributes:
        fps: frames per second.
        offset, drift: what is stamped with ``t`` happened at ``offset + (1 + drift) t``.
        count: frames in the view's file.
        moves: times at which the camera is moved.
    """

    def __init__(self, config: SceneConfig, view: int) -> None:
        mine = [event for event in config.events if event.view == view]
        self.fps = next((e.fps for e in reversed(mine) if isinstance(e, RateDiffers)), config.fps)
        clock = next((e for e in reversed(mine) if isinstance(e, ClockDiffers)), ClockDiffers(view=view))
        self.offset, self.drift = clock.offset, clock.drift
        self._spells = [event for event in mine if isinstance(event, Spell)]
        self.moves = sorted(event.at for event in mine if isinstance(event, CameraMoved))
        ticks = np.arange(max(1, round(config.seconds * self.fps)))
        kept = np.ones(len(ticks), bool)
        for event in self._spells:
            if isinstance(event, ViewDropsOut) and event.leaves == "missing":
                kept &= ~self._within(ticks, event)
        if not kept.any():
            raise ConfigError(f"View {view} drops out for the whole recording", "Let it drop out for a shorter time")
        self._ticks: NDArray[np.int64] = ticks[kept]
        self.count = len(self._ticks)

    def _within(self, ticks: NDArray[np.int64], event: Spell) -> Mask:
        times = ticks / self.fps
        inside: Mask = (times >= event.start - 1e-9) & (times < event.stop - 1e-9)
        return inside

    def moment(self, frame: int) -> Moment:
        """When frame number ``frame`` of the file was taken.

        Raises:
            IndexError: there is no such frame.
        """
        if not 0 <= frame < self.count:
            raise IndexError(f"frame {frame} of {self.count}")
        tick = shown = int(self._ticks[frame])
        exposure, state = 1.0, ""
        for event in self._spells:
            if not self._within(np.array([tick]), event)[0]:
                continue
            if isinstance(event, ViewFreezes):
                state, shown = "frozen", max(0, int(np.ceil(event.start * self.fps - 1e-6)) - 1)
            elif isinstance(event, ViewGoesDark):
                state, exposure = "dark", event.level
            elif isinstance(event, ViewDropsOut):
                state, exposure = "black", BLACK
        time = shown / self.fps
        pose = sum(at <= time + 1e-9 for at in self.moves)
        return Moment(tick / self.fps, time, self.offset + (1 + self.drift) * time, shown, exposure, state, pose)
