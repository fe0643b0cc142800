"""Exports on terms: with a profile, fixed regions, a key, the risk of a release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from drape import tables
from drape.anonymization import ReleaseConfig, Terms, export_release

from support.releases import Scene

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def export_on(
    scene: Scene,
    target: Path,
    terms: Terms | None = None,
    config: ReleaseConfig | None = None,
    missed: pa.Table | None = None,
    provenance: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Export a scene on terms; ``missed`` is its table, None says that nobody estimated it."""
    return export_release(
        scene.recording,
        lambda _: scene.frames,
        lambda _: scene.covered,
        lambda _: scene.persons,
        config or ReleaseConfig(),
        target,
        provenance or {},
        terms=terms,
        missed=None if missed is None else lambda _: missed,
    )


def missed_table(scene: Scene, frames: range, box: tuple[float, float, float, float], probability: float) -> pa.Table:
    """Table ``MISSED`` of one expected person who stands still."""
    times = scene.frames.column("time").to_numpy()
    count = len(frames)
    return tables.make(
        tables.MISSED,
        frame=list(frames),
        time=times[np.array(frames)],
        probability=[probability] * count,
        reason=["interrupted"] * count,
        tracklet=[9] * count,
        person=[None] * count,
        **tables.box_columns(np.tile(np.array(box, np.float32), (count, 1))),
    )
