"""A damaged file is refused, by role and frame; what a codec lets pass is at least complete."""

from __future__ import annotations

import random
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from drape.errors import MediaError
from drape.media import read_frames, scan
from support.clips import drop, flip_bits, make_clip, overwrite, patch_count, read_stripes, truncate, view_of

FRAMES = 48


def refusal(path: Path) -> MediaError:
    """The error with which a scan refuses a file; it names the role, and neither the file nor its folder."""
    with pytest.raises(MediaError) as caught:
        scan(view_of(path))
    text = str(caught.value)
    assert caught.value.role == "view1"
    assert text.startswith("view1")
    assert caught.value.remedy
    assert not any(private in text for private in ("PRIVATE", path.name, str(path.parent)))
    return caught.value


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "whole.mp4", FRAMES, grain=30)


def test_the_whole_clip_is_accepted(clip: Path) -> None:
    assert scan(view_of(clip))[0].num_frames == FRAMES


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_truncated_with_the_index_in_front(clip: Path, tmp_path: Path, share: float) -> None:
    error = refusal(truncate(clip, share, tmp_path / "x.mp4"))
    assert error.frame is not None
    assert error.frame < FRAMES


def test_the_error_names_the_frame_up_to_which_all_is_well(clip: Path, tmp_path: Path) -> None:
    path = truncate(clip, 0.5, tmp_path / "x.mp4")
    seen = []
    with pytest.raises(MediaError) as caught:
        seen.extend(read_stripes(frame.image) for frame in read_frames(view_of(path)))
    assert seen == list(range(len(seen)))
    assert caught.value.frame == len(seen)
    assert f"frame {len(seen)}:" in str(caught.value)


