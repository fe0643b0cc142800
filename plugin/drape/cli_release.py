"""``drape keys`` and ``drape verify``: who vouches for a release, and whether it is what they vouched for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from drape.anonymization import load_public_key, new_keys, verify_release
from drape.anonymization.signing import PRIVATE_KEY, PUBLIC_KEY
from drape.cli_progress import progress_bars

keys_app = typer.Typer(help="Keys that sign releases.", no_args_is_help=True)


@keys_app.callback()
def _keys() -> None:
    """Keys that sign releases."""


@keys_app.command("new")
def new_keys_command(folder: Annotated[Path, typer.Argument(help="Folder for the two files; made if needed")]) -> None:
    """Make a pair of keys: the private one signs and stays here, the public one is handed out."""
    fingerprint = new_keys(folder)
    console = Console()
    console.print(f"{PRIVATE_KEY}: keep it, and keep it to yourself; it signs releases (drape export --key)")
    console.print(f"{PUBLIC_KEY}: give it to whoever is to check them (drape verify --public-key)")
    console.print(f"fingerprint {fingerprint}", soft_wrap=True, highlight=False)


def verify_command(
    release: Annotated[Path, typer.Argument(help="A release folder")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="PEM file of the key that must have signed it")
    ] = None,
    face_weights: Annotated[
        Path | None, typer.Option("--face-weights", help="YuNet's ONNX file  [default: the one on this machine]")
    ] = None,
) -> None:
    """Check a release from its own files alone: offline, without sources, years later."""
    trusted = load_public_key(public_key) if public_key else None
    with progress_bars() as progress:
        verdict = verify_release(release, progress, face_weights, trusted)
    console = Console()
    console.print(f"[green]verified[/green]: {len(verdict['views'])} view(s), every masked region holds its fill")
    console.print(_signed(verdict["signature"], trusted is not None), soft_wrap=True, highlight=False)
    console.print(_faces(verdict["faces"]))


def _signed(said: dict[str, Any], trusted: bool) -> str:
    if not said["signed"]:
        return "not signed: nothing says who made it, and whoever changed it could have made its digests fit"
    whose = "the given key" if trusted else "a key that you should compare (--public-key)"
    return f"signed with {whose}, fingerprint {said['fingerprint']}"


def _faces(said: dict[str, Any]) -> str:
    if not said["checked"]:
        return f"faces: not checked ({said['why']})"
    looked = sum(said["frames"].values())
    found = f"{len(said['found'])} (accepted by an override)" if said["found"] else "none"
    return f"faces: {found} outside the masks in {looked} frame(s) looked at (every {said['every']})"
