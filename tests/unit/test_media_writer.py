"""What is written can be read back: every frame with its own number, at its own time, and nothing else in the file."""

from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from drape.errors import ReleaseError, WorkspaceError
from drape.media import Colour, VideoWriter, mp4_times, probe, read_frames, read_planes, scan
from support.clips import TOKENS, draw_stripes, make_clip, read_stripes, view_of

GREY = np.full((32, 48), 128, np.uint8)


def copy(source: Path, target: Path, **fields: object) -> Path:
    """Read planes and write them, as an export does."""
    found = probe(view_of(source))
    size = (found.width + found.width % 2, found.height + found.height % 2)
    aspect = found.sample_aspect_ratio
    with VideoWriter(target, *size, found.time_base, found.colour, sample_aspect_ratio=aspect, **fields) as writer:
        for planes in read_planes(view_of(source)):
            writer.write(planes.pts, planes.y, planes.u, planes.v)
    return target


def write(path: Path, pts: list[int], time_base: tuple[int, int], **fields: object) -> Path:
    with VideoWriter(path, 96, 64, time_base, **fields) as writer:
        for number, ticks in enumerate(pts):
            writer.write(ticks, draw_stripes(number, 96, 64), GREY, GREY)
    return path


CASES = {
    "variable_rate.mkv": {"pts": [0, 7, 40, 41, 500, 5500, 5533, 5567, 5600, 5634]},
    "late_start.mkv": {"pts": [1234, 1267, 1300, 1334]},
    "ntsc.mp4": {"fps": Fraction(30000, 1001)},
    "odd.webm": {"codec": "libvpx-vp9", "size": (191, 127)},
    "odd_turned.mkv": {"codec": "libvpx-vp9", "size": (191, 127), "rotation": 90},
    "ten_bit.mp4": {"pix_fmt": "yuv420p10le"},
    "full_range.mp4": {"pix_fmt": "yuvj420p", "full_range": True},
    "b_frames.mp4": {"options": {"bf": "4", "b-pyramid": "normal"}},
    "wide_pixels.mp4": {"aspect": Fraction(16, 11)},
    "mpeg.ts": {"codec": "mpeg2video"},
    "old.avi": {"codec": "mpeg4"},
} | {f"turned_{r}_{f}.mp4": {"rotation": r, "flip": f} for r, f in product((0, 90, 180, 270), (False, True))}


@pytest.mark.parametrize("name", CASES)
def test_every_frame_keeps_its_number_and_its_time(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / name, **CASES[name])
    before, table = scan(view_of(source))
    after, written = scan(view_of(copy(source, tmp_path / "out.mp4")))
    pts, time_base = mp4_times(table["pts"].to_numpy(), before.time_base)
    assert written["pts"].to_pylist() == pts.tolist()
    assert after.time_base == time_base
    assert written["time"].to_pylist() == pytest.approx(table["time"].to_pylist(), abs=1e-9)
    frames = list(read_frames(view_of(tmp_path / "out.mp4")))
    assert [read_stripes(f.image[: before.height, : before.width]) for f in frames] == list(range(before.num_frames))
    old, new = probe(view_of(source)), probe(view_of(tmp_path / "out.mp4"))
    assert (new.rotation, new.flip, new.full_range, new.pixel_format) == (0, False, False, "yuv420p")
    assert new.sample_aspect_ratio == old.sample_aspect_ratio
    assert new.num_frames == before.num_frames


@pytest.mark.parametrize(
    ("pts", "time_base", "expected", "file_base"),
    [
        ([0, 1, 2], (1, 25), [0, 1, 2], (1, 25)),
        ([0, 1, 2], (1001, 30000), [0, 1001, 2002], (1, 30000)),
        ([90001, 90004, 99999], (1, 90000), [90001, 90004, 99999], (1, 90000)),
        ([-700, -3, 5, 100], (1, 1000), [0, 697, 705, 800], (1, 1000)),
        ([5], (1, 25), [5], (1, 25)),
        ([0], (1, 25), [0], (1, 25)),
        ([7_000_000_000, 7_000_000_005], (1, 1_000_000), [7_000_000_000, 7_000_000_005], (1, 1_000_000)),
        ([10**12, 10**12 + 33_333_499], (1, 10**9), [10**9, 10**9 + 33_333], (1, 1_000_000)),
        ([0, 2 * 10**9, 4 * 10**9, 6 * 10**9 + 1], (1, 10**9), [0, 2 * 10**6, 4 * 10**6, 6 * 10**6], (1, 1_000_000)),
        ([0, 5, 3 * 3600 * 1000], (1, 1000), [0, 5, 3 * 3600 * 1000], (1, 1000)),
        ([i**2 for i in range(40)], (1, 1000), [i**2 for i in range(40)], (1, 1000)),
    ],
)
def test_times_in_the_file_are_those_foretold(
    tmp_path: Path, pts: list[int], time_base: tuple[int, int], expected: list[int], file_base: tuple[int, int]
) -> None:
    foretold, base = mp4_times(pts, time_base)
    assert (foretold.tolist(), base) == (expected, file_base)
    view, table = scan(view_of(write(tmp_path / "out.mp4", pts, time_base)))
    assert (table["pts"].to_pylist(), view.time_base) == (expected, file_base)


def test_no_times() -> None:
    assert mp4_times([], (1, 25))[0].shape == (0,)


