"""Fine-tuning of a detector: from a base model and labelled pictures to weights that detection can load.

mmengine's Runner trains; what it is given here is a network with softened losses (``soft_losses``), samples that depend
on their number only (``batches``), a loop that splits a step when memory runs out (``training_loop``) and a rehearsal
that keeps the base's knowledge (``rehearsal``).
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from drape import tables
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.errors import AdaptationError
from drape.progress import Progress, silent

if TYPE_CHECKING:
    from drape.adaptation.training_set import TrainingSet

_DONE = "tuned.json"


class BaseModel(NamedTuple):
    """What training begins with.

    ``config``: an mmengine configuration with ``model`` and a test pipeline, as ``drape.openmmlab.load_config`` gives.
    ``weights``: their file; None: fresh weights, for a student. ``size``: longer side of its input in pixels; None: the
    configuration's own. ``person_class``: index of the class person.
    """

    config: Any
    weights: Path | None
    size: int | None
    person_class: int


class FineTuned(NamedTuple):
    """What came of it.

    ``weights``: a file that ``drape.checkpoint`` reads, of the digest ``sha256``. ``seconds``: what this call took.
    ``losses``: the table's file. ``plot``, ``samples``: pictures of the losses, and of labelled samples. ``notes``:
    what the user must know.
    """

    weights: Path
    sha256: str
    steps: int
    seconds: float
    losses: Path
    plot: Path
    samples: Path
    notes: tuple[str, ...]


def fine_tune(
    base: BaseModel,
    training: TrainingSet,
    config: FineTuneConfig,
    out: Path,
    labelled: Path | None = None,
    progress: Progress = silent,
) -> FineTuned:
    """Fine-tune a detector. Called again after a crash, with the same arguments and folder, it goes on from the last
    state written and ends with the same weights; called again after its end, it returns what it returned.

    Args:
        base: where training begins.
        training: the site's labelled pictures.
        config: settings.
        out: folder for weights, state, losses, and TensorBoard's files (in ``runs``).
        labelled: a labelled set in COCO's format to mix in; see ``drape.adaptation.lessons.read_lessons``.
        progress: told of every step.

    Returns:
        The averaged weights' file, and what can be seen of the training.

    Raises:
        AdaptationError: the labels or settings do not fit, a loss is not finite, or memory or disk are too small.
        WeightsError: the base's weights are missing, unsafe, or of another architecture.
        ConfigError: the base's configuration does not describe a detector.
    """
    begun = time.monotonic()
    key = _key(base, training, config, labelled)
    _make(out)
    found = _finished(out, key)
    if found is None:
        from drape.adaptation.training_job import Job, run

        try:
            run(Job(base, training.annotations, config, out, labelled, key), progress)
        except OSError as error:
            raise AdaptationError(
                f"The training cannot read or write its files ({error.strerror})",
                "Free space on the disk and start again: the training goes on from the last state written",
            ) from error
        found = _finished(out, key)
    if found is None:
        raise AdaptationError("The training left no weights", "Start it again")
    return found._replace(seconds=time.monotonic() - begun)


def read_losses(tuned: FineTuned) -> pa.Table:
    """Losses by step: ``step`` from 1, ``rate``, ``loss`` and its parts."""
    return pq.read_table(tuned.losses)


def finish(out: Path, key: str, sha256: str, steps: int, notes: tuple[str, ...]) -> None:
    """Note that the weights in ``out`` are those of the training ``key``."""
    text = json.dumps({"key": key, "sha256": sha256, "steps": steps, "notes": notes}, indent=1)
    partial = out / f".{_DONE}.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(out / _DONE)


def _finished(out: Path, key: str) -> FineTuned | None:
    try:
        said = json.loads((out / _DONE).read_text(encoding="utf-8"))
        weights = out / "weights.pth"
        if said["key"] != key or tables.sha256(weights) != said["sha256"]:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    shown = (out / "losses.parquet", out / "losses.png", out / "samples.jpg")
    return FineTuned(weights, said["sha256"], said["steps"], 0.0, *shown, tuple(said["notes"]))


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AdaptationError("The folder for the training cannot be made", "Choose another folder") from error


def _key(base: BaseModel, training: TrainingSet, config: FineTuneConfig, labelled: Path | None) -> str:
    """Digest of all that the result depends on."""
    if base.weights is not None and not base.weights.is_file():
        raise AdaptationError("The base model's weights do not exist", "Check the path of the weights")
    if labelled is not None and not labelled.is_file():
        raise AdaptationError("The labelled set does not exist", "Name its COCO file")
    parts = {
        "model": repr(base.config.get("model")),
        "weights": base.weights and tables.sha256(base.weights),
        "base": [base.size, base.person_class],
        "training": training.digest,
        "labelled": labelled and tables.sha256(labelled),
        "config": config.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
