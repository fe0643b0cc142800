"""Every figure of ``drape.evaluation`` beside another program's, or plain loops', on the same input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from drape.boxes import coverage, expand
from drape.evaluation import bounds
from drape.evaluation.bootstrap import ratio, resampled
from drape.evaluation.calibration import brier, expected_calibration_error, reliability
from drape.evaluation.coco import coco_boxes
from drape.evaluation.detection import detection
from drape.evaluation.exposure_rates import ABSENCE, exposure_rates
from drape.evaluation.heads import ellipse_pixels, head_coverage, head_table, over_masking
from drape.evaluation.hota import hota
from drape.evaluation.matching import stacked
from drape.evaluation.mot import mot
from drape.evaluation.multiview import multi_view_recall, scene_instant_recall
from drape.evaluation.poses import WHOLEBODY_SIGMAS, coco_poses
from drape.evaluation.protocol_4dor import protocol
from drape.evaluation.strata import running_upper_bound, stratified_upper_bound
from drape.evaluation.truth import read_tracks, read_truth
from drape.evaluation.unlabelled import Capture, expected_misses
from drape.tables import box_columns, boxes_of

from bench import metrics_data as data
from bench import metrics_loops as loops
from bench import metrics_peers as peers
from bench.datasets import shared

LIMIT = 1e-6


class Row(NamedTuple):
    """One figure of ours beside the same figure of a peer."""

    figure: str
    input: str
    peer: str
    ours: float
    theirs: float

    @property
    def difference(self) -> float:
        """Distance of the two; 0 if both say that the figure is undefined."""
        return 0.0 if np.isnan(self.ours) and np.isnan(self.theirs) else abs(self.ours - self.theirs)


def compare(folder: Path) -> Iterator[Row]:
    """All comparisons; those with real data only where the data are in ``folder``."""
    yield from of_boxes(folder)
    yield from of_poses(folder)
    yield from of_tracks(folder)
    yield from of_views()
    yield from of_intervals()
    yield from of_pixels()
    yield from without_labels()


def of_boxes(folder: Path) -> Iterator[Row]:
    """Average precision and recall of boxes; the 4D-OR rules."""
    scenes = [data.boxes(seed) for seed in range(20)]
    yield from _worst(
        "20 random scenes", "pycocotools", [(asdict(coco_boxes(*s)), peers.coco_boxes(*s)) for s in scenes]
    )
    mvor = data.mvor(folder)
    if mvor:
        truth, found, *files = mvor
        theirs = peers.coco_boxes_of_files(*files)
        yield from _rows("MVOR days 1-3, Faster R-CNN", "pycocotools", asdict(coco_boxes(truth, found)), theirs)
    cases = []
    for seed in range(3):
        truth, found = data.walks(seed)
        found = pa.table({"frame": found.column("frame"), **box_columns(expand(boxes_of(found), 0.15, 0.15))})
        pairs = {
            "at IoU .5": (detection(truth, found), loops.most_matches(truth, found, 0.5, False)),
            "at coverage .95": (detection(truth, found, 0.95, coverage), loops.most_matches(truth, found, 0.95, True)),
        }
        ours = {f"recall {name}": d.recall for name, (d, _) in pairs.items()}
        ours |= {f"precision {name}": d.precision for name, (d, _) in pairs.items()}
        theirs = {f"recall {name}": count / len(truth) for name, (_, count) in pairs.items()}
        theirs |= {f"precision {name}": count / len(found) for name, (_, count) in pairs.items()}
        cases.append((ours, theirs))
    yield from _worst("3 random walks", "loops", cases)
    cases = []
    for seed in range(10):
        truth, found = data.boxes(seed, ties=False)
        ours, order = protocol(truth, found), loops.best_only(truth, found)
        hard = truth.column("hard").to_numpy(zero_copy_only=False)
        taken = [number for _, number in order if number is not None]
        theirs = {
            "4D-OR AP (11 points)": loops.eleven_point(order, len(truth)),
            "4D-OR recall": len(taken) / len(truth),
            "4D-OR hard-case recall": float(np.isin(np.flatnonzero(hard), taken).mean()),
            "best F2": loops.best_f(order, len(truth), 2),
            "best F3": loops.best_f(order, len(truth), 3),
        }
        cases.append(
            (dict(zip(theirs, (ours.ap, ours.recall, ours.hard_recall, ours.f2.f, ours.f3.f), strict=True)), theirs)
        )
    yield from _worst("10 random scenes", "loops", cases)


def of_poses(folder: Path) -> Iterator[Row]:
    """Average precision over OKS."""
    body, whole = ([data.poses(folder, w, seed) for seed in range(5)] for w in (False, True))
    body, whole = ([scene for scene in scenes if scene is not None] for scenes in (body, whole))
    name = "COCO persons, disturbed, 5 times"
    for tools in ("pycocotools", "xtcocotools") if body else ():
        cases = [(asdict(coco_poses(*scene)), peers.coco_poses(*scene, tools)) for scene in body]
        yield from _worst(name, tools, cases, "pose ")
    cases = [
        (asdict(coco_poses(*scene, WHOLEBODY_SIGMAS)), peers.coco_wholebody(*scene, WHOLEBODY_SIGMAS))
        for scene in whole
    ]
    yield from _worst(name, "xtcocotools", cases, "whole-body ")


def of_tracks(folder: Path) -> Iterator[Row]:
    """MOTA, IDF1, HOTA of one view and of views put together."""
    scenes = {f"random walks ({seed})": data.walks(seed) for seed in range(3)}
    views = [data.walks(seed) for seed in (3, 4)]
    both = [dict(enumerate(tables)) for tables in zip(*views, strict=True)]
    scenes["two views, identities over both"] = stacked(*({str(k): t for k, t in side.items()} for side in both))
    real = {}
    for name in ("TUD-Campus", "TUD-Stadtmitte"):
        place = folder / "data" / "tud" / name
        if place.is_dir():
            real[name] = read_truth(place / "gt.txt"), read_tracks(place / "test.txt")
    for name, (truth, tracks) in {**scenes, **real}.items():
        ours, higher = asdict(mot(truth, tracks)), hota(truth, tracks)
        yield from _rows(name, "motmetrics", ours, peers.mot(truth, tracks))
        theirs = peers.trackeval(truth, tracks)
        figures = {
            "HOTA": higher.hota,
            "DetA": higher.detection,
            "DetRe": higher.detection_recall,
            "DetPr": higher.detection_precision,
            "AssA": higher.association,
            "AssRe": higher.association_recall,
            "AssPr": higher.association_precision,
            "LocA": higher.localization,
            "MOTA": ours["mota"],
            "IDF1": ours["idf1"],
        }
        if theirs:
            yield from _rows(name, "TrackEval", figures, theirs)
        if name in scenes:
            by_loops = {"HOTA": loops.hota(truth, tracks), "IDF1": loops.idf1(truth, tracks)}
            yield from _rows(name, "loops", figures, by_loops)


def of_views() -> Iterator[Row]:
    """Recall over views, and exposure."""
    scenes = [data.sights(seed) for seed in range(5)]
    names = ("multi-view recall", "scene-instant recall")
    cases = []
    for scene in scenes:
        ours = (multi_view_recall(scene), scene_instant_recall(scene))
        shares = [table.column("recall")[0].as_py() for table in ours]
        cases.append((dict(zip(names, shares, strict=True)), dict(zip(names, loops.multi_view(scene), strict=True))))
    yield from _worst("5 random scenes", "loops", cases)
    cases = [(exposure_rates(scene).to_pylist()[-1], loops.exposures(scene, ABSENCE)) for scene in scenes]
    yield from _worst("5 random scenes", "loops", cases, "exposure: ")


def of_intervals() -> Iterator[Row]:
    """Intervals by resampled tracks."""
    rng = np.random.default_rng(0)
    below = rng.integers(1, 40, 25)
    above = rng.binomial(below, 0.9)
    ours = ratio(above, below, draws=500, seed=3)
    theirs = loops.interval(above.tolist(), below.tolist(), np.concatenate(list(resampled(25, 500, 3))))
    yield Row("interval over tracks, low", "25 random tracks", "loops", ours.low, theirs[0])
    yield Row("interval over tracks, high", "25 random tracks", "loops", ours.high, theirs[1])


def of_pixels() -> Iterator[Row]:
    """Heads under masks, pixel by pixel."""
    for seed in range(2):
        frame, ellipses, masks = data.heads(seed)
        pixels = ellipse_pixels(head_table(frame, np.arange(len(frame)), ellipses))
        ours, theirs = head_coverage(pixels, masks, data.SIZE), loops.head_pixels(pixels, masks, data.SIZE)
        yield Row("masked share of head pixels", f"random heads ({seed})", "loops", ours.pixels, theirs[0])
        yield Row("heads masked to 99 %", f"random heads ({seed})", "loops", ours.whole, theirs[1])
        needless = over_masking(pixels, masks, data.SIZE), loops.over_masking(pixels, masks, data.SIZE)
        yield Row("over-masking", f"random heads ({seed})", "loops", *needless)


def without_labels() -> Iterator[Row]:
    """Bounds, capture-recapture, expected misses, calibration."""
    for m, n in ((0, 300), (0, 59), (2, 150), (7, 40)):
        ours = bounds.upper_bound(m, n)
        yield Row("Clopper-Pearson bound", f"{m} of {n}", "loops", ours, loops.upper_bound(m, n, 0.05))
    for m, n, total in ((0, 40, 60), (2, 30, 90)):
        exact = loops.most_missed(m, n, total, 0.05)
        yield Row("most missed of all", f"{m} of {n} of {total}", "loops", bounds.most_missed(m, n, total), exact)
    for reviewed, sizes in (([50, 200], [100, 9000]), ([120, 30], [400, 300])):
        ours, exact = stratified_upper_bound([0, 0], reviewed, sizes), loops.clean_bound(reviewed, sizes, 0.05)
        yield Row("stratified bound", f"0 of {reviewed} of {sizes}", "loops", ours, exact)
    for misses, reviewed in (([1, 3], [150, 200]), ([2, 0], [90, 60])):
        ours, exact = (
            stratified_upper_bound(misses, reviewed, [500, 900]),
            loops.fisher_bound(misses, reviewed, [500, 900]),
        )
        yield Row("stratified bound", f"{misses} of {reviewed} of [500, 900]", "loops", ours, exact)
    for m, n in ((0, 380), (3, 500)):
        ours, exact = running_upper_bound([m], [n], [1], 0.01), loops.running_bound(m, n, 0.01, 0.05)
        yield Row("running bound", f"{m} of {n}", "loops", ours, exact)
    mean = loops.chapman_mean(40, 28, 22)
    yield Row("Chapman's estimate, exact mean", "28 and 22 of 40", "true number", mean, 40.0)
    estimate = Capture(28, 22, 16)
    yield Row("Chapman's variance", "28, 22, both 16", "by hand", estimate.variance, 29 * 23 * 12 * 6 / (17**2 * 18))
    risks = np.random.default_rng(0).random(10)
    ours, exact = expected_misses(risks), loops.misses(risks.tolist())
    yield Row("expected misses", "10 risks", "loops", ours.mean, exact[0])
    yield Row("their deviation", "10 risks", "loops", ours.deviation, exact[1])
    p = np.random.default_rng(1).beta(0.5, 1, 500)
    y = np.random.default_rng(2).random(500) < p**2
    error = expected_calibration_error(reliability(p, y, 10))
    yield Row("calibration error", "500 random", "loops", error, loops.calibration_error(p, y, 10))
    squares = [(a - b) ** 2 for a, b in zip(p.tolist(), y.tolist(), strict=True)]
    yield Row("Brier score", "500 random", "loops", brier(p, y), sum(squares) / len(squares))


def _rows(source: str, peer: str, ours: dict, theirs: dict, prefix: str = "") -> Iterator[Row]:
    """A row for each figure that the peer has."""
    for name, value in theirs.items():
        yield Row(prefix + name, source, peer, float(ours[name]), float(value))


def _worst(source: str, peer: str, cases: list[tuple[dict, dict]], prefix: str = "") -> Iterator[Row]:
    """For each figure the case in which it differs most."""
    every = [list(_rows(source, peer, ours, theirs, prefix)) for ours, theirs in cases]
    for rows in zip(*every, strict=True):
        yield max(rows, key=lambda row: row.difference)


def main() -> int:
    """Print the table as Markdown; 1 if a figure differs by more than ``LIMIT``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=shared(), help="folder of the development data")
    rows = list(compare(parser.parse_args().data))
    print("| figure | input | peer | ours | peer's | difference |\n|---|---|---|---:|---:|---:|")
    for row in rows:
        print(f"| {row.figure} | {row.input} | {row.peer} | {row.ours:.6f} | {row.theirs:.6f} | {row.difference:.1e} |")
    worst = max(row.difference for row in rows)
    print(f"\n{len(rows)} figures; largest difference {worst:.1e}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
