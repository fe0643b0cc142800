"""The one place that sets up OpenMMLab: its operators, its registries' scope, its configurations, its logging.

OpenMMLab's ordinary package from PyPI has no compiled operators. A module that takes their place answers the three
that detectors need for inference with PyTorch's own; every other one raises. A compiled mmcv is used as it is.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import importlib.machinery
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from drape.errors import ConfigError

Package = Literal["mmdet", "mmpose"]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Greedy non-maximum suppression with mmcv's signature: indices of the kept boxes, best score first.

    ``offset`` 1 counts a box's last pixel as part of it, as mmcv does.
    """
    from torchvision.ops import nms as torchvision_nms

    grow = boxes.new_tensor([0, 0, offset, offset])
    return torchvision_nms(boxes + grow, scores, float(iou_threshold))


def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    _level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int = 64,  # noqa: ARG001  passed by name
) -> Tensor:
    """Multi-scale deformable attention with mmcv's signature, by its PyTorch formula (needed on a GPU only)."""
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(value, spatial_shapes, sampling_locations, attention_weights)


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    _argmax_y: Tensor,
    _argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Region pooling with mmcv's signature, by averages (``pool_mode`` 1); the result is written to ``output``."""
    from torchvision.ops import roi_align

    if pool_mode != 1:
        raise NotImplementedError("the operator roi_align by maxima needs mmcv compiled with ops")
    size = (aligned_height, aligned_width)
    output.copy_(roi_align(features, rois, size, spatial_scale, sampling_ratio or -1, aligned))


def _absent(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)

    def operator(*args: object, **kwargs: object) -> Any:
        raise NotImplementedError(f"the operator {name} needs mmcv compiled with ops")

    return operator


def _operators() -> ModuleType:
    module = ModuleType("mmcv._ext", "mmcv's operators through PyTorch.")
    # mmengine looks modules up by their spec, so there must be a real one.
    module.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", loader=None)
    known = {f.__name__: f for f in (nms, ms_deform_attn_forward, roi_align_forward)}
    vars(module).update(known, __getattr__=_absent)
    return module


@functools.cache
def prepare() -> None:
    """Make mmengine, mmcv, mmdet and mmpose usable in this process. Repeated calls do nothing.

    Raises:
        ConfigError: mmcv has compiled operators that do not load with the installed PyTorch.
    """
    try:
        importlib.import_module("mmcv._ext")
    except ModuleNotFoundError:
        sys.modules["mmcv._ext"] = _operators()
    except ImportError as error:
        raise ConfigError(
            "mmcv's compiled operators do not fit the installed PyTorch", "Install mmcv again for this PyTorch"
        ) from error
    for name in ("mmengine", "mmcv", "mmdet", "mmpose"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what OpenMMLab prints (whole configurations, notes on fallbacks) off the standard output."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def scope(package: Package) -> Iterator[None]:
    """Within it, OpenMMLab's registries look names up in ``package`` first, whatever was set before or by others."""
    prepare()
    with quiet():
        from mmengine.registry import DefaultScope

        importlib.import_module(f"{package}.utils").register_all_modules(init_default_scope=False)
        with DefaultScope.overwrite_default_scope(package):
            yield


def shipped(package: Package, name: str) -> Path:
    """Path of a file that a package ships under its ``.mim`` folder, e.g. ``configs/rtmdet/rtmdet_x….py``."""
    prepare()
    module = importlib.import_module(package)
    return Path(str(module.__file__)).parent / ".mim" / name


def load_config(path: Path) -> Any:
    """An mmengine ``Config`` from a file, its bases merged.

    A ``.py`` file is run as Python: the caller answers for its source. YAML is refused, because mmengine's reader
    would run what a tag in it names.

    Raises:
        ConfigError: the file is missing, of another kind, or not a configuration.
    """
    prepare()
    if path.suffix.lower() not in {".py", ".json"} or not path.is_file():
        raise ConfigError("The model's configuration is not a .py or .json file", "Name an existing file of that kind")
    with quiet():
        from mmengine.config import Config

        try:
            return Config.fromfile(path)
        except Exception as error:  # whatever the file's code raises
            raise ConfigError(
                f"The model's configuration cannot be read ({type(error).__name__})", "Correct the file"
            ) from error


def build_model(config: Any, package: Package) -> nn.Module:
    """The model of a configuration's ``model`` part: weights as constructed, on the CPU, in evaluation mode.

    Nothing is downloaded: initial weights that the configuration names are ignored.

    Raises:
        ConfigError: the configuration does not describe a model of this package.
    """
    with scope(package):
        from mmengine.model.utils import revert_sync_batchnorm
        from mmengine.registry import MODELS

        try:
            model = MODELS.build(_without_initial_weights(config))
        except Exception as error:  # constructors raise anything
            raise ConfigError(
                f"The configuration does not describe a model of {package} ({type(error).__name__})",
                "Correct its part 'model'",
            ) from error
        return revert_sync_batchnorm(model).eval()


def _without_initial_weights(part: Any) -> Any:
    if isinstance(part, dict):
        items = ((k, _without_initial_weights(v)) for k, v in part.items() if k not in ("init_cfg", "pretrained"))
        return type(part)(items)
    if isinstance(part, (list, tuple)):
        return type(part)(_without_initial_weights(v) for v in part)
    return part


def for_inference(model: nn.Module) -> nn.Module:
    """The same model with batch norms folded into their convolutions and weights laid out by channel, in place.

    The outputs change by rounding only; on a CPU it is about twice as fast. A convolution that several norms share
    (RTMDet's heads share theirs over the levels) keeps them. The model can no longer be trained.
    """
    from mmcv.cnn import ConvModule

    prepare()
    blocks = [m for m in model.modules() if isinstance(m, ConvModule)]
    uses = collections.Counter(id(block.conv) for block in blocks)
    for block in blocks:
        norm = block.norm if block.with_norm else None
        plain = block.order == ("conv", "norm", "act") and isinstance(block.conv, nn.Conv2d)
        if plain and uses[id(block.conv)] == 1 and isinstance(norm, _BatchNorm) and norm.running_var is not None:
            block.conv = torch.nn.utils.fusion.fuse_conv_bn_eval(block.conv, norm)
            setattr(block, block.norm_name, nn.Identity())
    return model.eval().to(memory_format=torch.channels_last)
