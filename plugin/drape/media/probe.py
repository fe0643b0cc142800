"""What a view is, by its header and its first frame."""

from __future__ import annotations

from fractions import Fraction

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.stream import VideoStream

from drape.errors import MediaError
from drape.media import images
from drape.media.orientation import orientation_of
from drape.media.planes import is_full_range, plane_colour
from drape.media.source import STRICT, open_video, reason
from drape.media.types import BT709, Probe
from drape.recording import View


def probe(view: View) -> Probe:
    """Read a view's header and first frame; the rest of the file is not looked at (`scan` does that).

    If a file holds several video streams (a cover picture counts as one), ``view.stream`` must say which one is the
    view: it counts the file's video streams from 0 in the order of the container.

    Raises:
        MediaError: the view is missing, empty, not a video, damaged at its start, ambiguous, or holds no picture.
    """
    if view.kind == "images":
        return _probe_images(view)
    with open_video(view) as (container, stream):
        return _describe(view, container, stream, _first_frame(view, container, stream))


def _first_frame(view: View, container: InputContainer, stream: VideoStream) -> av.VideoFrame:
    stream.codec_context.thread_type = ThreadType.NONE
    stream.codec_context.options = {**stream.codec_context.options, **STRICT}
    try:
        for packet in container.demux(stream):
            for frame in packet.decode():
                return frame
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(
            view.id,
            f"it cannot be decoded ({reason(error)})",
            "The file is damaged: copy it again from the source, or re-encode it",
            0,
        ) from None
    raise MediaError(view.id, "the video holds no frame", "Give a file with video in it")


def _describe(view: View, container: InputContainer, stream: VideoStream, frame: av.VideoFrame) -> Probe:
    orientation = orientation_of(frame, view.id, 0)
    width, height = (frame.height, frame.width) if orientation.swaps else (frame.width, frame.height)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    time_base = stream.time_base or Fraction(1, av.time_base)
    duration = float(stream.duration * time_base) if stream.duration else None
    if duration is None and container.duration:
        duration = container.duration / av.time_base
    return Probe(
        codec=stream.codec_context.codec.canonical_name,
        width=width,
        height=height,
        coded_width=frame.width,
        coded_height=frame.height,
        time_base=(time_base.numerator, time_base.denominator),
        rotation=orientation.rotation,
        flip=orientation.flip,
        num_frames=stream.frames,
        average_rate=stream.average_rate,
        pixel_format=frame.format.name,
        sample_aspect_ratio=1 / aspect if orientation.swaps else aspect,
        colour=plane_colour(frame),
        full_range=is_full_range(frame),
        other_streams=len(container.streams) - 1,
        duration=duration,
    )


def _probe_images(view: View) -> Probe:
    paths = images.image_paths(view)
    height, width = images.first_image(view, paths).shape[:2]
    rate = images.image_rate(view)
    return Probe(
        codec="images",
        width=width,
        height=height,
        coded_width=width,
        coded_height=height,
        time_base=images.image_time_base(view),
        rotation=0,
        flip=False,
        num_frames=len(paths),
        average_rate=rate,
        pixel_format="bgr24",
        sample_aspect_ratio=Fraction(1),
        colour=BT709,
        full_range=True,
        other_streams=0,
        duration=float(len(paths) / rate),
    )
