"""What a stage depended on (its digest) and what it did (its run record)."""

from __future__ import annotations

import hashlib
import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import drape
from drape import tables
from drape.config import StageConfig


@cache
def code_digest(package: str) -> str:
    """sha256 over the sources of one of the engine's packages and of the modules every stage stands on."""
    root = Path(drape.__file__).parent
    files = sorted((root / package).rglob("*.py")) + sorted(root.glob("*.py")) + sorted((root / "media").glob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def public_config(config: StageConfig) -> dict[str, Any]:
    """The configuration as it may be published: files are named by their content, never by their path."""
    values = config.model_dump(mode="json")
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Path):
            values[name] = f"sha256:{tables.sha256(value)}" if value.is_file() else "missing"
    return values


def digest(stage: str, config: StageConfig, inputs: dict[str, str]) -> str:
    """What a stage's result depends on, as one sha256: its code, its configuration, its inputs' digests."""
    content = {
        "stage": stage,
        "version": drape.__version__,
        "code": code_digest(stage),
        "config": public_config(config),
        "inputs": inputs,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Stopwatch:
    """Seconds since it was made, to a millisecond."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return round(time.perf_counter() - self._start, 3)
