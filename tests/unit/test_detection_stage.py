"""Every frame gets candidates or is known to be unknown; a resumed run gives the same bits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from drape.boxes import iou
from drape.detection import DetectionConfig, DeviceError, Segment, detect_view
from drape.detection import stage as stage_module
from drape.errors import ConfigError, DetectionError, MediaError
from drape.recording import Clock, View
from drape.tables import CANDIDATES, COVERED, boxes_of
from support import blobs

CONFIG = {"batch_size": 4, "segment_frames": 16}


@pytest.fixture(autouse=True)
def _registered() -> None:
    blobs.register()


@pytest.fixture
def recording(tmp_path: Path) -> dict[str, np.ndarray]:
    return blobs.make_recording(tmp_path / "in", views=1, frames=42)


@pytest.fixture
def view(tmp_path: Path, recording: dict[str, np.ndarray]) -> View:
    return View(id="view1", name="cam_1", media=tmp_path / "in" / "cam_1.mp4", clock=Clock(offset=10.0))


def _config(**more: Any) -> DetectionConfig:
    return DetectionConfig(preset="blobs", **(CONFIG | more))


class Wrapped(blobs.BlobDetector):
    """The blob detector, with something that happens before it answers; ``calls`` lists the batch sizes."""

    def __init__(self, before: Callable[[list[int]], None], delay: float = 0.0) -> None:
        super().__init__(_config())
        self.before, self.delay = before, delay
        self.calls: list[int] = []

    def __call__(self, images: Sequence[np.ndarray]) -> Any:
        self.calls.append(len(images))
        self.before([self.number(image) for image in images])
        time.sleep(self.delay)
        return super().__call__(images)

    @staticmethod
    def number(image: np.ndarray) -> int:
        """The frame's index by its content; see ``_numbered``."""
        return round(float(image[:8, :64].mean(axis=(0, 2)).reshape(8, 8).mean(axis=1) @ 2.0 ** np.arange(8) / 255))


