"""Whether masks of heads cover heads: simulated test rooms, real photos, a real recording.

``python -m bench.heads rooms`` · ``chain`` · ``sigma`` · ``coco`` · ``caliscope`` · ``picture FILE``
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from drape.evaluation.heads import WHOLE, head_coverage, over_masking
from drape.pose.heads import heads_of_views
from drape.tables import HEAD_RULES
from numpy.typing import NDArray

from bench.head_rivals import SQUARES, Masks, fixed_square, ours, upper_third
from bench.head_scenes import HeadView, simulated

app = typer.Typer(add_completion=False)

ROOMS = (
    ("source", 101),
    ("dim", 102),
    ("steep", 103),
    ("gowned", 104),
    ("hazy", 105),
    ("compressed", 106),
    ("new", 107),
)
"""Family and seed of the test rooms; settings were chosen in rooms of the first six families with seeds 21 to 26."""
SEEN = 0.5
"""A head is visible if at least this share of it is."""
BINS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))


@dataclasses.dataclass
class Tally:
    """Masked and all pixels of heads, one entry per head, with what the tables are sorted by."""

    hidden: list[float] = dataclasses.field(default_factory=list)
    pixels: list[int] = dataclasses.field(default_factory=list)
    visible: list[float] = dataclasses.field(default_factory=list)
    rule: list[str] = dataclasses.field(default_factory=list)
    body: list[float] = dataclasses.field(default_factory=list)
    needless: list[float] = dataclasses.field(default_factory=list)
    masked: list[float] = dataclasses.field(default_factory=list)
    picture: int = 0
    person: int = 0

    def add(self, view: HeadView, masks: pa.Table, rules: Iterable[str]) -> None:
        """Count one view."""
        coverage = head_coverage(view.truth.pixels, masks, view.size)
        self.hidden += np.nan_to_num(coverage.shares).tolist()
        self.pixels += [int(head.mask.sum()) for head in view.truth.pixels]
        self.visible += view.truth.visible.tolist()
        self.rule += list(rules)
        bodies = head_coverage(view.truth.bodies, masks, view.size)
        self.body += [bodies.pixels * sum(int(body.mask.sum()) for body in view.truth.bodies)]
        self.person += sum(int(body.mask.sum()) for body in view.truth.bodies)
        area = _masked_pixels(masks, view)
        self.masked.append(area)
        self.needless.append(over_masking(view.truth.bodies, masks, view.size) * area)
        self.picture += view.size[0] * view.size[1] * view.frames.num_rows

    def row(self, keep: NDArray[np.bool_]) -> tuple[int, float, float]:
        """Heads, masked share of their pixels, and share of heads of which 99 % are masked."""
        pixels, hidden = np.array(self.pixels, float), np.array(self.hidden)
        keep = keep & (pixels > 0)
        if not keep.any():
            return 0, float("nan"), float("nan")
        share = float((hidden * pixels)[keep].sum() / pixels[keep].sum())
        return int(keep.sum()), share, float((hidden[keep] >= WHOLE).mean())

    @property
    def over(self) -> tuple[float, float, float]:
        """Share of masked pixels that belong to nobody, masked share of the pictures, and of persons' pixels."""
        masked = sum(self.masked)
        return sum(self.needless) / max(masked, 1), masked / self.picture, sum(self.body) / max(self.person, 1)


def _masked_pixels(masks: pa.Table, view: HeadView) -> float:
    frame = masks.column("frame").to_numpy()
    boxes = np.stack([masks.column(name).to_numpy() for name in ("x1", "y1", "x2", "y2")], axis=1)
    total = 0
    for number in np.unique(frame):
        hidden = np.zeros(view.size[::-1], bool)
        for x1, y1, x2, y2 in np.ceil(boxes[frame == number] - 0.5).astype(int):
            hidden[max(y1, 0) : y2, max(x1, 0) : x2] = True
        total += int(hidden.sum())
    return float(total)


def methods(views: list[HeadView]) -> dict[str, tuple[Masks, dict[str, pa.Table] | None]]:
    """Masks by name, with the heads they are made of."""
    persons = {view.name: view.persons for view in views}
    heads = heads_of_views({view.name: view.poses for view in views}, persons)
    plain = heads_of_views({view.name: None for view in views}, persons)
    return {
        "head masks": (ours("head", heads), heads),
        "head masks, no poses": (ours("head", plain), plain),
        "silhouettes": (ours("silhouette", heads), heads),
        "body masks": (ours("body", None), None),
        "upper third of the box": (upper_third, None),
        **{name: (fixed_square(share), None) for name, share in SQUARES.items()},
    }


