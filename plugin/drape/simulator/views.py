"""One view of a scene: its camera before and after it is moved, its sensor, and its empty room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drape.simulator.backdrop import Backdrop
from drape.simulator.config import SceneConfig
from drape.simulator.events import CameraMoved
from drape.simulator.site import Site
from drape.simulator.stage import Stage
from drape.simulator.timing import Moment


class SceneView:
    """View number ``number``; ``cameras`` are its calibrations, one more than it is moved."""

    def __init__(self, site: Site, stage: Stage, config: SceneConfig, number: int) -> None:
        size = (config.width, config.height)
        self.cameras = [site.camera(number, size)]
        moves = [event for event in config.events if isinstance(event, CameraMoved) and event.view == number]
        for event in sorted(moves, key=lambda event: event.at):
            self.cameras.append(self.cameras[-1].turned(event.yaw, event.pitch, event.roll))
        self._stage = stage
        self._sensor = site.sensor(number, size)
        self._backdrop: tuple[int, Backdrop] | None = None

    def backdrop(self, moment: Moment) -> Backdrop:
        """The empty room at a moment; only the last one is kept, because a camera is moved rarely."""
        if self._backdrop is None or self._backdrop[0] != moment.pose:
            self._backdrop = (moment.pose, self._stage.backdrop(self.cameras[moment.pose]))
        return self._backdrop[1]

    def exposed(self, picture: NDArray[np.float32], moment: Moment) -> NDArray[np.uint8]:
        """What the view's file shows of a picture."""
        if moment.state == "black":
            return np.zeros(picture.shape, np.uint8)
        return self._sensor(picture, moment.tick, moment.exposure)
