"""What the adapter reads out of an mmdet configuration, and what it changes in it."""

from __future__ import annotations

from typing import Any

from torch import nn

from drape.detection.config import DetectionConfig
from drape.errors import ConfigError

_MANY = 1000
"""Boxes of all classes that a model of several classes may return, so that persons are not crowded out."""


def pipeline_of(cfg: Any) -> list[Any]:
    """Steps of the configuration's test pipeline.

    Raises:
        ConfigError: it has none.
    """
    try:
        dataset = cfg.test_dataloader.dataset
        while "pipeline" not in dataset:
            dataset = dataset.dataset
        return list(dataset.pipeline)
    except AttributeError:
        raise ConfigError(
            "The configuration names no test pipeline", "Give it a test_dataloader with a dataset and pipeline"
        ) from None


def with_thresholds(network: Any, config: DetectionConfig) -> Any:
    """A copy of the model's configuration that returns all that ``config`` wants kept.

    Raises:
        ConfigError: it is no detector's.
    """
    network = network.copy()
    test = network.get("test_cfg")
    if test is None:
        raise ConfigError("The configuration has no test_cfg", "Use the configuration of an mmdet detector")
    for part in [test["rcnn"]] if "rcnn" in test else [test]:
        part["score_thr"] = config.score_floor
        part["max_per_img"] = max(_MANY, config.max_per_frame)
        if "nms" in part:
            part["nms"] = {"type": "nms", "iou_threshold": config.nms_iou}
    return network


def num_classes(model: nn.Module) -> int:
    """How many classes the model tells apart.

    Raises:
        ConfigError: it does not say.
    """
    head = getattr(model, "bbox_head", None) or getattr(getattr(model, "roi_head", None), "bbox_head", None)
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    count = getattr(head, "num_classes", None)
    if not isinstance(count, int):
        raise ConfigError("The model does not say how many classes it has", "Use a detector of mmdet")
    return count


def config_classes(cfg: Any) -> tuple[str, ...]:
    """Names of the classes by the configuration; empty if it does not say."""
    meta = cfg.test_dataloader.dataset.get("metainfo") or {}
    names = meta.get("classes") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def person_index(classes: tuple[str, ...], count: int) -> int:
    """Index of the class person.

    Raises:
        ConfigError: neither the weights nor the configuration name such a class.
    """
    if len(classes) == count and "person" in classes:
        return classes.index("person")
    if count in (1, 80) and len(classes) != count:
        return 0  # one class, or COCO's, whose first is person
    raise ConfigError("Neither the weights nor the configuration say which class is the person", "Set `person_class`")
