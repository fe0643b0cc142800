"""Which videos belong together, and how the time of a view becomes the time of the recording."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drape.errors import RecordingError

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".ts", ".mpg", ".mpeg", ".mxf"})
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})


class Clock(BaseModel):
    """Affine clock of one view: ``recording time = offset + (1 + drift) * view time``, in seconds.

    ``drift`` is in seconds per second (50 ppm = 5e-5).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    offset: float = 0.0
    drift: float = Field(0.0, gt=-0.5, lt=0.5)

    def to_recording(self, time: float) -> float:
        """Recording time in seconds of a view time in seconds."""
        return self.offset + (1.0 + self.drift) * time

    def to_view(self, time: float) -> float:
        """View time in seconds of a recording time in seconds."""
        return (time - self.offset) / (1.0 + self.drift)


class View(BaseModel):
    """One camera of a recording.

    ``id`` is the pseudonym ("view1") that may be published; ``name`` and ``media`` are private and stay in the
    workspace. ``fps`` overrides the container's times for analysis (index / fps); ``timestamps`` names a text file
    with one capture time in seconds per frame, and overrides both. The facts (``sha256`` to ``time_base``) are
    filled in at ingest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    name: str = Field(min_length=1)
    media: Path
    kind: Literal["video", "images"] = "video"
    stream: int | None = Field(None, ge=0)
    fps: float | None = Field(None, gt=0, le=1000)
    timestamps: Path | None = None
    clock: Clock = Clock()
    sha256: str = ""
    num_frames: int = 0
    width: int = 0
    height: int = 0
    time_base: tuple[int, int] = (1, 1)


class Recording(BaseModel):
    """The synchronized videos of one surgery. ``id`` is made of the media's digests, so it is stable and private."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = ""
    name: str
    views: tuple[View, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Recording:
        for what, values in (("ids", [v.id for v in self.views]), ("names", [v.name for v in self.views])):
            if len(set(values)) != len(values):
                raise ValueError(f"view {what} must differ")
        return self

    def view(self, key: str) -> View:
        """The view with this id or name.

        Raises:
            RecordingError: there is none.
        """
        for view in self.views:
            if key in (view.id, view.name):
                return view
        known = ", ".join(v.id for v in self.views)
        raise RecordingError(f"The recording has no view {key!r}", f"Choose one of: {known}")

    def with_views(self, views: Iterable[View]) -> Recording:
        """The same recording with other views (their facts known), and the id that follows from their digests."""
        views = tuple(views)
        digest = hashlib.sha256("\n".join(sorted(v.sha256 for v in views)).encode()).hexdigest()
        return Recording(id=f"rec-{digest[:12]}", name=self.name, views=views)


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which ``cam2`` comes before ``cam10``."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p.lower()) for p in parts)


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder in natural order of their names."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
    return sorted(files, key=lambda p: natural_key(p.name))


def load_recording(source: Path | str) -> Recording:
    """Read a recording from a video file, a folder of videos or image folders, or a YAML manifest.

    A manifest holds ``name`` and ``views``: a list of ``name``, ``media`` (relative to the manifest) and optionally
    ``kind``, ``stream``, ``fps``, ``clock: {offset, drift}``, ``timestamps``. Media are not opened here.

    Raises:
        RecordingError: nothing usable was found, or the manifest is invalid.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise RecordingError("The recording's source does not exist", "Check the path")
    if source.is_file() and source.suffix.lower() in {".yml", ".yaml"}:
        return _from_manifest(source)
    if source.is_file():
        return Recording(name=source.stem, views=(View(id="view1", name=source.stem, media=source.resolve()),))
    return _from_folder(source)


def _from_folder(folder: Path) -> Recording:
    videos = [p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file()]
    sequences = [p for p in folder.iterdir() if p.is_dir() and any(image_files(p))]
    if videos and sequences:
        raise RecordingError(
            "The folder holds both videos and image folders", "Name the views in a YAML manifest, or move one kind away"
        )
    if not videos and not sequences and image_files(folder):
        sequences = [folder]
    media = sorted(videos or sequences, key=lambda p: natural_key(p.name))
    if not media:
        nested = folder / "videos"
        if nested.is_dir():
            return _from_folder(nested).model_copy(update={"name": folder.name})
        raise RecordingError(
            "The folder holds no videos and no image folders",
            f"Put one video per view in it ({', '.join(sorted(VIDEO_SUFFIXES))}), or one folder of images per view",
        )
    kind: Literal["video", "images"] = "video" if videos else "images"
    names = [p.stem if videos else p.name for p in media]
    if len(set(names)) != len(names):
        names = [p.name for p in media]
    views = tuple(
        View(id=f"view{i}", name=name, media=path.resolve(), kind=kind)
        for i, (name, path) in enumerate(zip(names, media, strict=True), start=1)
    )
    return Recording(name=folder.name, views=views)


def _from_manifest(path: Path) -> Recording:
    try:
        content = yaml.safe_load(path.read_text())
        if not isinstance(content, dict):
            raise ValueError("the top level must be a mapping with the key 'views'")
        base = path.parent.resolve()
        views = [_manifest_view(i, v, base) for i, v in enumerate(content.pop("views", []), start=1)]
        recording = Recording(name=str(content.pop("name", path.stem)), views=tuple(views))
        if content:
            raise ValueError(f"unknown key {sorted(content)[0]!r}")
    except (yaml.YAMLError, ValueError, ValidationError, TypeError, AttributeError) as error:
        raise RecordingError(f"The recording manifest is invalid: {_plain(error)}", "Correct the manifest") from error
    if not recording.views:
        raise RecordingError("The recording manifest names no views", "List at least one view with its media")
    for view in recording.views:
        if not view.media.exists():
            raise RecordingError(f"The media of {view.id} do not exist", "Correct the manifest or bring the file back")
    return recording


def _manifest_view(position: int, content: dict[str, Any], base: Path) -> View:
    values = dict(content)
    for key in ("media", "timestamps"):
        if key in values:
            values[key] = (base / str(values[key])).resolve()
    values.setdefault("id", f"view{position}")
    values.setdefault("name", Path(values["media"]).stem if "media" in values else f"view{position}")
    if "kind" not in values and "media" in values and Path(values["media"]).is_dir():
        values["kind"] = "images"
    return View(**values)


def _plain(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(p) for p in first['loc'])}: {first['msg']}"
    return str(error).splitlines()[0]
