"""Check a written release from its folder alone: no source, no secret, nothing kept in memory by who wrote it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drape.anonymization.compare import Errors, measure
from drape.anonymization.container import check_container
from drape.anonymization.faces import FaceSearch, FacesFound, face_weights, not_searched
from drape.anonymization.manifest import Manifest, ViewEntry
from drape.anonymization.policy import digest_arrays
from drape.anonymization.readback import read_plan, refuse
from drape.anonymization.seal import check_seal
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


def verify_release(
    folder: Path,
    progress: Progress = silent,
    faces: Path | None = None,
    public_key: Ed25519PublicKey | None = None,
) -> dict[str, Any]:
    """Verify a release.

    Checked are: the signature, where there is one; the set of files and their digests; for each view the container (one
    video stream, no metadata, no bytes that belong to no picture), the tables, the decision about every frame, and for
    every frame its time, its size and that every masked region, the camera's fixed ones included, shows its fill. Where
    YuNet's weights are on this machine, faces outside the masks are looked for in each n-th frame (``face_every``).

    Args:
        folder: the release.
        progress: counts frames.
        faces: YuNet's file; None takes the one on this machine, if it is there.
        public_key: the key that must have signed.

    Returns:
        The verdict: release id, who signed, bounds, what the search for faces did, and for each view what was measured.

    Raises:
        VerificationError: the release does not hold what it must hold; as `FacesFound`, with review items, where the
            faces are the reason.
        ReleaseError: the folder is not a release.
        WeightsError: the face detector's file is not what it must be.
    """
    manifest, signer = check_seal(folder, public_key)
    weights = face_weights(faces, required=False)
    search = FaceSearch(weights, _every(manifest)) if weights is not None else None
    views = {view.id: verify_view(folder, view, progress, search) for view in manifest.views}
    said = search.report() if search else not_searched("the face detector is not on this machine")
    _check_faces(manifest, said)
    return {
        "ok": True,
        "release": manifest.release,
        "bounds": dict(BOUNDS),
        "views": views,
        "faces": said,
        "signature": signer,
    }


def verify_view(
    folder: Path, entry: ViewEntry, progress: Progress = silent, search: FaceSearch | None = None
) -> dict[str, Any]:
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
            if search is not None:
                search.look(entry.id, index, planes.time, (planes.y, planes.u, planes.v), plan.boxes[rows])
            pts.append(planes.pts)
            if len(pts) % REPORT_EVERY == 0:
                progress(len(pts), plan.num_frames, f"verify {entry.id}")
    except MediaError as error:
        raise VerificationError(error.what, "Do not use this release") from error
    if len(pts) != plan.num_frames:
        raise refuse(entry.id, f"it has {len(pts)} frames instead of {plan.num_frames}")
    times = digest_arrays(np.array(pts), np.array(entry.time_base))
    if times != entry.times_sha256:
        raise refuse(entry.id, "its times are not those of the manifest")
    progress(len(pts), plan.num_frames, f"verify {entry.id}")
    return {
        "frames": len(pts),
        "times_sha256": times,
        "plan_sha256": digest_arrays(plan.states, plan.offsets, plan.boxes, plan.fills),
        "masked_share": round(masked / len(pts), 6),
        "errors": {name: round(value, 3) for name, value in asdict(errors).items()},
    }


def _check_errors(errors: Errors, view: str, frame: int) -> None:
    for name, bound in BOUNDS.items():
        if getattr(errors, name) > bound:
            raise refuse(f"{view}, frame {frame}", "a masked region does not show its fill")


def _check_faces(manifest: Manifest, said: dict[str, Any]) -> None:
    """Faces outside the masks need an override; a profile that asks for the search needs one that took place."""
    accepted = manifest.override.accepts if manifest.override else ()
    if said["checked"] and said["found"] and "faces" not in accepted:
        raise FacesFound(said["found"])
    if manifest.verdict is None or manifest.profile.face_check != "required" or "no_face_check" in accepted:
        return
    if not manifest.verdict.get("faces", {}).get("checked"):
        raise refuse("The release", "nobody looked for faces, which its profile asks for")


def _every(manifest: Manifest) -> int:
    every = manifest.config.get("face_every")
    if not isinstance(every, int) or every < 1:
        raise refuse("The release", "its settings are not ours")
    return every
