"""From plans to a verified release: everything happens in quarantine, and nothing appears unless all of it is good."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import drape
from drape.anonymization.config import ReleaseConfig
from drape.anonymization.disk import DiskError, disk_errors
from drape.anonymization.faces import FacesFound, face_weights
from drape.anonymization.gates import Gates
from drape.anonymization.job import Job, Optional, Survey, Tables, none
from drape.anonymization.manifest import FORMAT, NAME, build_manifest, check_provenance, check_words
from drape.anonymization.quarantine import Quarantine, sweep
from drape.anonymization.risk import summary
from drape.anonymization.seal import seal
from drape.anonymization.statements import versions
from drape.anonymization.terms import Terms
from drape.errors import DrapeError, ReleaseError, VerificationError, WorkspaceError
from drape.progress import Progress, silent
from drape.recording import Recording


def export_release(
    recording: Recording,
    frames: Tables,
    covered: Tables,
    persons: Tables,
    config: ReleaseConfig,
    target: Path,
    provenance: dict[str, Any],
    progress: Progress = silent,
    terms: Terms | None = None,
    missed: Tables | None = None,
    heads: Optional = none,
    poses: Optional = none,
) -> dict[str, Any]:
    """Mask, verify, seal and publish a recording.

    A run that was killed, or stopped by a full disk, leaves its finished views in a private folder beside the target;
    the same export takes them up again and ends with the same bytes. A run that failed for another reason leaves
    nothing.

    Args:
        recording: views with their facts.
        frames: gives a view's table ``FRAMES`` by its id; likewise ``covered`` and ``persons``. Called several times,
            so that one view's tables at a time are held.
        covered: see ``frames``.
        persons: see ``frames``.
        config: what is masked, with what, and how it is encoded; raised to what the profile asks.
        target: folder the release will be; must not exist.
        provenance: what led to the tables (detector, weights, settings), for the manifest; no paths, names or times.
        progress: counts frames.
        terms: profile, fixed regions, override, signing key; without them an unsigned release for internal use.
        missed: gives a view's table ``MISSED``; None where nobody estimated who is missed.
        heads: gives a view's table ``HEADS`` of these persons, or None where there is none: bodies are masked then.
        poses: gives a view's table ``POSES`` likewise, for silhouettes.

    Returns:
        The manifest.

    Raises:
        ReleaseError: the target exists, the tables do not fit the recording, or the profile does not allow it.
        VerificationError: what was written is not what it must be; `FacesFound` if faces stand outside the masks.
        ConfigError: the fixed regions do not fit the recording.
        WeightsError: the profile asks for the face detector, and it cannot be had.
        MediaError: a source cannot be read, or was changed.
        WorkspaceError: the disk is full.
    """
    terms = terms or Terms()
    target = Path(target).absolute()
    if target.exists() or target.is_symlink():
        sweep(target)
        raise ReleaseError("The target exists", "Choose a target that does not exist, or remove the old release")
    check_provenance(recording, provenance)
    if terms.override is not None:
        check_words(recording, f"{terms.override.name} {terms.override.reason}")
    gates = Gates(terms.profile, terms.override)
    config, raised = terms.profile.strengthen(config)
    job = Job(recording, frames, covered, persons, config, terms, heads, poses)
    survey = job.survey(missed)
    gates.check_frames(survey.unknown)
    gates.check_risk(survey.risk)
    weights = _weights(terms, progress)
    inputs = _digest(job, survey, provenance)
    with disk_errors():
        target.parent.mkdir(parents=True, exist_ok=True)
    with Quarantine(target, inputs) as quarantine:
        try:
            quarantine.unseal()
            entries = [job.write(view, quarantine, progress) for view in recording.views]
            manifest = build_manifest(
                recording, entries, config, provenance, terms.profile, raised, terms.override, summary(survey.risk)
            )
            quarantine.write(NAME, manifest.text().encode())
            verdict = verify_apart(quarantine.release, progress, weights)
            del verdict["signature"]  # what was verified is not signed yet
            _check_verdict(verdict, survey.expected)
            gates.check_faces(verdict["faces"])
            manifest = manifest.model_copy(update={"verdict": verdict, "checks": gates.said})
            manifest = seal(quarantine, manifest, terms.key)
        except DrapeError as error:
            if not isinstance(error, (DiskError, WorkspaceError)):
                quarantine.discard()
            raise
        quarantine.publish()
    return manifest.model_dump(mode="json")


def _weights(terms: Terms, progress: Progress) -> Path | None:
    accepted = terms.override.accepts if terms.override else ()
    required = terms.profile.face_check == "required" and "no_face_check" not in accepted
    return face_weights(terms.face_weights, required, progress)


def _digest(job: Job, survey: Survey, provenance: dict[str, Any]) -> str:
    content = {
        "format": FORMAT,
        "versions": versions(),
        "recording": job.recording.id,
        "views": [view.model_dump(mode="json") for view in job.recording.views],
        "expected": survey.expected,
        "origin": job.origin,
        "config": job.config.model_dump(mode="json"),
        "provenance": provenance,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_verdict(verdict: dict[str, Any], expected: dict[str, dict[str, str]]) -> None:
    """What the verifier measured in the files must be what the source's tables ask for."""
    measured = verdict.get("views", {})
    for view, wanted in expected.items():
        for key in ("times_sha256", "plan_sha256"):
            if measured.get(view, {}).get(key) != wanted[key]:
                raise VerificationError(
                    f"{view}: its times or masks are not those that were decided", "Export the recording again"
                )


def verify_apart(folder: Path, progress: Progress = silent, faces: Path | None = None) -> dict[str, Any]:
    """Verify a release in a process of its own, which shares nothing with this one but the files.

    Args:
        folder: the release.
        progress: counts frames.
        faces: YuNet's file; None takes the one on this machine, if it is there.

    Returns:
        The verdict.

    Raises:
        VerificationError: the release does not hold what it must hold, or the process died; `FacesFound` if faces
            stand outside the masks.
    """
    home = Path(drape.__file__).parent.parent
    path = os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "drape.anonymization", str(folder.absolute())]
    command += [str(faces.absolute())] if faces is not None else []
    last: dict[str, Any] = {}
    # The command is a fixed argument list; nothing of it comes from a user but the folder, and no shell reads it.
    with subprocess.Popen(  # noqa: S603
        command, cwd=home, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        for line in process.stdout or ():
            last = json.loads(line)
            if "progress" in last:
                progress(*last["progress"])
    if last.get("refused", {}).get("faces"):
        raise FacesFound(last["refused"]["faces"])
    if "refused" in last:
        raise VerificationError(last["refused"]["what"], last["refused"]["remedy"])
    if process.returncode or not last.get("verdict", {}).get("ok"):
        raise VerificationError(
            f"The verifier ended without a verdict (status {process.returncode})", "Run the export again"
        )
    return dict(last["verdict"])