@pytest.fixture
def numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames carry their index as eight black or white squares in the corner."""
    read = stage_module.read_frames

    def marked(view: View, start: int = 0) -> Any:
        for frame in read(view, start):
            bits = (frame.index >> np.arange(8)) & 1
            frame.image[:8, :64] = np.repeat(bits, 8)[None, :, None] * 255
            yield frame

    monkeypatch.setattr(stage_module, "read_frames", marked)


def _joined(segments: Sequence[Segment]) -> tuple[pa.Table, pa.Table]:
    return pa.concat_tables([s.candidates for s in segments]), pa.concat_tables([s.covered for s in segments])


def test_figures_are_found_in_every_frame(view: View, recording: dict[str, np.ndarray]) -> None:
    seen: list[tuple[int, int, str]] = []
    config = _config()
    segments = list(detect_view(view, blobs.BlobDetector(config), config, progress=lambda *args: seen.append(args)))
    assert [(s.start, s.stop) for s in segments] == [(0, 16), (16, 32), (32, 42)]
    candidates, covered = _joined(segments)
    assert candidates.schema == CANDIDATES
    assert covered.schema == COVERED
    assert covered["frame"].to_pylist() == list(range(42))
    assert all(covered["known"].to_pylist())
    assert covered["reason"].null_count == 42
    np.testing.assert_allclose(candidates["time"].to_numpy(), 10 + candidates["frame"].to_numpy() / 25)
    frame, boxes = candidates["frame"].to_numpy(), boxes_of(candidates)
    assert (np.diff(frame) >= 0).all()
    clear = [row for row in recording["view1"] if row[6] > 0.97 and row[4] - row[2] > 8]
    hits = [iou(row[None, 2:6].astype(np.float32), boxes[frame == row[0]]).max(initial=0) > 0.6 for row in clear]
    assert len(clear) > 80
    assert np.mean(hits) == 1
    assert [done for done, _, _ in seen] == [*range(4, 41, 4), 42]
    assert seen[-1][2] == "detect view1"


def test_resuming_gives_the_same_bits(view: View) -> None:
    config = _config()
    whole = list(detect_view(view, blobs.BlobDetector(config), config))
    for start in (16, 32):
        rest = list(detect_view(view, blobs.BlobDetector(config), config, start=start))
        assert [s.start for s in rest] == [s.start for s in whole if s.start >= start]
        for a, b in zip(rest, [s for s in whole if s.start >= start], strict=True):
            assert a.candidates.equals(b.candidates)
            assert a.covered.equals(b.covered)


def test_nothing_is_left_to_do_after_the_end(view: View) -> None:
    config = _config()
    assert list(detect_view(view, blobs.BlobDetector(config), config, start=48)) == []
    with pytest.raises(ConfigError, match="beginning of a segment"):
        next(detect_view(view, blobs.BlobDetector(config), config, start=7))


def test_batches_end_with_their_segment(view: View) -> None:
    config = _config(batch_size=5, segment_frames=15)
    detector = Wrapped(lambda _: None)
    list(detect_view(view, detector, config))
    assert detector.calls == [5, 5, 5, 5, 5, 5, 5, 5, 2]


def test_an_empty_room_is_known_to_be_empty(view: View) -> None:
    class Nothing(blobs.BlobDetector):
        def __call__(self, images: Any) -> Any:
            return [(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) for _ in images]

    candidates, covered = _joined(list(detect_view(view, Nothing(_config()), _config())))
    assert len(candidates) == 0
    assert all(covered["known"].to_pylist())


@pytest.mark.usefixtures("numbered")
def test_a_failing_frame_is_unknown_and_its_neighbours_are_not(view: View) -> None:
    def fail(numbers: list[int]) -> None:
        if 21 in numbers:
            raise ValueError("/home/hans/Müller.mp4")

    config = _config()
    plain = Wrapped(lambda _: None)
    wanted, _ = _joined(list(detect_view(view, plain, config)))
    detector = Wrapped(fail)
    candidates, covered = _joined(list(detect_view(view, detector, config)))
    unknown = covered.filter(pa.compute.invert(covered["known"]))
    assert unknown["frame"].to_pylist() == [21]
    assert unknown["reason"].to_pylist() == ["detector failed: ValueError"]
    assert candidates.equals(wanted.filter(pa.compute.not_equal(wanted["frame"], 21)))
    assert sorted(detector.calls) == sorted([*plain.calls, 1, 1, 1, 1])


@pytest.mark.usefixtures("numbered")
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_is_unknown(view: View, part: int, value: float) -> None:
    class Odd(Wrapped):
        def __call__(self, images: Any) -> Any:
            answers = super().__call__(images)
            for image, answer in zip(images, answers, strict=True):
                if self.number(image) == 21:
                    answer[part][0] = value
            return answers

    _, covered = _joined(list(detect_view(view, Odd(lambda _: None), _config())))
    unknown = covered.filter(pa.compute.invert(covered["known"]))
    assert unknown["frame"].to_pylist() == [21]
    assert unknown["reason"].to_pylist() == ["The detector's answer is not finite"]


def test_a_failure_that_passes_leaves_nothing_unknown(view: View) -> None:
    def fail_on_batches(numbers: list[int]) -> None:
        if len(numbers) > 1:
            raise RuntimeError

    _, covered = _joined(list(detect_view(view, Wrapped(fail_on_batches), _config())))
    assert covered["known"].to_pylist() == [True] * 42


@pytest.mark.parametrize("answer", [[], [(np.zeros((2, 4), "f4"), np.zeros(1, "f4"))], [(np.zeros((4,)), np.zeros(1))]])
def test_a_detector_that_breaks_the_protocol_is_told(view: View, answer: Any) -> None:
    class Broken(blobs.BlobDetector):
        def __call__(self, images: Any) -> Any:
            return answer * len(images)

    with pytest.raises(DetectionError, match="failed on all frames from 0 to 15 of view1"):
        list(detect_view(view, Broken(_config()), _config()))


@pytest.mark.usefixtures("numbered")
def test_a_segment_without_any_answer_is_an_error_after_the_good_ones(view: View) -> None:
    def fail(numbers: list[int]) -> None:
        if max(numbers) >= 16:
            raise ValueError

    segments = []
    with pytest.raises(DetectionError, match="frames from 16 to 31"):
        for segment in detect_view(view, Wrapped(fail), _config()):
            segments.append(segment)
    assert [s.stop for s in segments] == [16]


@pytest.mark.parametrize(
    "error", [DeviceError("The GPU stopped working", "Restart it"), KeyboardInterrupt(), MemoryError()]
)
def test_a_device_that_cannot_go_on_stops_the_run(view: View, error: BaseException) -> None:
    def fail(numbers: list[int]) -> None:
        raise error

    expected = DeviceError if isinstance(error, MemoryError) else type(error)
    with pytest.raises(expected):
        list(detect_view(view, Wrapped(fail), _config()))
    assert not _decoders()


def _decoders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_stopping_early_stops_the_decoder(view: View) -> None:
    config = _config(segment_frames=4)
    run = detect_view(view, blobs.BlobDetector(config), config)
    next(run)
    assert _decoders()
    run.close()
    assert not _decoders()


@pytest.mark.usefixtures("numbered")
def test_decoding_runs_ahead_by_a_bounded_number_of_frames(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    read = stage_module.read_frames
    decoded, ahead = [0], []

    def counted(view: View, start: int = 0) -> Any:
        for frame in read(view, start):
            decoded[0] += 1
            yield frame

    monkeypatch.setattr(stage_module, "read_frames", counted)
    detector = Wrapped(lambda numbers: ahead.append(decoded[0] - 1 - max(numbers)), delay=0.05)
    config = _config(batch_size=2, segment_frames=16)
    list(detect_view(view, detector, config))
    # Two batches in the queue, one frame in the decoder's hand.
    assert max(ahead) <= 2 * 2 + 1
    assert sorted(ahead)[len(ahead) // 2] >= 3


def test_a_damaged_video_is_an_error_after_its_good_segments(view: View, tmp_path: Path) -> None:
    data = view.media.read_bytes()
    damaged = tmp_path / "damaged.mp4"
    at = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    damaged.write_bytes(data[:at] + bytes(4000) + data[at + 4000 :])
    config = _config(segment_frames=4)
    with pytest.raises(MediaError):
        list(detect_view(view.model_copy(update={"media": damaged}), blobs.BlobDetector(config), config))
    assert not _decoders()


def test_a_video_that_ends_before_its_known_end_is_an_error(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    read = stage_module.read_frames
    monkeypatch.setattr(stage_module, "read_frames", lambda view, start: islice(read(view, start), 30))
    known = view.model_copy(update={"num_frames": 42})
    run = detect_view(known, blobs.BlobDetector(_config()), _config())
    with pytest.raises(DetectionError, match="view1 ended after 30 of 42 frames"):
        list(run)
