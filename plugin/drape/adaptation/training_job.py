"""One training, set up for mmengine's Runner and run in this process or in one process per GPU."""

from __future__ import annotations

import contextlib
import math
import os
import random
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import nn

from drape import openmmlab, tables
from drape.adaptation import training_state
from drape.adaptation.batches import Numbers, Samples, collated, look_of
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.adaptation.fine_tuning import BaseModel, finish
from drape.adaptation.lessons import read_lessons
from drape.adaptation.soft_losses import soften
from drape.adaptation.training_watch import Watch, sheet
from drape.checkpoint import load_into, read_checkpoint
from drape.errors import AdaptationError
from drape.progress import Progress, silent

_STATE = "state.pth"
_FINAL_RATE = 0.05
_HARD = (
    "this head cannot weigh labels: those under 0.5 are ignored, ignored regions are painted over, and the base's "
    "scores are not asked for (distillation)"
)


class Job(NamedTuple):
    """A training: see ``fine_tuning.fine_tune``. ``key``: digest of all that its result depends on."""

    base: BaseModel
    annotations: Path
    config: FineTuneConfig
    out: Path
    labelled: Path | None
    key: str


def run(job: Job, progress: Progress = silent) -> None:
    """Train; afterwards the folder holds the weights, and says so.

    Raises:
        AdaptationError, WeightsError, ConfigError: see ``fine_tuning.fine_tune``.
    """
    if job.config.launcher == "pytorch":
        from drape.adaptation.launching import launch

        launch(job, progress)
    else:
        train(job, progress)


def train(job: Job, progress: Progress = silent, rank: int = 0, world: int = 1) -> None:
    """Train in this process, which is number ``rank`` of ``world``."""
    shown = sys.stdout  # OpenMMLab's prints are kept off it, but not those of `progress`

    def told(done: int, total: int, what: str) -> None:
        with contextlib.redirect_stdout(shown):
            progress(done, total, what)

    with openmmlab.scope("mmdet"), _undisturbed():
        _train(job, told, rank, world)


def _train(job: Job, progress: Progress, rank: int, world: int) -> None:
    from mmengine.hooks import EMAHook

    from drape.adaptation.rehearsal import Distillation, Pull
    from drape.adaptation.training_loop import Average, FrugalLoop, Keeper, LocalRunner, average_of, freeze_norms

    config, classes, model = job.config, *_network(job)
    device = _device(config, rank)
    soft = soften(model, job.base.person_class)
    notes = [] if soft else [_HARD]
    own = read_lessons(job.annotations)
    labelled = read_lessons(job.labelled) if job.labelled else []
    look = look_of(own, _size(job), _pad_colour(job.base.config, model), job.base.person_class, soft)
    workers = _workers(config, device, world)
    room = int(config.cache_gib * 2**30) // max(1, workers)
    samples = Samples(own, labelled, config.labelled_share, look, config.seed, room)
    steps = config.steps or math.ceil(len(own) * config.epochs / config.batch)
    known = job.base.weights is not None
    config = config.model_copy(update={"steps": steps, "frozen_norms": config.frozen_norms and known})
    watch = Watch(job.out if rank == 0 else None, steps, progress)
    if known and hasattr(model.backbone, "frozen_stages"):
        model.backbone.frozen_stages = config.frozen_stages
        model.backbone.train()  # which is when mmdet's backbones freeze their stages
    if config.frozen_norms:
        freeze_norms(model)
    pull = Pull(model.to(device), config.rehearsal, config.rate) if known and config.rehearsal else None
    distillation = Distillation(model, config.distillation) if known and soft and config.distillation else None
    if rank == 0:
        first = [samples.sample(k) for k in range(min(12, steps * config.batch))]
        _write_picture(sheet(first), job.out / "samples.jpg")
    numbers = Numbers(steps, config.batch, rank, world)
    runner = LocalRunner(
        device=device,
        model=model,
        work_dir=str(job.out / "runs"),
        train_dataloader={
            "dataset": samples,
            "sampler": numbers,
            "batch_size": config.batch // world,
            "collate_fn": collated,
            "num_workers": workers,
            "persistent_workers": workers > 0,
        },
        train_cfg={
            "type": FrugalLoop,
            "config": config,
            "pull": pull,
            "distillation": distillation,
            "note": notes.append,
        },
        optim_wrapper=_optimizer(config, device),
        param_scheduler=_schedule(config, steps),
        default_hooks={"checkpoint": None, "sampler_seed": None, "logger": {"type": "LoggerHook", "interval": 5}},
        custom_hooks=[
            EMAHook(ema_type=Average, momentum=config.average),
            Keeper(job.out / _STATE, job.key, config.checkpoint_every, watch),
        ],
        log_processor={"by_epoch": False, "window_size": 10},
        log_level="ERROR",
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "TensorboardVisBackend"}]},
        launcher="pytorch" if world > 1 else "none",
        randomness={"seed": config.seed, "deterministic": False},
        experiment_name=uuid.uuid4().hex,
        default_scope="mmdet",
    )
    if rank == 0:
        runner.visualizer.add_image("samples", np.ascontiguousarray(sheet(first)[..., ::-1]))
    runner.train()
    if rank == 0:
        watch.written()
        _write_weights(average_of(runner).module, classes, job, steps, tuple(notes))
    runner.visualizer.close()


