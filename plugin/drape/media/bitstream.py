"""Byte patterns that a whole H.264 or HEVC frame cannot hold.

The decoders of these codecs do not notice everything: a stretch of zeros, as a lost disk sector leaves it, is decoded
to some picture. But encoders must keep three patterns out of every unit (ITU-T H.264, 7.4.1; H.265, 7.4.2).
"""

from __future__ import annotations

_CODECS = ("h264", "hevc")
_LENGTH_SIZE = {"h264": 4, "hevc": 21}
_FORBIDDEN = (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02")


def length_size(codec: str, extradata: bytes | None) -> int:
    """Bytes of the length before each unit of a packet; 0 if units are not stored with their lengths.

    Args:
        codec: ffmpeg's name of the codec.
        extradata: the decoder configuration record (ISO/IEC 14496-15, 5.3.3 and 8.3.3), if the file has one.
    """
    if codec not in _CODECS or not extradata or extradata[0] != 1 or len(extradata) <= _LENGTH_SIZE[codec]:
        return 0
    return (extradata[_LENGTH_SIZE[codec]] & 3) + 1


def is_intact(packet: bytes, size: int) -> bool:
    """Whether the units of a packet lie end to end and none of them holds a forbidden pattern.

    Args:
        packet: one frame's data.
        size: what `length_size` gave, greater than 0.
    """
    at = 0
    while at < len(packet):
        begin = at + size
        at = begin + int.from_bytes(packet[at:begin], "big")
        if at > len(packet):
            return False
        unit = packet[begin:at].rstrip(b"\x00")  # zeros may follow a unit
        if any(pattern in unit for pattern in _FORBIDDEN):
            return False
    return True
