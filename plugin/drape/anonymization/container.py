"""What may stand in a released MP4 beside its pictures: an allow-list of boxes, streams and messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av

from drape.errors import VerificationError

PARENTS = frozenset({"moov", "moov/trak", "moov/trak/edts", "moov/trak/mdia", "moov/trak/mdia/minf"}) | {
    "moov/trak/mdia/minf/stbl",
    "moov/trak/mdia/minf/dinf",
}
_TABLE = "moov/trak/mdia/minf/stbl"
LEAVES = frozenset({"ftyp", "mdat", "free", "moov/mvhd", "moov/trak/tkhd", "moov/trak/edts/elst"}) | {
    "moov/trak/mdia/mdhd",
    "moov/trak/mdia/hdlr",
    "moov/trak/mdia/minf/vmhd",
    "moov/trak/mdia/minf/dinf/dref",
    *(f"{_TABLE}/{name}" for name in ("stsd", "stts", "stss", "ctts", "stsc", "stsz", "stco", "co64", "sgpd", "sbgp")),
}
CONTAINER_TAGS = {"major_brand": "isom", "minor_version": "512", "compatible_brands": "isomiso2avc1mp41"}
STREAM_TAGS = {"language": "und", "handler_name": "VideoHandler", "vendor_id": "[0][0][0][0]"}
SAMPLE_ENTRY_BOXES = frozenset({"avcC", "colr", "pasp", "btrt", "fiel"})

_UPRIGHT = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_HANDLER = struct.pack(">II4s12s", 0, 0, b"vide", b"") + b"VideoHandler\0"
# The muxer closes a file with an empty list of tags.
_NO_TAGS = (
    struct.pack(">I4sI", 53, b"meta", 0)
    + struct.pack(">I4sII4s4sIIB", 33, b"hdlr", 0, 0, b"mdir", b"appl", 0, 0, 0)
    + struct.pack(">I4s", 8, b"ilst")
)
_SLICES = frozenset({1, 5})
_PARAMETERS = frozenset({7, 8, 9})
_SEI = 6
_HARMLESS_SEI = frozenset({0, 1, 6})  # buffering period, picture timing, recovery point


class Box(NamedTuple):
    """A box of an MP4 file: its path of types, and where its content starts and stops in the file."""

    path: str
    start: int
    stop: int


def check_container(path: Path, view: str) -> None:
    """Make sure that a released file holds one video stream and nothing else.

    Raises:
        VerificationError: it holds a box, stream, tag, chapter or message that is not on the allow-list, bytes that
            belong to no picture, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            boxes = list(walk(file, view))
            _check_boxes(file, boxes, view)
        _check_streams(path, boxes, view)
    except (OSError, av.FFmpegError, struct.error, ValueError) as error:
        raise _refuse(view, f"the file cannot be read ({type(error).__name__})") from error


def walk(file: BinaryIO, view: str) -> Iterator[Box]:
    """All boxes of an MP4 file, parents before children.

    Raises:
        VerificationError: the boxes do not fill the file.
    """
    yield from _walk(file, "", 0, file.seek(0, 2), view)


def _walk(file: BinaryIO, parent: str, start: int, stop: int, view: str) -> Iterator[Box]:
    while start < stop:
        file.seek(start)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        content = start + 8
        if size == 1:
            size, content = struct.unpack_from(">Q", head, 8)[0], start + 16
        if size < content - start or start + size > stop:
            raise _refuse(view, "its boxes do not fill it")
        path = parent + kind.decode("latin-1")
        yield Box(path, content, start + size)
        if path in PARENTS:
            yield from _walk(file, f"{path}/", content, start + size, view)
        start += size


def _check_boxes(file: BinaryIO, boxes: list[Box], view: str) -> None:
    for box in boxes:
        if box.path == "mdat" or box.path in PARENTS:
            continue
        file.seek(box.start)
        content = file.read(box.stop - box.start)
        if box.path == "moov/udta":
            sound = content == _NO_TAGS
        else:
            sound = box.path in LEAVES and _sound(box.path.rsplit("/")[-1], content)
        if not sound:
            raise _refuse(view, f"the box {_printable(box.path)} is not one of ours")
    if sorted(b.path for b in boxes if b.path in ("moov", "mdat", "moov/trak")) != ["mdat", "moov", "moov/trak"]:
        raise _refuse(view, "it does not hold exactly one track")


def _sound(kind: str, content: bytes) -> bool:
    """Whether the parts of a box that could carry a message hold none."""
    if kind == "free":
        return not any(content)
    if kind == "hdlr":
        return content == _HANDLER
    if kind in ("mvhd", "tkhd", "mdhd"):
        dates = content[4:20] if content[0] else content[4:12]
        return not any(dates) and (kind != "tkhd" or content[-44:-8] == _UPRIGHT)
    if kind == "stsd":
        return _sound_entry(content[8:])
    return True


def _sound_entry(entry: bytes) -> bool:
    """Whether the one sample entry is H.264 without a compressor's name or unknown boxes."""
    size, kind = struct.unpack_from(">I4s", entry)
    if kind != b"avc1" or size != len(entry) or any(entry[50:82]):
        return False
    position = 86
    while position < size:
        length, kind = struct.unpack_from(">I4s", entry, position)
        if length < 8 or kind.decode("latin-1") not in SAMPLE_ENTRY_BOXES:
            return False
        position += length
    return position == size


def _check_streams(path: Path, boxes: list[Box], view: str) -> None:
    with av.open(str(path), container_options={"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2"}) as container:
        if len(container.streams) != 1 or not container.streams.video:
            raise _refuse(view, "it holds more than one video stream")
        stream = container.streams.video[0]
        tags = [(stream.metadata, STREAM_TAGS), (container.metadata, CONTAINER_TAGS)]
        if any(allowed.get(key) != value for found, allowed in tags for key, value in found.items()):
            raise _refuse(view, "it holds metadata")
        if container.chapters():
            raise _refuse(view, "it holds chapters")
        data = next(b for b in boxes if b.path == "mdat")
        position = data.start
        for packet in container.demux(stream):
            if packet.size:
                if packet.pos != position:
                    raise _refuse(view, "it holds bytes that belong to no picture")
                position += packet.size
                _check_packet(bytes(packet), view)
    if position != data.stop:
        raise _refuse(view, "it holds bytes that belong to no picture")


def _check_packet(data: bytes, view: str) -> None:
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4] & 31
        nal = data[position + 4 : position + 4 + min(size, 1 << 16)] if kind == _SEI else b""
        if not (kind in _SLICES or kind in _PARAMETERS or (kind == _SEI and _harmless(nal))):
            raise _refuse(view, "its video carries a message")
        position += 4 + size
    if position != len(data):
        raise _refuse(view, "its video carries bytes that belong to no picture")


def _harmless(nal: bytes) -> bool:
    """Whether a supplemental message (H.264, 7.3.2.3) holds timing only."""
    position = 1
    while position < len(nal) - 1:
        kind, position = _extended(nal, position)
        size, position = _extended(nal, position)
        if kind not in _HARMLESS_SEI:
            return False
        position += size
    return True


def _extended(nal: bytes, position: int) -> tuple[int, int]:
    value = 0
    while nal[position] == 255:
        value, position = value + 255, position + 1
    return value + nal[position], position + 1


def _printable(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def _refuse(view: str, what: str) -> VerificationError:
    return VerificationError(f"{view}: {what}", "Do not use this release; export the recording again")