def _network(job: Job) -> tuple[tuple[str, ...], Any]:
    """Names of the classes (empty if not known), and the network with the base's weights."""
    model: Any = openmmlab.build_model(job.base.config.model, "mmdet")
    model.data_preprocessor.batch_augments = None  # samples are changed as `augmentation` does, and in no other way
    count = _classes_of(model)
    if job.base.person_class >= count:
        raise AdaptationError(
            f"The model tells {count} classes apart, and the person is to be number {job.base.person_class}",
            "Set the index of the class person",
        )
    if job.base.weights is None:
        torch.manual_seed(job.config.seed)
        model.init_weights()
        named: tuple[str, ...] = ()
    else:
        checkpoint = read_checkpoint(job.base.weights)
        load_into(model, checkpoint)
        named = checkpoint.classes
    for module in model.modules():  # mmengine would begin with fresh weights otherwise
        if hasattr(module, "is_init"):
            module.is_init = True
    return named if len(named) == count else (("person",) if count == 1 else ()), model


def _classes_of(model: Any) -> int:
    head = getattr(model, "bbox_head", None) or getattr(getattr(model, "roi_head", None), "bbox_head", None)
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    count = getattr(head, "num_classes", None)
    if not isinstance(count, int):
        raise AdaptationError("The model does not say how many classes it has", "Use a detector of mmdet")
    return count


def _size(job: Job) -> int:
    if job.config.size or job.base.size:
        return int(job.config.size or job.base.size or 0)
    scales = [step["scale"] for step in _pipeline(job.base.config) if "scale" in step]
    if not scales:
        raise AdaptationError("The base's configuration does not say how large its input is", "Set `size`")
    return int(max(scales[0]))


def _pad_colour(config: Any, model: Any) -> tuple[int, int, int]:
    """The padding's colour (BGR) by the test pipeline; without a step that pads, the mean colour, which becomes 0."""
    for step in _pipeline(config):
        if str(step["type"]).rsplit(".", 1)[-1] == "Pad":
            value = step.get("pad_val", 0)
            value = value.get("img", 0) if isinstance(value, dict) else value
            return tuple(int(v) for v in (value if isinstance(value, (list, tuple)) else [value] * 3))  # type: ignore[return-value]
    mean = getattr(model.data_preprocessor, "mean", None)
    if mean is None:
        return (114, 114, 114)
    colour = [round(float(v)) for v in mean.flatten()]
    return tuple(colour[::-1] if model.data_preprocessor._channel_conversion else colour)  # type: ignore[return-value]


def _pipeline(config: Any) -> list[Any]:
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    while "pipeline" not in dataset and "dataset" in dataset:
        dataset = dataset["dataset"]
    return list(dataset.get("pipeline") or [])


def _device(config: FineTuneConfig, rank: int) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    name = ("cuda" if count else "cpu") if config.device == "auto" else config.device
    device = torch.device(name)
    if device.type == "cuda":
        device = torch.device("cuda", rank if config.launcher == "pytorch" else device.index or 0)
        if (device.index or 0) >= count:
            raise AdaptationError(f"There is no device {device}", "Set `device` to auto or cpu")
    return device


def _workers(config: FineTuneConfig, device: torch.device, world: int) -> int:
    if config.workers is not None:
        return config.workers
    return min(8, (os.cpu_count() or 1) // world) if device.type == "cuda" else 0


def _optimizer(config: FineTuneConfig, device: torch.device) -> dict[str, Any]:
    wrapper: dict[str, Any] = {
        "type": "OptimWrapper",
        "optimizer": {"type": "AdamW", "lr": config.rate, "weight_decay": config.weight_decay},
        "clip_grad": {"max_norm": config.largest_gradient},
        "paramwise_cfg": {
            "norm_decay_mult": 0.0,
            "bias_decay_mult": 0.0,
            "custom_keys": {"backbone": {"lr_mult": config.backbone_rate}},
        },
    }
    if config.half and device.type == "cuda":
        # 16 bits with the exponents of 32 cannot overflow; older GPUs do not have them.
        wide = torch.cuda.is_bf16_supported()
        wrapper.update(type="AmpOptimWrapper", dtype="bfloat16" if wide else "float16", loss_scale="dynamic")
    return wrapper


def _schedule(config: FineTuneConfig, steps: int) -> list[dict[str, Any]]:
    rise = min(config.warm_up, steps // 4)
    cosine = {"type": "CosineAnnealingLR", "by_epoch": False, "begin": rise, "end": steps, "T_max": steps - rise}
    schedule: list[dict[str, Any]] = [{**cosine, "eta_min_ratio": _FINAL_RATE}]
    if rise:
        schedule.insert(0, {"type": "LinearLR", "start_factor": 0.05, "by_epoch": False, "begin": 0, "end": rise})
    return schedule


def _write_weights(model: nn.Module, classes: tuple[str, ...], job: Job, steps: int, notes: tuple[str, ...]) -> None:
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    path = job.out / "weights.pth"
    meta = {"dataset_meta": {"classes": classes}} if classes else {}
    training_state.save({"state_dict": state, "meta": meta}, path)
    finish(job.out, job.key, tables.sha256(path), steps, notes)
    (job.out / _STATE).unlink(missing_ok=True)


def _write_picture(picture: Any, path: Path) -> None:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise AdaptationError(
            f"The folder of the training cannot be written ({error.strerror})", "Free space on the disk"
        ) from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Leaves chance and OpenCV's threads in this process as they were: mmengine's Runner sets them for itself."""
    threads, state, numbers, bits = cv2.getNumThreads(), random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        random.setstate(state)
        np.random.set_state(numbers)
        torch.set_rng_state(bits)
