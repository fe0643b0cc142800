"""The manifest of a release: what it is, what it was made of, and what was checked. Same inputs, same bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drape.anonymization.config import TARGETS, HeadRule, ReleaseConfig, Target
from drape.anonymization.policy import STATE_NAMES, Ints, Plan, digest_arrays
from drape.anonymization.profiles import INTERNAL, Override, Profile
from drape.anonymization.statements import dicom, versions, weights
from drape.errors import ReleaseError
from drape.media import Probe, mp4_times
from drape.recording import Recording, View
from drape.tables import sha256

NAME = "manifest.json"
REPORT = "report.html"
FORMAT: Literal[3] = 3
PARTS = ("frames.parquet", "states.parquet", "regions.parquet", "fills.parquet", "mp4")
"""Endings of the files of a view; the video comes last, so that a view with a video is whole."""

_DIGEST = r"^[0-9a-f]{64}$"


class FileEntry(BaseModel):
    """A released file: digest and size in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=_DIGEST)
    bytes: int = Field(ge=0)


class ViewEntry(BaseModel):
    """A released view.

    Times are ``pts * time_base`` seconds; ``times_sha256`` is over all ``pts`` and the time base. ``fixed`` are the
    rectangles masked in every frame, ``reviewed`` counts the boxes that curators added, ``targets`` the persons of all
    frames by what was masked of them, and ``head_rules`` those masked by less than their bodies by how the head was
    found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    source_sha256: str
    width: int = Field(ge=2)
    height: int = Field(ge=2)
    time_base: tuple[int, int]
    frames: int = Field(ge=1)
    seconds: float = Field(ge=0)
    times_sha256: str = Field(pattern=_DIGEST)
    states: dict[str, int]
    fixed: tuple[tuple[int, int, int, int], ...]
    reviewed: int = Field(ge=0)
    targets: dict[Target, int]
    head_rules: dict[HeadRule, int]
    regions: int = Field(ge=0)
    fills: int = Field(ge=1)
    files: dict[str, FileEntry]
    notes: tuple[str, ...]


class PersonsMasked(NamedTuple):
    """Persons of a view over all frames; the fields are those of that name of a `ViewEntry`."""

    reviewed: int
    targets: dict[Target, int]
    head_rules: dict[HeadRule, int]


class Signer(BaseModel):
    """Who signed: ``fingerprint`` is the sha256 of the public key's 32 bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: Literal["Ed25519"] = "Ed25519"
    fingerprint: str = Field(pattern=_DIGEST)


class Manifest(BaseModel):
    """The content of ``manifest.json``.

    ``raised`` names the settings that the profile changed, ``risk`` is the expected exposure, ``checks`` says of each
    check whether it passed, was only reported, or was overridden; ``verdict`` is what the verifier said before the
    release was published. ``signature`` is null in a release that nobody signed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[3]
    release: str
    recording: str
    views: tuple[ViewEntry, ...] = Field(min_length=1)
    config: dict[str, Any]
    profile: Profile
    raised: tuple[str, ...]
    override: Override | None
    checks: dict[str, str]
    risk: dict[str, Any]
    dicom: tuple[dict[str, Any], ...]
    versions: dict[str, str]
    weights: dict[str, str]
    provenance: dict[str, Any]
    verdict: dict[str, Any] | None
    files: dict[Literal["report.html"], FileEntry]
    signature: Signer | None

    def text(self) -> str:
        """JSON with sorted keys."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def file_names(view: str) -> tuple[str, ...]:
    """Names of the files of a view, the video last."""
    return tuple(f"{view}.{part}" for part in PARTS)


def file_entry(path: Path) -> FileEntry:
    """Digest and size of a file."""
    return FileEntry(sha256=sha256(path), bytes=path.stat().st_size)


def view_entry(
    view: View,
    plan: Plan,
    facts: Probe,
    folder: Path,
    fixed: Ints | None = None,
    persons: PersonsMasked | None = None,
) -> ViewEntry:
    """Describe a view whose files lie in ``folder``; ``fixed`` (K, 4) are the rectangles of every frame of ``plan``."""
    pts, time_base = mp4_times(plan.pts, view.time_base)
    files = {name: file_entry(folder / name) for name in file_names(view.id)}
    counts = np.bincount(plan.states, minlength=len(STATE_NAMES))
    return ViewEntry(
        id=view.id,
        source_sha256=view.sha256,
        width=plan.size[0],
        height=plan.size[1],
        time_base=time_base,
        frames=plan.num_frames,
        seconds=round(int(pts[-1] - pts[0]) * time_base[0] / time_base[1], 6),
        times_sha256=digest_arrays(pts, np.array(time_base)),
        states={name: int(count) for name, count in zip(STATE_NAMES, counts, strict=True)},
        fixed=() if fixed is None else tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in fixed),
        **(persons or PersonsMasked(0, {}, {}))._asdict(),
        regions=len(plan.boxes),
        fills=len(plan.people),
        files=files,
        notes=notes(view, plan, facts),
    )


def masked_targets(views: Sequence[ViewEntry]) -> dict[Target, int]:
    """Persons of all views and frames by what was masked of them."""
    return {target: sum(view.targets.get(target, 0) for view in views) for target in TARGETS}


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
    recording: Recording,
    views: Sequence[ViewEntry],
    config: ReleaseConfig,
    provenance: dict[str, Any],
    profile: Profile = INTERNAL,
    raised: tuple[str, ...] = (),
    override: Override | None = None,
    risk: dict[str, Any] | None = None,
) -> Manifest:
    """The manifest of a release that was not verified yet. Its id is made of the digests of its files.

    Raises:
        ReleaseError: the provenance or the override holds a path or a name of the source.
    """
    check_provenance(recording, provenance)
    if override is not None:
        check_words(recording, f"{override.name} {override.reason}")
    content = "\n".join(f"{name} {entry.sha256}" for view in views for name, entry in sorted(view.files.items()))
    return Manifest(
        format=FORMAT,
        release=f"rel-{hashlib.sha256(content.encode()).hexdigest()[:12]}",
        recording=recording.id,
        views=tuple(views),
        config=config.model_dump(mode="json"),
        profile=profile,
        raised=raised,
        override=override,
        checks={},
        risk=risk or {"known": False},
        dicom=tuple(dicom(config, [len(view.fixed) for view in views], masked_targets(views))),
        versions=versions(),
        weights=weights(provenance),
        provenance=provenance,
        verdict=None,
        files={},
        signature=None,
    )


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


def check_words(recording: Recording, text: str) -> None:
    """Make sure that what somebody wrote holds no name of the source.

    Raises:
        ReleaseError: it does.
    """
    names = {recording.name, *(n for v in recording.views for n in (v.name, v.media.name, v.media.stem))}
    ids = {view.id for view in recording.views}
    if any(len(name) > 2 and name.casefold() in text.casefold() for name in names - ids):
        raise ReleaseError("The override holds a private name of the source", "Say it without names of files or views")


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
