"""Settings and the registry of detectors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from drape.detection import PRESETS, DetectionConfig, build_detector, detector, register_detector, registered_detectors
from drape.errors import ConfigError
from pydantic import ValidationError
from support import blobs


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(detector, "_FACTORIES", dict(detector._FACTORIES))
    yield


def test_the_default_is_the_medium_person_detector() -> None:
    config = DetectionConfig()
    assert config.preset == "rtmdet-m-person" == next(iter(PRESETS))
    assert config.score_floor == 0.05
    assert config.segment_frames % config.batch_size == 0


def test_all_presets_are_accepted() -> None:
    assert set(PRESETS) <= set(registered_detectors())
    for name in PRESETS:
        assert DetectionConfig(preset=name).preset == name


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="rtmdet-nano-person"):
        DetectionConfig(preset="rtmdet-nano")


def test_another_engine_can_be_added() -> None:
    register_detector("blobs-2", blobs.BlobDetector)
    config = DetectionConfig(preset="blobs-2", score_floor=0.4)
    built = build_detector(config)
    assert isinstance(built, blobs.BlobDetector)
    assert built.floor == 0.4
    del detector._FACTORIES["blobs-2"]
    with pytest.raises(ConfigError, match="no detector preset"):
        build_detector(config)


@pytest.mark.parametrize(
    "values",
    [
        {"score_floor": 0.0},
        {"batch_size": 3, "segment_frames": 8},
        {"mmdet_config": Path("own.py")},
        {"device": "gpu"},
        {"device": "cuda:x"},
        {"size": 8},
        {"nms_iou": 1.0},
        {"score_flor": 0.1},
    ],
)
def test_contradictions_and_misspellings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DetectionConfig.model_validate(values)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in DetectionConfig.model_fields.values())


def test_settings_are_listed_without_pytorch() -> None:
    code = "import drape.detection, sys; print(sorted({'torch', 'mmdet', 'mmcv', 'fiftyone'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
