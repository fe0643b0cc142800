"""How many frames a Matroska or WebM file holds, by its own structure.

Matroska has no index of its frames, and its readers skip damaged stretches silently. But its elements lie end to end
(RFC 8794, 6; RFC 9559, 5), so a walk from one to the next finds every frame, or the place where the chain breaks.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Set
from pathlib import Path

_HEADER, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_VOID, _CRC = 0xEC, 0xBF
_TRACKS, _TRACK, _TRACK_NUMBER, _TRACK_TYPE, _VIDEO = 0x1654AE6B, 0xAE, 0xD7, 0x83, 1
_TOP = frozenset({0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469, _TRACKS, _CLUSTER})
_GROUP, _SIMPLE_BLOCK, _BLOCK = 0xA0, 0xA3, 0xA1
_NUMBERS = frozenset({0xE7, 0xA7, 0xAB})
_IN_CLUSTER = _NUMBERS | {_GROUP, _SIMPLE_BLOCK}
_FILLERS = frozenset({_VOID, _CRC})


class BrokenMatroskaError(ValueError):
    """The chain of elements breaks, or ends before the end it promised."""


def count_frames(path: Path, position: int) -> int:
    """Number of frames of one video track of a Matroska file.

    Args:
        path: file.
        position: which of the file's video tracks, from 0.

    Raises:
        BrokenMatroskaError: the file is cut off or its structure is damaged.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        kinds: dict[int, int] = {}
        count = 0
        for element, begin, stop in _top(data):
            if element == _TRACKS:
                kinds = _track_kinds(data, begin, stop)
            elif element == _CLUSTER:
                videos = [number for number, kind in kinds.items() if kind == _VIDEO]
                if position >= len(videos):
                    raise BrokenMatroskaError("frames before the list of tracks")
                blocks = _cluster(data, begin, stop)
                count += sum(_frames(data, first, last, videos[position], kinds.keys()) for first, last in blocks)
    return count


def _top(data: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    for element, begin, stop in _children(data, 0, len(data), frozenset({_HEADER, _SEGMENT}), frozenset()):
        if element == _SEGMENT:
            yield from _children(data, begin, stop, _TOP, frozenset())


def _track_kinds(data: mmap.mmap, begin: int, stop: int) -> dict[int, int]:
    kinds = {}
    for element, first, last in _children(data, begin, stop, frozenset({_TRACK}), frozenset()):
        if element == _TRACK:
            entry = {e: int.from_bytes(data[a:b], "big") for e, a, b in _children(data, first, last, None, frozenset())}
            kinds[entry.get(_TRACK_NUMBER, 0)] = entry.get(_TRACK_TYPE, 0)
    return kinds


def _cluster(data: mmap.mmap, begin: int, stop: int) -> Iterator[tuple[int, int]]:
    for element, first, last in _children(data, begin, stop, _IN_CLUSTER, _TOP):
        if element == _SIMPLE_BLOCK:
            yield first, last
        elif element == _GROUP:
            yield from ((a, b) for kind, a, b in _children(data, first, last, None, frozenset()) if kind == _BLOCK)


def _children(
    data: mmap.mmap, begin: int, stop: int, known: Set[int] | None, ends: Set[int]
) -> Iterator[tuple[int, int, int]]:
    """(id, begin, stop) of the elements between two positions; an id of ``ends`` closes a parent of unknown size."""
    at = begin
    while at < stop:
        element, first = _number(data, at, stop, keep_marker=True)
        if element in ends:
            return
        if known is not None and element not in known and element not in _FILLERS:
            raise BrokenMatroskaError(f"unknown element at byte {at}")
        size, content = _number(data, first, stop, keep_marker=False)
        last = content + size
        if size < 0:  # unknown, as live recorders write it: the content tells where it ends
            if element not in (_SEGMENT, _CLUSTER):
                raise BrokenMatroskaError(f"element without size at byte {at}")
            last = stop if element == _SEGMENT else _end_of_cluster(data, content, stop)
        if last > stop or (known is _IN_CLUSTER and element in _NUMBERS and size > 8):
            raise BrokenMatroskaError(f"element at byte {at} reaches beyond the end")
        yield element, content, last
        at = last


def _end_of_cluster(data: mmap.mmap, begin: int, stop: int) -> int:
    return max((last for _, _, last in _children(data, begin, stop, _IN_CLUSTER, _TOP)), default=begin)


def _number(data: mmap.mmap, at: int, stop: int, keep_marker: bool) -> tuple[int, int]:
    """A variable-size integer (RFC 8794, 4) and the position after it; -1 if all its bits are set."""
    length = 9 - data[at].bit_length() if at < stop else 9
    if length > (4 if keep_marker else 8) or at + length > stop:
        raise BrokenMatroskaError(f"no element at byte {at}")
    value = int.from_bytes(data[at : at + length], "big")
    if keep_marker:
        return value, at + length
    value &= (1 << 7 * length) - 1
    return (-1 if value == (1 << 7 * length) - 1 else value), at + length


def _frames(data: mmap.mmap, begin: int, stop: int, track: int, tracks: Set[int]) -> int:
    number, at = _number(data, begin, stop, keep_marker=False)
    if number not in tracks or at + 3 > stop:
        raise BrokenMatroskaError(f"block of no known track at byte {begin}")
    if number != track:
        return 0
    laced = data[at + 2] & 0x06
    return data[at + 3] + 1 if laced and at + 3 < stop else 1
