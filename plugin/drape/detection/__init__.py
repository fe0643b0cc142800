"""Detection: from frames to candidates.

``build_detector`` makes the detector that a ``DetectionConfig`` names, ``detect_view`` runs it over a view. Another
engine is added by writing a ``Detector`` and giving its factory to ``register_detector``.
"""

from drape.detection.config import DetectionConfig
from drape.detection.detector import (
    Detector,
    DeviceError,
    Factory,
    NoticeWarning,
    build_detector,
    register_detector,
    registered_detectors,
)
from drape.detection.presets import PRESETS, Preset
from drape.detection.stage import Segment, detect_view

__all__ = [
    "PRESETS",
    "DetectionConfig",
    "Detector",
    "DeviceError",
    "Factory",
    "NoticeWarning",
    "Preset",
    "Segment",
    "build_detector",
    "detect_view",
    "register_detector",
    "registered_detectors",
]
