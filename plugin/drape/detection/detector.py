"""What a detector is, and how one is added: the extension point of the detection stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes, Floats
from drape.errors import ConfigError, DetectionError

if TYPE_CHECKING:
    from drape.detection.config import DetectionConfig

Image = NDArray[np.uint8]
"""One upright frame, shape (H, W, 3), BGR."""


class Detector(Protocol):
    """Finds persons in frames.

    A call takes upright frames of any size and returns, for each of them in order, the boxes (N, 4) in pixels of that
    frame and their scores (N,) in [0, 1], best first, none below the floor it was built with. Persons only. The same
    frames in the same batch must give the same bits.

    A frame about which nothing can be said must not look empty: raise instead (any exception; the stage then tries
    each frame of the batch alone and marks the ones that fail *unknown*), or ``DeviceError`` if going on is useless.
    """

    @property
    def name(self) -> str:
        """The preset's name, as it appears in run records."""

    @property
    def fingerprint(self) -> dict[str, str]:
        """What the result depends on besides the frames: digests of weights and settings, versions, precision."""

    def __call__(self, images: Sequence[Image]) -> list[tuple[Boxes, Floats]]: ...


class DeviceError(DetectionError):
    """The device cannot go on: out of memory for a single frame, or lost. Never turned into an *unknown* frame."""


class NoticeWarning(UserWarning):
    """What whoever uses a detector must know; also in the run record, as ``detector.notice``."""


Factory = Callable[["DetectionConfig"], Detector]
_FACTORIES: dict[str, Factory] = {}


def register_detector(preset: str, factory: Factory) -> None:
    """Make a detector available as the preset of this name; a factory registered before under it is replaced.

    ``factory`` gets the validated ``DetectionConfig``, loads what it needs (checking digests, see ``drape.assets``,
    and sight, see ``drape.detection.canary``) and returns the detector.
    """
    _FACTORIES[preset] = factory


def registered_detectors() -> tuple[str, ...]:
    """Names that ``DetectionConfig.preset`` accepts, in the order of their registration."""
    return tuple(_FACTORIES)


def build_detector(config: DetectionConfig) -> Detector:
    """The detector that ``config`` asks for, ready to run.

    Raises:
        ConfigError: no detector is registered under the preset's name, or its settings contradict each other.
        WeightsError: the weights are missing, altered, unsafe, of another architecture, or blind.
        DetectionError: the device is not there.
    """
    if config.model is not None:
        # Imported late: it needs the presets, and they need this module.
        from drape.detection.model_folder import build_from_folder

        return build_from_folder(config)
    try:
        factory = _FACTORIES[config.preset]
    except KeyError:
        known = ", ".join(_FACTORIES)
        raise ConfigError(f"There is no detector preset {config.preset!r}", f"Choose one of: {known}") from None
    return factory(config)