@pytest.mark.parametrize("suffix", ["mkv", "webm", "avi", "ts"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_other_containers_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(suffix, "libx264")
    path = make_clip(tmp_path / f"whole.{suffix}", FRAMES, codec=codec, grain=30)
    refusal(truncate(path, share, tmp_path / f"x.{suffix}"))


def test_matroska_cut_between_two_frames(tmp_path: Path) -> None:
    whole = make_clip(
        tmp_path / "whole.mkv", FRAMES, codec="ffv1", pix_fmt="gray", container_options={"cluster_time_limit": "200"}
    )
    content = whole.read_bytes()
    at = content.rindex(b"\x1f\x43\xb6\x75")  # where the last cluster begins
    (tmp_path / "x.mkv").write_bytes(content[:at])
    assert "cut off" in refusal(tmp_path / "x.mkv").what


@pytest.mark.parametrize(("box", "change"), [(b"stts", -5), (b"stts", -1), (b"stts", 1), (b"stts", 5), (b"stsz", -1)])
def test_header_that_lies_about_the_number_of_frames(clip: Path, tmp_path: Path, box: bytes, change: int) -> None:
    refusal(patch_count(clip, tmp_path / "x.mp4", box, change))


def test_avi_header_that_lies(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "whole.avi", codec="mjpeg", pix_fmt="yuvj420p")
    content = bytearray(path.read_bytes())
    at = content.index(b"strh") + 8 + 32  # dwLength of the AVISTREAMHEADER
    assert int.from_bytes(content[at : at + 4], "little") == 24
    content[at : at + 4] = (30).to_bytes(4, "little")
    (tmp_path / "x.avi").write_bytes(content)
    assert "promises 30 frames, the file holds 24" in refusal(tmp_path / "x.avi").what


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.mp4", "libx265"), ("a.mkv", "libx265")],
)
@pytest.mark.parametrize("at", [0.3, 0.6, 0.9])
def test_zeroed_stretch(tmp_path: Path, name: str, codec: str, at: float) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    path = make_clip(tmp_path / name, codec=codec, options=options, grain=30)
    error = refusal(overwrite(path, tmp_path / f"x{name}", bytes(512), at))
    assert name == "a.mkv" or error.frame is not None


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi", "a.ts"])
@pytest.mark.parametrize("at", [0.3, 0.6, 0.9])
def test_lost_stretch(tmp_path: Path, name: str, at: float) -> None:
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    path = make_clip(tmp_path / name, FRAMES, codec=codec, grain=30)
    refusal(drop(path, tmp_path / f"x{name}", 1000, at))


def noticed(path: Path, damaged: Iterable[Path]) -> float:
    """Share of damaged copies that are refused; in the others every frame must stand in its place."""
    frames = scan(view_of(path))[1]
    refused = total = 0
    for copy in damaged:
        total += 1
        try:
            found = scan(view_of(copy))[1]
        except MediaError:
            refused += 1
        else:
            assert found.equals(frames)
    return refused / total


@pytest.mark.parametrize(
    ("name", "codec", "least"),
    [("a.mp4", "libx264", 0.8), ("a.mkv", "libx264", 0.8), ("a.ts", "libx264", 0.9), ("a.avi", "mpeg4", 0.9)],
)
def test_overwritten_stretch(tmp_path: Path, name: str, codec: str, least: float) -> None:
    path = make_clip(tmp_path / name, FRAMES, codec=codec, grain=30)
    noise = [random.Random(seed).randbytes(1000) for seed in range(20)]  # noqa: S311
    copies = (overwrite(path, tmp_path / f"x{name}", bits, 0.2 + 0.035 * i) for i, bits in enumerate(noise))
    assert noticed(path, copies) >= least


@pytest.mark.parametrize(
    ("name", "codec", "least"),
    [("a.mp4", "libx264", 0.6), ("a.mkv", "libx264", 0.6), ("a.mp4", "mpeg4", 0.3), ("a.webm", "libvpx-vp9", 0.0)],
)
def test_a_flipped_bit_is_noticed_or_leaves_every_frame_in_place(
    tmp_path: Path, name: str, codec: str, least: float
) -> None:
    path = make_clip(tmp_path / name, FRAMES, codec=codec, grain=30)
    copies = (flip_bits(path, tmp_path / f"x{name}", seed=seed, start=0.15) for seed in range(30))
    assert noticed(path, copies) >= least


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("a.mp4", {}),
        ("turned.mp4", {"rotation": 90, "audio": True}),
        ("fragmented.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
        ("a.mkv", {}),
        ("live.webm", {"codec": "libvpx-vp9", "container_options": {"live": "1"}}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.ts", {}),
        ("a.mpg", {"codec": "mpeg2video"}),
        ("a.mxf", {"codec": "mpeg2video"}),
    ],
)
def test_damaged_headers_give_typed_errors_only(tmp_path: Path, name: str, fields: dict[str, object]) -> None:
    path = make_clip(tmp_path / name, 12, (96, 64), **fields)
    stop = min(1.0, 3000 / path.stat().st_size)
    refused = 0
    for seed in range(60):
        damaged = flip_bits(path, tmp_path / f"x{name}", 3, seed, stop=stop)
        try:
            for frame in read_frames(view_of(damaged)):
                assert frame.image.ndim == 3
        except MediaError:
            refused += 1
    assert refused


def test_frames_at_the_same_time(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "x.mkv", codec="ffv1", pix_fmt="gray", pts=[0, 40, 80, 80, 120])
    error = refusal(path)
    assert "not after the frame before" in error.what
    assert error.frame == 3


def test_size_that_changes(tmp_path: Path) -> None:
    small = av.CodecContext.create("mjpeg", "w")
    small.width, small.height, small.pix_fmt, small.time_base = 96, 64, "yuvj420p", Fraction(1, 25)
    make_clip(tmp_path / "a.mkv", 10, codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(tmp_path / "a.mkv")) as source, av.open(str(tmp_path / "x.mkv"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
        frame = av.VideoFrame(96, 64, "yuvj420p")
        frame.pts, frame.time_base = 10, Fraction(1, 25)
        for packet in [*small.encode(frame), *small.encode(None)]:
            packet.stream = stream
            out.mux(packet)
    error = refusal(tmp_path / "x.mkv")
    assert "size or the format of the picture changes" in error.what
    assert error.frame == 10


def test_orientation_that_changes(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", options={"bf": "0"})
    quarter_turn = bytes.fromhex("00000007 06 2f 03 080009 80")  # ITU-T H.264, D.1.26: display orientation message
    with av.open(str(path)) as source, av.open(str(tmp_path / "x.mp4"), "w") as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None:
                each = av.Packet(quarter_turn * (index >= 12) + bytes(packet))
                each.pts, each.dts, each.time_base = packet.pts, packet.dts, packet.time_base
                each.is_keyframe, each.stream = packet.is_keyframe, copy
                out.mux(each)
    error = refusal(tmp_path / "x.mp4")
    assert "turned differently from here on" in error.what
    assert error.frame == 12


def test_b_frames_in_avi_are_refused_because_avi_has_no_presentation_times(tmp_path: Path) -> None:
    error = refusal(make_clip(tmp_path / "x.avi", options={"bf": "2"}))
    assert "times in the file contradict the order of its frames" in error.what
    assert "remux it to MP4" in error.remedy


def test_frame_hidden_in_the_middle(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    at = content.index(b"ctts") + 12 + 8 * 10 + 4  # composition offset of one of the first frames
    content[at] = 0x40
    (tmp_path / "x.mp4").write_bytes(content)
    assert "hidden by the file's edit list" in refusal(tmp_path / "x.mp4").what
