"""From the settings of detection to a model that can be trained, and back."""

from __future__ import annotations

from pathlib import Path

from drape import openmmlab
from drape.adaptation.fine_tuning import BaseModel
from drape.detection import PRESETS, DetectionConfig
from drape.detection.mmdet_config import config_classes, num_classes, person_index
from drape.detection.model_folder import read_model_folder
from drape.errors import AdaptationError
from drape.openmmlab import build_model


def base_model(config: DetectionConfig) -> BaseModel:
    """The model behind a detector, as training needs it.

    Raises:
        AdaptationError: the detector is none of mmdet's.
        ConfigError, WeightsError: see ``drape.detection.build_detector``.
    """
    config = opened(config)
    if config.mmdet_config is not None and config.weights is not None:
        loaded = openmmlab.load_config(config.mmdet_config)
        person = config.person_class
        if person is None:
            from drape.checkpoint import read_checkpoint

            classes = read_checkpoint(config.weights).classes or config_classes(loaded)
            person = person_index(classes, num_classes(build_model(loaded.model, "mmdet")))
        return BaseModel(loaded, config.weights, config.size, person)
    if config.preset not in PRESETS:
        raise AdaptationError("Only detectors of mmdet can be adapted", "Choose one of its presets")
    preset = PRESETS[config.preset]
    loaded = openmmlab.load_config(preset.configuration())
    person = preset.person if config.person_class is None else config.person_class
    return BaseModel(loaded, config.weights or preset.weights(), config.size or preset.size, person)


def opened(config: DetectionConfig) -> DetectionConfig:
    """The same detector with a model folder replaced by the files it holds.

    Raises:
        AdaptationError: the folder's model cannot be trained.
        WeightsError: the folder is damaged.
    """
    if config.model is None:
        return config
    found = read_model_folder(config.model.parent)
    if found.engine != "mmdet" or found.config is None:
        raise AdaptationError("An exported model cannot be adapted", "Choose the model it was made from")
    return _changed(
        config,
        model=None,
        mmdet_config=found.folder / found.config,
        weights=found.folder / found.weights,
        size=config.size or found.size,
        person_class=found.person_class if config.person_class is None else config.person_class,
    )


def adapted(config: DetectionConfig, base: BaseModel, weights: Path) -> DetectionConfig:
    """The same detector with weights that were trained from ``base``."""
    return _changed(opened(config), weights=weights, person_class=base.person_class)


def notice_of(config: DetectionConfig) -> str:
    """What whoever uses the detector must know; it holds of everything that is made of it."""
    if config.model is not None:
        return read_model_folder(config.model.parent).notice
    own = config.mmdet_config is not None or config.preset not in PRESETS
    return "" if own else PRESETS[config.preset].notice


def name_of(config: DetectionConfig) -> str:
    """The detector's name on cards."""
    if config.model is not None:
        return read_model_folder(config.model.parent).name
    return config.preset if config.mmdet_config is None else "own-mmdet"


def _changed(config: DetectionConfig, **changes: object) -> DetectionConfig:
    return DetectionConfig.model_validate({**config.model_dump(), **changes})
