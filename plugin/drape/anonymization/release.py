"""From plans to a verified release: everything happens in quarantine, and nothing appears unless all of it is good."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import drape
from drape import tables
from drape.anonymization.config import ReleaseConfig
from drape.anonymization.disk import DiskError, disk_errors
from drape.anonymization.fill import fills_table
from drape.anonymization.manifest import FORMAT, ViewEntry, build_manifest, check_provenance, versions, view_entry
from drape.anonymization.policy import Plan, digest_arrays, plan_view
from drape.anonymization.quarantine import Quarantine, sweep
from drape.anonymization.render import render_view
from drape.errors import DrapeError, ReleaseError, VerificationError, WorkspaceError
from drape.media import mp4_times, probe
from drape.progress import Progress, silent
from drape.recording import Recording, View

Tables = Callable[[str], pa.Table]


def export_release(
    recording: Recording,
    frames: Tables,
    covered: Tables,
    persons: Tables,
    config: ReleaseConfig,
    target: Path,
    provenance: dict[str, Any],
    progress: Progress = silent,
) -> dict[str, Any]:
    """Mask, verify and publish a recording.

    A run that was killed, or stopped by a full disk, leaves its finished views in a private folder beside the target;
    the same export takes them up again and ends with the same bytes. A run that failed for another reason leaves
    nothing.

    Args:
        recording: views with their facts.
        frames: gives a view's table ``FRAMES`` by its id; likewise ``covered`` and ``persons``. Called several times,
            so that one view's tables at a time are held.
        covered: see ``frames``.
        persons: see ``frames``.
        config: what is masked, with what, and how it is encoded.
        target: folder the release will be; must not exist.
        provenance: what led to the tables (detector, weights, settings), for the manifest; no paths, names or times.
        progress: counts frames.

    Returns:
        The manifest.

    Raises:
        ReleaseError: the target exists, the tables do not fit the recording.
        VerificationError: what was written is not what it must be.
        MediaError: a source cannot be read, or was changed.
        WorkspaceError: the disk is full.
    """
    target = Path(target).absolute()
    if target.exists() or target.is_symlink():
        sweep(target)
        raise ReleaseError("The target exists", "Choose a target that does not exist, or remove the old release")
    check_provenance(recording, provenance)

    def plan(view: View) -> Plan:
        return plan_view(view, frames(view.id), covered(view.id), persons(view.id), config)

    origin = min((_first_time(frames(view.id)) for view in recording.views), default=0.0)
    expected = {view.id: _expectation(view, plan(view)) for view in recording.views}
    inputs = _digest(recording, expected, origin, config, provenance)
    with disk_errors():
        target.parent.mkdir(parents=True, exist_ok=True)
    with Quarantine(target, inputs) as quarantine:
        try:
            entries = []
            for view in recording.views:
                entries.append(_finish_view(quarantine, view, plan(view), frames(view.id), origin, config, progress))
            manifest = build_manifest(recording, entries, config, provenance)
            quarantine.write_manifest(manifest.text())
            verdict = verify_apart(quarantine.release, progress)
            _check_verdict(verdict, expected)
            manifest = manifest.model_copy(update={"verdict": verdict})
            quarantine.write_manifest(manifest.text())
        except DrapeError as error:
            if not isinstance(error, (DiskError, WorkspaceError)):
                quarantine.discard()
            raise
        quarantine.publish()
    return manifest.model_dump(mode="json")


def _finish_view(
    quarantine: Quarantine,
    view: View,
    plan: Plan,
    frames: pa.Table,
    origin: float,
    config: ReleaseConfig,
    progress: Progress,
) -> ViewEntry:
    """Write a view unless it is finished; describe it."""
    if not quarantine.holds(view.id):
        work = quarantine.work
        fills = render_view(view, plan, config, quarantine.secret, work / f"{view.id}.mp4", progress)
        tables.write(fills_table(fills), work / f"{view.id}.fills.parquet")
        tables.write(plan.regions_table(), work / f"{view.id}.regions.parquet")
        tables.write(plan.states_table(), work / f"{view.id}.states.parquet")
        tables.write(_released_frames(view, frames, origin), work / f"{view.id}.frames.parquet")
        quarantine.keep(view.id)
    return view_entry(view, plan, probe(view), quarantine.release)


def _released_frames(view: View, frames: pa.Table, origin: float) -> pa.Table:
    """Frames with the released file's ticks, and times counted from the recording's first frame.

    Capture times can be dates, which tell who was operated on; differences of times are all a release needs.
    """
    pts, _ = mp4_times(frames.column("pts").to_numpy(), view.time_base)
    time = frames.column("time").to_numpy() - origin
    return tables.make(tables.FRAMES, frame=frames.column("frame"), pts=pts, time=time)


def _first_time(frames: pa.Table) -> float:
    return float(frames.column("time").to_numpy().min(initial=np.inf))


def _expectation(view: View, plan: Plan) -> dict[str, str]:
    """What the verifier must find in the written files, computed from the source's tables."""
    pts, time_base = mp4_times(plan.pts, view.time_base)
    return {
        "times_sha256": digest_arrays(pts, np.array(time_base)),
        "plan_sha256": digest_arrays(plan.states, plan.offsets, plan.boxes, plan.fills),
        "persons_sha256": digest_arrays(plan.people, plan.intervals),
    }


def _digest(
    recording: Recording,
    expected: dict[str, dict[str, str]],
    origin: float,
    config: ReleaseConfig,
    provenance: dict[str, Any],
) -> str:
    content = {
        "format": FORMAT,
        "versions": versions(),
        "recording": recording.id,
        "views": [view.model_dump(mode="json") for view in recording.views],
        "expected": expected,
        "origin": origin,
        "config": config.model_dump(mode="json"),
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


def verify_apart(folder: Path, progress: Progress = silent) -> dict[str, Any]:
    """Verify a release in a process of its own, which shares nothing with this one but the files.

    Returns:
        The verdict.

    Raises:
        VerificationError: the release does not hold what it must hold, or the process died.
    """
    home = Path(drape.__file__).parent.parent
    path = os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "drape.anonymization", str(folder.absolute())]
    last: dict[str, Any] = {}
    # The command is a fixed argument list; nothing of it comes from a user but the folder, and no shell reads it.
    with subprocess.Popen(  # noqa: S603
        command, cwd=home, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        for line in process.stdout or ():
            last = json.loads(line)
            if "progress" in last:
                progress(*last["progress"])
    if "refused" in last:
        raise VerificationError(last["refused"]["what"], last["refused"]["remedy"])
    if process.returncode or not last.get("verdict", {}).get("ok"):
        raise VerificationError(
            f"The verifier ended without a verdict (status {process.returncode})", "Run the export again"
        )
    return dict(last["verdict"])
