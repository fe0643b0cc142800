"""Clocks and moved cameras: PETS shifted and shuffled, made-up scenes, and turned cameras of the simulator.

``python -m bench.clocks`` prints everything; ``pets``, ``scenes``, ``turned`` and ``quality`` one part each. PETS needs
the development data (``DRAPE_SHARED``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from drape import tables
from drape.association import Association, AssociationConfig, associate
from drape.association.background import camera_moves
from drape.association.clocks import apply, estimate
from drape.association.move_score import learn
from drape.association.moves import agreement, suspects
from drape.association.views import ViewBoxes, from_tables
from drape.detection.glimpses import decode, encode
from drape.simulator import CameraMoved, Scene, SceneConfig, ViewFreezes, ViewGoesDark
from drape.tracking.stage import track_view
from numpy.typing import NDArray

from bench.datasets import shared
from tests.support.ground import Scene as Ground
from tests.support.ground import scene

SHIFT, DRIFT = 3.2, 5e-5
PETS_FRAMES = 795
EVERY_S = 2.5

app = typer.Typer(help=__doc__, add_completion=False, invoke_without_command=True)
Floats = NDArray[np.float64]


@app.callback()
def everything(context: typer.Context) -> None:
    """All parts, one after the other."""
    if context.invoked_subcommand is None:
        pets()
        scenes()
        turned()
        quality()


def pets_view(number: int, fps: float, order: NDArray[np.int64] | None = None) -> ViewBoxes:
    """RTMDet-nano's candidates of a PETS view with our tracklets; ``order``: where each frame is put, to shuffle it."""
    with np.load(shared() / "data" / "pets_2view" / f"pets_00{number}_rtmdet_nano_640.npz") as data:
        frame, boxes, score = data["frame"].astype(np.int64), data["xyxy"], data["score"]
    frame = frame if order is None else order[frame]
    rows = np.argsort(frame, kind="stable")
    rows = rows[score[rows] >= 0.05]
    at = np.arange(PETS_FRAMES)
    frames = tables.make(tables.FRAMES, frame=at, pts=at, time=at / fps)
    candidates = tables.make(
        tables.CANDIDATES,
        frame=frame[rows],
        time=frame[rows] / fps,
        score=score[rows],
        **tables.box_columns(boxes[rows]),
    )
    return from_tables(f"view{number}", candidates, track_view(frames, candidates, (768, 576)), (768, 576), frames)


def retimed(view: ViewBoxes, clock: Callable[[Floats], Floats]) -> ViewBoxes:
    """A view whose own clock shows something else."""
    return view.at_times(clock(view.time), clock(view.times()))


@app.command()
def pets() -> None:
    """PETS S2L1, views 1 and 6: as recorded, view 6 shifted by 3.2 s with 50 ppm, and its frames shuffled."""
    rows = []
    for fps in (30.0, 7.0):
        one, six = pets_view(1, fps), pets_view(6, fps)
        shuffled = pets_view(6, fps, np.random.default_rng(0).permutation(PETS_FRAMES))
        shifted = retimed(six, lambda t: SHIFT + (1 + DRIFT) * t)
        for name, view, shift in (
            ("as recorded", six, 0.0),
            ("shifted", shifted, SHIFT),
            ("shuffled", shuffled, np.nan),
        ):
            begun = time.process_time()
            clocks = estimate([one, view])
            cost = time.process_time() - begun
            own = view.times()
            error = _relative(clocks, one.view, view.view, own) - (own - shift) / (1 + (DRIFT if shift else 0))
            rows.append([f"{name}, {fps:.0f} fps", *_errors(error, fps), _sure(clocks, view.view), f"{cost:.0f}"])
    _print("PETS, view 6 against view 1", ["case", *ERRORS, "confidence", "CPU s"], rows)


def _relative(clocks: pa.Table, reference: str, view: str, own: Floats) -> Floats:
    """The reference's own time that a view's own times are taken for."""
    corrected = apply(clocks, view, own)
    row = next(row for row in clocks.to_pylist() if row["view"] == reference)
    return np.asarray((corrected - row["offset"]) / (1 + row["drift"]))


