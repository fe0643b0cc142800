"""The pose estimators that are known by name: architecture, published weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drape.assets import Asset, locate, packaged
from drape.errors import WeightsError
from drape.pose.estimator import PoseEstimator, register_estimator
from drape.pose.skeleton import BODY_COUNT, COUNT

if TYPE_CHECKING:
    from drape.pose.config import PoseConfig

_ZOO = "https://download.openmmlab.com/mmpose/v1/projects"

EXAMPLE_SHA256 = "71e00344ca36e42c17802e0b80bc136fb9b1cababb019ac1fc230a060503f4bb"
"""Digest of the example's weights; the script that trains them prints that of new ones."""


@dataclass(frozen=True)
class Preset:
    """An architecture that mmpose ships, and its published weights.

    Args:
        config: the configuration's path below mmpose's ``.mim/configs`` folder, or below ``folder``.
        points: key points of a pose.
        asset: the weights; None: they are published without a digest, so they are never fetched, and the user names
            the file and answers for it.
        url: where they are published.
        folder: where configuration and weights lie that come with Drape itself.
        notice: what whoever uses the preset must know; empty if nothing.
    """

    name: str
    config: str
    points: int
    asset: Asset | None
    url: str
    folder: Path | None = None
    notice: str = ""

    def configuration(self) -> Path:
        """The mmpose configuration's file."""
        from drape.openmmlab import shipped

        return self.folder / self.config if self.folder else shipped("mmpose", f"configs/{self.config}")

    def weights(self) -> Path:
        """The weights' file, its digest checked; fetched if need be.

        Raises:
            WeightsError: they are missing, altered, cannot be fetched, or cannot be checked.
        """
        if self.asset is None:
            raise WeightsError(
                f"The weights of {self.name} are published without a digest, so they are not fetched unasked",
                f"Download {self.url} and name the file by `weights`",
            )
        return packaged(self.asset, self.folder) if self.folder else locate(self.asset)


def _preset(name: str, config: str, points: int, file: str) -> Preset:
    """A preset of the zoo. File names of OpenMMLab hold the first 8 digits of the sha256, where they hold one."""
    url = f"{_ZOO}/{file}"
    filename = file.rsplit("/", 1)[-1]
    digest = next((part for part in filename.replace("_", "-").split("-") if _is_digest(part)), None)
    return Preset(name, config, points, Asset(name, filename, url, digest) if digest else None, url)


def _is_digest(part: str) -> bool:
    return len(part) == 8 and not part.isdigit() and set(part) <= set("0123456789abcdef")


_UBODY = "wholebody_2d_keypoint/rtmpose/ubody/rtmpose-{}_8xb64-270e_coco-ubody-wholebody-256x192.py"
_RTMW = "wholebody_2d_keypoint/rtmpose/cocktail14/rtmw-{}_cocktail14-{}.py"
_BODY = "body_2d_keypoint/rtmpose/body8/rtmpose-{}_8xb256-420e_body8-256x192.py"

_PRESETS = (
    _preset(
        "rtmpose-m-wholebody",
        _UBODY.format("m"),
        COUNT,
        "rtmposev1/rtmpose-m_simcc-ucoco_dw-ucoco_270e-256x192-c8b76419_20230728.pth",
    ),
    _preset(
        "rtmpose-s-wholebody",
        _UBODY.format("s"),
        COUNT,
        "rtmposev1/rtmpose-s_simcc-ucoco_dw-ucoco_270e-256x192-3fd922c8_20230728.pth",
    ),
    _preset(
        "rtmpose-t-wholebody",
        _UBODY.format("t"),
        COUNT,
        "rtmposev1/rtmpose-t_simcc-ucoco_dw-ucoco_270e-256x192-dcf277bf_20230728.pth",
    ),
    _preset(
        "rtmpose-l-wholebody-384",
        "wholebody_2d_keypoint/rtmpose/coco-wholebody/rtmpose-l_8xb32-270e_coco-wholebody-384x288.py",
        COUNT,
        "rtmposev1/rtmpose-l_simcc-ucoco_dw-ucoco_270e-384x288-2438fd99_20230728.pth",
    ),
    _preset(
        "rtmw-x-384",
        _RTMW.format("x_8xb320-270e", "384x288"),
        COUNT,
        "rtmw/rtmw-x_simcc-cocktail14_pt-ucoco_270e-384x288-f840f204_20231122.pth",
    ),
    _preset(
        "rtmw-x",
        _RTMW.format("x_8xb704-270e", "256x192"),
        COUNT,
        "rtmw/rtmw-x_simcc-cocktail14_pt-ucoco_270e-256x192-13a2546d_20231208.pth",
    ),
    _preset(
        "rtmw-l-384",
        _RTMW.format("l_8xb320-270e", "384x288"),
        COUNT,
        "rtmw/rtmw-dw-x-l_simcc-cocktail14_270e-384x288-20231122.pth",
    ),
    _preset(
        "rtmw-l",
        _RTMW.format("l_8xb1024-270e", "256x192"),
        COUNT,
        "rtmw/rtmw-dw-x-l_simcc-cocktail14_270e-256x192-20231122.pth",
    ),
    _preset(
        "rtmw-m",
        _RTMW.format("m_8xb1024-270e", "256x192"),
        COUNT,
        "rtmw/rtmw-dw-l-m_simcc-cocktail14_270e-256x192-20231122.pth",
    ),
    _preset(
        "rtmpose-m-body",
        _BODY.format("m"),
        BODY_COUNT,
        "rtmposev1/rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.pth",
    ),
    _preset(
        "rtmpose-s-body",
        _BODY.format("s"),
        BODY_COUNT,
        "rtmposev1/rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504.pth",
    ),
    _preset(
        "rtmpose-t-body",
        _BODY.format("t"),
        BODY_COUNT,
        "rtmposev1/rtmpose-t_simcc-body7_pt-body7_420e-256x192-026a1439_20230504.pth",
    ),
    Preset(
        "example",
        "architecture.json",
        COUNT,
        Asset("the example pose model", "pose.pth", "", EXAMPLE_SHA256),
        "",
        folder=Path(__file__).with_name("example"),
        notice="The example pose model has seen rendered rooms only: it is for trying Drape on simulated recordings, "
        "never for releasing a real one",
    ),
)

PRESETS = {preset.name: preset for preset in _PRESETS}
"""The built-in presets by name; the default first."""


def _build(config: PoseConfig) -> PoseEstimator:
    # Imported late: a form that lists presets must not wait for PyTorch and mmpose.
    from drape.pose.mmpose_adapter import build

    return build(config)


for _name in PRESETS:
    register_estimator(_name, _build)
