"""Pose estimation beside mmpose's own inference: persons per second of one core, and whether the points are the same.

``python -m bench.pose_speed`` prints the table for models of RTMPose-t and -s size with random weights, which cost what
trained ones cost. All run on the same frames, boxes and weights, without and with the flip test, in turns.

- Pose2DInferencer: mmpose's inferencer on the persons' own pictures, cut out beforehand, as it takes them: one at a
  time, and with ``batch_size`` 16. Its points are not compared, because its windows are the pictures' own.
- inference_topdown: a call per frame, which puts the frame's persons into one batch; and a call per person.
- Drape: ``PoseEstimator``, eight frames at once.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
import torch
import typer
from drape import openmmlab
from drape.boxes import Boxes, as_boxes
from drape.pose import PRESETS, PoseConfig, PoseEstimator
from drape.pose.crops import Cropper
from drape.pose.mmpose_adapter import assemble
from drape.pose.mmpose_config import pipeline_of
from torch.nn.modules.batchnorm import _BatchNorm

MODELS = ("rtmpose-t-wholebody", "rtmpose-s-wholebody", "rtmpose-t-body")
FRAMES_AT_ONCE = 8
KNIFE_EDGE = 8e-3
"""Random weights magnify rounding to 4e-3: where the two highest bins of a point differ by less than twice that, either
may win."""


class Work(NamedTuple):
    """Frames (H, W, 3) and the boxes of their persons."""

    frames: list[np.ndarray]
    boxes: list[Boxes]

    @property
    def persons(self) -> int:
        """How many persons there are in all."""
        return sum(len(b) for b in self.boxes)


def main(
    models: Annotated[str, typer.Option(help="Presets, separated by commas.")] = ",".join(MODELS),
    frames: Annotated[int, typer.Option(min=1, help="Frames of 1280 x 720.")] = 16,
    persons: Annotated[int, typer.Option(min=1, help="Persons per frame.")] = 5,
    runs: Annotated[int, typer.Option(min=1, help="Turns; the best of each counts.")] = 3,
) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    work = make_work(frames, persons)
    print(f"{frames} frames of 1280 x 720, {persons} persons each; persons per second of processor time on one core\n")
    print(
        "| model | flip test | inferencer, one by one | inferencer, batch 16 | a call per person | a call per frame "
        "| Drape | times the calls per frame | times one by one | equal within 0.5 px | largest difference, px |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in models.split(","):
        for flip in (False, True):
            print(row(name, flip, work, runs), flush=True)


def make_work(frames: int, persons: int) -> Work:
    """Pictures of coloured blobs, and boxes of standing persons in them."""
    rng = np.random.default_rng(0)
    pictures, boxes = [], []
    for _ in range(frames):
        coarse = rng.integers(0, 256, (18, 32, 3)).astype(np.uint8)
        pictures.append(cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC))
        height = rng.uniform(120, 500, persons)
        low = np.stack([rng.uniform(0, 1200, persons), rng.uniform(0, 500, persons)], axis=1)
        boxes.append(as_boxes(np.concatenate([low, low + np.stack([height * 0.4, height], axis=1)], axis=1)))
    return Work(pictures, boxes)


def row(name: str, flip: bool, work: Work, runs: int) -> str:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        cfg = openmmlab.load_config(PRESETS[name].configuration())
        torch.save({"state_dict": random_weights(cfg, work)}, path)
        cfg.model.test_cfg.flip_test = flip
        ours = assemble(PoseConfig(preset=name, weights=path, device="cpu", flip_test=flip, batch_size=FRAMES_AT_ONCE))
        rivals = Rivals(cfg, path)
    jobs: dict[str, Callable[[], Any]] = {
        "one": lambda: rivals.inferencer(work, 1),
        "batch": lambda: rivals.inferencer(work, 16),
        "person": lambda: rivals.per_person(work),
        "frame": lambda: rivals.per_frame(work),
        "ours": lambda: estimate(ours, work),
    }
    best = dict.fromkeys(jobs, np.inf)
    for _ in range(runs):
        for key, job in jobs.items():
            start = time.process_time()
            job()
            best[key] = min(best[key], time.process_time() - start)
    rate = {key: work.persons / seconds for key, seconds in best.items()}
    wanted, gaps = rivals.per_frame(work), rivals.gaps(work)
    off = np.abs(estimate(ours, work) - wanted).max(axis=-1)
    clear = gaps > KNIFE_EDGE
    cells = [
        name,
        "yes" if flip else "no",
        *(f"{rate[k]:.1f}" for k in ("one", "batch", "person", "frame", "ours")),
        f"{rate['ours'] / rate['frame']:.2f}",
        f"{rate['ours'] / rate['one']:.2f}",
        f"{(off < 0.5).mean():.2%} ({(off < 0.5)[clear].mean():.2%} of the {clear.mean():.0%} with a clear peak)",
        f"{off[clear].max():.4f}",
    ]
    return "| " + " | ".join(cells) + " |"


def random_weights(cfg: Any, work: Work) -> dict[str, torch.Tensor]:
    """Random weights whose batch norms hold the statistics of these persons, so that activations stay in range."""
    torch.manual_seed(0)
    model: Any = openmmlab.build_model(cfg.model, "mmpose")
    cropper = Cropper(pipeline_of(cfg))
    pixels = np.zeros((len(work.boxes[0]) * 4, *cropper.size[::-1], 3), np.uint8)
    people = [
        (frame, matrix)
        for frame, boxes in zip(work.frames[:4], work.boxes[:4], strict=True)
        for matrix in cropper.matrices(cropper.windows(boxes))
    ]
    cropper.cut(people, pixels[: len(people)])
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        inputs = torch.from_numpy(pixels[: len(people)]).permute(0, 3, 1, 2).flip(1).float()
        outputs = model.head(model.extract_feat((inputs - model.data_preprocessor.mean) / model.data_preprocessor.std))
        for layer, values in zip((model.head.cls_x, model.head.cls_y), outputs, strict=True):
            layer.weight.mul_(0.5 / values.amax(dim=-1).mean())
    return dict(model.state_dict())


def estimate(estimator: PoseEstimator, work: Work) -> np.ndarray:
    """Points (N, K, 2) by Drape."""
    parts = []
    for first in range(0, len(work.frames), FRAMES_AT_ONCE):
        some = slice(first, first + FRAMES_AT_ONCE)
        parts += [points for points, _ in estimator(work.frames[some], work.boxes[some])]
    return np.concatenate(parts)


class Rivals:
    """mmpose's own ways to run the model of a configuration."""

    def __init__(self, cfg: Any, weights: Path) -> None:
        openmmlab.prepare()
        with openmmlab.quiet():
            from mmpose.apis import Pose2DInferencer, init_model

            self._model: Any = init_model(cfg, str(weights), device="cpu")
            self._inferencer: Any = Pose2DInferencer(cfg, str(weights), device="cpu", det_model="whole_image")
        self._inferencer.show_progress = False
        logging.getLogger("mmengine").setLevel(logging.ERROR)

    def inferencer(self, work: Work, batch: int) -> None:
        """``Pose2DInferencer`` on the persons' own pictures."""
        pictures = list(_pictures(work))
        with openmmlab.quiet():
            for _ in self._inferencer(pictures, batch_size=batch):
                pass

    def per_frame(self, work: Work) -> np.ndarray:
        """Points (N, K, 2) by ``inference_topdown``, a call per frame."""
        found = [s for frame, boxes in zip(*work, strict=True) for s in self._call(frame, boxes)]
        return np.stack([s.pred_instances.keypoints[0] for s in found])

    def per_person(self, work: Work) -> None:
        """``inference_topdown``, a call per person."""
        for frame, boxes in zip(*work, strict=True):
            for box in boxes:
                self._call(frame, box[None])

    def gaps(self, work: Work) -> np.ndarray:
        """(N, K) by how much each point's highest bin stands out from the next, on the axis where it does less."""
        decode, gaps = self._model.head.decode, []

        def watched(outputs: Any) -> Any:
            top = [part.topk(2, dim=-1).values for part in outputs]
            gaps.append(torch.stack([t[..., 0] - t[..., 1] for t in top]).amin(dim=0))
            return decode(outputs)

        self._model.head.decode = watched
        self.per_frame(work)
        self._model.head.decode = decode
        return torch.cat(gaps).numpy()

    def _call(self, frame: np.ndarray, boxes: Boxes) -> Any:
        from mmpose.apis import inference_topdown

        with openmmlab.quiet():
            return inference_topdown(self._model, frame, boxes)


def _pictures(work: Work) -> Iterator[np.ndarray]:
    for frame, boxes in zip(*work, strict=True):
        for x1, y1, x2, y2 in boxes.astype(int):
            yield np.ascontiguousarray(frame[y1 : max(y2, y1 + 2), x1 : max(x2, x1 + 2)])


if __name__ == "__main__":
    typer.run(main)
