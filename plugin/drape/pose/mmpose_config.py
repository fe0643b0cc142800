"""What the adapter reads out of an mmpose configuration, and what it changes in it."""

from __future__ import annotations

from typing import Any

from drape import openmmlab
from drape.errors import ConfigError
from drape.pose.skeleton import COUNTS, NAMES


def pipeline_of(cfg: Any) -> list[Any]:
    """Steps of the configuration's test pipeline.

    Raises:
        ConfigError: it has none.
    """
    try:
        return list(cfg.test_dataloader.dataset.pipeline)
    except AttributeError:
        raise ConfigError(
            "The configuration names no test pipeline", "Give it a test_dataloader with a dataset and pipeline"
        ) from None


def network_of(cfg: Any, flip_test: bool) -> Any:
    """A copy of the model's configuration with the flip test on or off.

    Raises:
        ConfigError: it is no top-down pose model's.
    """
    network = cfg.get("model")
    if network is None or str(network.get("type", "")).rsplit(".", 1)[-1] != "TopdownPoseEstimator":
        raise ConfigError(
            "The configuration is not that of a top-down pose model", "Use a TopdownPoseEstimator of mmpose"
        )
    network = network.copy()
    network["train_cfg"] = None
    network["test_cfg"] = {**(network.get("test_cfg") or {}), "flip_test": flip_test, "output_heatmaps": False}
    return network


def check_points(cfg: Any, count: int) -> None:
    """Refuse a model whose points are not those of COCO-WholeBody or of COCO.

    Raises:
        ConfigError: it has another number of points, or its configuration says that they are others.
    """
    hint = "Use a model of COCO-WholeBody (133 points) or COCO (17)"
    if count not in COUNTS:
        raise ConfigError(f"The model gives {count} key points, and Drape reads 133 or 17", hint)
    names = _names(cfg)
    if names and tuple(name.replace("-", "_") for name in names) != tuple(n.replace("-", "_") for n in NAMES[:count]):
        raise ConfigError("The model's key points are not those of COCO-WholeBody or of COCO", hint)


def _names(cfg: Any) -> list[str]:
    """Names of the points by the configuration's data set; empty if it does not say."""
    dataset = cfg.test_dataloader.dataset
    if "type" not in dataset and "metainfo" not in dataset:
        return []
    with openmmlab.scope("mmpose"):
        from mmpose.apis.inference import dataset_meta_from_config

        try:
            meta = dataset_meta_from_config(cfg, dataset_mode="test") or {}
        except (KeyError, FileNotFoundError) as error:
            raise ConfigError(
                "The configuration's data set is not known, so neither are the key points", "Use a data set of mmpose"
            ) from error
    named = meta.get("keypoint_id2name", {})
    return [named[k] for k in sorted(named)]
