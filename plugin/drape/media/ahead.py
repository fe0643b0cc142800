"""Frames decoded in a thread ahead of whoever works on them."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from drape.media.types import Frame

_Item: TypeAlias = Frame | BaseException | None


@contextlib.contextmanager
def ahead(frames: Iterable[Frame], room: int) -> Iterator[Iterator[Frame]]:
    """The same frames, taken from ``frames`` in a thread at most ``room`` ahead, so that memory stays bounded.

    What ``frames`` raises is raised to the consumer, in its place. Leaving the context ends the thread.
    """
    items: queue.Queue[_Item] = queue.Queue(room)
    stop = threading.Event()

    def put(item: _Item) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=0.1)
                return

    def work() -> None:
        try:
            for frame in frames:
                put(frame)
                if stop.is_set():
                    return
        except BaseException as error:  # whatever it is, the consumer raises it
            put(error)
        else:
            put(None)

    def consume() -> Iterator[Frame]:
        while (item := items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=work, name="decode", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stop.set()
        thread.join()
