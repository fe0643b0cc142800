"""Make the built-in example detector from nothing: render source-family rooms, train, measure, write weights and card.

``python scripts/train_detector.py`` remakes the committed files (``make models``). The same settings and versions give
about the same detector; sums in another order of another processor change its last digits.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

import cv2
import torch
from drape import openmmlab
from drape.cli_progress import progress_bars
from drape.detection import PRESETS, DetectionConfig, NoticeWarning, build_detector
from drape.tables import sha256
from rich.console import Console
from training_card import write_card
from training_loop import Schedule, new_network, train, write_weights
from training_samples import SEEN, Stills
from training_stills import FAMILY, render_sites

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.example_detector import FIRST_SITE, PER_SITE, SITES, table  # noqa: E402  the path must be known first

SIZE = (320, 192)
console = Console()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "plugin/drape/detection/example", help="folder of the weights"
    )
    parser.add_argument("--stills", type=Path, default=ROOT / "build/stills", help="folder that keeps rendered stills")
    parser.add_argument("--sites", type=int, default=160, help="how many sites are trained on")
    parser.add_argument("--per-site", type=int, default=25, help="stills of each")
    parser.add_argument("--steps", type=int, default=2600, help="steps of the training, 16 stills each")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="processor cores to use")
    parser.add_argument("--render-only", action="store_true", help="stop when the stills are there")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(arguments.threads)
    sites = range(arguments.sites)
    with progress_bars() as progress:
        stills = render_sites(sites, arguments.per_site, arguments.stills, arguments.threads, progress)
    console.print(f"{len(stills)} stills of {len(sites)} sites")
    if not arguments.render_only:
        schedule = Schedule(arguments.steps)
        seconds = make_weights(stills, schedule, arguments.out)
        describe(arguments.out, stills, sites, schedule, seconds)


def make_weights(stills: Stills, schedule: Schedule, out: Path) -> float:
    """Train, and leave the weights as ``person.pth``; returns the seconds it took.

    While it runs, ``person.kept.pth`` holds the weights so far.
    """
    config = openmmlab.load_config(PRESETS["example"].configuration())
    network = new_network(config, schedule.seed)
    out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()

    def report(step: int, losses: dict[str, float], seconds: float) -> None:
        told = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        console.print(f"step {step} of {schedule.steps}: {told}; {step * schedule.batch / seconds:.1f} stills/s")

    kept = out / "person.kept.pth"
    state = train(network, stills, SIZE, schedule, lambda weights, _: write_weights(weights, kept), report)
    write_weights(state, out / "person.pth")
    kept.unlink(missing_ok=True)
    return time.monotonic() - begun


def describe(out: Path, stills: Stills, sites: range, schedule: Schedule, seconds: float) -> None:
    """Measure the weights and write their card beside them."""
    weights = out / "person.pth"
    settings = DetectionConfig(preset="example", weights=weights, device="cpu")
    with progress_bars() as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", NoticeWarning)
        measured = table(build_detector(settings), progress)
    facts = {
        "file": weights.name,
        "sha256": sha256(weights),
        "bytes": weights.stat().st_size,
        "width": SIZE[0],
        "height": SIZE[1],
        "family": FAMILY,
        "first": sites.start,
        "last": sites.stop - 1,
        "stills": len(stills),
        "persons": int((stills.seen >= SEEN).sum()),
        "seed": schedule.seed,
        "steps": schedule.steps,
        "batch": schedule.batch,
        "samples": schedule.steps * schedule.batch,
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "measured_sites": SITES,
        "measured_from": FIRST_SITE,
        "per_site": PER_SITE,
    }
    write_card(out, facts, measured)
    console.print(measured, markup=False)
    console.print(f"sha256 {facts['sha256']}: put it into plugin/drape/detection/presets.py")


if __name__ == "__main__":
    main()
