"""Write H.264 in MP4 with exact frame times, the same bytes at every run, and nothing but pictures in it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.bitstream import BitStreamFilterContext
from numpy.typing import NDArray

from drape.errors import ReleaseError, WorkspaceError
from drape.media.planes import to_frame
from drape.media.types import UNTAGGED, Colour, Plane

_MAX_GAP = 2**30  # readers of MP4 take longer durations of a frame for damage
_FINEST = 10_000_000
_MICROSECOND = 1_000_000
_LIMITED = 1
_SEI = 6
_AVX2 = 11  # OpenCV's number for it
# Only the level written into the stream depends on it: players learn what speed they must be ready for.
_LEVEL_RATE = 60


def mp4_times(
    pts: NDArray[np.int64] | list[int], time_base: tuple[int, int]
) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """What `VideoWriter` makes of presentation times, and what a reader of its file gets back.

    MP4 counts whole ticks of 1/N second, so a time base of 1001/30000 becomes 1/30000 and its ticks are multiplied by
    1001; times in units finer than 100 ns are rounded to microseconds, because MP4's counters are too short for them.
    MP4 cannot start before zero: if the first time is negative, all are moved so that it is zero. All other times, a
    late first one included, are kept exactly.

    Args:
        pts: increasing presentation times in ticks, shape (N,).
        time_base: seconds per tick, (numerator, denominator).

    Returns:
        Presentation times in ticks of the file, int64 (N,), and the file's time base.
    """
    scale = _timescale(time_base)
    ticks = [_ticks(int(p), time_base) for p in pts]
    shift = _shift(ticks[0]) if ticks else 0
    return np.array([t + shift for t in ticks], np.int64), (1, scale)


class VideoWriter:
    """Encodes 4:2:0 planes as H.264 High in MP4, the index in front. Use it as a context manager.

    Leaving the context normally finishes the file and brings it to the disk (fsync). Leaving it by an exception
    deletes the file. The file holds no title, date, encoder name or settings.

    The quality (crf 21) is between what x264 calls good (23) and visually lossless (18), 42 to 48 dB PSNR on real
    recordings: masked video is material for training and measuring, and coding noise must stay below what a detector
    sees. At equal PSNR, ``veryfast`` took less than half the time of the encoder's default preset for files some 20 %
    larger; ``superfast`` would save little time more for files a third larger again.

    Three settings serve equal bits. The number of threads is fixed and not that of the machine. The encoder's AVX-512
    code is not used, and there are no B-frames: with either, its macroblock tree was seen to read memory that nobody
    had set, so that the bits changed from run to run. Without B-frames, real video was between 3 % smaller and 12 %
    larger at equal PSNR, took 10 % less time, and needs no reordering of times.

    Args:
        path: file to write; it is replaced if it exists.
        width: even number of pixels.
        height: even number of pixels.
        time_base: seconds per tick of the ``pts`` given to `write`; see `mp4_times`.
        colour: what the planes mean.
        crf: constant rate factor of x264, 0 (lossless) to 51.
        preset: speed preset of x264.
        threads: encoder threads.
        sample_aspect_ratio: width of a pixel over its height.

    Raises:
        ValueError: a size is odd or not positive, or the time base is not positive.
        WorkspaceError: the file cannot be written, for example because the disk is full (also from `write`, `close`).
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        time_base: tuple[int, int],
        colour: Colour = UNTAGGED,
        crf: float = 21.0,
        preset: str = "veryfast",
        threads: int = 4,
        sample_aspect_ratio: Fraction = Fraction(1),
    ) -> None:
        if width <= 0 or height <= 0 or width % 2 or height % 2:
            raise ValueError(f"width and height must be even and positive, not {width} x {height}")
        if time_base[0] <= 0 or time_base[1] <= 0:
            raise ValueError(f"a time base must be positive, not {time_base}")
        self.num_frames = 0
        self._path = Path(path)
        self._size = (height, width)
        self._time_base = time_base
        self._shift: int | None = None
        self._last: int | None = None
        self._container = self._open()
        options = _encoder_options(crf, preset)
        self._stream = self._container.add_stream("libx264", rate=_LEVEL_RATE, options=options)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, _timescale(time_base))
        context.thread_count = threads
        context.sample_aspect_ratio = sample_aspect_ratio
        context.color_range = _LIMITED
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.colorspace = colour.matrix
        self._clean = BitStreamFilterContext(f"filter_units=remove_types={_SEI}", self._stream)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, pts: int, y: Plane, u: Plane, v: Plane) -> None:
        """Append one frame; the planes are copied and may be reused at once.

        Args:
            pts: presentation time in ticks, greater than the one before.
            y: uint8 (height, width), limited range.
            u: uint8 (height / 2, width / 2).
            v: uint8 (height / 2, width / 2).

        Raises:
            ValueError: a plane has another shape or type, or ``pts`` does not increase.
            ReleaseError: the time since the frame before is too long for MP4.
            WorkspaceError: the file cannot be written.
        """
        height, width = self._size
        if y.shape != (height, width) or u.shape != (height // 2, width // 2) or v.shape != u.shape:
            raise ValueError(f"planes {y.shape}, {u.shape}, {v.shape} do not fit a frame of {width} x {height}")
        if any(plane.dtype != np.uint8 for plane in (y, u, v)):
            raise ValueError("planes must be uint8")
        frame = to_frame(y, u, v)
        self._stamp(frame, _ticks(pts, self._time_base))
        self._encode(frame)
        self.num_frames += 1

    def close(self) -> None:
        """Finish the file and bring it to the disk.

        Raises:
            WorkspaceError: the file could not be finished; it is deleted.
            ValueError: no frame was written; the file is deleted.
        """
        if not self.num_frames:
            self.abort()
            raise ValueError("a video needs at least one frame")
        try:
            self._encode(None)
            self._container.close()
            with open(self._path, "rb+") as file:
                os.fsync(file.fileno())
        except (av.FFmpegError, OSError) as error:
            self._path.unlink(missing_ok=True)
            raise _unwritable(error) from None
        except WorkspaceError:
            self.abort()
            raise

    def abort(self) -> None:
        """Give the file up and delete it."""
        with suppress(av.FFmpegError, OSError):  # the file is deleted, whatever its trailer would have held
            self._container.close()
        self._path.unlink(missing_ok=True)

    def _stamp(self, frame: av.VideoFrame, ticks: int) -> None:
        scale = _timescale(self._time_base)
        if self._shift is None:
            self._shift = _shift(ticks)
        if self._last is None:
            # How long the last frame stays is unknown; as long as the one before is the best guess. Never nothing: the
            # reader of an MP4 file leaves out a frame without duration at its end.
            frame.duration = max(1, scale // 25)
        else:
            frame.duration = ticks - self._last
        if frame.duration <= 0:
            raise ValueError(f"the time of frame {self.num_frames} does not come after the one before")
        if frame.duration > _MAX_GAP:
            raise ReleaseError(
                f"Frame {self.num_frames} comes {frame.duration / scale:.0f} s after the one before, too long for MP4",
                "Split the source video at this gap",
            )
        self._last = ticks
        frame.pts = ticks + self._shift
        frame.time_base = Fraction(1, scale)

    def _open(self) -> av.container.OutputContainer:
        scale = str(_timescale(self._time_base))
        settings = {
            "movflags": "+faststart",
            "fflags": "+bitexact",
            "video_track_timescale": scale,
            # A late start is an empty edit, which MP4 counts in ticks of the movie, not of the track.
            "movie_timescale": scale,
        }
        try:
            return av.open(str(self._path.absolute()), "w", format="mp4", container_options=settings)
        except OSError as error:
            raise _unwritable(error) from None

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                for clean in self._clean.filter(packet):
                    clean.stream = self._stream
                    clean.time_base = self._stream.codec_context.time_base
                    self._container.mux(clean)
        except (av.FFmpegError, OSError) as error:
            raise _unwritable(error) from None


def _timescale(time_base: tuple[int, int]) -> int:
    return time_base[1] if time_base[1] <= _FINEST else _MICROSECOND


def _ticks(pts: int, time_base: tuple[int, int]) -> int:
    numerator, denominator = time_base
    return (2 * pts * numerator * _timescale(time_base) + denominator) // (2 * denominator)


def _shift(first: int) -> int:
    return max(0, -first)


def _encoder_options(crf: float, preset: str) -> dict[str, str]:
    options = {"preset": preset, "crf": str(crf), "bf": "0", "profile": "high", "flags": "+bitexact+frame_duration"}
    if cv2.checkHardwareSupport(_AVX2):
        # x264's AVX-512 macroblock tree reads past the end of rows that are no multiple of 8 macroblocks, so that the
        # bits depend on what the memory held before; and equal instructions give equal bits on different machines.
        options["x264-params"] = "asm=AVX2"
    return options


def _unwritable(error: Exception) -> WorkspaceError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return WorkspaceError("The video could not be written: the disk is full", "Free disk space, then run again")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return WorkspaceError(f"The video could not be written ({reason})", "Check the target folder, then run again")
