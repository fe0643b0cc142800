"""What a file is taken for, and what is refused before anything is decoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from drape.errors import MediaError
from drape.media import Colour, probe, read_frames
from support.clips import make_clip, read_stripes, truncate, view_of


def refusal(path: Path, **fields: object) -> MediaError:
    """The error with which a file is refused; it must say what to do and keep the file's name and place to itself."""
    with pytest.raises(MediaError) as caught:
        probe(view_of(path, **fields))
    assert caught.value.role == "view1"
    assert caught.value.remedy
    assert "PRIVATE" not in str(caught.value)
    assert path.name not in str(caught.value)
    assert str(path.parent) not in str(caught.value)
    return caught.value


def test_facts_of_a_plain_clip(tmp_path: Path) -> None:
    found = probe(view_of(make_clip(tmp_path / "a.mp4", frames=30, size=(160, 96), fps=Fraction(30000, 1001))))
    assert (found.codec, found.width, found.height) == ("h264", 160, 96)
    assert (found.coded_width, found.coded_height, found.rotation, found.flip) == (160, 96, 0, False)
    assert found.time_base == (1, 30000)
    assert (found.num_frames, found.average_rate) == (30, Fraction(30000, 1001))
    assert found.duration == pytest.approx(30 * 1001 / 30000)
    assert (found.pixel_format, found.full_range, found.other_streams) == ("yuv420p", False, 0)
    assert found.sample_aspect_ratio == 1
    assert found.colour == Colour()


def test_upright_size_and_aspect_of_a_turned_clip(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", size=(96, 160), rotation=90, flip=True, aspect=Fraction(4, 3))
    found = probe(view_of(path))
    assert (found.width, found.height, found.coded_width, found.coded_height) == (96, 160, 160, 96)
    assert (found.rotation, found.flip) == (90, True)
    assert found.sample_aspect_ratio == Fraction(3, 4)


def test_other_streams_are_counted(tmp_path: Path) -> None:
    found = probe(view_of(make_clip(tmp_path / "a.mkv", audio=True, metadata_bomb=True)))
    assert found.other_streams == 1


def test_full_range_is_told(tmp_path: Path) -> None:
    assert probe(view_of(make_clip(tmp_path / "a.mp4", pix_fmt="yuvj420p", full_range=True))).full_range


def test_title_in_a_foreign_encoding_is_no_damage(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", metadata_bomb=True)
    path.write_bytes(path.read_bytes().replace(b"TOKENTITLE", b"M\xfcllerTITL"))
    assert probe(view_of(path)).num_frames == 24


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"")
    assert "empty" in refusal(tmp_path / "secret.mp4").what


def test_missing_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "secret.mp4").what


@pytest.mark.parametrize(
    "text",
    [
        "This is a shopping list, not a video.\n" * 50,
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile other.mp4\n",
    ],
    ids=["prose", "playlist", "concat"],
)
def test_text_renamed_to_video_is_refused_and_opens_no_other_file(tmp_path: Path, text: str) -> None:
    make_clip(tmp_path / "other.mp4")
    (tmp_path / "secret.mp4").write_text(text)
    assert "not a video" in refusal(tmp_path / "secret.mp4").what


def test_index_at_the_end_cut_off(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "whole.mp4", faststart=False)
    assert "not a video that can be read" in refusal(truncate(path, 0.6, tmp_path / "secret.mp4")).what


def test_no_video_stream(tmp_path: Path) -> None:
    assert "no video stream" in refusal(make_clip(tmp_path / "secret.mp4", videos=0, audio=True)).what


def test_only_a_cover_picture(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "secret.mp4", videos=0, audio=True, cover=True)
    assert "cover picture but no video" in refusal(path).what


def test_two_video_streams_need_a_declaration(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "secret.mp4", videos=2)
    error = refusal(path)
    assert "2 video streams" in error.what
    assert "stream" in error.remedy
    assert probe(view_of(path, stream=1)).other_streams == 1
    assert [read_stripes(f.image) for f in read_frames(view_of(path, stream=1))] == list(range(24))


def test_cover_beside_video_needs_a_declaration(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "secret.mp4", cover=True)
    assert "cover picture beside the video" in refusal(path).what
    assert [read_stripes(f.image) for f in read_frames(view_of(path, stream=0))] == list(range(24))
    assert "cover picture, not a video" in refusal(path, stream=1).what


def test_declared_stream_must_exist(tmp_path: Path) -> None:
    assert "only 1" in refusal(make_clip(tmp_path / "secret.mp4"), stream=3).what


@pytest.mark.parametrize("linear", [(46341, 46341, -46341, 46341), (65536, 0, 32768, 65536), (0, 0, 0, 0)])
def test_skewed_display_matrix_is_refused(tmp_path: Path, linear: tuple[int, int, int, int]) -> None:
    a, b, c, d = linear
    path = make_clip(tmp_path / "secret.mp4", matrix=[a, b, 0, c, d, 0, 0, 0, 1 << 30])
    assert "multiple of 90" in refusal(path).what
