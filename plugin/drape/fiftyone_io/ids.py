"""Ids that follow from what they name, so that writing the same thing twice writes the same documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from bson import ObjectId

_BYTES = 12


def object_ids(scope: str, keys: Iterable[object]) -> list[ObjectId]:
    """One MongoDB id per key; equal scope and key give equal ids, others differ (96 bits of BLAKE2b).

    Args:
        scope: what the keys are within, e.g. ``"rec-…/view1/persons"``.
        keys: anything whose ``str`` tells it apart from the other keys.
    """
    prefix = hashlib.blake2b(f"{scope}/".encode(), digest_size=_BYTES)
    ids = []
    for key in keys:
        digest = prefix.copy()
        digest.update(str(key).encode())
        ids.append(ObjectId(digest.digest()))
    return ids


def instance_ids(recording: str, view: str, tracklets: Iterable[int]) -> dict[int, ObjectId]:
    """The ``fiftyone.Instance`` id of each tracklet of a view; the mosaic's copy of a box carries the same one."""
    distinct = sorted(set(tracklets))
    return dict(zip(distinct, object_ids(f"{recording}/{view}/tracklet", distinct), strict=True))
