"""Check a written release from its folder alone: no source, no secret, nothing kept in memory by who wrote it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from drape import tables
from drape.anonymization.compare import Errors, measure
from drape.anonymization.container import check_container
from drape.anonymization.manifest import NAME, ViewEntry, file_names, load_manifest
from drape.anonymization.policy import digest_arrays
from drape.anonymization.readback import read_plan, refuse
from drape.errors import MediaError, VerificationError
from drape.media import probe, read_planes
from drape.progress import Progress, silent
from drape.recording import View

BOUNDS = {"inner_block": 16.0, "rim_block": 36.0, "region": 6.0, "rms": 2.55}
"""Largest errors of a good release, in 8-bit levels, as in `Errors`; ``rms`` is 40 dB.

Both kinds of fill on 1590 frames of two street views with up to ten people each show at most 12, 15, 3.2 and 1.6 at the
default quality and 11, 20, 4.0 and 2.0 at the coarsest that is allowed (crf 24). Visible things under a mask show
several times as much: the tests plant them.
"""

REPORT_EVERY = 25


def verify_release(folder: Path, progress: Progress = silent) -> dict[str, Any]:
    """Verify a release.

    Checked are: the set of files and their digests; for each view the container (one video stream, no metadata, no
    bytes that belong to no picture), the tables, the decision about every frame, and for every frame its time, its size
    and that every masked region shows its fill.

    Args:
        folder: the release.
        progress: counts frames.

    Returns:
        The verdict: release id, bounds, and for each view what was measured.

    Raises:
        VerificationError: the release does not hold what it must hold.
        ReleaseError: the folder is not a release.
    """
    manifest = load_manifest(folder)
    _check_files(folder, manifest.views)
    views = {view.id: verify_view(folder, view, progress) for view in manifest.views}
    return {"ok": True, "release": manifest.release, "bounds": dict(BOUNDS), "views": views}


def verify_view(folder: Path, entry: ViewEntry, progress: Progress = silent) -> dict[str, Any]:
    """Verify one view of a release; see `verify_release`.

    Returns:
        ``frames``, ``times_sha256`` (of the decoded file), ``plan_sha256`` (of decisions and regions), ``masked_share``
        and the largest errors.

    Raises:
        VerificationError: it does not hold what it must hold.
    """
    video = folder / f"{entry.id}.mp4"
    check_container(video, entry.id)
    plan, fills = read_plan(folder, entry)
    errors, masked = Errors(), 0.0
    view = View(id=entry.id, name=entry.id, media=video, stream=0, fps=None)
    pts: list[int] = []
    try:
        if probe(view).time_base != entry.time_base:
            raise refuse(entry.id, "its clock is not that of the manifest")
        for planes in read_planes(view):
            index = planes.index
            if planes.y.shape != (plan.size[1], plan.size[0]):
                raise refuse(entry.id, "it has another size than its manifest says")
            if index >= plan.num_frames or planes.pts != plan.pts[index]:
                raise refuse(f"{entry.id}, frame {index}", "it is not at its time")
            rows = plan.regions_of(index)
            found = measure((planes.y, planes.u, planes.v), plan.boxes[rows], fills, plan.fills[rows])
            _check_errors(found.errors, entry.id, index)
            errors.add(found.errors)
            masked += found.masked
            pts.append(planes.pts)
            if len(pts) % REPORT_EVERY == 0:
                progress(len(pts), plan.num_frames, f"verify {entry.id}")
    except MediaError as error:
        raise VerificationError(error.what, "Do not use this release") from error
    if len(pts) != plan.num_frames:
        raise refuse(entry.id, f"it has {len(pts)} frames instead of {plan.num_frames}")
    progress(len(pts), plan.num_frames, f"verify {entry.id}")
    return {
        "frames": len(pts),
        "times_sha256": digest_arrays(np.array(pts), np.array(entry.time_base)),
        "plan_sha256": digest_arrays(plan.states, plan.offsets, plan.boxes, plan.fills),
        "masked_share": round(masked / len(pts), 6),
        "errors": {name: round(value, 3) for name, value in asdict(errors).items()},
    }


def _check_errors(errors: Errors, view: str, frame: int) -> None:
    for name, bound in BOUNDS.items():
        if getattr(errors, name) > bound:
            raise refuse(f"{view}, frame {frame}", "a masked region does not show its fill")


def _check_files(folder: Path, views: tuple[ViewEntry, ...]) -> None:
    expected = {NAME: None} | {name: entry for view in views for name, entry in view.files.items()}
    wanted = {NAME} | {name for view in views for name in file_names(view.id)}
    found = {path.name: path for path in folder.iterdir()}
    if set(expected) != wanted or set(found) != wanted:
        raise refuse("The release", "it does not hold exactly the files its manifest lists")
    for name, path in found.items():
        entry = expected[name]
        if path.is_symlink() or not path.is_file():
            raise refuse("The release", f"{name} is not an ordinary file")
        if entry and (path.stat().st_size != entry.bytes or tables.sha256(path) != entry.sha256):
            raise refuse("The release", f"{name} was changed after it was written")
