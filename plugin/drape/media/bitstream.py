"""A stretch of zeros inside an H.264 or HEVC frame.

It is what a lost disk sector leaves, and the decoders of these codecs turn it into some picture. But an encoder must
break up every run of zeros inside a unit (ITU-T H.264, 7.4.1; H.265, 7.4.2). Not all writers of files keep to the
letter of that: start codes and padding are found at the end of units, so only a run that no start code explains counts.
"""

from __future__ import annotations

_CODECS = ("h264", "hevc")
_LENGTH_SIZE = {"h264": 4, "hevc": 21}
_HOLE = bytes(16)


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
    """Whether the units of a packet lie end to end and none of them holds a stretch of zeros before its end.

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
        if _HOLE in packet[begin:at].rstrip(b"\x00"):
            return False
    return True
