"""The device that a pose model runs on, and what its failures mean."""

from __future__ import annotations

import torch

from drape.pose.estimator import PoseError


def choose_device(name: str) -> torch.device:
    """The device of this name; ``auto`` is a CUDA GPU if there is one, else the CPU.

    Raises:
        PoseError: there is no such device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = torch.device(("cuda" if count else "cpu") if name == "auto" else name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise PoseError(f"There is no device {name!r}", "Set `device` to auto or cpu")
    return device


def device_trouble(error: Exception) -> str:
    """``memory``, ``lost`` (a CUDA error after which the process cannot use the GPU) or nothing."""
    text = str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in text:
        return "memory"
    return "lost" if "CUDA error" in text or "cuDNN error" in text else ""
