"""``drape adapt`` and ``drape student``: detectors that learn a site without labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from drape.adaptation import AdaptationConfig, FineTuneConfig, GuardConfig, LabelConfig, list_models
from drape.adaptation.student_config import DenseConfig, StudentConfig
from drape.cli_options import configure, with_options
from drape.cli_output import out
from drape.cli_progress import progress_bars
from drape.config import StageConfig
from drape.detection import DetectionConfig
from drape.pipeline import PipelineConfig, Workspace

Work = Annotated[
    list[Path], typer.Option("--workspace", "-w", help="Workspace of a recording of the site; repeat for more")
]
Models = Annotated[Path, typer.Option("--models", "-m", help="Folder of the site's models; a new one is put there")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML file with the keys detection, adaptation, student, …")
]
_BEFORE, _AFTER = ".before", ".after"


@with_options(
    adaptation=AdaptationConfig,
    labels=LabelConfig,
    tuning=FineTuneConfig,
    guard=GuardConfig,
    detection=DetectionConfig,
)
def adapt_command(
    workspace: Work,
    models: Models,
    config: ConfigFile = None,
    *,
    adaptation: dict[str, Any],
    labels: dict[str, Any],
    tuning: dict[str, Any],
    guard: dict[str, Any],
    detection: dict[str, Any],
) -> None:
    """Adapt the detector to a site, without labels: find, agree, learn, judge, and go round again.

    Ingested workspaces are enough. A round is kept only if nothing that can be checked without labels has fallen;
    otherwise the recording stays as the base detector left it. Stopped? The same command goes on where it was.

    The adapted detector is used by `drape detect --model MODELS/NAME`.
    """
    from drape.pipeline.adapting import adapt

    base = PipelineConfig.from_yaml(config) if config else PipelineConfig()
    parts = {"labels": labels, "tuning": tuning, "guard": guard}
    settings = _with_parts(configure(base.adaptation, adaptation), parts)
    stages = base.model_copy(update={"detection": configure(base.detection, detection)})
    with progress_bars() as progress:
        found = adapt([Workspace.open(path) for path in workspace], models, settings, stages, progress)
    _show_rounds(found.rounds)
    for reason in found.reasons:
        out.print(f"[yellow]{escape(reason)}[/yellow]")
    if found.model is None:
        out.print("No round was kept: the recordings are as the base detector sees them")
    else:
        out.print(f"Round {found.best} is kept, as the model {found.model.name}")


@with_options(student=StudentConfig, teacher=DenseConfig, tuning=FineTuneConfig, detection=DetectionConfig)
def student_command(
    workspace: Work,
    models: Models,
    config: ConfigFile = None,
    *,
    student: dict[str, Any],
    teacher: dict[str, Any],
    tuning: dict[str, Any],
    detection: dict[str, Any],
) -> None:
    """Train a real-time detector on what is known of a site, and export it to ONNX.

    Best after `drape adapt`. The detection options name the teacher, such as the adapted model (--detection-model).
    Both are measured on held-out stretches. The student is used by `drape detect --model MODELS/NAME`.
    """
    from drape.pipeline.adapting_student import train_realtime

    base = PipelineConfig.from_yaml(config) if config else PipelineConfig()
    settings = _with_parts(configure(base.student, student), {"teacher": teacher, "tuning": tuning})
    stages = base.model_copy(update={"detection": configure(base.detection, detection)})
    rooms = [Workspace.open(path) for path in workspace]
    with progress_bars() as progress:
        found = train_realtime(rooms, models, settings, base.adaptation, stages, progress)
    table = Table(title=f"Teacher and student {found.model.name} on held-out stretches")
    for column in ("figure", "teacher", "student"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name in sorted(found.teacher.keys() | found.student.keys()):
        values = (figures.get(name) for figures in (found.teacher, found.student))
        table.add_row(name.replace("_", " "), *("" if value is None else f"{value:.3f}" for value in values))
    out.print(table)
    for reason in found.verdict.reasons:
        out.print(f"[yellow]{escape(reason)}[/yellow]")


def models_command(models: Annotated[Path, typer.Argument(help="A folder of models")]) -> None:
    """List the models of a site: what each came from, and how it was judged."""
    table = Table(title="Models")
    for column in ("name", "kind", "site", "from", "learned from", "verdict"):
        table.add_column(column)
    for card in list_models(models):
        learned = f"{card.labels.images} pictures, {card.labels.boxes} boxes"
        verdict = "kept" if card.verdict.passed else "taken back"
        table.add_row(card.name, card.kind, escape(card.site), escape(card.parent.name), learned, verdict)
    out.print(table)


def _with_parts(config: Any, parts: Mapping[str, Mapping[str, Any]]) -> Any:
    changed: dict[str, StageConfig] = {name: configure(getattr(config, name), given) for name, given in parts.items()}
    return config.model_copy(update=changed)


def _show_rounds(rounds: tuple[dict[str, Any], ...]) -> None:
    """The label-free figures of each round, before and after."""
    for story in rounds:
        labels = story["labels"]
        verdict = "kept" if story["passed"] else "taken back"
        table = Table(title=f"Round {story['round']}: {labels['images']} pictures, {labels['boxes']} boxes; {verdict}")
        for column in ("figure", "before", "after"):
            table.add_column(column, justify="left" if column == "figure" else "right")
        figures = story["figures"]
        for name in sorted({name.removesuffix(_BEFORE).removesuffix(_AFTER) for name in figures}):
            values = (figures.get(name + when) for when in (_BEFORE, _AFTER))
            table.add_row(name.replace(".", ": "), *("" if value is None else f"{value:.3f}" for value in values))
        out.print(table)
