"""Keys and verification on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from drape.anonymization import Terms, load_private_key
from drape.anonymization.signing import PRIVATE_KEY, PUBLIC_KEY, new_keys
from drape.cli_release import keys_app, verify_command
from drape.errors import ReleaseError, VerificationError
from support.releases import make_scene
from support.sealed import export_on
from typer.testing import CliRunner

app = typer.Typer()
app.add_typer(keys_app, name="keys")
app.command("verify")(verify_command)


def said(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and a release that is signed with them, and one that nobody signed."""
    folder = tmp_path_factory.mktemp("place")
    new_keys(folder / "keys")
    scene = make_scene(folder / "scene", frames=4, size=(96, 64), people=1)
    export_on(scene, folder / "signed", Terms(key=load_private_key(folder / "keys" / PRIVATE_KEY)))
    export_on(scene, folder / "unsigned")
    return folder


def test_new_keys_are_explained_and_named(tmp_path: Path) -> None:
    text = said("keys", "new", tmp_path / "keys")
    assert PRIVATE_KEY in text and PUBLIC_KEY in text
    name = text.split("fingerprint ")[1]
    assert len(name) == 64 and int(name, 16) >= 0
    with pytest.raises(ReleaseError, match="holds a key already"):
        said("keys", "new", tmp_path / "keys")


def test_verification_says_who_signed_and_what_was_not_looked_at(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DRAPE_CACHE", str(tmp_path))
    text = said("verify", place / "signed")
    assert "verified: 1 view(s)" in text and "signed with a key that you should compare" in text
    assert "faces: not checked (the face detector is not on this machine)" in text
    assert "signed with the given key" in said("verify", place / "signed", "--public-key", place / "keys" / PUBLIC_KEY)
    assert "not signed: nothing says who made it" in said("verify", place / "unsigned")


def test_another_key_and_no_signature_are_errors(place: Path, tmp_path: Path) -> None:
    new_keys(tmp_path)
    with pytest.raises(VerificationError, match="not signed with the given key"):
        said("verify", place / "signed", "--public-key", tmp_path / PUBLIC_KEY)
    with pytest.raises(VerificationError, match="is not signed"):
        said("verify", place / "unsigned", "--public-key", tmp_path / PUBLIC_KEY)


def test_faces_are_looked_for_with_the_given_detector(place: Path, shared: Path) -> None:
    weights = shared / "weights" / "yunet_face" / "yunet_n_640_640.onnx"
    if not weights.is_file():
        pytest.skip("no face detector among the shared development data")
    text = said("verify", place / "signed", "--face-weights", weights)
    assert "faces: none outside the masks in 4 frame(s) looked at (every 1)" in text
