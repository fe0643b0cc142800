"""A signed release is what was signed: every byte of every file counts, and nobody can stand in for the signer."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from drape import tables
from drape.anonymization import ReleaseConfig, Terms, TermsConfig, load_manifest, verify_release
from drape.anonymization.manifest import NAME, REPORT
from drape.anonymization.quarantine import quarantine_path
from drape.anonymization.seal import check_seal
from drape.anonymization.signing import SIGNATURE, fingerprint, signature_text
from drape.errors import DrapeError, VerificationError
from support.releases import PRIVATE, Scene, copy_release, make_scene
from support.sealed import KEY, OTHER, export_on

MINE = fingerprint(KEY.public_key())
FLIPS = 40


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), frames=12, size=(192, 128), unknown=[3])


@pytest.fixture(scope="module")
def signed(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("signed") / "release"
    export_on(scene, target, Terms(key=KEY), provenance={"stages": {"detect": {"detector": {"weights": "ab" * 32}}}})
    return target


def test_a_signed_release_says_by_whom(signed: Path) -> None:
    verdict = verify_release(signed, public_key=KEY.public_key())
    assert verdict["signature"] == {"signed": True, "fingerprint": MINE}
    assert load_manifest(signed).signature.fingerprint == MINE
    assert {p.name for p in signed.iterdir()} >= {NAME, SIGNATURE, REPORT}


def test_an_unsigned_release_says_so_and_is_no_answer_to_a_key(scene: Scene, tmp_path: Path) -> None:
    export_on(scene, tmp_path / "release")
    assert verify_release(tmp_path / "release")["signature"] == {"signed": False}
    assert not (tmp_path / "release" / SIGNATURE).exists()
    assert "Nobody signed this release" in (tmp_path / "release" / REPORT).read_text()
    with pytest.raises(VerificationError, match="is not signed"):
        verify_release(tmp_path / "release", public_key=KEY.public_key())


def test_same_inputs_and_same_key_give_the_same_bytes(scene: Scene, signed: Path, tmp_path: Path) -> None:
    """R27: the report with its pictures and the signature too."""
    provenance = {"stages": {"detect": {"detector": {"weights": "ab" * 32}}}}
    export_on(scene, tmp_path / "release", Terms(key=KEY), provenance=provenance)
    assert {p.name: p.read_bytes() for p in (tmp_path / "release").iterdir()} == {
        p.name: p.read_bytes() for p in signed.iterdir()
    }


def test_a_changed_bit_of_any_file_is_noticed(signed: Path, tmp_path: Path) -> None:
    """R02: at the first and last bytes and at random places of every file; 0 go unnoticed."""
    folder = copy_release(signed, tmp_path / "release")
    chance = random.Random(0)  # noqa: S311
    tried = 0
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        places = {0, 1, len(content) - 2, len(content) - 1, *(chance.randrange(len(content)) for _ in range(FLIPS))}
        for place in sorted(places):
            changed = bytearray(content)
            changed[place] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            with pytest.raises(DrapeError):
                check_seal(folder, KEY.public_key())
            tried += 1
        path.write_bytes(content)
    assert tried > 8 * FLIPS
    assert check_seal(folder, KEY.public_key())[1]["signed"]


def test_bytes_added_or_cut_off_are_noticed(signed: Path, tmp_path: Path) -> None:
    folder = copy_release(signed, tmp_path / "release")
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for changed in (content + b"\n", content[:-1], b""):
            path.write_bytes(changed)
            with pytest.raises(DrapeError):
                check_seal(folder)
        path.write_bytes(content)


def test_a_manifest_that_fits_the_changed_files_needs_the_key(signed: Path, tmp_path: Path) -> None:
    """Whoever changes a file can make the digests fit; not the signature, and not with a key of his own."""
    folder = copy_release(signed, tmp_path / "release")
    (folder / REPORT).write_text("all is well")
    manifest = json.loads((folder / NAME).read_text())
    entry = manifest["files"][REPORT]
    entry["sha256"], entry["bytes"] = tables.sha256(folder / REPORT), (folder / REPORT).stat().st_size

    def write(content: dict) -> bytes:
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (folder / NAME).write_text(text)
        return text.encode()

    content = write(manifest)
    with pytest.raises(VerificationError, match="does not fit its manifest"):
        check_seal(folder)
    (folder / SIGNATURE).write_text(signature_text(content, OTHER))
    with pytest.raises(VerificationError, match="another key than its manifest says"):
        check_seal(folder)
    manifest["signature"]["fingerprint"] = fingerprint(OTHER.public_key())
    (folder / SIGNATURE).write_text(signature_text(write(manifest), OTHER))
    assert check_seal(folder)[1]["fingerprint"] == fingerprint(OTHER.public_key())
    with pytest.raises(VerificationError, match="not signed with the given key"):
        check_seal(folder, KEY.public_key())
    manifest["signature"] = None
    write(manifest)
    with pytest.raises(VerificationError, match="exactly the files"):
        check_seal(folder)
    (folder / SIGNATURE).unlink()
    with pytest.raises(VerificationError, match="is not signed"):
        check_seal(folder, KEY.public_key())


def test_the_private_key_is_nowhere_in_the_release(signed: Path) -> None:
    secrets = [KEY.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())]
    secrets.append(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).split(b"\n")[1])
    secrets.append(secrets[0].hex().encode())
    content = b"".join(path.read_bytes() for path in signed.iterdir())
    assert not [secret for secret in secrets if secret in content]
    assert KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex().encode() not in content  # it is base64


def test_the_manifest_states_what_led_to_it(signed: Path) -> None:
    manifest = load_manifest(signed)
    assert manifest.weights == {"stages.detect.detector.weights": "ab" * 32}
    assert [(code["code"], code["applied"]) for code in manifest.dicom] == [
        ("113100", True),
        ("113101", False),
        ("113102", True),
    ]
    assert {"drape", "av", "libavcodec", "numpy", "opencv-python-headless", "cryptography"} <= manifest.versions.keys()
    view = manifest.views[0]
    assert view.seconds == pytest.approx(11 / 25) and view.reviewed == 0
    assert view.times_sha256 == manifest.verdict["views"]["view1"]["times_sha256"]
    assert manifest.checks == {"unknown_frames": "reported", "unknown_risk": "reported", "no_face_check": "reported"}
    assert manifest.risk == {"known": False}


def test_times_of_another_manifest_are_noticed(scene: Scene, tmp_path: Path) -> None:
    export_on(scene, tmp_path / "release")
    path = tmp_path / "release" / NAME
    manifest = json.loads(path.read_text())
    manifest["views"][0]["times_sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(VerificationError, match="not those of the manifest"):
        verify_release(tmp_path / "release")


def test_a_sealed_release_is_taken_up_again_after_a_kill_before_the_rename(scene: Scene, tmp_path: Path) -> None:
    """R11: what was sealed in quarantine is sealed anew; nothing of the old seal stays."""
    target = tmp_path / "release"
    manifest = export_on(scene, target, Terms(key=KEY))
    quarantine = quarantine_path(target)
    quarantine.mkdir(mode=0o700)
    target.rename(quarantine / "release")
    (quarantine / "release" / REPORT).write_text("torn")
    for name in (NAME, REPORT, SIGNATURE):
        (quarantine / "release" / f".{name}.partial").write_text("torn")
    assert export_on(scene, target, Terms(key=KEY)) == manifest
    assert export_on(scene, tmp_path / "again", Terms(key=KEY)) == manifest
    assert verify_release(target, public_key=KEY.public_key())["ok"]


def test_the_report_loads_nothing_and_names_nobody(signed: Path, tmp_path: Path) -> None:
    text = (signed / REPORT).read_text()
    assert "default-src &#x27;none&#x27;" in text and text.count("data:image/jpeg;base64,") == 2
    for word in ("<script", "http:", "https:", "url(", "<link", "<iframe", "@import", PRIVATE, str(tmp_path.parent)):
        assert word not in text, word
    assert MINE in text and "Not checked: nobody looked for faces" in text and "Nobody estimated" in text
    assert "anonymous" in text and text.count("anonymous") == 1  # in the sentence that does not promise it


def test_words_of_an_override_are_shown_as_text_and_name_nobody(scene: Scene, tmp_path: Path) -> None:
    def terms(reason: str) -> Terms:
        return TermsConfig(accept="faces", accepted_by="Reviewer & Co", reason=reason).terms()

    with pytest.raises(DrapeError, match="private name"):
        export_on(scene, tmp_path / "no", terms(f"as agreed for {PRIVATE.lower()}, today"))
    assert not (tmp_path / "no").exists()
    manifest = export_on(scene, tmp_path / "release", terms('nobody\'s face & "no" screen'))
    text = (tmp_path / "release" / REPORT).read_text()
    assert "Reviewer &amp; Co (nothing had to be accepted): nobody&#x27;s face &amp; &quot;no&quot; screen" in text
    assert manifest["override"]["accepts"] == ["faces"]


def test_a_release_of_another_quality_is_another_release(scene: Scene, signed: Path, tmp_path: Path) -> None:
    manifest = export_on(scene, tmp_path / "release", Terms(key=KEY), ReleaseConfig(grey=60))
    assert manifest["release"] != load_manifest(signed).release
