"""What must not appear in anything that is released: where the source lies and what it is called."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from drape.recording import Recording

Names = dict[str, str]
"""Private text -> its role, which may be told."""

_SHORTEST = 4
"""Shorter names are part of many innocent words; they count only as a whole piece of a path."""

STRUCTURE = frozenset(
    {
        "_cls",
        "mime_type",
        "media_type",
        "ftype",
        "embedded_doc_type",
        "subfield",
        "sample_collection_name",
        "frame_collection_name",
    }
)
"""Keys whose values are FiftyOne's own words."""


def private_names(recording: Recording, **others: object) -> Names:
    """Paths and names of a recording's sources, each with its role.

    Args:
        recording: with private names.
        others: further private texts by role, e.g. ``workspace=…``.
    """
    public = {view.id for view in recording.views} | {recording.id}
    public |= {view.media.name for view in recording.views if view.media.stem in public}
    names: Names = {recording.name: "the recording's name"}
    for view in recording.views:
        names |= {
            view.name: f"{view.id}'s name",
            view.media.stem: f"{view.id}'s file name",
            view.media.name: f"{view.id}'s file name",
            str(view.media): f"{view.id}'s path",
        }
        if view.timestamps is not None:
            names[view.timestamps.name] = f"{view.id}'s timestamps file"
    names |= {str(text): f"the {role}" for role, text in others.items()}
    return {text: role for text, role in names.items() if text and text not in public}


def find_private(texts: Iterable[str], names: Names, vocabulary: Container[str] = ()) -> str | None:
    """The role of the first private name that a text holds, or None.

    Args:
        texts: what to look through.
        names: see :func:`private_names`.
        vocabulary: words that mean nothing private even if a source is called like that: names of fields, states,
            pseudonyms. They are left out where they are the whole text or a whole piece of a path.
    """
    for whole in texts:
        text = "/".join(part for part in whole.split("/") if part not in vocabulary)
        for name, role in names.items():
            if name in text if len(name) >= _SHORTEST else name in _pieces(text):
                return role
    return None


def strings(document: Any, keys: bool = False) -> Iterator[str]:
    """Every string value in a document, but for FiftyOne's own words.

    Args:
        document: mappings, lists and values.
        keys: keys are free text too; true by itself inside ``info``, whose keys no schema checks.
    """
    if isinstance(document, Mapping):
        for key, value in document.items():
            if keys:
                yield str(key)
            if key not in STRUCTURE:
                yield from strings(value, keys or key == "info")
    elif isinstance(document, (list, tuple)):
        for value in document:
            yield from strings(value, keys)
    elif isinstance(document, str):
        yield document


def _pieces(text: str) -> set[str]:
    return {part for whole in PurePath(text).parts for part in (whole, PurePath(whole).stem)}
