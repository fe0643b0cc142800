"""Small scenes with textured "people", their tables, good releases of them, and releases with a planted fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
from drape import tables
from drape.anonymization import ReleaseConfig, ReleaseSecret, export_release, plan_view
from drape.anonymization.fill import fills_table
from drape.anonymization.manifest import NAME, build_manifest, view_entry
from drape.anonymization.policy import Plan
from drape.anonymization.render import Renderer
from drape.media import VideoWriter, mp4_times, probe, read_planes, scan
from drape.media.planes import to_frame
from drape.progress import Progress, silent
from drape.recording import Recording, View
from numpy.typing import NDArray

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
Boxes = NDArray[np.float32]
PRIVATE = "Mueller_Hans_1970"
KEY = ReleaseSecret(bytes(range(32)))


@dataclass(frozen=True)
class Scene:
    """A scanned recording of one view, with the tables that an export needs."""

    view: View
    frames: pa.Table
    persons: pa.Table
    covered: pa.Table

    @property
    def recording(self) -> Recording:
        """The recording, with its id."""
        return Recording(name=PRIVATE, views=(self.view,)).with_views([self.view])

    def plan(self, config: ReleaseConfig) -> Plan:
        """The plan of the view."""
        return plan_view(self.view, self.frames, self.covered, self.persons, config)

    def export(self, target: Path, config: ReleaseConfig, **provenance: object) -> dict:
        """Export to ``target``."""
        return export_release(
            self.recording,
            lambda _: self.frames,
            lambda _: self.covered,
            lambda _: self.persons,
            config,
            target,
            dict(provenance),
        )


def walk(frames: int, size: tuple[int, int], people: int = 2) -> Boxes:
    """Boxes of people who walk through the picture, (frames, people, 4)."""
    width, height = size
    tall, wide = height * 0.55, height * 0.3
    step = np.arange(frames, dtype=np.float64)[:, None]
    lane = np.arange(people, dtype=np.float64)[None, :]
    x = width * (0.12 + 0.5 * lane / max(people, 1)) + step * (1.3 - 2.2 * (lane % 2)) + 12 * lane
    y = height * (0.2 + 0.1 * lane) + 4 * np.sin(step / 5 + lane)
    return np.stack([x, y, x + wide, y + tall], axis=2).astype(np.float32)


def persons_table(boxes: Boxes, times: NDArray[np.float64], existence: float = 0.9) -> pa.Table:
    """Table ``PERSONS`` of boxes (frames, people, 4): tracklet = person."""
    count, people = boxes.shape[:2]
    frame = np.repeat(np.arange(count, dtype=np.int32), people)
    tracklets = tables.make(
        tables.TRACKLETS,
        frame=frame,
        time=times[frame],
        tracklet=np.tile(np.arange(people, dtype=np.int32), count),
        existence=np.full(len(frame), existence, np.float32),
        source=["detected"] * len(frame),
        score=np.full(len(frame), existence, np.float32),
        candidate=np.tile(np.arange(people, dtype=np.int32), count),
        **tables.box_columns(boxes.reshape(-1, 4)),
    )
    return tables.unconfirmed(tracklets)


def covered_table(count: int, unknown: Iterable[int] = (), absent: Iterable[int] = ()) -> pa.Table:
    """Table ``COVERED`` in which all frames but some are known."""
    absent, unknown = set(absent), set(unknown)
    rows = [frame for frame in range(count) if frame not in absent]
    return tables.make(
        tables.COVERED,
        frame=rows,
        known=[frame not in unknown for frame in rows],
        reason=["the detector failed" if frame in unknown else None for frame in rows],
    )


def film(path: Path, pictures: Sequence[Planes], fps: int = 25, crf: float = 10) -> Path:
    """Write planes as a video at a constant rate; without loss in Matroska."""
    height, width = pictures[0][0].shape
    if path.suffix == ".mkv":
        with av.open(str(path), "w") as out:
            stream = out.add_stream("ffv1", rate=fps)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number, planes in enumerate(pictures):
                frame = to_frame(*planes)
                frame.pts, frame.time_base = number, Fraction(1, fps)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return path
    with VideoWriter(path, width, height, (1, fps), crf=crf) as writer:
        for number, planes in enumerate(pictures):
            writer.write(number, *planes)
    return path


def pictures(boxes: Boxes, size: tuple[int, int], seed: int = 0) -> list[Planes]:
    """A textured background with a textured person in every box; ``seed`` changes the people, not the background."""
    width, height = size
    ground = np.random.default_rng(7)
    y0 = _texture(ground, height, width, 60, 180)
    u0, v0 = (_texture(ground, height // 2, width // 2, 110, 145) for _ in range(2))
    faces = [np.random.default_rng(1000 * seed + i) for i in range(boxes.shape[1])]
    patterns = [tuple(_texture(rng, 400, 400, 20, 230) for _ in range(3)) for rng in faces]
    out = []
    for here in boxes:
        planes = (y0.copy(), u0.copy(), v0.copy())
        for box, pattern in zip(here, patterns, strict=True):
            for plane, texture, scale in zip(planes, pattern, (1, 2, 2), strict=True):
                x1, y1, x2, y2 = np.clip(box // scale, 0, [plane.shape[1], plane.shape[0]] * 2).astype(int)
                plane[y1:y2, x1:x2] = texture[: y2 - y1, : x2 - x1]
        out.append(planes)
    return out


def _texture(rng: np.random.Generator, height: int, width: int, low: int, high: int) -> NDArray[np.uint8]:
    """Blobs of about six pixels."""
    coarse = rng.integers(low, high, (height // 6 + 1, width // 6 + 1), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(6, axis=0).repeat(6, axis=1)[:height, :width])


def make_scene(
    folder: Path,
    frames: int = 40,
    size: tuple[int, int] = (320, 240),
    seed: int = 0,
    unknown: Iterable[int] = (),
    people: int = 2,
    suffix: str = ".mp4",
) -> Scene:
    """Film (unless that was done before) and scan a scene of walking people; the tables know where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    boxes = walk(frames, size, people)
    path = folder / f"{PRIVATE}{suffix}"
    if not path.exists():
        film(path, pictures(boxes, size, seed))
    return scene_of(View(id="view1", name=PRIVATE, media=path), boxes, unknown)


