"""Models of a site: a folder each, with a card that says what the model is, what it came from, and how it was judged.

::

    MODELS/NAME/
        model.json     the card; ``drape.detection.model_folder`` reads its parts ``detector`` and ``files``
        CARD.md        the same for people
        weights.pth, config.json, …   what the card's ``files`` names
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from drape.errors import AdaptationError, WeightsError
from drape.tables import sha256

CARD, READ_ME = "model.json", "CARD.md"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectorPart(_Part):
    """How the model is run: by which ``engine``, from which files of its folder, at which ``size`` (longer side of the
    input in pixels; None: the configuration's own), which class is the person, and what its user must know."""

    engine: Literal["mmdet", "onnx"]
    weights: str
    config: str | None = None
    size: int | None = Field(None, ge=64, le=4096)
    person_class: int = Field(0, ge=0)
    notice: str = ""


class Parent(_Part):
    """The model that training began with: its name, and the sha256 of its weights."""

    name: str
    sha256: str


class Lesson(_Part):
    """What was learned from: the sha256 of the label tables, pictures, boxes."""

    digest: str
    images: int
    boxes: int


class Judgement(_Part):
    """The guard's verdict."""

    passed: bool
    reasons: tuple[str, ...] = ()


class Card(_Part):
    """The card of a model. ``before`` and ``after`` are named figures of the parent and of the model; ``rounds`` tells
    of every round of the loop, ``run`` is the digest of all that the model depends on."""

    name: str
    kind: Literal["adapted", "student"]
    version: str
    site: str
    parent: Parent
    detector: DetectorPart
    files: dict[str, str]
    labels: Lesson
    before: dict[str, float]
    after: dict[str, float]
    verdict: Judgement
    rounds: tuple[dict[str, Any], ...] = ()
    configs: dict[str, Any] = {}
    run: str = ""

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        return checked_name(value)

    @field_validator("files")
    @classmethod
    def _inside(cls, value: dict[str, str]) -> dict[str, str]:
        for file, digest in value.items():
            if Path(file).name != file or not NAME.fullmatch(file) or not re.fullmatch(r"[0-9a-f]{64}", digest):
                raise ValueError("files must be plain names with a sha256 each")
        return value


def checked_name(name: str) -> str:
    """The name of a model, if it can be the name of a folder anywhere.

    Raises:
        ValueError: it cannot.
    """
    if not NAME.fullmatch(name):
        raise ValueError("a model's name has 1 to 64 letters, digits, dots, dashes or underscores, the first a letter")
    return name


def write_model(models: Path, card: Card, files: Mapping[str, Path]) -> Path:
    """Put a model into the models' folder: whole, or not at all.

    Args:
        models: folder of the models.
        card: its card, without digests: they are taken from ``files``.
        files: the model's files by their names there.

    Returns:
        The model's folder. One that is there already is left as it is if it is of the same run.

    Raises:
        AdaptationError: there is another model of this name, or the disk is full.
    """
    folder = models / card.name
    if free_name(models, card.name, card.run) is not None:
        return folder
    partial = models / f".{card.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, source in files.items():
            shutil.copyfile(source, partial / name)
        card = card.model_copy(update={"files": {name: sha256(partial / name) for name in sorted(files)}})
        card = Card.model_validate(card.model_dump())
        (partial / CARD).write_text(json.dumps(card.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")
        (partial / READ_ME).write_text(as_markdown(card), encoding="utf-8")
        for path in partial.iterdir():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
        partial.replace(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise AdaptationError(
            f"The model could not be written ({error.strerror})", "Free disk space or choose another folder"
        ) from error
    return folder


def free_name(models: Path, name: str, run: str) -> Card | None:
    """The card of the model of this name if it came of this very run; None if the name is free.

    Raises:
        AdaptationError: another model has the name, or a folder that is no model.
    """
    folder = models / checked_name(name)
    if not folder.exists():
        return None
    try:
        card = load_card(folder)
    except WeightsError as error:
        raise AdaptationError(
            f"The folder of the model {name!r} holds something else", "Choose another name"
        ) from error
    if card.run != run:
        raise AdaptationError(f"There is another model {name!r} already", "Choose another name, or delete that model")
    return card


def load_card(folder: Path) -> Card:
    """A model's card, after its files have been found to be what it says.

    Raises:
        WeightsError: there is no card, it is damaged, or a file is missing or altered.
    """
    try:
        card = Card.model_validate_json((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError("The folder holds no model", "Choose a folder made by an adaptation") from error
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        raise WeightsError("The model's card is damaged", "Copy the model's folder again") from error
    for name, digest in card.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise WeightsError(f"The model's file {name} is missing", "Copy the model's folder again")
        if sha256(path) != digest:
            raise WeightsError(f"The model's file {name} was changed", "Copy the model's folder again")
    return card


def list_models(models: Path) -> list[Card]:
    """The cards of all models of a folder by name; folders that are no sound models are left out."""
    found = []
    for folder in sorted(models.iterdir()) if models.is_dir() else []:
        if NAME.fullmatch(folder.name) and (folder / CARD).is_file():
            try:
                found.append(load_card(folder))
            except WeightsError:
                continue
    return found


def as_markdown(card: Card) -> str:
    """A card for people."""
    state = "kept" if card.verdict.passed else "taken back"
    lines = [
        f"# {card.name}",
        "",
        f"{'A detector adapted to' if card.kind == 'adapted' else 'A real-time detector of'} the site {card.site}; "
        f"{state} by the guard.",
        "",
        *(f"- {reason}" for reason in card.verdict.reasons),
        f"- parent: {card.parent.name}, sha256 {card.parent.sha256}",
        *(f"- {name}: sha256 {digest}" for name, digest in card.files.items()),
        f"- learned from {card.labels.boxes} boxes in {card.labels.images} pictures without any labels "
        f"(digest {card.labels.digest})",
        *([f"- {card.detector.notice}"] if card.detector.notice else []),
        "",
        "| figure | before | after |",
        "|---|---:|---:|",
        *(
            f"| {key} | {_number(card.before.get(key))} | {_number(card.after.get(key))} |"
            for key in sorted(card.before | card.after)
        ),
        "",
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
