"""Masking and release: from persons to a verified folder in which nobody is exposed.

The way of a release::

    plan = plan_view(view, frames, covered, persons, config)     # policy: a decision about every frame, regions
    render_view(view, plan, config, secret, path)                # fills in the decoded planes, H.264 in MP4
    verify_release(folder)                                       # from the folder alone, years later too

    export_release(recording, frames, covered, persons, config, target, provenance)   # all of it, atomically

A release is a folder with ``manifest.json`` and, for each view, ``<id>.mp4``, ``<id>.frames.parquet`` (``FRAMES``, with
times from the recording's first frame), ``<id>.states.parquet`` (``STATES``), ``<id>.regions.parquet`` (``REGIONS``)
and ``<id>.fills.parquet`` (``FILLS``). Nothing in it carries an original name, path, date or metadata.
"""

from drape.anonymization.config import ReleaseConfig
from drape.anonymization.manifest import Manifest, load_manifest, read_manifest
from drape.anonymization.policy import Plan, plan_view
from drape.anonymization.release import export_release, verify_apart
from drape.anonymization.render import render_view
from drape.anonymization.secret import ReleaseSecret
from drape.anonymization.verifier import verify_release, verify_view

__all__ = [
    "Manifest",
    "Plan",
    "ReleaseConfig",
    "ReleaseSecret",
    "export_release",
    "load_manifest",
    "plan_view",
    "read_manifest",
    "render_view",
    "verify_apart",
    "verify_release",
    "verify_view",
]