ERRORS = ("median error, ms", "largest, ms", "median, frames", "in step")


def _errors(error: Floats, fps: float) -> list[str]:
    known = error[np.isfinite(error)]
    if not len(known):
        return ["-", "-", "-", "no"]
    middle = float(np.median(known))
    return [
        f"{1e3 * middle:.1f}",
        f"{1e3 * np.abs(known).max():.1f}",
        f"{middle * fps:.2f}",
        f"{len(known) / len(error):.0%}",
    ]


def _sure(clocks: pa.Table, view: str) -> str:
    return " / ".join(f"{row['confidence']:.4f}" for row in clocks.to_pylist() if row["view"] == view)


@app.command()
def scenes(seeds: Annotated[int, typer.Option(min=1, help="Scenes per setting.")] = 3) -> None:
    """Made-up people on a floor, seen by cameras with clocks and rates of their own; 5 % missed, clutter."""
    rows = []
    settings: tuple[tuple[str, int, Sequence[float], Sequence[float], float], ...] = (
        ("3 views, 10/8/12.5 fps, 180 s", 3, (10, 8, 12.5), (0, 3.2, -17), 180),
        ("4 views, 5 fps, 60 s", 4, (5, 5, 5, 5), (0, 1, -2, 3.2), 60),
        ("2 views, 15 fps, 120 s", 2, (15, 15), (0, 3.2), 120),
    )
    for name, views, fps, offset, seconds in settings:
        drift = [0.0, 5e-5, -1e-4, 2e-4][:views]
        for seed in range(seeds):
            made = scene(
                views=views,
                people=6,
                seconds=seconds,
                fps=fps,
                offset=offset,
                drift=drift,
                seed=seed,
                miss=0.05,
                clutter=0.5,
            )
            begun = time.process_time()
            clocks = estimate(made.views)
            cost = time.process_time() - begun
            error = _between(clocks, made, offset, drift)
            rows.append([f"{name}, seed {seed}", *_errors(error, max(fps)), f"{cost:.0f}"])
    _print("Made-up scenes: time between every two views against the truth", ["case", *ERRORS, "CPU s"], rows)


def _between(clocks: pa.Table, made: Ground, offset: Sequence[float], drift: Sequence[float]) -> Floats:
    """Corrected times at one true time, each view's less the first's."""
    true = np.arange(20.0, 160.0)
    own = [(true - o) / (1 + d) for o, d in zip(offset, drift, strict=True)]
    corrected = [apply(clocks, view.view, t) for view, t in zip(made.views, own, strict=True)]
    shown = [(t >= view.times()[0]) & (t <= view.times()[-1]) for view, t in zip(made.views, own, strict=True)]
    return np.concatenate([(c - corrected[0])[s & shown[0]] for c, s in zip(corrected[1:], shown[1:], strict=True)])


@app.command()
def turned() -> None:
    """Cameras of the simulator turned in the middle: when the pictures and when the agreement of views notice it."""
    rows = []
    for family in ("source", "dim", "steep", "gowned", "hazy", "compressed", "new"):
        for name, events in (
            ("turned by 5° at 30 s", (CameraMoved(view=1, at=30, yaw=5),)),
            ("turned by 1° at 30 s", (CameraMoved(view=1, at=30, yaw=1),)),
            (
                "dark 15-25 s, frozen 35-45 s",
                (ViewGoesDark(view=1, start=15, stop=25), ViewFreezes(view=1, start=35, stop=45)),
            ),
        ):
            made = Scene(SceneConfig(family=family, seconds=60, fps=2, views=3, people=5, events=events))
            moves = camera_moves(*_glimpses(made))
            rows.append(
                [
                    family,
                    name,
                    ", ".join(f"{m.noticed:.1f} s (from {m.after:.1f}), {m.shift:.1%} of the width" for m in moves)
                    or "-",
                ]
            )
    _print("Simulator, pictures of view 2 every 2.5 s", ["rooms", "what happens", "noticed"], rows)
    rows = []
    for seed in range(4):
        for degrees in (5.0, 0.0):
            turn = (1, 90.0, degrees) if degrees else None
            views = scene(views=4, people=6, seconds=150, fps=4, seed=seed, miss=0.1, clutter=0.5, turn=turn).views
            found = suspects(agreement(views, learn(views, 0, 60)))
            told = [
                f"{view} since {a.time:.0f} s, noticed {a.noticed:.0f} s"
                for view, alarms in found.items()
                for a in alarms
            ]
            rows.append(
                [
                    f"seed {seed}",
                    f"view2 turned by {degrees:.0f}° at 90 s" if degrees else "nothing",
                    "; ".join(told) or "-",
                ]
            )
    _print("Made-up scenes, agreement of the views alone", ["scene", "what happens", "noticed"], rows)


