"""Every frame is read upright, whole, in order, with its own number and time, whatever the file's make."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from drape.media import probe, read_frames, read_planes, scan
from drape.recording import Clock
from support.clips import display_matrix, hide_start, make_clip, read_stripes, view_of

ALL = list(range(24))
QUIET = {"x265-params": "log-level=none"}


def numbers(path: Path, **fields: object) -> list[int]:
    """Numbers read from the pictures; the planes, and the size the header told, must agree with them."""
    view = view_of(path, **fields)
    found = probe(view)
    out = []
    for frame, planes in zip(read_frames(view), read_planes(view), strict=True):
        assert (planes.index, planes.pts, planes.time) == (frame.index, frame.pts, frame.time)
        assert frame.image.shape == (found.height, found.width, 3)
        assert planes.y.shape == (found.height + found.height % 2, found.width + found.width % 2)
        assert planes.u.shape == planes.v.shape == (planes.y.shape[0] // 2, planes.y.shape[1] // 2)
        assert all(p.flags["C_CONTIGUOUS"] and p.flags["WRITEABLE"] and p.dtype == np.uint8 for p in planes[3:])
        assert read_stripes(frame.image) == read_stripes(planes.y[: found.height, : found.width])
        assert abs(int(planes.u.mean()) - 128) <= 2
        out.append(read_stripes(frame.image))
    return out


@pytest.mark.parametrize(("rotation", "flip"), product((0, 90, 180, 270), (False, True)))
def test_all_orientations(tmp_path: Path, rotation: int, flip: bool) -> None:
    path = make_clip(tmp_path / "a.mp4", rotation=rotation, flip=flip)
    assert numbers(path) == ALL


@pytest.mark.parametrize(("rotation", "flip"), product((0, 90, 180, 270), (False, True)))
def test_all_orientations_of_odd_sizes(tmp_path: Path, rotation: int, flip: bool) -> None:
    path = make_clip(tmp_path / "a.mkv", 6, (193, 127), rotation=rotation, flip=flip, codec="libvpx-vp9")
    assert numbers(path) == ALL[:6]


FORMATS = {
    "b_pyramid.mp4": {"options": {"bf": "3", "b-pyramid": "normal"}},
    "ten_bit.mp4": {"pix_fmt": "yuv420p10le"},
    "full_range.mp4": {"pix_fmt": "yuvj420p", "full_range": True},
    "444.mp4": {"pix_fmt": "yuv444p", "size": (191, 127)},
    "interlaced.mp4": {"options": {"flags": "+ildct+ilme"}},
    "hevc.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": QUIET},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "8", "crf": "5"}},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "fragmented.mp4": {"container_options": {"movflags": "+frag_keyframe+empty_moov"}},
    "sound.mp4": {"audio": True, "metadata_bomb": True},
    "late_index.mp4": {"faststart": False},
    "prores_alpha.mov": {"codec": "prores_ks", "pix_fmt": "yuva444p10le"},
    "rgb_alpha.mov": {"codec": "qtrle", "pix_fmt": "argb"},
    "h264.mkv": {"audio": True},
    "grey.mkv": {"codec": "ffv1", "pix_fmt": "gray"},
    "vp8_hidden_frames.webm": {
        "codec": "libvpx",
        "options": {"deadline": "good", "auto-alt-ref": "1", "lag-in-frames": "10"},
    },
    "vp9.webm": {"codec": "libvpx-vp9"},
    "live.webm": {"codec": "libvpx-vp9", "container_options": {"live": "1"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "h264.ts": {},
    "mpeg2.ts": {"codec": "mpeg2video"},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mpeg2.mxf": {"codec": "mpeg2video"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(tmp_path: Path, name: str) -> None:
    assert numbers(make_clip(tmp_path / name, **FORMATS[name])) == ALL


def test_hidden_frames_of_vp8_are_no_loss(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.webm", codec="libvpx", options={"g": "1"})
    with av.open(str(plain)) as source, av.open(str(tmp_path / "a.webm"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                hidden = av.Packet(bytes([bytes(packet)[0] & ~0x10]) + bytes(packet)[1:])  # RFC 6386, 9.1: show_frame
                hidden.pts = hidden.dts = packet.pts
                hidden.time_base, packet.pts, packet.dts = packet.time_base, packet.pts + 1, packet.dts + 1
                for each in (hidden, packet):
                    each.stream = stream
                    out.mux(each)
    with av.open(str(tmp_path / "a.webm")) as container:
        assert sum(packet.size > 0 for packet in container.demux(video=0)) == 48
    assert [read_stripes(frame.image) for frame in read_frames(view_of(tmp_path / "a.webm"))] == ALL


def test_planes_of_an_ordinary_source_are_the_decoder_s_own(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", grain=30)
    with av.open(str(path)) as container:
        for frame, planes in zip(container.decode(video=0), read_planes(view_of(path)), strict=True):
            whole = frame.to_ndarray()
            assert np.array_equal(whole[:128], planes.y)
            assert np.array_equal(whole[128:160].ravel(), planes.u.ravel())
            assert np.array_equal(whole[160:].ravel(), planes.v.ravel())


def test_odd_edges_are_repeated(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "a.mkv", 2, (33, 17), codec="ffv1", pix_fmt="yuv420p", grain=30, options={"slices": "4"}
    )
    for planes in read_planes(view_of(path)):
        assert np.array_equal(planes.y[:, 33], planes.y[:, 32])
        assert np.array_equal(planes.y[17], planes.y[16])


def _colour_clip(path: Path, rotation: int, size: tuple[int, int]) -> Path:
    """Left half red, right half blue, when upright."""
    width, height = size
    upright = np.zeros((height, width, 3), np.uint8)
    upright[:, : width // 2 + 1, 0], upright[:, width // 2 + 1 :, 2] = 255, 255
    with av.open(str(path), "w") as out:
        stored = np.ascontiguousarray(np.rot90(upright, rotation // 90))
        stream = out.add_stream("libx264rgb" if width % 2 == 0 else "ffv1", rate=25)
        stream.height, stream.width = stored.shape[:2]
        stream.pix_fmt = "rgb24" if width % 2 == 0 else "yuv420p"
        if rotation:
            stream.set_display_matrix(display_matrix(rotation, False))
        frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_chroma_stays_with_luma_when_an_odd_picture_is_turned(tmp_path: Path, rotation: int) -> None:
    path = _colour_clip(tmp_path / "a.mkv", rotation, (47, 33))
    planes = next(iter(read_planes(view_of(path))))
    image = next(iter(read_frames(view_of(path)))).image
    assert planes.v[:, :11].min() > 200 > 128 > planes.v[:, 13:].max()
    assert planes.u[:, :11].max() < 128 < 200 < planes.u[:, 13:].min()
    assert image[:, :22, 2].min() > 200
    assert image[:, 26:, 0].min() > 200


def test_rgb_sources_become_bt709_planes(tmp_path: Path) -> None:
    path = _colour_clip(tmp_path / "a.mkv", 0, (48, 32))
    planes = next(iter(read_planes(view_of(path))))
    # ITU-R BT.709, 3: Y' = 0.2126 R' + 0.7152 G' + 0.0722 B', quantized to 16 + 219 Y'
    assert abs(int(planes.y[16, 8]) - (16 + 219 * 0.2126)) <= 1
    assert abs(int(planes.y[16, 40]) - (16 + 219 * 0.0722)) <= 1
    assert probe(view_of(path)).colour.matrix == 1


def test_full_range_becomes_limited_range(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("mjpeg", rate=25, options={"qmin": "1", "qmax": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuvj420p"
        grey = np.zeros((32, 64), np.uint8)
        grey[:, 32:] = 255
        frame = av.VideoFrame.from_ndarray(grey, format="gray")
        frame = frame.reformat(format="yuvj420p", src_color_range="JPEG", dst_color_range="JPEG")
        out.mux([*stream.encode(frame), *stream.encode(None)])
    view = view_of(tmp_path / "a.mkv")
    y = next(iter(read_planes(view))).y
    image = next(iter(read_frames(view))).image
    assert abs(int(y[16, 8]) - 16) <= 1
    assert abs(int(y[16, 56]) - 235) <= 1
    assert image[16, 8].max() <= 2
    assert image[16, 56].min() >= 253


def test_limited_range_becomes_full_range_in_pictures(tmp_path: Path) -> None:
    frame = av.VideoFrame(64, 32, "yuv420p")
    for plane, value in zip(frame.planes, (235, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        out.mux([*stream.encode(frame), *stream.encode(None)])
    assert next(iter(read_frames(view_of(tmp_path / "a.mkv")))).image.min() >= 254


@pytest.mark.parametrize("start", [0, 1, 17, 23, 24])
def test_start(tmp_path: Path, start: int) -> None:
    view = view_of(make_clip(tmp_path / "a.mp4", fps=25))
    frames = list(read_frames(view, start))
    assert [f.index for f in frames] == [read_stripes(f.image) for f in frames] == ALL[start:]
    assert [f.time for f in frames] == [i / 25 for i in ALL[start:]]


def test_variable_rate_with_a_late_start_and_a_gap(tmp_path: Path) -> None:
    pts = [700, 733, 740, 5740, 5741, 9000]
    view, table = scan(view_of(make_clip(tmp_path / "a.mkv", pts=pts)))
    assert table["pts"].to_pylist() == pts
    assert table["time"].to_pylist() == [p / 1000 for p in pts]
    assert [read_stripes(f.image) for f in read_frames(view)] == list(range(6))


def test_frames_hidden_by_an_edit_list_are_not_read(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", 60, options={"g": "20", "bf": "2"})
    cut = hide_start(path, tmp_path / "cut.mp4", 7)
    with av.open(str(cut)) as container:
        assert sum(p.is_discard for p in container.demux(video=0)) == 7
    frames = list(read_frames(view_of(cut)))
    assert [read_stripes(f.image) for f in frames] == list(range(7, 60))
    assert [f.index for f in frames] == list(range(53))
    assert frames[0].time == 0


def test_scan_takes_down_the_facts(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", size=(96, 160), rotation=270, fps=Fraction(30000, 1001))
    seen: list[tuple[int, int, str]] = []
    view, table = scan(view_of(path, clock=Clock(offset=2.0)), lambda *args: seen.append(args))
    assert (view.num_frames, view.width, view.height, view.time_base) == (24, 96, 160, (1, 30000))
    assert len(view.sha256) == 64
    assert table["frame"].to_pylist() == ALL
    assert table["pts"].to_pylist() == [1001 * i for i in ALL]
    assert table["time"].to_pylist() == [2.0 + 1001 * i / 30000 for i in ALL]
    assert seen[-1] == (24, 24, "view1")


def test_reading_can_be_given_up(tmp_path: Path) -> None:
    frames = read_frames(view_of(make_clip(tmp_path / "a.mp4")))
    assert next(frames).index == 0
    frames.close()
    assert next(frames, None) is None