def test_colour_tags(tmp_path: Path) -> None:
    colour = Colour(primaries=9, transfer=16, matrix=9)
    path = write(tmp_path / "out.mp4", [0, 1], (1, 25), colour=colour)
    assert probe(view_of(path)).colour == colour
    assert path.read_bytes().index(b"colrnclx\x00\x09\x00\x10\x00\x09\x00") > 0


def test_the_file_is_h264_high_with_its_index_in_front(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", list(range(30)), (1, 25))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
        assert len(container.streams) == 1
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_nothing_but_pictures(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", metadata_bomb=True, audio=True)
    assert all(token.encode() in source.read_bytes() for token in TOKENS)
    path = copy(source, tmp_path / "out.mp4")
    content = path.read_bytes()
    for word in (*TOKENS, "Lavf", "Lavc", "x264", "PRIVATE", "cabac"):
        assert word.encode() not in content, word
    with av.open(str(path)) as container:
        assert not set(container.metadata) - {"major_brand", "minor_version", "compatible_brands"}
        assert not container.chapters()
        stream = container.streams.video[0]
        told = {key: value for key, value in stream.metadata.items() if key != "vendor_id"}
        assert told == {"language": "und", "handler_name": "VideoHandler"}
        for packet in container.demux(stream):
            assert 6 not in _unit_types(bytes(packet))
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        at = content.index(box)
        assert content[at + 8 : at + 16] == bytes(8)  # times of creation and of change


def _unit_types(packet: bytes) -> list[int]:
    types, at = [], 0
    while at < len(packet):
        types.append(packet[at + 4] & 31)
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    return types


def test_planes_may_be_reused_at_once(tmp_path: Path) -> None:
    y = draw_stripes(0, 96, 64)
    with VideoWriter(tmp_path / "out.mp4", 96, 64, (1, 25)) as writer:
        for number in range(40):
            y[:] = draw_stripes(number, 96, 64)
            writer.write(number, y, GREY, GREY)
            y[:] = 0
    assert [read_stripes(f.image) for f in read_frames(view_of(tmp_path / "out.mp4"))] == list(range(40))


def test_quality_setting_counts(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", grain=40)
    sizes = [copy(source, tmp_path / f"{crf}.mp4", crf=crf).stat().st_size for crf in (18, 30)]
    assert sizes[0] > 1.5 * sizes[1]


@pytest.mark.parametrize("size", [(95, 64), (96, 63), (0, 64)])
def test_odd_and_empty_sizes_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even and positive"):
        VideoWriter(tmp_path / "out.mp4", *size, (1, 25))
    assert not list(tmp_path.iterdir())


def test_wrong_planes_and_times_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    y = draw_stripes(0, 96, 64)
    for bad, what in (
        ((1, y[:-2], GREY, GREY), "do not fit"),
        ((1, y, GREY[:-1], GREY), "do not fit"),
        ((1, y.astype(float), GREY, GREY), "must be uint8"),
        ((0, y, GREY, GREY), "does not come after"),
        ((-5, y, GREY, GREY), "does not come after"),
    ):
        with pytest.raises(ValueError, match=what), VideoWriter(tmp_path / "out.mp4", 96, 64, (1, 25)) as writer:
            writer.write(0, y, GREY, GREY)
            writer.write(*bad)
        assert not list(tmp_path.iterdir())


def test_a_gap_too_long_for_mp4(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="Frame 1 comes 3000 s after"):
        write(tmp_path / "out.mp4", [0, 3 * 10**9], (1, 10**6))
    assert not list(tmp_path.iterdir())
    longest = 2**30
    path = write(tmp_path / "out.mp4", [i * longest for i in range(12)], (1, 10**6))
    assert scan(view_of(path))[1]["pts"].to_pylist() == [i * longest for i in range(12)]


def test_no_frames(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"), VideoWriter(tmp_path / "out.mp4", 96, 64, (1, 25)):
        pass
    assert not list(tmp_path.iterdir())


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), VideoWriter(tmp_path / "out.mp4", 96, 64, (1, 25)) as writer:
        for number in range(200):
            writer.write(number, draw_stripes(number, 96, 64), GREY, GREY)
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="could not be written") as caught:
        write(tmp_path / "none" / "secret.mp4", [0], (1, 25))
    assert "secret" not in str(caught.value)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from drape.errors import WorkspaceError
from drape.media import VideoWriter

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
noise = np.random.default_rng(0)
grey = np.full((32, 48), 128, np.uint8)
try:
    with VideoWriter(Path(sys.argv[1]), 96, 64, (1, 25)) as writer:
        for number in range(100):
            writer.write(number, noise.integers(16, 235, (64, 96), dtype=np.uint8), grey, grey)
except WorkspaceError as error:
    print(error)
    sys.exit(3)
"""


def _write_with_limit(path: Path, limit: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FULL_DISK, str(path), str(limit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_full_disk(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    assert _write_with_limit(whole, 1 << 30).returncode == 0
    size = whole.stat().st_size
    # At the start, in the middle, when the last frames come, and when the index is moved to the front.
    for limit in (100, size // 3, size - 3000, size - 10):
        done = _write_with_limit(tmp_path / "out.mp4", limit)
        assert done.returncode == 3, done.stderr
        assert re.search("disk is full", done.stdout)
        assert str(tmp_path) not in done.stdout
        assert not (tmp_path / "out.mp4").exists()
    assert _write_with_limit(tmp_path / "out.mp4", size).returncode == 0
