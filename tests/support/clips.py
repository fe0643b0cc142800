"""Small video clips whose frames say their own number, and ways to damage them.

The number of a frame is drawn as thick vertical black and white stripes, the highest bit on the left: upright in the
upper half of the picture, inverted in the lower half. It survives lossy coding, odd sizes and partial masks, and a
picture that is turned, mirrored, torn or mixed of two frames does not read as its number.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from drape.recording import View
from numpy.typing import NDArray

BITS = 12
DARK, BRIGHT = 40, 215
TOKENS = ("TOKENTITLE", "TOKENARTIST", "TOKENGPS", "TOKENCOMMENT", "TOKENHANDLER", "TOKENCHAPTER")
"""Strings that `make_clip` plants in the metadata when ``metadata_bomb`` is set; none may survive a release."""

Picture = NDArray[np.uint8]

_REALTIME = {"deadline": "realtime", "cpu-used": "8"}
# Without its macroblock tree x264 gives the same bits at every run, so that the same damage hits the same bits.
_DEFAULTS = {"libvpx": _REALTIME, "libvpx-vp9": _REALTIME, "libx264": {"mbtree": "0"}}


def draw_stripes(number: int, width: int, height: int, bits: int = BITS) -> Picture:
    """A grey picture, uint8 (height, width), that shows ``number`` (0 <= number < 2**bits)."""
    if not 0 <= number < 2**bits:
        raise ValueError(f"{number} does not fit {bits} bits")
    edges = np.linspace(0, width, bits + 1).round().astype(int)
    picture = np.empty((height, width), np.uint8)
    for bit in range(bits):
        on = number >> (bits - 1 - bit) & 1
        columns = slice(edges[bit], edges[bit + 1])
        picture[: height // 2, columns] = BRIGHT if on else DARK
        picture[height // 2 :, columns] = DARK if on else BRIGHT
    return picture


def read_stripes(image: Picture, bits: int = BITS) -> int:
    """The number that an upright picture shows; grey (H, W) or BGR (H, W, 3), of any size.

    Raises:
        ValueError: the upper and the lower half contradict each other.
    """
    grey = image if image.ndim == 2 else image.mean(axis=2)
    height, width = grey.shape
    edges = np.linspace(0, width, bits + 1)
    halves = []
    for rows in (slice(height // 8, height * 3 // 8), slice(height * 5 // 8, height * 7 // 8)):
        centres = [(edges[b] * 0.7 + edges[b + 1] * 0.3, edges[b] * 0.3 + edges[b + 1] * 0.7) for b in range(bits)]
        halves.append([np.median(grey[rows, int(low) : int(high) + 1]) > 127 for low, high in centres])
    upper, lower = halves
    if any(a == b for a, b in zip(upper, lower, strict=True)):
        raise ValueError("the picture shows no number: its halves contradict each other")
    return int("".join("1" if bit else "0" for bit in upper), 2)


def view_of(path: Path, **fields: object) -> View:
    """A view "view1" of a file or folder, with a private name that must never appear in an error or a release."""
    return View(**{"id": "view1", "name": "PRIVATE_NAME", "media": path, **fields})


def make_clip(
    path: Path,
    frames: int = 24,
    size: tuple[int, int] = (192, 128),
    fps: int | Fraction = 25,
    pts: Sequence[int] | None = None,
    time_base: tuple[int, int] | None = None,
    rotation: int = 0,
    flip: bool = False,
    matrix: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    full_range: bool = False,
    faststart: bool = True,
    audio: bool = False,
    cover: bool = False,
    videos: int = 1,
    metadata_bomb: bool = False,
    aspect: Fraction | None = None,
    container_options: dict[str, str] | None = None,
    numbers: Sequence[int] | None = None,
    grain: int = 0,
) -> Path:
    """Write a clip; the container follows from the suffix (.mp4, .mov, .mkv, .webm, .avi, .ts).

    Args:
        path: file to write.
        frames: number of frames.
        size: width and height of the *upright* picture; may be odd.
        fps: frames per second (constant rate), if ``pts`` is not given.
        pts: presentation times in ticks of ``time_base``, for variable rates; sets the number of frames.
        time_base: seconds per tick; default 1/fps, or 1/1000 with ``pts``.
        rotation: degrees (0, 90, 180, 270) by which a player must turn the stored picture clockwise.
        flip: whether a player must mirror the stored picture first.
        matrix: another display matrix than `display_matrix` of these two gives.
        codec: encoder, for example libx264, libx265, mpeg4, mjpeg, libvpx, libvpx-vp9, prores_ks, ffv1.
        pix_fmt: stored pixel format.
        options: options of the encoder.
        full_range: store full-range samples and say so.
        faststart: index in front (MP4 and MOV).
        audio: add a sound track.
        cover: add a cover picture.
        videos: number of video streams; 0 needs ``audio``.
        metadata_bomb: plant `TOKENS` in titles, comments, chapters and handler names.
        aspect: sample aspect ratio of the stored picture.
        container_options: options of the muxer.
        numbers: numbers the frames show, instead of 0, 1, 2, …
        grain: amplitude of random noise over the stripes, so that every frame holds real data.
    """
    times = list(range(frames)) if pts is None else list(pts)
    rate = Fraction(fps)
    base = Fraction(*time_base) if time_base else (Fraction(1, 1000) if pts is not None else 1 / rate)
    if pts is None and time_base:
        times = [int(t / rate / base) for t in times]
    settings = dict(container_options or {})
    if path.suffix in (".mp4", ".mov"):
        settings.setdefault("video_track_timescale", str(base.denominator))
        settings.setdefault("movie_timescale", str(base.denominator))
        settings.setdefault("movflags", "+faststart" if faststart else "+write_colr")
    shown = list(numbers) if numbers is not None else list(range(len(times)))
    with av.open(str(path), "w", container_options=settings) as out:
        if metadata_bomb:
            _plant(out)
        streams = [
            _video_stream(out, codec, rate, size, rotation, pix_fmt, options, full_range, aspect, base)
            for _ in range(videos)
        ]
        for stream in streams:
            if matrix or rotation or flip:
                stream.set_display_matrix(matrix or display_matrix(rotation, flip))
        if metadata_bomb and streams:
            streams[0].metadata["handler_name"] = TOKENS[4]
        sound = out.add_stream("aac", rate=48000, layout="mono") if audio else None
        picture = _cover_stream(out) if cover else None
        if picture is not None:
            out.mux(picture.encode(_cover_frame()))
        if sound is not None:
            _write_sound(out, sound, max(1.0, float(len(times) / rate)))
        noise = np.random.default_rng(0)
        for number, time in zip(shown, times, strict=True):
            for stream in streams:
                frame = _frame(number, size, rotation, flip, pix_fmt, full_range, noise, grain)
                frame.pts, frame.time_base = time, base
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    return path


def hide_start(path: Path, target: Path, hidden: int) -> Path:
    """An MP4 copy of a constant-rate clip whose edit list hides its first frames, as a cut without re-encoding does."""
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        shift = int(hidden / stream.average_rate / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                out.mux(packet)
    return target


def truncate(path: Path, share: float, target: Path) -> Path:
    """A copy that ends after a share of the bytes."""
    content = path.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    return target


def flip_bits(path: Path, target: Path, count: int = 1, seed: int = 0, start: float = 0.0, stop: float = 1.0) -> Path:
    """A copy with ``count`` random bits inverted between two shares of the bytes."""
    content = bytearray(path.read_bytes())
    chance = random.Random(seed)  # noqa: S311
    for _ in range(count):
        position = chance.randrange(int(len(content) * start), int(len(content) * stop))
        content[position] ^= 1 << chance.randrange(8)
    target.write_bytes(content)
    return target


def overwrite(path: Path, target: Path, content: bytes, at: float = 0.5) -> Path:
    """A copy in which other bytes stand from a share of the bytes on."""
    whole = bytearray(path.read_bytes())
    begin = int(len(whole) * at)
    whole[begin : begin + len(content)] = content
    target.write_bytes(whole)
    return target


def drop(path: Path, target: Path, size: int, at: float = 0.5) -> Path:
    """A copy without ``size`` bytes from a share of the bytes on."""
    content = bytearray(path.read_bytes())
    begin = int(len(content) * at)
    del content[begin : begin + size]
    target.write_bytes(content)
    return target


def patch_count(path: Path, target: Path, box: bytes, change: int) -> Path:
    """A copy of an MP4 file whose header lies: the first sample count of ``box`` (``b"stts"``, ``b"stsz"``) changed."""
    content = bytearray(path.read_bytes())
    at = content.index(box) + 12
    count = int.from_bytes(content[at : at + 4], "big")
    content[at : at + 4] = (count + change).to_bytes(4, "big")
    target.write_bytes(content)
    return target


def _video_stream(out, codec, rate, size, rotation, pix_fmt, options, full_range, aspect, base):
    width, height = size if rotation in (0, 180) else size[::-1]
    stream = out.add_stream(codec, rate=rate, options={**_DEFAULTS.get(codec, {}), **(options or {})})
    stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
    stream.codec_context.time_base = base
    if full_range:
        stream.codec_context.color_range = 2
    if aspect is not None:
        stream.codec_context.sample_aspect_ratio = aspect
    return stream


def display_matrix(rotation: int, flip: bool) -> list[int]:
    """The nine numbers of ISO/IEC 14496-12, 6.2.2, that mirror (first) and turn clockwise (then); shifts are 0."""
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation]
    sign = -1 if flip else 1
    one = 1 << 16
    return [sign * cosine * one, sign * sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30]


def _frame(number, size, rotation, flip, pix_fmt, full_range, noise, grain):
    upright = draw_stripes(number, *size)
    if grain:
        upright = (upright + noise.integers(-grain, grain + 1, upright.shape)).clip(0, 255).astype(np.uint8)
    stored = np.rot90(upright, rotation // 90)  # numpy turns anticlockwise: this undoes the player's turn
    stored = np.ascontiguousarray(np.fliplr(stored) if flip else stored)
    frame = av.VideoFrame.from_ndarray(stored, format="gray")
    # The samples are written as they are: grey is full range, and so is the target when it says so.
    source = "JPEG" if full_range else "MPEG"
    return frame.reformat(format=pix_fmt, src_color_range=source, dst_color_range=source)


def _cover_stream(out):
    stream = out.add_stream("mjpeg", rate=1, options={"strict": "unofficial"})
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
    stream.disposition = Disposition.attached_pic
    return stream


def _cover_frame() -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((64, 64), 200, np.uint8), format="gray").reformat(format="yuvj420p")
    frame.pts = 0
    return frame


def _write_sound(out, stream, seconds: float) -> None:
    for block in range(int(seconds * 48000 / 1024)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, block * 1024
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def _plant(out) -> None:
    out.metadata.update({"title": TOKENS[0], "artist": TOKENS[1], "location": TOKENS[2], "comment": TOKENS[3]})
    out.set_chapters(
        [{"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": TOKENS[5]}}]
    )
