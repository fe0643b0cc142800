"""Ids that follow from what they name, so that writing the same thing twice writes the same documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

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


def instance_ids(
    recording: str, view: str, tracklets: Sequence[int | None], persons: Sequence[int | None]
) -> list[ObjectId | None]:
    """The ``fiftyone.Instance`` id of each box: that of its person, the same in all views; where nobody knows who it
    is, that of its tracklet in this view; None without either. The mosaic's copy of a box carries the same one.

    Args:
        recording: its id.
        view: the view's id.
        tracklets: (N,) tracklet of each box, or None.
        persons: (N,) identity of each box, or None.
    """
    known = {("person", p) for p in persons if p is not None}
    alone = {(view, t) for t, p in zip(tracklets, persons, strict=True) if p is None and t is not None}
    keys = sorted(known) + sorted(alone)
    ids = dict(zip(keys, object_ids(f"{recording}/instance", keys), strict=True))
    pairs = zip(tracklets, persons, strict=True)
    return [ids.get(("person", p) if p is not None else (view, -1 if t is None else t)) for t, p in pairs]