def measure(rooms: Iterable[list[HeadView]]) -> dict[str, Tally]:
    """Count all methods in all rooms."""
    tallies: dict[str, Tally] = {}
    for views in rooms:
        for name, (masks, heads) in methods(views).items():
            tally = tallies.setdefault(name, Tally())
            for view in views:
                rules = heads[view.name].column("rule").to_pylist() if heads else [""] * view.persons.num_rows
                tally.add(view, masks(view), rules)
    return tallies


def report(tallies: dict[str, Tally]) -> None:
    """Print Markdown: all methods; the head masks by visibility and by rule."""
    names = (
        "masks",
        "visible heads",
        "pixels",
        ">= 99 %",
        "all heads",
        "pixels",
        ">= 99 %",
        "of nobody",
        "of pictures",
        "of persons",
    )
    print(f"\n| {' | '.join(names)} |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        seen = np.array(tally.visible) >= SEEN
        a, b = tally.row(seen), tally.row(np.ones(len(seen), bool))
        over = " | ".join(f"{value:.3f}" for value in tally.over)
        cells = " | ".join(f"{n} | {pixels:.4f} | {whole:.4f}" for n, pixels, whole in (a, b))
        print(f"| {name} | {cells} | {over} |")
    for title, kinds in (("seen share of the head", _by_visibility), ("rule", _by_rule)):
        print(f"\n| {title} | masks | heads | pixels masked | heads >= 99 % |\n|---|---|---|---|---|")
        for name in ("head masks", "head masks, no poses", "body masks"):
            for label, keep in kinds(tallies[name]):
                count, pixels, whole = tallies[name].row(keep)
                if count:
                    print(f"| {label} | {name} | {count} | {pixels:.4f} | {whole:.4f} |")


def _by_visibility(tally: Tally) -> list[tuple[str, NDArray[np.bool_]]]:
    visible = np.array(tally.visible)
    return [(f"{low:.2f} to {min(high, 1):.2f}", (visible > low) & (visible <= high)) for low, high in BINS]


def _by_rule(tally: Tally) -> list[tuple[str, NDArray[np.bool_]]]:
    return [(rule, np.array(tally.rule) == rule) for rule in HEAD_RULES]


@app.command()
def rooms(
    seconds: Annotated[float, typer.Option(help="Length of each room's recording.")] = 20,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 5,
    only: Annotated[int | None, typer.Option(help="The first so many rooms.")] = None,
) -> None:
    """True boxes and points with errors, in rooms on which nothing was chosen."""
    report(measure(simulated(family, seed, seconds, fps)[1] for family, seed in ROOMS[:only]))


@app.command()
def chain(
    seconds: Annotated[float, typer.Option(help="Length of each room's recording.")] = 8,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 5,
    only: Annotated[int | None, typer.Option(help="The first so many rooms.")] = None,
    preset: Annotated[str, typer.Option(help="Pose model.")] = "example",
) -> None:
    """The same rooms, drawn, with the key points of a pose model on the jittered boxes."""
    from bench.head_chain import estimated

    report(measure(estimated(family, seed, seconds, fps, preset) for family, seed in ROOMS[:only]))


@app.command()
def sigma(
    preset: Annotated[str, typer.Option(help="Pose model.")] = "example",
    seconds: Annotated[float, typer.Option(help="Length of each room's recording.")] = 4,
) -> None:
    """Errors of a pose model's head points by their scores, in metres of the person, in rooms of the tuning seeds."""
    from bench.head_chain import errors_by_score

    print("\n| score | points | deviation, m (68 %) | 95 % | assumed |\n|---|---|---|---|---|")
    for low, high, count, middle, far, assumed in errors_by_score(preset, seconds):
        print(f"| {low:.1f} to {high:.1f} | {count} | {middle:.3f} | {far:.3f} | {assumed:.3f} |")


@app.command()
def coco() -> None:
    """Heads of real photos (coco_mini) with annotated faces."""
    from bench.head_real import photos

    photos()


@app.command()
def caliscope(
    work: Annotated[Path, typer.Argument(help="Folder for the workspace and the releases; kept between runs.")],
    preset: Annotated[str, typer.Option(help="Pose model; none: fall-back rules only.")] = "none",
) -> None:
    """A real recording of four views: faces that YuNet finds in releases with head and with body masks."""
    from bench.head_real import recording

    recording(work, preset)


@app.command()
def picture(path: Path) -> None:
    """Draw one simulated instant as released with each kind of mask."""
    from bench.head_picture import draw

    draw(path)


if __name__ == "__main__":
    app()
