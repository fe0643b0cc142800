"""The pictures of ``docs/simulator.md``: ``python -m bench.simulator_pictures --out docs/images/simulator``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from drape.simulator import (
    CameraMoved,
    ClockDiffers,
    Event,
    Family,
    FrameTruth,
    RateDiffers,
    Scene,
    SceneConfig,
    ViewDropsOut,
    ViewFreezes,
    ViewGoesDark,
)
from numpy.typing import NDArray

Image = NDArray[np.uint8]

LARGEST = 150_000
"""Bytes of a picture, at most."""
ROOMS: tuple[tuple[str, Family, int, int, int], ...] = (
    ("room_1", "source", 7, 0, 7),
    ("room_2", "source", 22, 1, 8),
    ("room_3", "gowned", 14, 0, 6),
    ("room_4", "steep", 12, 1, 7),
    ("room_5", "new", 8, 1, 6),
    ("room_6", "dim", 3, 0, 5),
)
"""Name, family, site, view, people."""


def main(out: Annotated[Path, typer.Option(help="Folder for the pictures.")]) -> None:
    """Draw all pictures."""
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures():
        print(f"{name}.jpg: {save(out / f'{name}.jpg', picture) / 1000:.0f} kB")


def save(path: Path, picture: Image) -> int:
    """Write a picture as JPEG of at most ``LARGEST`` bytes; returns its size."""
    for quality in range(90, 20, -5):
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) <= LARGEST:
            break
    path.write_bytes(data.tobytes())
    return len(data)


def pictures() -> Iterator[tuple[str, Image]]:
    """Names and pictures."""
    for name, family, site, view, people in ROOMS:
        scene = Scene(SceneConfig(family=family, seed=site, seconds=10, views=view + 1, people=people))
        yield name, caption(scene.frame(view, 60).image, f"{family}, site {site}")
    yield "truth", truth_picture()
    yield from event_pictures()


def truth_picture() -> Image:
    """One frame with what is known of it."""
    frame = Scene(SceneConfig(seed=1, seconds=10, people=6, width=1120, height=630)).frame(0, 60)
    return drawn(frame.image, frame.truth)


def drawn(image: Image, truth: FrameTruth) -> Image:
    """Masks, whole and visible boxes, heads and key points over a frame."""
    tints = np.random.default_rng(3).uniform(60, 255, (256, 3))
    tints[0] = 0
    paint = tints[truth.instances]
    out = np.where(truth.instances[..., None] > 0, 0.55 * image + 0.45 * paint, image).astype(np.uint8)
    for row in range(len(truth)):
        tint = tints[row + 1].tolist()
        whole, seen = truth.boxes[row].astype(int).tolist(), truth.visible_boxes[row].astype(int).tolist()
        cv2.rectangle(out, whole[:2], whole[2:], tint, 1)
        cv2.rectangle(out, seen[:2], seen[2:], (255, 255, 255), 1)
        if np.isfinite(truth.head_ellipses[row]).all():
            x, y, a, b, angle = (float(value) for value in truth.head_ellipses[row])
            cv2.ellipse(out, ((x, y), (a, b), angle), (0, 255, 255), 1)
        for x, y, known in truth.keypoints[row]:
            if known:
                cv2.circle(out, (int(x), int(y)), 1, (0, 0, 255) if known == 2 else (150, 150, 150), -1)
        name = f"{truth.person[row]} {truth.role[row]}{' (copy)' if truth.copy[row] else ''} {truth.visible[row]:.0%}"
        cv2.putText(out, name, (whole[0], max(10, whole[1] - 3)), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 255), 1)
    return out


def event_pictures() -> Iterator[tuple[str, Image]]:
    """Every kind of event, before and after."""

    def scene(*events: Event) -> Scene:
        return Scene(SceneConfig(seed=5, seconds=8, people=6, views=2, events=events))

    def show(changed: Scene, frame: int, text: str, view: int = 0) -> Image:
        return caption(changed.frame(view, frame).image, text)

    moved = scene(CameraMoved(view=0, at=4, yaw=14, roll=3))
    yield "camera_moved", beside(show(moved, 59, "3.9 s"), show(moved, 60, "4.0 s: camera moved"))
    black = scene(ViewDropsOut(view=0, start=4, stop=6, leaves="black"))
    yield "view_drops_out", beside(show(black, 59, "3.9 s"), show(black, 60, "4.0 s: view drops out"))
    frozen, plain = scene(ViewFreezes(view=0, start=2, stop=6)), scene()
    yield "view_freezes", beside(show(frozen, 75, "5.0 s: frozen at 1.9 s"), show(plain, 75, "5.0 s as it was"))
    dark = scene(ViewGoesDark(view=0, start=4, stop=6, level=0.12))
    yield "view_goes_dark", beside(show(dark, 59, "3.9 s"), show(dark, 60, "4.0 s: view goes dark"))
    late = scene(ClockDiffers(view=0, offset=2.0))
    yield "clock_differs", beside(show(plain, 45, "stamped 3.0 s"), show(late, 45, "stamped 3.0 s, taken at 5.0 s"))
    yield "rate_differs", rate_picture(scene(RateDiffers(view=1, fps=5)))


def rate_picture(scene: Scene) -> Image:
    """Frames of two views along the time they are stamped with."""
    width, height, shown = 160, 90, 0.8
    strip = np.full((2 * (height + 16), 1280, 3), 32, np.uint8)
    for view in range(2):
        for k in range(scene.num_frames(view)):
            time, _ = scene.view_time(view, k)
            left, top = int(time / shown * 1280), view * (height + 16)
            if left + 90 > 1280:
                break
            small = cv2.resize(scene.frame(view, k).image, (width, height), interpolation=cv2.INTER_AREA)
            end = min(left + (100 if view == 0 else width), 1280)
            strip[top + 16 : top + 16 + height, left:end] = small[:, : end - left]
            text = f"{time:.2f} s"
            cv2.putText(strip, text, (left, top + 11), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (220, 220, 220), 1)
    return strip


def caption(image: Image, text: str) -> Image:
    """A copy with a line of text in its corner."""
    out = image.copy()
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(out, text, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, width, cv2.LINE_AA)
    return out


def beside(*images: Any) -> Image:
    """Images in a row, 1280 pixels wide."""
    row = np.hstack(images)
    size = (1280, round(row.shape[0] * 1280 / row.shape[1]))
    return np.asarray(cv2.resize(row, size, interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    typer.run(main)
