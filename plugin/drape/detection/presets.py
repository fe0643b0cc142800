"""The detectors that are known by name: architecture, published weights, input size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drape.assets import Asset, locate, packaged
from drape.detection.detector import Detector, register_detector

if TYPE_CHECKING:
    from drape.detection.config import DetectionConfig
    from drape.openmmlab import Package

_ZOO = "https://download.openmmlab.com"

EXAMPLE_SHA256 = "729a04570f670395223b35d4726af07b4d7bc11e22cee3c78376fb6e59248945"
"""Digest of the example's weights; ``scripts/train_detector.py`` prints that of new ones."""


@dataclass(frozen=True)
class Preset:
    """An architecture that mmdet or mmpose ships, and its published weights.

    Args:
        package, config: the package that ships the configuration, and its path below the package's ``.mim`` folder.
        asset: the weights.
        size: longer side of the input in pixels; None: the configuration's own.
        folder: where configuration and weights lie that come with Drape itself; None: the package ships the
            configuration, and the weights are fetched.
        notice: what whoever uses the preset must know; empty if nothing.
        person: index of the class "person"; 0 in all built-in presets (of 80 COCO classes, or of one).
    """

    name: str
    package: Package
    config: str
    asset: Asset
    size: int | None = None
    folder: Path | None = None
    notice: str = ""
    person: int = 0

    def configuration(self) -> Path:
        """The mmdet configuration's file."""
        from drape.openmmlab import shipped

        return self.folder / self.config if self.folder else shipped(self.package, self.config)

    def weights(self) -> Path:
        """The weights' file, its digest checked; fetched if need be.

        Raises:
            WeightsError: they are missing, altered, or cannot be fetched.
        """
        return packaged(self.asset, self.folder) if self.folder else locate(self.asset)


def _preset(name: str, package: Package, config: str, folder: str, file: str, sha256: str, size: int | None) -> Preset:
    return Preset(name, package, config, Asset(name, file, f"{_ZOO}/{folder}/{file}", sha256), size)


_PRESETS = (
    _preset(
        "rtmdet-m-person",
        "mmpose",
        "demo/mmdetection_cfg/rtmdet_m_640-8xb32_coco-person.py",
        "mmpose/v1/projects/rtmpose",
        "rtmdet_m_8xb32-100e_coco-obj365-person-235e8209.pth",
        "235e820939cb2ff33c505441e71f7e9532958c281636a963c6829d100867aed9",
        None,
    ),
    _preset(
        "rtmdet-nano-person",
        "mmpose",
        "demo/mmdetection_cfg/rtmdet_nano_320-8xb32_coco-person.py",
        "mmpose/v1/projects/rtmpose",
        "rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e.pth",
        "05d8511e7b3fabc62e27d2f624179e004ad14ee63a86ca9d9d22c88f3db0eee1",
        640,
    ),
    _preset(
        "rtmdet-x",
        "mmdet",
        "configs/rtmdet/rtmdet_x_8xb32-300e_coco.py",
        "mmdetection/v3.0/rtmdet/rtmdet_x_8xb32-300e_coco",
        "rtmdet_x_8xb32-300e_coco_20220715_230555-cc79b9ae.pth",
        "cc79b9ae0970f7f597e2aa5f81663129f3aa24e5612549b4f1a383da7fff825d",
        None,
    ),
    _preset(
        "yolox-x",
        "mmdet",
        "configs/yolox/yolox_x_8xb8-300e_coco.py",
        "mmdetection/v2.0/yolox/yolox_x_8x8_300e_coco",
        "yolox_x_8x8_300e_coco_20211126_140254-1ef88d67.pth",
        "1ef88d67f9c912a7c3a6df4f4d9bdf391cf70df867e6c9d7f249c7a3990e3dec",
        None,
    ),
    _preset(
        "dino-swin-l",
        "mmdet",
        "configs/dino/dino-5scale_swin-l_8xb2-12e_coco.py",
        "mmdetection/v3.0/dino/dino-5scale_swin-l_8xb2-12e_coco",
        "dino-5scale_swin-l_8xb2-12e_coco_20230228_072924-a654145f.pth",
        "a654145f",
        None,
    ),
    Preset(
        "example",
        "mmdet",
        "architecture.json",
        Asset("example", "person.pth", "", EXAMPLE_SHA256),
        folder=Path(__file__).with_name("example"),
        notice="The example detector has seen rendered rooms only: it is for trying Drape on simulated recordings, "
        "never for releasing a real one",
    ),
)

PRESETS = {preset.name: preset for preset in _PRESETS}
"""The built-in presets by name; the default first."""


def _build(config: DetectionConfig) -> Detector:
    # Imported late: a form that lists presets must not wait for PyTorch and mmdet.
    from drape.detection.mmdet_adapter import build

    return build(config)


def _build_onnx(config: DetectionConfig) -> Detector:
    from drape.detection.onnx_adapter import build

    return build(config)


for _name in PRESETS:
    register_detector(_name, _build)
register_detector("onnx", _build_onnx)
