"""How many packets of video a file must hold, by its header or its structure, without decoding."""

from __future__ import annotations

from av.container import InputContainer
from av.video.stream import VideoStream

from drape.errors import MediaError
from drape.media.matroska import BrokenMatroskaError, count_frames
from drape.media.source import open_video
from drape.recording import View

DAMAGED = "The file is damaged: copy it again from the source; if the source itself is damaged, re-encode it"


def promised_packets(view: View, container: InputContainer, stream: VideoStream) -> int:
    """Packets that reading an open file must give; 0 if its format does not say.

    Raises:
        MediaError: the file is cut off, or its header contradicts itself.
    """
    name = container.format.name
    if "matroska" in name:
        return _in_matroska(view, container, stream)
    if "mp4" in name and stream.frames:
        return _in_mp4(view, stream)
    if "mxf" in name and stream.duration and stream.average_rate and stream.time_base:
        return round(stream.duration * stream.time_base * stream.average_rate)
    return int(stream.frames)


def _in_matroska(view: View, container: InputContainer, stream: VideoStream) -> int:
    try:
        return count_frames(view.media, container.streams.video.index(stream))
    except (BrokenMatroskaError, OSError):
        raise MediaError(view.id, "the file is cut off or damaged in its structure", DAMAGED) from None


def _in_mp4(view: View, stream: VideoStream) -> int:
    indexed = len(stream.index_entries)
    if indexed == stream.frames:
        return indexed
    # An edit list may leave samples out of the index; without it the index must hold all of them.
    with open_video(view, {"ignore_editlist": "1"}) as (_, unedited):
        if len(unedited.index_entries) != stream.frames:
            raise MediaError(
                view.id,
                f"the header promises {stream.frames} frames, but describes {len(unedited.index_entries)}",
                DAMAGED,
            )
    return indexed
