"""Make the built-in example pose model: crops of rendered persons, train, measure, write weights and card.

The backbone begins as that of the example detector, which learned from rendered rooms alone; the rest from nothing.

``python scripts/train_pose.py`` remakes the committed files. The same settings and versions give about the same model;
sums in another order of another processor change its last digits.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from drape import openmmlab
from drape.checkpoint import read_checkpoint
from drape.cli_progress import progress_bars
from drape.detection import PRESETS
from drape.tables import sha256
from numpy.typing import NDArray
from pose_card import measure, write_card
from pose_crops import FAMILY, SIZE, Crops, draw_sample, render_crops
from rich.console import Console
from torch import Tensor, nn
from training_loop import Schedule, ahead, blend, optimizer_for, write_weights

ROOT = Path(__file__).resolve().parent.parent
HIDDEN_WEIGHT = 0.5
"""A point that is not seen is guessed from the rest of the body: it teaches half as much."""
console = Console()

Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "plugin/drape/pose/example", help="folder of the weights")
    parser.add_argument("--crops", type=Path, default=ROOT / "build/crops", help="folder that keeps rendered crops")
    parser.add_argument("--sites", type=int, default=220, help="how many sites are trained on")
    parser.add_argument("--per-site", type=int, default=25, help="pictures of each")
    parser.add_argument("--steps", type=int, default=3000, help="steps of the training, 32 crops each")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="processor cores to use")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(arguments.threads)
    sites = range(arguments.sites)
    with progress_bars() as progress:
        crops = render_crops(sites, arguments.per_site, arguments.crops, arguments.threads, progress)
    console.print(f"{len(crops)} persons of {len(sites)} sites")
    schedule = Schedule(arguments.steps, batch=32, rate=1e-3, weight_decay=0.03, memory=0.998, keep_every=500)
    begun = time.monotonic()
    network = new_pose_network(arguments.out / "architecture.json", schedule.seed)
    state = train(network, crops, schedule, arguments.out / "pose.kept.pth")
    write_weights(state, arguments.out / "pose.pth")
    (arguments.out / "pose.kept.pth").unlink(missing_ok=True)
    describe(arguments.out, crops, sites, schedule, time.monotonic() - begun)


def new_pose_network(architecture: Path, seed: int) -> Any:
    """The network of an mmpose configuration with fresh weights, but for the example detector's backbone."""
    torch.manual_seed(seed)
    network: Any = openmmlab.build_model(openmmlab.load_config(architecture).model, "mmpose")
    with openmmlab.scope("mmpose"):
        network.init_weights()
    known = read_checkpoint(PRESETS["example"].weights()).state
    begun = {name.removeprefix("backbone."): part for name, part in known.items() if name.startswith("backbone.")}
    wanted = {k: v for k, v in network.backbone.state_dict().items() if not k.endswith("num_batches_tracked")}
    network.backbone.load_state_dict({name: begun[name] for name in wanted}, strict=False)
    return network.to(memory_format=torch.channels_last)


def flip_indices() -> NDArray[np.int64]:
    """(133,) for each point of COCO-WholeBody the one it becomes in a mirror."""
    with openmmlab.scope("mmpose"):
        from mmengine.config import Config
        from mmpose.datasets.datasets.utils import parse_pose_metainfo

        path = openmmlab.shipped("mmpose", "configs/_base_/datasets/coco_wholebody.py")
        return np.array(parse_pose_metainfo(Config.fromfile(path).dataset_info)["flip_indices"])


def train(network: Any, crops: Crops, schedule: Schedule, kept: Path | None = None) -> dict[str, Tensor]:
    """Train a network with mmpose's own labels and loss; returns its averaged weights."""
    network.train()
    average = copy.deepcopy(network).eval()
    optimizer = optimizer_for(network, schedule)
    begun, losses = time.monotonic(), []
    for step, batch in enumerate(ahead(_batches(crops, schedule), schedule.steps)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step)
        loss = _loss(network, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), schedule.largest_gradient)
        optimizer.step()
        blend(average, network, min(schedule.memory, (1 + step) / (10 + step)))
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            rate = (step + 1) * schedule.batch / (time.monotonic() - begun)
            console.print(f"step {step + 1} of {schedule.steps}: loss {np.mean(losses):.4f}; {rate:.1f} crops/s")
            losses = []
        if kept is not None and (step + 1) % schedule.keep_every == 0:
            write_weights(average.state_dict(), kept)
    return dict(average.state_dict())


def _batches(crops: Crops, schedule: Schedule) -> Iterator[Batch]:
    rng, flips = np.random.default_rng(schedule.seed), flip_indices()
    order: list[int] = []
    while True:
        while len(order) < schedule.batch:
            order += rng.permutation(len(crops)).tolist()
        chosen, order = order[: schedule.batch], order[schedule.batch :]
        drawn = [draw_sample(crops, i, flips, rng) for i in chosen]
        yield np.stack([pixels for pixels, _ in drawn]), np.stack([points for _, points in drawn])


def _loss(network: Any, batch: Batch) -> Tensor:
    pixels, points = batch
    head, preprocessor = network.head, network.data_preprocessor
    inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    inputs = inputs.sub_(preprocessor.mean).div_(preprocessor.std)
    weights = np.select([points[..., 2] == 2, points[..., 2] == 1], [1.0, HIDDEN_WEIGHT], 0.0).astype(np.float32)
    wanted = tuple(torch.from_numpy(_places(points[..., axis], head.decoder, axis)) for axis in (0, 1))
    return head.loss_module(head(network.extract_feat(inputs)), wanted, torch.from_numpy(weights))


def _places(places: NDArray[np.float32], codec: Any, axis: int) -> NDArray[np.float32]:
    """SimCC labels (Li et al., 2022) of coordinates (B, K): a bell over the bins of one axis, (B, K, bins)."""
    bins = np.arange(round(codec.input_size[axis] * codec.simcc_split_ratio), dtype=np.float32)
    away = bins - codec.simcc_split_ratio * places[..., None]
    return np.exp(-(away**2) / (2 * codec.sigma[axis] ** 2)).astype(np.float32)


def describe(out: Path, crops: Crops, sites: range, schedule: Schedule, seconds: float) -> None:
    """Measure the weights and write their card beside them."""
    weights = out / "pose.pth"
    facts = {
        "file": weights.name,
        "sha256": sha256(weights),
        "bytes": weights.stat().st_size,
        "points": 133,
        "width": SIZE[0],
        "height": SIZE[1],
        "family": FAMILY,
        "first": sites.start,
        "last": sites.stop - 1,
        "persons": len(crops),
        "seed": schedule.seed,
        "steps": schedule.steps,
        "batch": schedule.batch,
        "samples": schedule.steps * schedule.batch,
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    measured = measure(out)
    write_card(out, facts, measured)
    console.print(measured, markup=False)
    console.print(f"sha256 {facts['sha256']}: put it into plugin/drape/pose/presets.py")


if __name__ == "__main__":
    main()
