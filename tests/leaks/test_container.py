"""Nothing stands in a released file beside its pictures."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from drape.anonymization import ReleaseConfig, verify_release
from drape.anonymization.container import check_container, walk
from drape.errors import VerificationError
from support.clips import TOKENS, make_clip, view_of
from support.releases import Scene, copy_release, forge, make_scene, resign, scene_of
from support.releases import walk as people_walk

CONFIG = ReleaseConfig()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene"), frames=12)


@pytest.fixture(scope="module")
def good(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forge(scene, CONFIG, tmp_path_factory.mktemp("good") / "release")


def refused(folder: Path, said: str) -> None:
    resign(folder)
    with pytest.raises(VerificationError, match=said):
        verify_release(folder)


def remux(source: Path, target: Path, change, audio: bool = False) -> None:
    """Copy the packets into a file of the same kind, with something added."""
    options = {"movflags": "+faststart", "fflags": "+bitexact", "movie_timescale": "25", "video_track_timescale": "25"}
    with av.open(str(source)) as old, av.open(str(target), "w", format="mp4", container_options=options) as new:
        video = new.add_stream_from_template(old.streams.video[0])
        change(new, video)
        sound = new.add_stream("aac", rate=48000, layout="mono") if audio else None
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = video
                new.mux(packet)
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate = 48000
            new.mux(sound.encode(frame))
            new.mux(sound.encode(None))


def nothing(container, stream) -> None:
    """Add nothing."""


def title(container, stream) -> None:
    container.metadata["title"] = "Mueller Hans"


def place(container, stream) -> None:
    container.metadata["location"] = "+48.1+011.5/"


def handler(container, stream) -> None:
    stream.metadata["handler_name"] = "OR 3, camera 2"


def language(container, stream) -> None:
    stream.metadata["language"] = "deu"


def test_a_mere_copy_passes(good: Path, tmp_path: Path) -> None:
    """What the next tests refuse is therefore what they add."""
    folder = copy_release(good, tmp_path / "release")
    remux(good / "view1.mp4", folder / "view1.mp4", nothing)
    resign(folder)
    assert verify_release(folder)["ok"]


@pytest.mark.parametrize("change", [title, place, handler, language])
def test_metadata_is_refused(good: Path, change, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    remux(good / "view1.mp4", folder / "view1.mp4", change)
    refused(folder, "is not one of ours|holds metadata")


def test_a_sound_track_is_refused(good: Path, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    remux(good / "view1.mp4", folder / "view1.mp4", nothing, audio=True)
    refused(folder, "is not one of ours")


@pytest.mark.parametrize(("handler", "said"), [(b"text", "is not one of ours"), (b"vide", "exactly one track")])
def test_a_second_track_is_refused(good: Path, handler: bytes, said: str, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    video = folder / "view1.mp4"
    data = video.read_bytes()
    with open(video, "rb") as file:
        boxes = {b.path: b for b in walk(file, "view1")}
    moov, trak = boxes["moov"], boxes["moov/trak"]
    track = data[trak.start - 8 : trak.stop].replace(b"vide", handler)
    size = struct.pack(">I", moov.stop - moov.start + 8 + len(track))
    video.write_bytes(data[: moov.start - 8] + size + data[moov.start - 4 : moov.stop] + track + data[moov.stop :])
    refused(folder, said)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize(
    "extra",
    [
        box(b"udta", box(b"\xa9nam", b"\0\x05\0\0Hans!")),
        box(b"uuid", bytes(16) + b"Hans"),
        box(b"meta", b"Hans"),
        box(b"free", b"Mueller"),
        box(b"skip", b"Mueller"),
        box(b"mdat", b"raw pictures"),
        b"Mueller",
    ],
    ids=["udta", "uuid", "meta", "free", "skip", "second mdat", "loose bytes"],
)
def test_a_box_behind_the_pictures_is_refused(good: Path, extra: bytes, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    video = folder / "view1.mp4"
    video.write_bytes(video.read_bytes() + extra)
    refused(folder, "is not one of ours|exactly one track|do not fill it|cannot be read")


def test_bytes_between_the_pictures_are_refused(good: Path, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    video = folder / "view1.mp4"
    data = bytearray(video.read_bytes())
    with open(video, "rb") as file:
        mdat = next(b for b in walk(file, "view1") if b.path == "mdat")
    assert mdat.stop == len(data)
    data[mdat.start - 8 : mdat.start - 4] = struct.pack(">I", mdat.stop - mdat.start + 8 + 7)
    video.write_bytes(data + b"Mueller")
    refused(folder, "bytes that belong to no picture")


def poke(path: Path, kind: str, offset: int, value: bytes) -> None:
    """Overwrite bytes of a box's content."""
    with open(path, "rb") as file:
        found = next(b for b in walk(file, "view1") if b.path.endswith(kind))
    data = bytearray(path.read_bytes())
    start = found.stop + offset if offset < 0 else found.start + offset
    data[start : start + len(value)] = value
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "offset", "value"),
    [
        ("mvhd", 4, struct.pack(">I", 3_800_000_000)),  # creation date
        ("tkhd", 8, struct.pack(">I", 3_800_000_000)),  # modification date
        ("mdhd", 4, struct.pack(">I", 3_800_000_000)),
        ("tkhd", -44, struct.pack(">9I", 0, 1 << 16, 0, 0xFFFF0000, 0, 0, 0, 0, 1 << 30)),  # turned by a quarter
        ("stsd", 8 + 50, b"\x05Hans!"),  # compressor's name
        ("hdlr", 24, b"Hans"),
    ],
)
def test_dates_names_and_turns_are_refused(good: Path, kind: str, offset: int, value: bytes, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    poke(folder / "view1.mp4", kind, offset, value)
    refused(folder, f"{kind} is not one of ours")


def test_a_message_in_the_video_is_refused(scene: Scene, good: Path, tmp_path: Path) -> None:
    """x264 itself signs its output with a message; so does many a camera, with place and time."""
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    with pytest.raises(VerificationError, match=r"is not one of ours|carries a message"):
        check_container(clip, "view1")
    folder = copy_release(good, tmp_path / "release")
    with av.open(str(good / "view1.mp4")) as old:
        first = next(bytes(p) for p in old.demux(old.streams.video[0]) if p.size)
    options = {"movflags": "+faststart", "fflags": "+bitexact", "movie_timescale": "25", "video_track_timescale": "25"}
    message = bytes([6, 5, 20]) + bytes(range(1, 17)) + b"Hans" + b"\x80"
    with (
        av.open(str(good / "view1.mp4")) as old,
        av.open(str(folder / "view1.mp4"), "w", format="mp4", container_options=options) as new,
    ):
        video = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                data = bytes(packet)
                data = struct.pack(">I", len(message)) + message + data if data == first else data
                changed = av.Packet(data)
                changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
                changed.time_base, changed.stream, changed.is_keyframe = packet.time_base, video, packet.is_keyframe
                new.mux(changed)
    refused(folder, "carries a message")


def test_a_metadata_bomb_leaves_no_trace(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=12, audio=True, cover=True, metadata_bomb=True)
    scene = scene_of(view_of(clip, stream=0), people_walk(12, (192, 128)))
    release = tmp_path / "release"
    manifest = scene.export(release, CONFIG, detector="any")
    assert manifest["verdict"]["ok"]
    assert "streams other than the video dropped" in manifest["views"][0]["notes"]
    private = [*TOKENS, "PRIVATE_NAME", str(tmp_path), "clip.mp4"]
    source = clip.read_bytes()
    assert sum(token.encode() in source for token in TOKENS) >= 4
    for file in release.iterdir():
        content = file.read_bytes()
        assert not [token for token in private if token.encode() in content], file.name
        assert "PRIVATE" not in file.name


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"\0\0\0\1moov", b"\0\0\0\x08moov", b"\xff" * 64])
def test_a_file_that_is_no_video_is_refused(good: Path, damage: bytes, tmp_path: Path) -> None:
    folder = copy_release(good, tmp_path / "release")
    (folder / "view1.mp4").write_bytes(damage)
    refused(folder, "view1")
