"""Rendering of the stills that the example detector is trained on, kept on disk site by site."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from drape.progress import Progress
from drape.simulator import stills
from drape.simulator.export_sought import PATIENT, sought
from training_samples import Stills

FAMILY = "source"
_QUALITY = 95


def render_sites(sites: range, per_site: int, folder: Path, workers: int, progress: Progress) -> Stills:
    """Stills of source-family sites; those already in ``folder`` are taken from there.

    Args:
        sites: numbers of the sites.
        per_site: stills of each.
        folder: where they are kept.
        workers: processes that render.
        progress: counts sites.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{FAMILY}-{site}-{per_site}.npz" for site in sites]
    missing = [(site, per_site, path) for site, path in zip(sites, paths, strict=True) if not path.is_file()]
    done = len(sites) - len(missing)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for _ in pool.map(_render_site, missing):
            progress(done := done + 1, len(sites), "render stills")
    return Stills.join([Stills.load(path) for path in paths])


def _render_site(job: tuple[int, int, Path]) -> None:
    site, count, path = job
    cv2.setNumThreads(1)
    files, boxes, seen = [], [], []
    for image, truth in stills(FAMILY, site, count):
        files.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
        wanted, share = sought(truth)
        # The patient is left to the background: a region of which nothing is said would take in the whole table.
        shown = (truth.area > 0) & (truth.role != PATIENT)
        boxes.append(wanted[shown])
        seen.append(share[shown])
    Stills(
        np.concatenate(files),
        np.cumsum([0, *(len(file) for file in files)]),
        np.concatenate(boxes),
        np.concatenate(seen),
        np.cumsum([0, *(len(part) for part in boxes)]),
    ).save(path)
