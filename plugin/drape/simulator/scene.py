"""A recording in the simulator: every view's frames at random access, with their truths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drape.simulator.backdrop import Backdrop
from drape.simulator.clothing import dress
from drape.simulator.config import SceneConfig
from drape.simulator.motion import Motion
from drape.simulator.plan import Post
from drape.simulator.script import Script, samples_of
from drape.simulator.seeds import generator
from drape.simulator.site import Site, build_site
from drape.simulator.stage import Cast, Stage
from drape.simulator.timing import Moment, ViewClock
from drape.simulator.truth import FrameTruth
from drape.simulator.views import SceneView

LEAD = 6.0
"""Seconds by which the crew starts before the recording, so that shifted clocks find it at work."""


@dataclass(frozen=True)
class Rendered:
    """A frame: ``image`` (H, W, 3) uint8 BGR and its truth."""

    image: NDArray[np.uint8]
    truth: FrameTruth


class Scene:
    """A simulated recording. The same configuration gives the same frames, in any order.

    Attributes:
        config: how it was made.
        site: the room.
        views: ids of the views.
        cameras: of every view, as it is at the start.
        roles: of the crew, by identity.
    """

    def __init__(self, config: SceneConfig) -> None:
        self.config = config
        self.site = build_site(config.family, config.site_seed)
        posts = assign_posts(self.site, config.people)
        rng = generator(config.seed, "crew")
        self.roles = roles_of(posts, rng)
        people = dress(self.roles, self.site.look, self.site.cloth, rng)
        size = (config.width, config.height)
        self._stage = Stage(self.site, people, config.seed, size, 2 if config.antialias else 1)
        self._motion = _play(self.site, posts, config)
        self.views = [f"view{i + 1}" for i in range(config.views)]
        self._clocks = [ViewClock(config, i) for i in range(config.views)]
        self._views = [SceneView(self.site, self._stage, config, i) for i in range(config.views)]
        self.cameras = [view.cameras[0] for view in self._views]
        self._cast: tuple[float, Cast] | None = None

    def num_frames(self, view: int) -> int:
        """Frames in the file of view number ``view``."""
        return self._clocks[view].count

    def view_time(self, view: int, frame: int) -> tuple[float, float]:
        """Seconds a frame is stamped with, and seconds of the world at which what it shows happened."""
        moment = self._clocks[view].moment(frame)
        return moment.time, moment.world_time

    def frame(self, view: int, frame: int) -> Rendered:
        """Frame number ``frame`` of view number ``view``, with its truth.

        Raises:
            IndexError: the view has no such frame.
        """
        moment = self._clocks[view].moment(frame)
        picture, truth = self._stage.picture(*self._set(view, moment), **self._facts(view, frame, moment))
        return Rendered(self._views[view].exposed(picture, moment), truth)

    def truth_only(self, view: int, frame: int) -> FrameTruth:
        """The truth of a frame without its picture, in about half the time.

        Raises:
            IndexError: the view has no such frame.
        """
        moment = self._clocks[view].moment(frame)
        return self._stage.truth(*self._set(view, moment), **self._facts(view, frame, moment))

    def _set(self, view: int, moment: Moment) -> tuple[Backdrop, Cast]:
        return self._views[view].backdrop(moment), self._at(moment.world_time)

    def _facts(self, view: int, frame: int, moment: Moment) -> dict[str, Any]:
        """What the truth says of the frame itself."""
        times = {"time": moment.time, "world_time": moment.world_time}
        return {"view": self.views[view], "frame": frame, "state": moment.state, **times}

    def _at(self, world_time: float) -> Cast:
        """The crew's bodies; those of the last instant are kept, because the views share it."""
        if self._cast is None or self._cast[0] != world_time:
            self._cast = (world_time, self._stage.cast(self._motion.state(world_time), world_time))
        return self._cast[1]


def assign_posts(site: Site, people: int) -> list[Post | None]:
    """Posts at the table for about three in five, in their order of need; None for those who walk about."""
    posts = site.posts()[: int(np.ceil(0.6 * people))]
    return [*posts, *[None] * (people - len(posts))]


def roles_of(posts: list[Post | None], rng: np.random.Generator) -> list[str]:
    """Roles of those at posts, and of those who walk about."""
    return [post.role if post else ("circulating_nurse", "technician")[int(rng.random() < 0.3)] for post in posts]


def _play(site: Site, posts: list[Post | None], config: SceneConfig) -> Motion:
    """The crew's motion, with room before and after for clocks that differ."""
    seconds = config.seconds * 1.01 + 2 * LEAD
    script = Script(site.plan, site.floor, posts, samples_of(seconds), config.seed)
    return Motion(script, site.plan, site.floor, -LEAD)
