"""PyTorch checkpoints as data: tensors are read, code is never run, and a model takes all of them or none."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from drape.errors import WeightsError
from drape.tables import sha256

_SHOWN = 4


class Checkpoint(NamedTuple):
    """What a checkpoint file says.

    ``state``: the model's tensors by name, on the CPU. ``classes``: class names in the order of the model's outputs,
    empty if the file does not say. ``sha256``: the file's digest.
    """

    state: dict[str, Tensor]
    classes: tuple[str, ...]
    sha256: str


class _Ignored:
    """Stands for a training framework's bookkeeping in a checkpoint: takes anything, does nothing, holds nothing."""

    def __init__(self, *args: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


# OpenMMLab leaves its training logs in published files: HistoryBuffer, with numpy arrays and bound methods. These
# names are read as `_Ignored`, so that not even the named code is run (`getattr` would be a way to any other).
_BOOKKEEPING = (
    "builtins.getattr",
    "collections.deque",
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint file of PyTorch, of mmengine (``state_dict``, ``meta``) or a bare table of tensors.

    Raises:
        WeightsError: the file is missing, damaged, compressed (an archive bomb may be hidden so), holds anything but
            tensors and plain values, or holds tensors that are not finite.
    """
    if not path.is_file():
        raise WeightsError("The weights file does not exist", "Check the path of the weights")
    digest = sha256(path)
    content = _load(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(k, str) for k in state):
        raise WeightsError("The weights file holds no table of tensors", "Choose a checkpoint of the model")
    state = {name.removeprefix("module."): value for name, value in state.items()}
    for name, value in state.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided:
            raise WeightsError(f"The weights file holds {name[:80]!r}, which is no dense tensor", "Export it again")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise WeightsError(f"The weights hold values that are not finite, in {name[:80]!r}", "Use other weights")
    return Checkpoint(state, _classes(content), digest)


def load_into(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Give a model the tensors of a checkpoint; names and shapes must agree without exception.

    Not counted as differences: buffers of a data pre-processor (configurations hold their values), ``ema_…``
    duplicates that mmdet 2 kept beside the averaged weights, and batch-norm's unused step counters.

    Raises:
        WeightsError: the weights are of another architecture; the first differences are named.
    """
    wanted = model.state_dict()
    given = {
        k: v for k, v in checkpoint.state.items() if k in wanted or not k.startswith(("data_preprocessor.", "ema_"))
    }
    missing = [k for k in wanted if k not in given and not k.endswith(".num_batches_tracked")]
    unexpected = [k for k in given if k not in wanted]
    shapes = [k for k in given if k in wanted and given[k].shape != wanted[k].shape]
    if missing or unexpected or shapes:
        parts = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        told = "; ".join(f"{len(names)} {what}: {_first(names)}" for what, names in parts if names)
        raise WeightsError(
            f"The weights do not fit the model's architecture ({told})",
            "Choose the weights that belong to this preset or configuration",
        )
    model.load_state_dict(given, strict=False)


def _first(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(n[:80] for n in names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _load(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise WeightsError("The weights file is compressed, as PyTorch never writes it", "Export it again")
        with torch.serialization.safe_globals([(_Ignored, name) for name in _BOOKKEEPING]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        raise WeightsError(
            "The weights file is damaged or holds more than tensors, and was not loaded",
            "Use a checkpoint from a source that you trust, saved as a table of tensors (state_dict)",
        ) from error
    except MemoryError as error:
        raise WeightsError("The weights file asks for more memory than there is", "Use other weights") from error
    except Exception as error:  # damaged bytes surface as almost any exception of the reader
        raise WeightsError(
            "The weights file is damaged or is no PyTorch checkpoint", "Copy or download it again"
        ) from error


def _classes(content: Any) -> tuple[str, ...]:
    meta = content.get("meta") if "state_dict" in content else None
    meta = meta if isinstance(meta, dict) else {}
    dataset = meta.get("dataset_meta")
    names = (dataset.get("classes") or dataset.get("CLASSES")) if isinstance(dataset, dict) else meta.get("CLASSES")
    if isinstance(names, str):
        return (names,)
    return tuple(n for n in names if isinstance(n, str)) if isinstance(names, (list, tuple)) else ()
