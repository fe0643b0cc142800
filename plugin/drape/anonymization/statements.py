"""What a manifest states about how a release was made: software, weights, DICOM codes. Pure functions of the inputs."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

import av

import drape
from drape.anonymization.config import ReleaseConfig, Target

PACKAGES = ("av", "numpy", "opencv-python-headless", "pyarrow", "pydantic", "cryptography", "scipy", "torch")


def versions() -> dict[str, str]:
    """Versions of the software that makes a release; packages that are not installed are left out."""
    codec = ".".join(str(part) for part in av.library_versions["libavcodec"])
    found = {"drape": drape.__version__, "python": platform.python_version(), "libavcodec": codec}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def weights(provenance: dict[str, Any]) -> dict[str, str]:
    """Digests of the weights that the run records name, by where they stand in them."""
    return {path: digest for path, digest in _walk(provenance, "") if re.fullmatch(r"[0-9a-f]{64}", digest)}


def dicom(config: ReleaseConfig, num_fixed: Sequence[int], targets: dict[Target, int]) -> list[dict[str, Any]]:
    """De-identification method codes of DICOM PS3.16, CID 7050 (PS3.15, Annex E), each with what it stands on here.

    The codes are for those who wrap the videos in DICOM objects: ``applied`` says whether the release did what the code
    names, ``basis`` what it did. ``num_fixed`` counts the fixed rectangles of each view; only where each has some is
    text in the picture taken for dealt with. ``targets`` counts persons by what was masked of them; visible features
    are taken for dealt with only where bodies are covered whole.
    """
    less = sum(count for target, count in targets.items() if target != "body")
    fill = "one grey" if config.fill == "solid" else "a few noised colour cells"
    return [
        _code(
            "113100",
            "Basic Application Confidentiality Profile",
            True,
            "no name, date, device or other metadata of the source is in any file",
        ),
        _code(
            "113101",
            "Clean Pixel Data Option",
            bool(num_fixed) and min(num_fixed) > 0,
            f"{sum(num_fixed)} fixed rectangle(s) of cameras are masked; text elsewhere in the picture was not sought",
        ),
        _code(
            "113102",
            "Clean Recognizable Visual Features Option",
            not less,
            f"every person that was found is covered whole with {fill}"
            if not less
            else f"of {less} of {sum(targets.values())} persons of all frames only head or silhouette is covered",
        ),
    ]


def _code(code: str, meaning: str, applied: bool, basis: str) -> dict[str, Any]:
    return {"scheme": "DCM", "code": code, "meaning": meaning, "applied": applied, "basis": basis}


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in sorted(value.items()):
            here = f"{path}.{key}" if path else str(key)
            if isinstance(inner, str) and "weights" in str(key):
                yield here, inner
            else:
                yield from _walk(inner, here)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from _walk(inner, f"{path}.{number}")
