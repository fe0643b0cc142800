"""A signature is of one key and of one manifest, to the last bit; a private key stays private."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from drape.anonymization import load_private_key, load_public_key, new_keys
from drape.anonymization.signing import PRIVATE_KEY, PUBLIC_KEY, check_signature, fingerprint, signature_text
from drape.errors import ReleaseError, VerificationError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAME = fingerprint(KEY.public_key())
MANIFEST = b'{"format": 2}\n'
SIGNED = signature_text(MANIFEST, KEY).encode()


def test_keys_are_made_private_and_never_twice(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    name = new_keys(folder)
    assert sorted(p.name for p in folder.iterdir()) == [PRIVATE_KEY, PUBLIC_KEY]
    assert (folder / PRIVATE_KEY).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    private, public = load_private_key(folder / PRIVATE_KEY), load_public_key(folder / PUBLIC_KEY)
    assert fingerprint(private.public_key()) == fingerprint(public) == name
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert name == hashlib.sha256(raw).hexdigest()
    before = (folder / PRIVATE_KEY).read_bytes()
    with pytest.raises(ReleaseError, match="holds a key already"):
        new_keys(folder)
    assert (folder / PRIVATE_KEY).read_bytes() == before
    assert new_keys(tmp_path / "other") != name


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_private_key_that_others_can_read_is_not_used(mode: int, tmp_path: Path) -> None:
    new_keys(tmp_path)
    (tmp_path / PRIVATE_KEY).chmod(mode)
    with pytest.raises(ReleaseError, match="read by others"):
        load_private_key(tmp_path / PRIVATE_KEY)


def test_something_else_is_no_key(tmp_path: Path) -> None:
    new_keys(tmp_path)
    other = tmp_path / "other.pem"
    other.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    other.chmod(0o600)
    with pytest.raises(ReleaseError, match="not of Ed25519"):
        load_private_key(other)
    other.write_bytes(
        generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(ReleaseError, match="not of Ed25519"):
        load_public_key(other)
    for load, wrong in ((load_private_key, PUBLIC_KEY), (load_public_key, PRIVATE_KEY)):
        (tmp_path / wrong).chmod(0o600)
        with pytest.raises(ReleaseError, match="holds no"):
            load(tmp_path / wrong)
        with pytest.raises(ReleaseError, match="cannot be read") as caught:
            load(tmp_path / "nowhere.pem")
        assert str(tmp_path) not in str(caught.value)


def test_the_same_manifest_gives_the_same_signature() -> None:
    assert signature_text(MANIFEST, KEY).encode() == SIGNED
    assert check_signature(MANIFEST, SIGNED, NAME) == NAME
    assert check_signature(MANIFEST, SIGNED, NAME, KEY.public_key()) == NAME


def test_it_is_of_no_other_manifest_key_or_text() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(VerificationError, match="does not fit"):
        check_signature(MANIFEST + b" ", SIGNED, NAME)
    with pytest.raises(VerificationError, match="another key than its manifest says"):
        check_signature(MANIFEST, signature_text(MANIFEST, other).encode(), NAME)
    with pytest.raises(VerificationError, match="not signed with the given key"):
        check_signature(MANIFEST, SIGNED, NAME, other.public_key())
    bare = json.loads(SIGNED)
    bare["signature"] = _b64(KEY.sign(MANIFEST))  # without the prefix: a signature that was made for something else
    with pytest.raises(VerificationError, match="does not fit"):
        check_signature(MANIFEST, (json.dumps(bare, indent=1, sort_keys=True) + "\n").encode(), NAME)


def _b64(data: bytes) -> str:

    return base64.b64encode(data).decode()


def test_every_bit_of_the_signature_counts() -> None:
    for position in range(len(SIGNED)):
        for bit in (0, 3, 7):
            changed = bytearray(SIGNED)
            changed[position] ^= 1 << bit
            with pytest.raises(VerificationError):
                check_signature(MANIFEST, bytes(changed), NAME)


@pytest.mark.parametrize(
    "said", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"public_key": 1, "signature": 2}', b"9" * 9]
)
def test_a_file_of_something_else_is_no_signature(said: bytes) -> None:
    with pytest.raises(VerificationError, match="cannot be read"):
        check_signature(MANIFEST, said, NAME)
