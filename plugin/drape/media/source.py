"""Open a video file and choose its one video stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from drape.errors import MediaError
from drape.recording import View

# Only containers that hold their media themselves: a playlist or a concat script could make the reader open other
# files or the network.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,mxf"

# The first error ends decoding instead of being painted over; checksums in the container are compared.
STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}


@contextmanager
def open_video(view: View, options: dict[str, str] | None = None) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a view's file at its video stream; every other stream is skipped when reading.

    Raises:
        MediaError: the file is missing, empty, not a video, damaged in its header, or holds none or several video
            streams of which none was declared.
    """
    try:
        if view.media.stat().st_size == 0:
            raise MediaError(view.id, "the file is empty", "Copy it again from the source")
    except OSError as error:
        raise MediaError(view.id, f"the file cannot be read ({error.strerror})", "Check that it is there") from None
    settings = {"format_whitelist": _FORMATS, "protocol_whitelist": "file", "err_detect": STRICT["err_detect"]}
    try:
        container = av.open(
            str(view.media.absolute()),
            container_options={**settings, **(options or {})},
            metadata_errors="replace",  # a title in another encoding is no damage
        )
    except (av.FFmpegError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise MediaError(
            view.id,
            f"the file is not a video that can be read ({reason(error)})",
            "It may be cut off, damaged or of another type: copy it again from the source, or re-encode it",
        ) from None
    with container:
        stream = _choose(view, container)
        for other in container.streams:
            other.discard = Discard.default if other.index == stream.index else Discard.all
        yield container, stream


def reason(error: Exception) -> str:
    """Why ffmpeg failed, without the path that its own messages carry."""
    if isinstance(error, av.FFmpegError) and error.strerror:
        return str(error.strerror)
    return type(error).__name__


def _choose(view: View, container: InputContainer) -> VideoStream:
    videos = container.streams.video
    covers = [s for s in videos if Disposition.attached_pic in s.disposition]
    stream = _declared(view, videos) if view.stream is not None else _only(view, videos, covers)
    if stream in covers:
        raise MediaError(
            view.id, "the declared stream is a cover picture, not a video", "Declare another stream in the manifest"
        )
    if stream.codec_context is None or not stream.codec_context.width:
        raise MediaError(view.id, "the video's codec is unknown or damaged", "Re-encode it as H.264")
    return stream


def _declared(view: View, videos: tuple[VideoStream, ...]) -> VideoStream:
    if view.stream is None or view.stream >= len(videos):
        raise MediaError(
            view.id,
            f"video stream {view.stream} was declared, but there are only {len(videos)}",
            "Correct the stream number in the manifest; it counts the video streams from 0",
        )
    return videos[view.stream]


def _only(view: View, videos: tuple[VideoStream, ...], covers: list[VideoStream]) -> VideoStream:
    if not videos:
        raise MediaError(view.id, "the file holds no video stream", "Give a file with video in it")
    if len(covers) == len(videos):
        raise MediaError(view.id, "the file holds a cover picture but no video stream", "Give a file with video in it")
    if len(videos) > 1:
        what = "a cover picture beside the video" if covers else f"{len(videos)} video streams"
        raise MediaError(
            view.id,
            f"the file holds {what}, and it was not said which stream to read",
            "Declare it in a manifest: 'stream' counts the video streams from 0; the others will be dropped",
        )
    return videos[0]
