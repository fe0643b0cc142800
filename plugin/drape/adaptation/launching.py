"""A training in several processes of this machine, one per GPU, through PyTorch's launcher."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess  # nosec
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from drape import errors, openmmlab
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.adaptation.fine_tuning import BaseModel
from drape.adaptation.training_job import Job, train
from drape.errors import AdaptationError, DrapeError
from drape.progress import Progress

_SECONDS = 1.0
"""Between two looks at how far the processes are."""


def launch(job: Job, progress: Progress) -> None:
    """Train in ``processes`` processes and wait for them.

    Raises:
        AdaptationError, WeightsError, ConfigError: what one of them raised.
    """
    count = job.config.processes or torch.cuda.device_count()
    if count < 1:
        raise AdaptationError("There is no GPU for the launcher pytorch", "Set `launcher` to none, or `processes`")
    if job.config.batch % count:
        raise AdaptationError(f"A batch of {job.config.batch} cannot be shared by {count} GPUs", "Change `batch`")
    with tempfile.TemporaryDirectory(prefix="drape-training-") as name:
        folder = Path(name)
        _write(job, folder)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        with open(folder / "said.txt", "wb") as said:
            process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [*command, "-m", "drape.adaptation.launching", str(folder)],
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            try:
                _wait(process, folder, progress)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        _raise_of(folder)
        if process.returncode:
            raise AdaptationError("A process of the training ended early", "Start again: it goes on where it was")


def _wait(process: subprocess.Popen[bytes], folder: Path, progress: Progress) -> None:
    told = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS)
        try:
            done, total = (int(word) for word in (folder / "progress").read_text().split())
        except (OSError, ValueError):
            done, total = told, 0
        if done > told:
            progress(done, total, "fine-tuning")
            told = done
        if process.poll() is not None:
            return


def _write(job: Job, folder: Path) -> None:
    job.base.config.dump(str(folder / "config.json"))
    base = job.base._replace(config=None, weights=job.base.weights and str(job.base.weights.resolve()))  # type: ignore[arg-type]
    content = {
        "base": base._asdict(),
        "annotations": str(job.annotations.resolve()),
        "config": job.config.model_dump(mode="json"),
        "out": str(job.out.resolve()),
        "labelled": job.labelled and str(job.labelled.resolve()),
        "key": job.key,
    }
    (folder / "job.json").write_text(json.dumps(content), encoding="utf-8")


def _read(folder: Path) -> Job:
    content = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    given = content["base"]
    base = BaseModel(
        openmmlab.load_config(folder / "config.json"),
        given["weights"] and Path(given["weights"]),
        given["size"],
        given["person_class"],
    )
    return Job(
        base,
        Path(content["annotations"]),
        FineTuneConfig(**content["config"]),
        Path(content["out"]),
        content["labelled"] and Path(content["labelled"]),
        content["key"],
    )


def _raise_of(folder: Path) -> None:
    for path in sorted(folder.glob("error-*.json")):
        said = json.loads(path.read_text(encoding="utf-8"))
        kind: Any = getattr(errors, said["kind"])
        raise kind(said["what"], said["remedy"])


def main(folder: Path) -> None:
    """One of the processes, as the launcher starts it."""
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    job = _read(folder)
    if job.config.device == "cpu" or not torch.cuda.is_available():
        torch.distributed.init_process_group("gloo")  # mmengine would ask for GPUs

    def progress(done: int, total: int, what: str) -> None:  # noqa: ARG001
        partial = folder / "progress.partial"
        partial.write_text(f"{done} {total}")
        partial.replace(folder / "progress")

    try:
        train(job, progress if rank == 0 else lambda *_: None, rank, world)
    except DrapeError as error:
        said = {"kind": type(error).__name__, "what": error.what, "remedy": error.remedy}
        (folder / f"error-{rank}.json").write_text(json.dumps(said), encoding="utf-8")
        raise
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
