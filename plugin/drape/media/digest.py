"""The digest by which a view's media are known again."""

from __future__ import annotations

import hashlib

from drape import tables
from drape.errors import MediaError
from drape.media.images import image_paths
from drape.recording import View


def digest(view: View) -> str:
    """sha256 of a video file; of an image sequence, the sha256 of its files' digests in order.

    Raises:
        MediaError: the media cannot be read.
    """
    try:
        if view.kind == "video":
            return tables.sha256(view.media)
        whole = hashlib.sha256()
        for path in image_paths(view):
            whole.update(bytes.fromhex(tables.sha256(path)))
        return whole.hexdigest()
    except OSError as error:
        raise MediaError(view.id, f"the media cannot be read ({error.strerror})", "Check that they are there") from None
