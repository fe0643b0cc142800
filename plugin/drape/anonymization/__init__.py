"""Masking and release: from persons to a verified folder in which nobody is exposed.

The way of a release::

    plan = plan_view(view, frames, covered, persons, config)     # policy: a decision about every frame, regions
    render_view(view, plan, config, secret, path)                # fills in the decoded planes, H.264 in MP4
    verify_release(folder)                                       # from the folder alone, years later too

    export_release(recording, frames, covered, persons, config, target, provenance, terms=terms, missed=missed)
                                                                 # all of it, atomically

``Terms`` say whom the release is for (``Profile``), what is masked in every frame (``FixedRegions``), what an
``Override`` accepts, and who signs.

A release is a folder with ``manifest.json``, ``manifest.sig`` if it is signed, ``report.html`` for those who decide,
and, for each view, ``<id>.mp4``, ``<id>.frames.parquet`` (``FRAMES``, with times from the recording's first frame),
``<id>.states.parquet`` (``STATES``), ``<id>.regions.parquet`` (``REGIONS``) and ``<id>.fills.parquet`` (``FILLS``).
Nothing in it carries an original name, path, date or metadata.
"""

from drape.anonymization.config import ReleaseConfig
from drape.anonymization.faces import FacesFound
from drape.anonymization.fixed import FixedRegion, FixedRegions
from drape.anonymization.manifest import Manifest, load_manifest, read_manifest
from drape.anonymization.policy import Plan, plan_view
from drape.anonymization.profiles import PROFILES, Override, Profile
from drape.anonymization.release import export_release, verify_apart
from drape.anonymization.render import render_view
from drape.anonymization.secret import ReleaseSecret
from drape.anonymization.signing import load_private_key, load_public_key, new_keys
from drape.anonymization.terms import Terms, TermsConfig
from drape.anonymization.verifier import verify_release, verify_view

__all__ = [
    "PROFILES",
    "FacesFound",
    "FixedRegion",
    "FixedRegions",
    "Manifest",
    "Override",
    "Plan",
    "Profile",
    "ReleaseConfig",
    "ReleaseSecret",
    "Terms",
    "TermsConfig",
    "export_release",
    "load_manifest",
    "load_private_key",
    "load_public_key",
    "new_keys",
    "plan_view",
    "read_manifest",
    "render_view",
    "verify_apart",
    "verify_release",
    "verify_view",
]
