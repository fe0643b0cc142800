"""What a pose estimator is, and how one is added: the extension point of the pose stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes, Floats
from drape.errors import ConfigError, DrapeError

if TYPE_CHECKING:
    from drape.pose.config import PoseConfig

Image = NDArray[np.uint8]
"""One upright frame, shape (H, W, 3), BGR."""

Points = NDArray[np.float32]
"""Key points of N persons, shape (N, K, 2): column and row in pixels of the upright frame, which may lie outside it."""


class PoseError(DrapeError):
    """The pose estimator cannot run."""


class DeviceError(PoseError):
    """The device cannot go on: out of memory for a single person, or lost. Never turned into an unknown pose."""


class PoseEstimator(Protocol):
    """Finds the key points of persons whose boxes are known.

    A call takes upright frames of any size and, for each, the boxes (N, 4) of its persons, which may reach beyond the
    frame; N may be 0. It returns for each frame, in order, the key points (N, K, 2) in pixels of that frame and their
    scores (N, K) in [0, 1] as ``drape.pose.scores`` defines them. K is ``points``: 133 in the order of
    ``drape.pose.skeleton``, or the first 17 of them. The same call must give the same bits.

    Where nothing can be said of a person, raise (any exception; the stage then tries each frame alone, and the poses of
    the ones that fail are *unknown*), or ``DeviceError`` if going on is useless.
    """

    @property
    def name(self) -> str:
        """The preset's name, as it appears in run records."""

    @property
    def fingerprint(self) -> dict[str, str]:
        """What the result depends on besides the frames: digests of weights and settings, versions, precision."""

    @property
    def points(self) -> int:
        """K, the number of key points of a pose: 133 or 17."""

    def __call__(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[tuple[Points, Floats]]: ...


class PoseNoticeWarning(UserWarning):
    """What whoever uses an estimator must know; also in the run record, as ``estimator.notice``."""


Factory = Callable[["PoseConfig"], PoseEstimator]
_FACTORIES: dict[str, Factory] = {}


def register_estimator(preset: str, factory: Factory) -> None:
    """Make an estimator available as the preset of this name; a factory registered before under it is replaced.

    ``factory`` gets the validated ``PoseConfig``, loads what it needs (checking digests, see ``drape.assets``,
    and sight, see ``drape.pose.canary``) and returns the estimator.
    """
    _FACTORIES[preset] = factory


def registered_estimators() -> tuple[str, ...]:
    """Names that ``PoseConfig.preset`` accepts, in the order of their registration."""
    return tuple(_FACTORIES)


def build_estimator(config: PoseConfig) -> PoseEstimator:
    """The pose estimator that ``config`` asks for, ready to run.

    Raises:
        ConfigError: no estimator is registered under the preset's name, or its settings contradict each other.
        WeightsError: the weights are missing, altered, unsafe, of another architecture, or blind.
        PoseError: the device is not there.
    """
    try:
        factory = _FACTORIES[config.preset]
    except KeyError:
        known = ", ".join(_FACTORIES)
        raise ConfigError(f"There is no pose preset {config.preset!r}", f"Choose one of: {known}") from None
    return factory(config)