def scene_of(view: View, boxes: Boxes, unknown: Iterable[int] = (), absent: Iterable[int] = ()) -> Scene:
    """Scan a view; boxes (frames, people, 4), of which those of frames that do not exist are left out."""
    view, frames = scan(view)
    times = frames.column("time").to_numpy()
    persons = persons_table(boxes[: len(frames)], times)
    return Scene(view, frames, persons, covered_table(len(frames), unknown, absent))


@dataclass(frozen=True)
class Scenes:
    """A recording of several views, each a scene."""

    scenes: tuple[Scene, ...]

    def export(self, target: Path, config: ReleaseConfig, progress: Progress = silent) -> dict:
        """Export to ``target``."""
        by_id = {scene.view.id: scene for scene in self.scenes}
        views = [scene.view for scene in self.scenes]
        return export_release(
            Recording(name=PRIVATE, views=tuple(views)).with_views(views),
            lambda view: by_id[view].frames,
            lambda view: by_id[view].covered,
            lambda view: by_id[view].persons,
            config,
            target,
            {},
            progress,
        )


def two_views(folder: Path, frames: int) -> Scenes:
    """A recording of two views with different people."""
    one, two = (make_scene(folder / f"scene{i}", frames, size=(256, 192), seed=i) for i in (1, 2))
    second = two.view.model_copy(update={"id": "view2", "name": f"{PRIVATE}_2"})
    return Scenes((one, Scene(second, two.frames, two.persons, two.covered)))


def planes_of(video: Path) -> list[Planes]:
    """All planes of a released video."""
    view = View(id="view1", name="view1", media=video)
    return [(p.y, p.u, p.v) for p in read_planes(view)]


def forge(
    scene: Scene,
    config: ReleaseConfig,
    folder: Path,
    fault: Callable[[int, Planes, Planes], None] | None = None,
    keep: Callable[[int], Iterable[int]] = lambda index: (index,),
) -> Path:
    """Write a release as the product does, but with a fault planted before the encoder; its manifest agrees with it.

    Args:
        scene: what is released.
        config: settings.
        folder: where to.
        fault: called with the index, the masked planes, which it may change, and a copy of the source's planes.
        keep: gives the positions (in frames) at which a frame is written; none drops it.
    """
    folder.mkdir()
    plan, view = scene.plan(config), scene.view
    renderer = Renderer(plan, config, KEY, view.id)
    path = folder / f"{view.id}.mp4"
    with VideoWriter(path, *plan.size, view.time_base, crf=config.crf, preset=config.encoder_preset) as writer:
        for p in read_planes(view):
            planes = (p.y, p.u, p.v)
            source = (p.y.copy(), p.u.copy(), p.v.copy())
            renderer.mask(p.index, planes)
            if fault is not None:
                fault(p.index, planes, source)
            for position in keep(p.index):
                writer.write(int(plan.pts[position]), *planes)
    pts, _ = mp4_times(plan.pts, view.time_base)
    frames = tables.make(tables.FRAMES, frame=range(plan.num_frames), pts=pts, time=scene.frames.column("time"))
    tables.write(frames, folder / f"{view.id}.frames.parquet")
    tables.write(plan.states_table(), folder / f"{view.id}.states.parquet")
    tables.write(plan.regions_table(), folder / f"{view.id}.regions.parquet")
    tables.write(fills_table(renderer.fills), folder / f"{view.id}.fills.parquet")
    sign(scene, config, folder)
    return folder


def sign(scene: Scene, config: ReleaseConfig, folder: Path) -> None:
    """Write the manifest that fits the files as they lie there."""
    entry = view_entry(scene.view, scene.plan(config), probe(scene.view), folder)
    (folder / NAME).write_text(build_manifest(scene.recording, [entry], config, {}).text())


def resign(folder: Path) -> None:
    """Bring the digests in a manifest up to date after a file was changed."""
    manifest = json.loads((folder / NAME).read_text())
    for view in manifest["views"]:
        for name, entry in view["files"].items():
            entry["sha256"] = tables.sha256(folder / name)
            entry["bytes"] = (folder / name).stat().st_size
    (folder / NAME).write_text(json.dumps(manifest))


def copy_release(release: Path, target: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(release, target))
