"""The manifest of a release: what it is, what it was made of, and what was checked. Same inputs, same bytes."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import drape
from drape.anonymization.config import ReleaseConfig
from drape.anonymization.policy import STATE_NAMES, Plan
from drape.errors import ReleaseError
from drape.media import Probe, mp4_times
from drape.recording import Recording, View
from drape.tables import sha256

NAME = "manifest.json"
FORMAT: Literal[1] = 1
PARTS = ("frames.parquet", "states.parquet", "regions.parquet", "fills.parquet", "mp4")
"""Endings of the files of a view; the video comes last, so that a view with a video is whole."""

_DIGEST = r"^[0-9a-f]{64}$"


class FileEntry(BaseModel):
    """A released file: digest and size in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=_DIGEST)
    bytes: int = Field(ge=0)


class ViewEntry(BaseModel):
    """A released view. Times are ``pts * time_base`` seconds; ``masked_share`` is the mean over its frames."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    source_sha256: str
    width: int = Field(ge=2)
    height: int = Field(ge=2)
    time_base: tuple[int, int]
    frames: int = Field(ge=1)
    states: dict[str, int]
    regions: int = Field(ge=0)
    fills: int = Field(ge=1)
    files: dict[str, FileEntry]
    notes: tuple[str, ...]


class Manifest(BaseModel):
    """The content of ``manifest.json``. ``verdict`` is what the verifier said before the release was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    release: str
    recording: str
    views: tuple[ViewEntry, ...] = Field(min_length=1)
    config: dict[str, Any]
    versions: dict[str, str]
    provenance: dict[str, Any]
    verdict: dict[str, Any] | None

    def text(self) -> str:
        """JSON with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def file_names(view: str) -> tuple[str, ...]:
    """Names of the files of a view, the video last."""
    return tuple(f"{view}.{part}" for part in PARTS)


def view_entry(view: View, plan: Plan, facts: Probe, folder: Path) -> ViewEntry:
    """Describe a view whose files lie in ``folder``."""
    files = {
        name: FileEntry(sha256=sha256(folder / name), bytes=(folder / name).stat().st_size)
        for name in file_names(view.id)
    }
    counts = np.bincount(plan.states, minlength=len(STATE_NAMES))
    return ViewEntry(
        id=view.id,
        source_sha256=view.sha256,
        width=plan.size[0],
        height=plan.size[1],
        time_base=mp4_times([], view.time_base)[1],
        frames=plan.num_frames,
        states={name: int(count) for name, count in zip(STATE_NAMES, counts, strict=True)},
        regions=len(plan.boxes),
        fills=len(plan.people),
        files=files,
        notes=notes(view, plan, facts),
    )


def notes(view: View, plan: Plan, facts: Probe) -> tuple[str, ...]:
    """What was changed besides masking, in fixed words."""
    said = {
        "odd size padded by repeating the edge": (view.width, view.height) != plan.size,
        "rotation or mirroring baked into the picture": bool(facts.rotation or facts.flip),
        "times moved so that the first is zero": int(plan.pts[0]) < 0,
        "times rounded to microseconds": mp4_times([], view.time_base)[1][1] % view.time_base[1] != 0,
        "full range converted to limited range": facts.full_range and facts.codec != "images",
        "pictures converted to 8-bit 4:2:0": facts.pixel_format not in ("yuv420p", "yuvj420p"),
        "streams other than the video dropped": facts.other_streams > 0,
        "times are those of the declared rate or timestamps": view.fps is not None or view.timestamps is not None,
    }
    return tuple(note for note, true in said.items() if true)


def build_manifest(
    recording: Recording, views: list[ViewEntry], config: ReleaseConfig, provenance: dict[str, Any]
) -> Manifest:
    """The manifest of a release that was not verified yet. Its id is made of the digests of its files.

    Raises:
        ReleaseError: the provenance holds a path or a name of the source.
    """
    check_provenance(recording, provenance)
    content = "\n".join(f"{name} {entry.sha256}" for view in views for name, entry in sorted(view.files.items()))
    return Manifest(
        format=FORMAT,
        release=f"rel-{hashlib.sha256(content.encode()).hexdigest()[:12]}",
        recording=recording.id,
        views=tuple(views),
        config=config.model_dump(mode="json"),
        versions=versions(),
        provenance=provenance,
        verdict=None,
    )


def versions() -> dict[str, str]:
    """Versions of the software that made a release."""
    codec = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return {
        "drape": drape.__version__,
        "python": platform.python_version(),
        "av": av.__version__,
        "libavcodec": codec,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pyarrow": pa.__version__,
    }


def check_provenance(recording: Recording, provenance: dict[str, Any]) -> None:
    """Make sure that what is published about the making names no path and no private name.

    Raises:
        ReleaseError: it does.
    """
    files = {view.media.name for view in recording.views} - {view.id for view in recording.views}
    names = {recording.name, *(view.name for view in recording.views)} - {view.id for view in recording.views}
    for text in _strings(provenance):
        if re.match(r"([A-Za-z]:)?[/\\]", text) or text in names or any(name in text for name in files):
            raise ReleaseError(
                "The provenance holds a path or a private name of the source", "Leave it out of what is published"
            )


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a release.

    Raises:
        ReleaseError: there is none, or it is not one.
    """
    try:
        return Manifest.model_validate_json((folder / NAME).read_bytes())
    except OSError as error:
        raise ReleaseError("The folder holds no release that can be read", "Check the path") from error
    except ValidationError as error:
        raise ReleaseError("The folder's manifest is not that of a release", "Do not use this release") from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """As `load_manifest`, as plain data."""
    return load_manifest(folder).model_dump(mode="json")
