"""Who vouches for a release: Ed25519 signatures over the manifest, which names the digest of every other file.

The signature lies beside the manifest as ``manifest.sig``. It covers the manifest's bytes behind a fixed prefix, so
that it is worth nothing for any other text. Ed25519 (RFC 8032) needs no random numbers: the same key and manifest give
the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from drape.anonymization.disk import disk_errors, write_file
from drape.errors import ReleaseError, VerificationError

ALGORITHM = "Ed25519"
SIGNATURE = "manifest.sig"
PRIVATE_KEY, PUBLIC_KEY = "drape-private.pem", "drape-public.pem"
_PREFIX = b"drape release manifest\0"
_REFUSED = "Do not use this release; ask those who made it"


def fingerprint(key: Ed25519PublicKey) -> str:
    """What names a key: sha256 of its 32 bytes, in hex."""
    return hashlib.sha256(_raw(key)).hexdigest()


def new_keys(folder: Path) -> str:
    """Make a pair of keys: ``drape-private.pem``, readable by its owner alone, and ``drape-public.pem`` to hand out.

    Args:
        folder: is made if it does not exist, readable by its owner alone.

    Returns:
        The fingerprint.

    Raises:
        ReleaseError: there are keys in the folder already, or it cannot be written.
    """
    with disk_errors():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(os.path.lexists(folder / name) for name in (PRIVATE_KEY, PUBLIC_KEY)):
        raise ReleaseError("The folder holds a key already", "Choose another folder; a lost key cannot be made again")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_file(folder / PRIVATE_KEY, secret, mode=0o600)
    write_file(folder / PUBLIC_KEY, public)
    return fingerprint(key.public_key())


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file.

    Raises:
        ReleaseError: the file is missing, readable by others, or holds no unencrypted Ed25519 key.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ReleaseError("The private key can be read by others", "Run chmod 600 on its file")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ReleaseError("The private key cannot be read", "Check the path, or run `drape keys new`") from error
    except (ValueError, TypeError) as error:
        raise ReleaseError(
            "The file holds no private key that can be used", "Make one with `drape keys new`"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError("The private key is not of Ed25519", "Make one with `drape keys new`")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file.

    Raises:
        ReleaseError: the file is missing or holds no Ed25519 key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ReleaseError("The public key cannot be read", "Check the path") from error
    except ValueError as error:
        raise ReleaseError("The file holds no public key", "Ask for the PEM file of the public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ReleaseError("The public key is not of Ed25519", "Ask for the PEM file of the public key")
    return key


def signature_text(manifest: bytes, key: Ed25519PrivateKey) -> str:
    """The content of ``manifest.sig`` for the bytes of a manifest."""
    return _text(key.public_key(), key.sign(_PREFIX + manifest))


def check_signature(manifest: bytes, said: bytes, expected: str, trusted: Ed25519PublicKey | None = None) -> str:
    """Make sure that a signature is of these very bytes.

    Args:
        manifest: bytes of the manifest.
        said: bytes of ``manifest.sig``.
        expected: fingerprint that the manifest names.
        trusted: the key that must have signed; without one, the signature's own key says only that nothing changed
            since somebody signed.

    Returns:
        The fingerprint of the key that signed.

    Raises:
        VerificationError: it is not.
    """
    key, signature = _parse(said)
    try:
        key.verify(signature, _PREFIX + manifest)
    except InvalidSignature as error:
        raise VerificationError("The release's signature does not fit its manifest", _REFUSED) from error
    if fingerprint(key) != expected:
        raise VerificationError("The release is signed with another key than its manifest says", _REFUSED)
    if trusted is not None and _raw(trusted) != _raw(key):
        raise VerificationError("The release is not signed with the given key", _REFUSED)
    return expected


def _parse(said: bytes) -> tuple[Ed25519PublicKey, bytes]:
    try:
        content = json.loads(said)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(content["public_key"], validate=True))
        signature = base64.b64decode(content["signature"], validate=True)
        same = _text(key, signature).encode() == said
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationError("The release's signature cannot be read", _REFUSED) from error
    if not same:
        raise VerificationError("The release's signature was changed", _REFUSED)
    return key, signature


def _text(key: Ed25519PublicKey, signature: bytes) -> str:
    content = {
        "algorithm": ALGORITHM,
        "fingerprint": fingerprint(key),
        "public_key": base64.b64encode(_raw(key)).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
