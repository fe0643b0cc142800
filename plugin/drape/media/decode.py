"""The one decoder: every frame of a video in presentation order, or an error.

What it cannot know: damage that still decodes to complete pictures. Video codecs carry no checksums. In H.264 most
damage is noticed; in HEVC, VP8, VP9 and AV1 a few wrong bytes inside a frame usually change pixels without a trace
(HEVC: except zeroed stretches). And a file that was cut between two frames, in a format that does not say how long it
is (MPEG-TS, MPEG-PS, fragmented MP4, live Matroska), looks like a shorter recording.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from drape.errors import MediaError
from drape.media.bitstream import is_intact, length_size
from drape.media.promise import DAMAGED, promised_packets
from drape.media.source import STRICT, open_video, reason
from drape.recording import View

_REMUX = "Copy the file again from the source; if the source itself is so, remux it to MP4 or re-encode it"
_MAX_THREADS = 8
_REORDERING = 16


def decode(view: View) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decode a view's video strictly.

    Yields:
        (index, frame): indices 0, 1, 2, … in presentation order; frames as stored, not yet upright.

    Raises:
        MediaError: something in the file is damaged, missing, or contradicts what its header says. The
            frame it names is the first that was not yielded.
    """
    with open_video(view) as (container, stream):
        ledger = _Ledger(view.id, stream, promised_packets(view, container, stream))
        context = stream.codec_context
        context.thread_type = ThreadType.FRAME  # slice threading turns the detection of damaged blocks off
        context.thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
        context.options = {**context.options, **STRICT}
        for packet in _packets(ledger, container, stream):
            for frame in _decoded(ledger, packet):
                yield ledger.delivered(frame), frame
        ledger.finish()


def _packets(ledger: _Ledger, container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (av.FFmpegError, ValueError) as error:
            raise ledger.error(f"the file cannot be read on ({reason(error)})", DAMAGED) from None
        if packet.size == 0 and packet.pos is None:  # the last one: it makes the decoder give what it holds back
            yield packet
            return
        ledger.expected(packet)
        yield packet


def _decoded(ledger: _Ledger, packet: Packet) -> list[av.VideoFrame]:
    try:
        return packet.decode()
    except (av.FFmpegError, ValueError) as error:
        raise ledger.error(f"it, or one soon after it, cannot be decoded ({reason(error)})", DAMAGED) from None


class _Ledger:
    """Books what the container promised against what the decoder delivered."""

    def __init__(self, role: str, stream: VideoStream, promised: int) -> None:
        self.role = role
        self.index = 0
        self._stream = stream
        self._pending: list[int] = []
        self._last: int | None = None
        self._picture: tuple[int, int, str] | None = None
        self._packets = 0
        self._promised = promised
        self._shown = False
        self._since_hidden: int | None = None
        self._length_size = length_size(stream.codec_context.name, stream.codec_context.extradata)

    def error(self, what: str, remedy: str) -> MediaError:
        return MediaError(self.role, what, remedy, self.index)

    def expected(self, packet: Packet) -> None:
        self._packets += 1
        if packet.is_corrupt or packet.size == 0:
            raise self.error("its data, or those of one soon after it, are incomplete", DAMAGED)
        if self._length_size and not is_intact(bytes(packet), self._length_size):
            raise self.error("its data, or those of one soon after it, are damaged", DAMAGED)
        if _is_hidden(self._stream, packet):
            return
        self._check_hidden(packet.is_discard)
        if packet.is_discard:
            return
        if packet.pts is None:
            raise self.error("it has no presentation time", "Re-encode the video, for example as H.264 in MP4")
        heapq.heappush(self._pending, packet.pts)

    def _check_hidden(self, hidden: bool) -> None:
        # An edit list hides frames at the beginning and at the end. In between, its frames or their times are damaged.
        if hidden:
            self._since_hidden = 0 if self._shown else None
            return
        self._shown = True
        if self._since_hidden is not None:
            self._since_hidden += 1
            if self._since_hidden > _REORDERING:
                raise self.error("it, or one soon before it, is hidden by the file's edit list", _REMUX)

    def delivered(self, frame: av.VideoFrame) -> int:
        if frame.pts is None:
            raise self.error("it has no presentation time", "Re-encode the video, for example as H.264 in MP4")
        if frame.is_corrupt:
            raise self.error("it is damaged", DAMAGED)
        if self._last is not None and frame.pts <= self._last:
            raise self.error("its time is not after the frame before", "Re-encode the video with increasing times")
        if not self._pending or frame.pts != self._pending[0]:
            raise self.error("it is missing, or the times in the file contradict the order of its frames", _REMUX)
        heapq.heappop(self._pending)
        picture = (frame.width, frame.height, frame.format.name)
        if self._picture not in (None, picture):
            raise self.error(
                "the size or the format of the picture changes here", "Split the video, or re-encode it to one size"
            )
        self._picture = picture
        self._last = frame.pts
        self.index += 1
        return self.index - 1

    def finish(self) -> None:
        if self._pending:
            raise self.error(f"it could not be decoded, {len(self._pending)} frames are missing", DAMAGED)
        if self._promised not in (0, self._packets):
            raise self.error(f"the header promises {self._promised} frames, the file holds {self._packets}", DAMAGED)
        if not self.index:
            raise MediaError(self.role, "the video holds no frame", "Give a file with video in it")


def _is_hidden(stream: VideoStream, packet: Packet) -> bool:
    # RFC 6386, 9.1: bit 4 of a VP8 frame's first byte is show_frame; a hidden reference frame gives no picture.
    return bool(stream.codec_context.name == "vp8" and not bytes(packet)[0] & 0x10)
