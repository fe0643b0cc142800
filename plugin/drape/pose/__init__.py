"""Pose: from persons to key points, and from key points to the head regions that are masked.

``build_estimator`` makes the estimator that a ``PoseConfig`` names, ``estimate_view`` runs it over a view. Another
engine is added by writing a ``PoseEstimator`` and giving its factory to ``register_estimator``. What needs torch, or
reads videos, is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from drape.pose.config import PoseConfig
from drape.pose.estimator import (
    DeviceError,
    Factory,
    PoseError,
    PoseEstimator,
    PoseNoticeWarning,
    build_estimator,
    register_estimator,
    registered_estimators,
)
from drape.pose.presets import PRESETS, Preset

if TYPE_CHECKING:
    from drape.pose.smoothing import smooth_segments
    from drape.pose.stage import PoseSegment, estimate_view

_LATER = {
    "smooth_segments": "smoothing",
    "PoseSegment": "stage",
    "estimate_view": "stage",
}

__all__ = [
    "PRESETS",
    "DeviceError",
    "Factory",
    "PoseConfig",
    "PoseError",
    "PoseEstimator",
    "PoseNoticeWarning",
    "PoseSegment",
    "Preset",
    "build_estimator",
    "estimate_view",
    "register_estimator",
    "registered_estimators",
    "smooth_segments",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
