"""Small simulated recordings for tests: rendered once in about a second, then read from a cache.

The cache lies in ``DRAPE_TEST_CACHE`` or in the temporary folder, and is keyed by the settings and by the simulator's
source, so that it never outlives what made it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import drape.simulator
import numpy as np
from drape.simulator import FrameTruth, Scene, SceneConfig
from drape.simulator.camera import Camera
from numpy.typing import NDArray

SMALL: dict[str, Any] = {
    "seconds": 2.0,
    "fps": 5.0,
    "views": 2,
    "people": 3,
    "width": 320,
    "height": 180,
    "antialias": False,
}
"""A scene that takes about a second."""


@dataclass(frozen=True)
class Clip:
    """A rendered recording: per view its frames' images (N, H, W, 3) and their truths."""

    images: list[NDArray[np.uint8]]
    truths: list[list[FrameTruth]]


def small(**changes: Any) -> SceneConfig:
    """The settings of a small scene, with changes."""
    return SceneConfig(**{**SMALL, **changes})


def clip(config: SceneConfig | None = None, **changes: Any) -> Clip:
    """A small recording, from the cache where it is there; ``changes`` as for ``small``."""
    config = config or small(**changes)
    key = hashlib.sha256(config.model_dump_json().encode() + _source_digest()).hexdigest()[:24]
    root = Path(os.environ.get("DRAPE_TEST_CACHE", Path(tempfile.gettempdir()) / f"drape-rooms-{os.getuid()}"))
    path = root / f"{key}.npz"
    if not path.is_file():
        root.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, **_packed(render(config)))
        partial.replace(path)
    with np.load(path, allow_pickle=False) as stored:
        return _unpacked(dict(stored))


def render(config: SceneConfig) -> Clip:
    """A recording, rendered now."""
    scene = Scene(config)
    images, truths = [], []
    for view in range(config.views):
        frames = [scene.frame(view, k) for k in range(scene.num_frames(view))]
        images.append(np.stack([frame.image for frame in frames]))
        truths.append([frame.truth for frame in frames])
    return Clip(images, truths)


def _source_digest() -> bytes:
    digest = hashlib.sha256()
    for path in sorted(Path(drape.simulator.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def _packed(recording: Clip) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {f"images.{i}": images for i, images in enumerate(recording.images)}
    for i, truths in enumerate(recording.truths):
        for k, truth in enumerate(truths):
            for name, value in _fields(truth):
                arrays[f"{i}.{k}.{name}"] = value
    return arrays


def _fields(truth: FrameTruth) -> list[tuple[str, NDArray[Any]]]:
    flat: list[tuple[str, NDArray[Any]]] = []
    for field in fields(truth):
        value = getattr(truth, field.name)
        if isinstance(value, Camera):
            flat += [(f"camera.{part.name}", np.asarray(getattr(value, part.name))) for part in fields(value)]
        elif field.name == "head_polygons":
            flat.append((field.name, np.concatenate([np.zeros((0, 2), np.float32), *value])))
            flat.append(("head_lengths", np.array([len(polygon) for polygon in value], np.int64)))
        else:
            flat.append((field.name, np.asarray(value)))
    return flat


def _unpacked(arrays: dict[str, NDArray[Any]]) -> Clip:
    views = sum(name.startswith("images.") for name in arrays)
    images = [arrays[f"images.{i}"] for i in range(views)]
    return Clip(images, [[_truth(arrays, f"{i}.{k}.") for k in range(len(images[i]))] for i in range(views)])


def _truth(arrays: dict[str, NDArray[Any]], prefix: str) -> FrameTruth:
    def value(name: str) -> Any:
        array = arrays[prefix + name]
        return array.item() if array.ndim == 0 else array

    camera = Camera(**{field.name: value(f"camera.{field.name}") for field in fields(Camera)})
    ends = np.cumsum(value("head_lengths"))[:-1]
    polygons = np.split(value("head_polygons"), ends) if len(value("head_lengths")) else []
    rest = {f.name: value(f.name) for f in fields(FrameTruth) if f.name not in ("camera", "head_polygons")}
    return FrameTruth(camera=camera, head_polygons=polygons, **rest)
