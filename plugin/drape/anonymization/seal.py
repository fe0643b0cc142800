"""The files of a release and the seal over them: digests in the manifest, and a signature over the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from drape import tables
from drape.anonymization.manifest import NAME, REPORT, Manifest, Signer, file_entry, file_names, load_manifest
from drape.anonymization.quarantine import Quarantine
from drape.anonymization.readback import refuse
from drape.anonymization.report import report_html
from drape.anonymization.signing import SIGNATURE, check_signature, fingerprint, signature_text
from drape.errors import VerificationError


def seal(quarantine: Quarantine, manifest: Manifest, key: Ed25519PrivateKey | None) -> Manifest:
    """Add report and signature to a verified release that is still in quarantine.

    Args:
        quarantine: holds all files that the manifest names.
        manifest: with its verdict.
        key: signs; None leaves the release unsigned.

    Returns:
        The final manifest.

    Raises:
        VerificationError: the sealed files are not what was meant to be sealed.
        DiskError: the disk refuses.
    """
    signature = Signer(fingerprint=fingerprint(key.public_key())) if key else None
    manifest = manifest.model_copy(update={"signature": signature})
    quarantine.write(REPORT, report_html(manifest, quarantine.release).encode())
    manifest = manifest.model_copy(update={"files": {REPORT: file_entry(quarantine.release / REPORT)}})
    content = manifest.text().encode()
    quarantine.write(NAME, content)
    if key is not None:
        quarantine.write(SIGNATURE, signature_text(content, key).encode())
    check_seal(quarantine.release, key.public_key() if key else None)
    return manifest


def check_seal(folder: Path, trusted: Ed25519PublicKey | None = None) -> tuple[Manifest, dict[str, Any]]:
    """Make sure that a folder holds the files its manifest names, to the byte, and that the signature fits.

    Args:
        folder: the release.
        trusted: the key that must have signed; None takes what is there.

    Returns:
        The manifest, and who signed: ``{"signed": true, "fingerprint"}`` or ``{"signed": false}``.

    Raises:
        VerificationError: it does not, or a key is given and the release is not signed with it.
        ReleaseError: the folder is not a release.
    """
    manifest = load_manifest(folder)
    _check_files(folder, manifest)
    if manifest.signature is None:
        if trusted is not None:
            raise VerificationError("The release is not signed", "Do not use this release; ask those who made it")
        return manifest, {"signed": False}
    content = (folder / NAME).read_bytes()
    if content != manifest.text().encode():
        raise refuse("The release", f"{NAME} was changed after it was written")
    who = check_signature(content, (folder / SIGNATURE).read_bytes(), manifest.signature.fingerprint, trusted)
    return manifest, {"signed": True, "fingerprint": who}


def _check_files(folder: Path, manifest: Manifest) -> None:
    views = manifest.views
    known = {name: entry for view in views for name, entry in view.files.items()} | dict(manifest.files)
    own = {NAME, SIGNATURE} if manifest.signature else {NAME}
    wanted = {name for view in views for name in file_names(view.id)} | set(manifest.files)
    found = {path.name: path for path in folder.iterdir()}
    if set(known) != wanted or set(found) != wanted | own:
        raise refuse("The release", "it does not hold exactly the files its manifest lists")
    for name, path in found.items():
        entry = known.get(name)
        if path.is_symlink() or not path.is_file():
            raise refuse("The release", f"{name} is not an ordinary file")
        if entry and (path.stat().st_size != entry.bytes or tables.sha256(path) != entry.sha256):
            raise refuse("The release", f"{name} was changed after it was written")
