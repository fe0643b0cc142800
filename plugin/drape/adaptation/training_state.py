"""Where a training stands, on disk: tensors and plain values only, whole or absent.

mmengine's own way of going on reads a checkpoint as pickle if it cannot be read as data, so a planted file would run.
What is written here is read as data or not at all.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch

from drape.errors import AdaptationError


def save(content: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values so that the file is either whole or absent.

    Raises:
        AdaptationError: the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        # Through memory: PyTorch's own writer turns a full disk into an error that says nothing.
        buffer = io.BytesIO()
        torch.save(content, buffer)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise AdaptationError(
            f"The training's state cannot be written ({error.strerror})",
            "Free space on the disk and start again: the training goes on from the last state written",
        ) from error


def load(path: Path, key: str) -> dict[str, Any] | None:
    """What was saved for a training of this key; None if there is nothing, or not of this training, or damaged."""
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # damaged bytes surface as almost any exception; such a training begins anew
        return None
    return content if isinstance(content, dict) and content.get("key") == key else None