def _glimpses(made: Scene) -> tuple[Floats, list[NDArray[np.uint8]], list[NDArray[np.float32]]]:
    times, pictures, people = [], [], []
    for k in range(0, made.num_frames(1), int(EVERY_S * made.config.fps)):
        drawn = made.frame(1, k)
        picture = decode(encode(drawn.image))
        times.append(made.view_time(1, k)[0])
        pictures.append(picture)
        people.append(drawn.truth.boxes * np.float32(picture.shape[1] / drawn.image.shape[1]))
    return np.array(times), pictures, people


@app.command()
def quality(steps: Annotated[int, typer.Option(min=50, help="Training steps.")] = 600) -> None:
    """Association with the clocks as they are, as estimated, and not corrected; and around a turned camera."""
    setting = {"views": 3, "people": 6, "seconds": 150, "fps": 4.0, "seed": 2, "miss": 0.05, "clutter": 0.3}
    config = AssociationConfig(steps=steps, seeds=1)
    true, away = scene(**setting), scene(**setting, offset=[0, SHIFT, -1.5], drift=[0, DRIFT, 0])
    mended = [_in_step(view, estimate(away.views)) for view in away.views]
    rows = [
        [name, *_matched(associate(views, config), truth)]
        for name, views, truth in (
            ("in step as recorded", true.views, _persons(true)),
            ("view 2 shifted by 3.2 s, 50 ppm, view 3 by -1.5 s: clocks estimated", mended, _persons(away)),
            ("the same, clocks not corrected", away.views, _persons(away)),
        )
    ]
    _print(f"Association, {steps} steps, one seed", ["clocks", "precision", "recall"], rows)


def _in_step(view: ViewBoxes, clocks: pa.Table) -> ViewBoxes:
    times, instants = apply(clocks, view.view, view.time), apply(clocks, view.view, view.times())
    return view.at_times(times, instants[np.isfinite(instants)]).select(np.isfinite(times))


Persons = dict[tuple[str, int, int], int]


def _persons(made: Ground) -> Persons:
    """The person of each detection by view, frame and index; clutter has none."""
    return {
        (view.view, int(f), int(i)): int(p)
        for view, person in zip(made.views, made.truth, strict=True)
        for f, i, p in zip(view.frame, view.index, person, strict=True)
        if p >= 0
    }


def _matched(found: Association, truth: Persons) -> list[str]:
    right = wrong = possible = 0
    pairs = found.pairs.to_pydict()
    sides = [list(zip(*(pairs[f"{name}_{s}"] for name in ("view", "frame", "index")), strict=True)) for s in "ab"]
    frames: set[tuple[tuple[str, int], tuple[str, int]]] = set()
    for a, b, taken in zip(*sides, pairs["matched"], strict=True):
        frames.add((a[:2], b[:2]))
        if taken:
            same = truth.get(a, -1) == truth.get(b, -2)
            right, wrong = right + same, wrong + (not same)
    seen: dict[tuple[str, int], set[int]] = {}
    for (view, frame, _), person in truth.items():
        seen.setdefault((view, frame), set()).add(person)
    possible = sum(len(seen.get(a, set()) & seen.get(b, set())) for a, b in frames)
    return [f"{right / max(right + wrong, 1):.3f}", f"{right / max(possible, 1):.3f}"]


def _print(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n**{title}**\n\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    app()
