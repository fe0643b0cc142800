"""A real-time detector for one site: a small network that learns what its teacher knows there, exported to ONNX."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drape import openmmlab
from drape.adaptation.fine_tuning import BaseModel, FineTuned, fine_tune
from drape.adaptation.lessons import Pictures, read_lessons
from drape.adaptation.onnx_export import Exported, Image, export_onnx, input_shape, padding
from drape.adaptation.student_config import StudentConfig
from drape.errors import AdaptationError
from drape.progress import Progress, silent

if TYPE_CHECKING:
    from drape.adaptation.training_set import TrainingSet

SHIPPED = {
    "rtmdet-tiny": "configs/rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
    "rtmdet-s": "configs/rtmdet/rtmdet_s_8xb32-300e_coco.py",
}
"""Architectures that start from fresh weights, or from those the user has: mmdet's files for them."""

_CHECKED_ON = 6
"""Pictures on which the export is compared with PyTorch."""


class Student(NamedTuple):
    """A trained student's files.

    ``exported``: the ONNX file, for ``drape.detection``'s preset onnx. ``tuned``: its weights in PyTorch, and how the
    training went. ``config``: the mmdet configuration that belongs to the weights, with the same input.
    """

    exported: Exported
    tuned: FineTuned
    config: Path


def shipped_base(config: StudentConfig) -> BaseModel:
    """Where the training begins for an architecture of ``SHIPPED``, or for the user's own configuration.

    Raises:
        ConfigError: the configuration cannot be read.
    """
    path = config.mmdet_config or openmmlab.shipped("mmdet", SHIPPED[config.architecture])
    loaded = openmmlab.load_config(path)
    if config.mmdet_config is None and config.weights is None:
        loaded.model.bbox_head.num_classes = 1  # fresh weights: there is nobody else to know
    return BaseModel(loaded, config.weights, config.size, config.person_class)


def train_student(
    base: BaseModel,
    training: TrainingSet,
    config: StudentConfig,
    out: Path,
    labelled: Path | None = None,
    licence: str = "",
    progress: Progress = silent,
) -> Student:
    """Train a student and export it. Called again after a crash it goes on where it was.

    Args:
        base: the student's network and the weights to start from: ``shipped_base``, or any other of the RTMDet or YOLOX
            family; its ``size`` is ``config.size``, whatever it says.
        training: pictures of the site with pseudo labels.
        config: settings.
        out: folder for everything that is written.
        labelled: a labelled set in COCO's format to mix in.
        licence: of the weights to start from, kept in the exported file.
        progress: told of every step.

    Raises:
        AdaptationError: training cannot go on, or the exported network differs from the trained one.
        WeightsError: the weights to start from are missing, unsafe, or of another architecture.
        ConfigError: the network cannot be exported.
    """
    base = base._replace(size=config.size)
    tuning = config.tuning.model_copy(update={"size": config.size})
    tuned = fine_tune(base, training, tuning, out / "tuned", labelled, progress)
    pictures, shape = _examples(training.annotations, config.size)
    settings = _write_config(base.config, shape, out / "config.json")
    exported = export_onnx(base._replace(weights=tuned.weights), shape, pictures, out / "model.onnx", licence)
    return Student(exported, tuned, settings)


def _write_config(config: Any, shape: tuple[int, int], path: Path) -> Path:
    """Write the configuration with a test pipeline that gives the very input of the exported file."""
    config = copy.deepcopy(config)
    dataset = config.test_dataloader.dataset
    while "pipeline" not in dataset:
        dataset = dataset.dataset
    size, pad = shape[::-1], list(padding(config))
    dataset.pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", "scale": size, "keep_ratio": True},
        {"type": "Pad", "size": size, "pad_val": {"img": pad if len(pad) > 1 else pad * 3}},
        {"type": "PackDetInputs"},
    ]
    try:
        config.dump(path)
    except OSError as error:
        raise AdaptationError(
            f"The student's configuration could not be written ({error.strerror})", "Free disk space"
        ) from error
    return path


def _examples(annotations: Path, size: int) -> tuple[list[Image], tuple[int, int]]:
    """Some of the training pictures, and the input's height and width that holds all of them."""
    lessons = read_lessons(annotations)
    shape = input_shape([(lesson.width, lesson.height) for lesson in lessons], size)
    which = np.unique(np.linspace(0, len(lessons) - 1, _CHECKED_ON).astype(int))
    return [Pictures(0)(lessons[k]) for k in which], shape
