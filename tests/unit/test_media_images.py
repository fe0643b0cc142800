"""Image folders are views like any other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from drape.errors import MediaError
from drape.media import probe, read_frames, read_planes, scan
from PIL import Image
from support.clips import draw_stripes, read_stripes, view_of


def write_folder(folder: Path, count: int = 12, size: tuple[int, int] = (121, 81), suffix: str = ".png") -> Path:
    """Pictures that say their number; their names only sort rightly as numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(draw_stripes(number, *size)).convert("RGB").save(folder / f"cam_{number + 1}{suffix}")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def images(folder: Path, **fields: object):
    return view_of(folder, kind="images", **fields)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff"])
def test_frames_and_planes(tmp_path: Path, suffix: str) -> None:
    view = images(write_folder(tmp_path / "a", suffix=suffix))
    frames, planes = list(read_frames(view)), list(read_planes(view))
    assert [read_stripes(f.image) for f in frames] == [f.index for f in frames] == list(range(12))
    assert [read_stripes(p.y) for p in planes] == list(range(12))
    assert {f.image.shape for f in frames} == {(81, 121, 3)}
    assert {(p.y.shape, p.u.shape, p.v.shape) for p in planes} == {((82, 122), (41, 61), (41, 61))}
    assert [(f.pts, f.time) for f in frames] == [(i, float(i)) for i in range(12)]


def test_start_does_not_open_what_lies_before(tmp_path: Path) -> None:
    view = images(write_folder(tmp_path / "a"))
    (tmp_path / "a" / "cam_1.png").write_bytes(b"broken")
    assert [f.index for f in read_frames(view, 10)] == [10, 11]


def test_colours(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (32, 32), (255, 0, 0)).save(tmp_path / "a" / "1.png")
    view = images(tmp_path / "a")
    assert next(iter(read_frames(view))).image[5, 5].tolist() == [0, 0, 255]
    planes = next(iter(read_planes(view)))
    # ITU-R BT.709, 3, limited range: red is Y' 63, Cb 102, Cr 240
    assert np.abs(np.array([planes.y[5, 5], planes.u[5, 5], planes.v[5, 5]], int) - [63, 102, 240]).max() <= 1
    assert probe(view).colour.matrix == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(draw_stripes(1234, 120, 80)).convert("RGB")
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose values that make a player turn it back
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a").mkdir()
    stored.save(tmp_path / "a" / "1.jpg", exif=exif)
    found = probe(images(tmp_path / "a"))
    assert (found.width, found.height) == (120, 80)
    assert read_stripes(next(iter(read_frames(images(tmp_path / "a")))).image) == 1234


def test_transparency_and_palettes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    grey = Image.fromarray(draw_stripes(77, 96, 64))
    for mode in ("1", "L", "LA", "P", "RGBA"):
        grey.convert(mode, dither=Image.Dither.NONE).save(tmp_path / "a" / f"{mode}.png")
    assert [read_stripes(f.image) for f in read_frames(images(tmp_path / "a"))] == [77] * 5


def test_scan(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a")
    view, table = scan(images(folder, fps=12.5))
    assert (view.num_frames, view.width, view.height, view.time_base) == (12, 121, 81, (2, 25))
    assert table["time"].to_pylist() == [i / 12.5 for i in range(12)]
    whole = hashlib.sha256()
    for number in range(1, 13):
        whole.update(hashlib.sha256((folder / f"cam_{number}.png").read_bytes()).digest())
    assert view.sha256 == whole.hexdigest()


def test_rate_follows_from_timestamps(tmp_path: Path) -> None:
    (tmp_path / "stamps.txt").write_text("".join(f"{100 + i / 4}\n" for i in range(12)))
    view, table = scan(images(write_folder(tmp_path / "a"), timestamps=tmp_path / "stamps.txt"))
    assert view.time_base == (1, 4)
    assert table["time"].to_pylist() == [100 + i / 4 for i in range(12)]
    assert probe(view).duration == 3


def _refused(view: object, what: str, frame: int | None = None) -> None:
    with pytest.raises(MediaError, match=what) as caught:
        scan(view)
    assert (caught.value.role, caught.value.frame) == ("view1", frame)
    assert "cam_" not in str(caught.value)


def test_truncated_picture(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", suffix=".jpg")
    content = (folder / "cam_6.jpg").read_bytes()
    (folder / "cam_6.jpg").write_bytes(content[: len(content) // 2])
    _refused(images(folder), "damaged or cannot be read", 5)


def test_something_else_renamed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a")
    (folder / "cam_12.png").write_text("no picture")
    _refused(images(folder), "damaged or cannot be read", 11)


def test_other_size(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a")
    Image.new("RGB", (121, 80)).save(folder / "cam_4.png")
    _refused(images(folder), "another size than the first", 3)


def test_sixteen_bit_picture(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a")
    Image.fromarray(np.full((81, 121), 60000, np.uint16)).save(folder / "cam_1.png")
    _refused(images(folder), "type I;16 are not supported", 0)


def test_several_pictures_in_one_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a")
    pages = [Image.new("RGB", (121, 81)) for _ in range(2)]
    pages[0].save(folder / "cam_3.tiff", save_all=True, append_images=pages[1:])
    (folder / "cam_3.png").unlink()
    _refused(images(folder), "several pictures", 2)


def test_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    _refused(images(tmp_path / "a"), "holds no pictures")
    _refused(images(tmp_path / "none"), "folder cannot be read")


def test_wrong_number_of_timestamps(tmp_path: Path) -> None:
    (tmp_path / "stamps.txt").write_text("1\n2\n3\n")
    _refused(images(write_folder(tmp_path / "a"), timestamps=tmp_path / "stamps.txt"), "3 times, but the video has 12")
