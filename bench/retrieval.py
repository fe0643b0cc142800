"""Retrieval beside the detector, the tracker and the accept-all rule, and how the risk of missed persons turns out.

``python -m bench.retrieval mvor``: recall at precision on MVOR days 1-3, single instants, no tracking.
``python -m bench.retrieval pets``: persons found in PETS view 1, frames 1-400, with and without view 2, and the risk.
``python -m bench.retrieval simulator``: the same in simulated operating rooms with a stand-in for the detector.
``python -m bench.retrieval risk``: the risk in longer simulated recordings, by tenth and by reason.
``python -m bench.retrieval cost``: milliseconds per instant, and memory by length, for 4 views x 10 persons.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from drape import tables
from drape.association import Association, AssociationConfig, ViewBoxes, associate, from_tables
from drape.boxes import nms
from drape.evaluation.detection import Detection, curve, detection, recall_at_precision
from drape.evaluation.truth import TRACKS, accepted, between, read_truth
from drape.retrieval import RetrievalView, Retrieved, retrieve, untracked
from drape.tracking import track_view

from bench import datasets, retrieval_risk
from bench.retrieval_known import association
from bench.retrieval_long import long_recording
from bench.retrieval_rules import accept_all
from bench.retrieval_scenes import StandIn, people, simulated

PRECISIONS = (0.90, 0.85, 0.80, 0.75)
REPEAT_IOU = 0.6
"""Boxes of one frame that overlap more are suppressed before scores are compared, for every method alike."""
PETS_FRAMES = 400
PETS_FPS = 30.0
"""As the container says."""

app = typer.Typer(add_completion=False, help=__doc__)
Seeds = Annotated[str, typer.Option(help="Seeds, separated by commas.")]
Plot = Annotated[Path | None, typer.Option(help="Reliability diagram to write, PNG.")]


@app.command()
def mvor(seeds: Seeds = "0,1,2") -> None:
    """Recall at precision on MVOR; the association learns from the same unlabelled boxes."""
    found, labelled = datasets.mvor_candidates(), datasets.mvor_truth()
    views = [_sparse(v) for v in found]
    truth = [_truth(v) for v in labelled.views]
    print("recall at precision " + " ".join(f"{p:.2f}" for p in PRECISIONS))
    _line("raw detector score", [_recalls(truth, [v.candidates for v in views])])
    _line("raw score, voted boxes", [_recalls(truth, [v.tracklets for v in views])])
    ruled, ours, masked = [], [], []
    for seed in _numbers(seeds):
        match = associate(found, AssociationConfig(seed=seed))
        rows = accept_all(views, match.pairs)
        ruled.append(_recalls(truth, [v.candidates.take(pa.array(r)) for v, r in zip(views, rows, strict=True)]))
        out = retrieve(views, match.pairs, match.identities, match.expected).persons
        ours.append(_recalls(truth, [out[v.id] for v in views]))
        masked.append(_pooled(truth, [out[v.id] for v in views]))
    _line("accept-all rule", ruled)
    _line("retrieval", ours)
    _point("detector score >= .5", [_pooled(truth, [v.tracklets for v in views])])
    _point("retrieval, existence >= .5", masked)


@app.command()
def pets(seeds: Seeds = "0", plot: Plot = None) -> None:
    """PETS view 1 with and without view 2, and the risk."""
    views = _pets_views()
    path = datasets.shared() / "data" / "pets_2view" / "gt_view001_frames_1-400_mot.txt"
    truth = read_truth(path)
    alone = retrieve(views[:1])
    _point("tracking alone", [_found(truth, views[0].tracklets)])
    points, parts = [], []
    for seed in _numbers(seeds):
        out = _together(views, seed)
        points.append(_found(truth, out.persons["view1"]))
        parts.append(_risk(truth, out, views[0]))
    _point("retrieval with view 2", points)
    retrieval_risk.show("PETS, one view", [_risk(truth, alone, views[0])], _named(plot, "one"))
    retrieval_risk.show("PETS, two views", parts, plot)


@app.command()
def simulator(seeds: Seeds = "1,2", seconds: float = 60, plot: Plot = None) -> None:
    """Simulated operating rooms: three views, five persons; the association is learned."""
    before, after, one, all_ = [], [], [], []
    for seed in _numbers(seeds):
        made = simulated(people(seed, seconds), StandIn(), seed)
        out = _together(made.views, seed)
        for view, true, bare in zip(made.views, made.truth, made.barely, strict=True):
            before.append(detection(true, accepted(view.tracklets)))
            after.append(detection(true, accepted(out.persons[view.id])))
            one.append(_risk(true, retrieve([view]), view, None, bare))
            all_.append(_risk(true, out, view, None, bare))
    _point("tracking alone", [_sum(before)])
    _point("retrieval with three views", [_sum(after)])
    retrieval_risk.show("simulator, one view", one)
    retrieval_risk.show("simulator, three views", all_, plot)


@app.command()
def risk(
    rooms: Annotated[str, typer.Option(help="Rooms, as family:seed:seconds:views:people, separated by commas.")] = (
        "source:201:600:3:5"
    ),
    shifts: Annotated[str, typer.Option(help="Log-odds that the detectors' scores are shifted by.")] = "0,1.5",
    plot: Plot = None,
) -> None:
    """Risk in longer simulated recordings; the association is made from the truth, with errors."""
    one, all_ = [], []
    for room in rooms.split(","):
        family, seed, seconds, views, count = room.split(":")
        walk = people(int(seed), float(seconds), family, int(views), int(count))
        for number, shift in enumerate(float(s) for s in shifts.split(",")):
            made = simulated(walk, StandIn(shift=shift), int(seed) + number)
            out = retrieve(made.views, *association(made, 1.0, number))
            for view, true, bare in zip(made.views, made.truth, made.barely, strict=True):
                one.append(_risk(true, retrieve([view]), view, None, bare))
                all_.append(_risk(true, out, view, None, bare))
    retrieval_risk.show("simulator, one view", one, _named(plot, "one"))
    retrieval_risk.show("simulator, all views", all_, plot)


@app.command()
def cost(hours: str = "0.05,0.1,0.2") -> None:
    """Milliseconds of one core per instant and memory beyond the tables, by the length of a recording."""
    for length in (float(h) for h in hours.split(",")):
        views, pairs = long_recording(length)
        instants = views[0].frames.num_rows
        start = time.process_time()
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        out = retrieve(views, pairs)
        spent = time.process_time() - start
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024
        size = sum(t.nbytes for t in (*out.persons.values(), *out.missed.values())) / 2**20
        print(f"{length:g} h: {1000 * spent / instants:.2f} ms per instant, {grown:.0f} MiB more, {size:.0f} of result")


def _numbers(seeds: str) -> list[int]:
    return [int(s) for s in seeds.split(",")]


def _sparse(view: ViewBoxes) -> RetrievalView:
    """Detections without tracking, as retrieval takes them."""
    times = view.times()
    index = np.arange(len(times))
    frames = tables.make(tables.FRAMES, frame=index, pts=index, time=times)
    columns = tables.box_columns(view.boxes)
    candidates = tables.make(
        tables.CANDIDATES, frame=view.frame.astype(np.int32), time=view.time, score=view.scores, **columns
    )
    return RetrievalView(view.view, view.size or (1, 1), frames, candidates, untracked(candidates), tracked=False)


def _truth(view: ViewBoxes) -> pa.Table:
    columns = tables.box_columns(view.boxes)
    return tables.make(TRACKS, frame=view.frame.astype(np.int32), id=view.index.astype(np.int32), **columns)


def _pets_views() -> list[RetrievalView]:
    views = []
    for view in datasets.pets_candidates():
        frame = view.frame.astype(np.int32)
        columns = tables.box_columns(view.boxes)
        candidates = tables.make(tables.CANDIDATES, frame=frame, time=frame / PETS_FPS, score=view.scores, **columns)
        index = np.arange(len(view.times()))
        frames = tables.make(tables.FRAMES, frame=index, pts=index, time=index / PETS_FPS)
        size = view.size or (1, 1)
        views.append(RetrievalView(view.view, size, frames, candidates, track_view(frames, candidates, size)))
    return views


def _together(views: Sequence[RetrievalView], seed: int) -> Retrieved:
    """Associate and retrieve."""
    seen = [from_tables(v.id, v.candidates, v.tracklets, v.size, v.frames) for v in views]
    match: Association = associate(seen, AssociationConfig(seed=seed))
    return retrieve(views, match.pairs, match.identities, match.expected)


def _recalls(truth: Sequence[pa.Table], found: Sequence[pa.Table]) -> list[float]:
    """Recall at each precision over all views, ranked by score or existence."""
    step = 1 + max(int(t.column("frame").to_numpy().max()) for t in truth)
    true, scored = [], []
    for v, (a, b) in enumerate(zip(truth, found, strict=True)):
        value = b.column("existence" if "existence" in b.column_names else "score").to_numpy()
        frame, boxes = b.column("frame").to_numpy(), tables.boxes_of(b)
        keep = np.concatenate([_once(boxes, value, np.flatnonzero(frame == f)) for f in np.unique(frame)])
        true.append(
            pa.table({"frame": a.column("frame").to_numpy() + v * step, **tables.box_columns(tables.boxes_of(a))})
        )
        scored.append(
            pa.table({"frame": frame[keep] + v * step, "score": value[keep], **tables.box_columns(boxes[keep])})
        )
    points = curve(pa.concat_tables(true), pa.concat_tables(scored))
    return [recall_at_precision(points, p)[0] for p in PRECISIONS]


def _once(boxes: np.ndarray, value: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return rows[nms(boxes[rows], value[rows], REPEAT_IOU)]


def _pooled(truth: Sequence[pa.Table], found: Sequence[pa.Table]) -> Detection:
    """Of all views, what is accepted, each person once."""
    parts = []
    for a, b in zip(truth, found, strict=True):
        sure = accepted(b)
        frame, boxes = sure.column("frame").to_numpy(), tables.boxes_of(sure)
        value = b.column("existence").to_numpy()[b.column("existence").to_numpy() >= 0.5]
        keep = np.concatenate([_once(boxes, value, np.flatnonzero(frame == f)) for f in np.unique(frame)])
        parts.append(detection(a, sure.take(pa.array(np.sort(keep)))))
    return _sum(parts)


def _found(truth: pa.Table, persons: pa.Table) -> Detection:
    return detection(truth, between(accepted(persons), 0, PETS_FRAMES))


def _sum(parts: Sequence[Detection]) -> Detection:
    return Detection(*(sum(getattr(p, name) for p in parts) for name in ("truths", "found", "matches")))


def _risk(
    truth: pa.Table,
    out: Retrieved,
    view: RetrievalView,
    frames: int | None = PETS_FRAMES,
    barely: tuple[np.ndarray, np.ndarray] | None = None,
) -> retrieval_risk.Outcome:
    times = view.frames.column("time").to_numpy()[:frames]
    stop = len(times)
    persons, missed = between(out.persons[view.id], 0, stop), between(out.missed[view.id], 0, stop)
    return retrieval_risk.outcome(truth, persons, missed, times, barely)


def _named(plot: Path | None, what: str) -> Path | None:
    return None if plot is None else plot.with_stem(f"{plot.stem}-{what}")


def _line(name: str, values: Sequence[Sequence[float]]) -> None:
    mean, spread = np.mean(values, axis=0), np.std(values, axis=0)
    cells = " ".join(f"{m:.3f}" + (f"±{s:.3f}" if len(values) > 1 else "") for m, s in zip(mean, spread, strict=True))
    print(f"{name:28s} {cells}", flush=True)


def _point(name: str, parts: Sequence[Detection]) -> None:
    recall, precision = (np.array([getattr(p, n) for p in parts]) for n in ("recall", "precision"))
    figures = f"recall {recall.mean():.3f}±{recall.std():.3f} precision {precision.mean():.3f}±{precision.std():.3f}"
    print(f"{name:28s} {figures}")


if __name__ == "__main__":
    app()
