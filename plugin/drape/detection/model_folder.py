"""A site's own model as a detector: a folder with a card, made by an adaptation.

Of the card ``model.json`` this reads ``name``, ``detector`` (``engine``, ``weights``, ``config``, ``size``,
``person_class``, ``notice``) and ``files`` (the sha256 of every file); the rest is for people.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from drape.errors import WeightsError
from drape.tables import sha256

if TYPE_CHECKING:
    from drape.detection.config import DetectionConfig
    from drape.detection.detector import Detector

CARD = "model.json"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ModelFolder(NamedTuple):
    """What a card says of its model, the files it names proven unchanged.

    ``engine``: ``mmdet`` or ``onnx``. ``size``: longer side of the input in pixels; None: the configuration's own.
    """

    name: str
    engine: str
    folder: Path
    weights: str
    config: str | None
    digests: dict[str, str]
    size: int | None
    person_class: int
    notice: str


def read_model_folder(folder: Path) -> ModelFolder:
    """Read a card and check the files it names.

    Raises:
        WeightsError: there is no card, it is damaged, or a file is missing or was changed.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        found = _parsed(folder, card)
    except FileNotFoundError as error:
        raise WeightsError("The folder holds no model", "Choose a folder made by an adaptation") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError("The model's card is damaged", "Copy the model's folder again") from error
    for name, digest in found.digests.items():
        path = folder / name
        if path.is_symlink() or not path.is_file() or sha256(path) != digest:
            state = "was changed" if path.is_file() else "is missing"
            raise WeightsError(f"The model's file {name} {state}", "Copy the model's folder again")
    return found


def _parsed(folder: Path, card: Any) -> ModelFolder:
    part, digests = card["detector"], dict(card["files"])
    size, config, engine = part.get("size"), part.get("config"), str(part["engine"])
    named = [part["weights"], *([config] if config is not None else [])]
    if engine not in ("mmdet", "onnx") or any(name not in digests for name in named):
        raise ValueError("the card names a file without its digest, or an unknown engine")
    if engine == "mmdet" and config is None:
        raise ValueError("a model of mmdet needs its configuration")
    if not all(_PLAIN.fullmatch(name) for name in (card["name"], *digests)):
        raise ValueError("a name is not plain")
    return ModelFolder(
        name=card["name"],
        engine=engine,
        folder=folder,
        weights=part["weights"],
        config=config,
        digests=digests,
        size=None if size is None else int(size),
        person_class=int(part.get("person_class", 0)),
        notice=str(part.get("notice", "")),
    )


def build_from_folder(config: DetectionConfig) -> Detector:
    """The detector of the folder that ``config.model`` names.

    Raises:
        WeightsError, ConfigError, DetectionError: see ``drape.detection.build_detector``.
    """
    if config.model is None:
        raise ValueError("no model folder is named")
    found = read_model_folder(config.model.parent)
    if found.engine == "onnx":
        from drape.detection.onnx_adapter import build_model as build_onnx

        return build_onnx(config, found)
    from drape.assets import Asset
    from drape.detection.mmdet_adapter import build
    from drape.detection.presets import Preset

    asset = Asset(found.name, found.weights, "", found.digests[found.weights])
    preset = Preset(
        found.name, "mmdet", str(found.config), asset, found.size, found.folder, found.notice, found.person_class
    )
    return build(config, preset)
