"""``drape associate`` and ``drape retrieve``: what the views of a recording say together, with or without video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from drape import tables
from drape.association import AssociationConfig
from drape.cli_options import configure, with_options
from drape.cli_output import out, show_counts
from drape.cli_progress import progress_bars
from drape.errors import ConfigError
from drape.mot import named_files, read_detections, write_tracks
from drape.pipeline import PipelineConfig, Workspace, associate, retrieve
from drape.pipeline.plain import Detections, associate_detections, retrieve_detections
from drape.pipeline.plots import plot_association, plot_retrieval
from drape.progress import Progress
from drape.retrieval import RetrievalConfig, Retrieved
from drape.tracking import TrackingConfig, track_view

if TYPE_CHECKING:
    from drape.association import AssociatedRecording

Work = Annotated[Path | None, typer.Option("--workspace", "-w", help="Workspace to work in, tracked")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with the keys tracking, association, …")]
Mot = Annotated[
    list[str] | None,
    typer.Option("--mot", metavar="VIEW=FILE", help="Your own detections (MOT text with scores); repeat for each view"),
]
Train = Annotated[
    list[str] | None,
    typer.Option("--train", metavar="VIEW=FILE", help="Unlabelled detections to learn from, if not those of --mot"),
]
Model = Annotated[
    Path | None, typer.Option("--model", help="A model learned before (model.safetensors): nothing is learned")
]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames per second of the --mot files; frames meet by time")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results of --mot")]
NoTracking = Annotated[
    bool, typer.Option("--no-tracking", help="Frames are too far apart to follow anybody: each stands alone")
]


@with_options(association=AssociationConfig)
def associate_command(
    workspace: Work = None,
    config: ConfigFile = None,
    mot: Mot = None,
    train: Train = None,
    model: Model = None,
    fps: Fps = None,
    out_folder: Out = None,
    no_tracking: NoTracking = False,
    *,
    association: dict[str, Any],
) -> None:
    """Learn, without labels or calibration, which persons of different views are the same.

    With --mot no video is needed. OUT gets pairs.parquet (which detections of two views are one person, with what
    probability), identities.parquet, the model, and a picture of how it was learned.
    """
    base = PipelineConfig.from_yaml(config) if config else PipelineConfig()
    settings = configure(base.association, association)
    if not mot:
        with progress_bars() as progress:
            record = associate(_opened(workspace), settings, progress)
        show_counts("Associated", record)
        return
    folder, rate = _required(out_folder, fps)
    with progress_bars() as progress:
        views = _read(mot, rate, None if no_tracking else base.tracking, progress)
        found = _associated(views, settings, _train(train, rate, no_tracking, base, progress), model, folder, progress)
    matched = int(np.sum(found.pairs.column("matched").to_numpy(zero_copy_only=False)))
    out.print(f"{matched} matched pairs, {len(found.identities.column('person').unique())} persons")


@with_options(association=AssociationConfig, retrieval=RetrievalConfig)
def retrieve_command(
    workspace: Work = None,
    config: ConfigFile = None,
    mot: Mot = None,
    train: Train = None,
    model: Model = None,
    fps: Fps = None,
    out_folder: Out = None,
    no_tracking: NoTracking = False,
    *,
    association: dict[str, Any],
    retrieval: dict[str, Any],
) -> None:
    """Accept persons that agree over time and views, and say where somebody is likely still missed.

    A workspace should have been associated before. With --mot no video is needed: OUT gets VIEW.txt of every view
    (MOT text: the id is the person, the same in all views; the confidence is the existence probability, .5 and more
    means accepted), persons.parquet, missed.parquet, and what `drape associate` writes.
    """
    base = PipelineConfig.from_yaml(config) if config else PipelineConfig()
    settings = configure(base.retrieval, retrieval)
    if not mot:
        with progress_bars() as progress:
            record = retrieve(_opened(workspace), settings, progress)
        show_counts("Retrieved", record)
        return
    folder, rate = _required(out_folder, fps)
    together = configure(base.association, association)
    with progress_bars() as progress:
        views = _read(mot, rate, None if no_tracking else base.tracking, progress)
        known = None
        if len(views) > 1:
            learn_from = _train(train, rate, no_tracking, base, progress)
            known = _associated(views, together, learn_from, model, folder, progress)
        found = retrieve_detections(views, known, settings, progress)
    _write(found, folder)
    accepted = sum(int((t.column("existence").to_numpy() >= 0.5).sum()) for t in found.persons.values())
    out.print(f"{accepted} boxes of persons accepted, {found.intervals.num_rows} stretches with somebody likely missed")


def _opened(workspace: Path | None) -> Workspace:
    if workspace is None:
        raise ConfigError("Nothing to work on", "Give --workspace, or --mot VIEW=FILE with --fps and --out")
    return Workspace.open(workspace)


def _required(folder: Path | None, fps: float | None) -> tuple[Path, float]:
    if fps is None or fps <= 0 or folder is None:
        raise ConfigError("--mot needs --fps and --out", "Add the frames per second and a folder for the results")
    return folder, fps


def _read(items: list[str], fps: float, tracking: TrackingConfig | None, progress: Progress) -> list[Detections]:
    files = named_files(items)
    views = []
    for done, (view, file) in enumerate(files.items()):
        progress(done, len(files), "read and track" if tracking else "read")
        frames, candidates = read_detections(file, fps, view)
        tracklets = track_view(frames, candidates, None, tracking) if tracking else None
        views.append(Detections(view, frames, candidates, tracklets))
    progress(len(files), len(files), "read and track" if tracking else "read")
    return views


def _train(
    items: list[str] | None, fps: float, no_tracking: bool, base: PipelineConfig, progress: Progress
) -> list[Detections]:
    return _read(items, fps, None if no_tracking else base.tracking, progress) if items else []


def _associated(
    views: list[Detections],
    config: AssociationConfig,
    train: list[Detections],
    model: Path | None,
    folder: Path,
    progress: Progress,
) -> AssociatedRecording:
    found = associate_detections(views, config, train, model, progress)
    for kind in ("pairs", "identities", "synchrony", "clocks"):
        tables.write(getattr(found, kind), folder / f"{kind}.parquet")
    if found.model is not None and model is None:
        found.model.save(folder / "model.safetensors")
        plot_association(found, folder / "association.png")
    return found


def _write(found: Retrieved, folder: Path) -> None:
    free = max((int(_persons(table).max(initial=-1)) for table in found.persons.values()), default=-1) + 1
    for view, table in found.persons.items():
        person = _persons(table)
        tracklet = table.column("tracklet").to_numpy()
        alone = np.unique(tracklet[person < 0], return_inverse=True)[1] if (person < 0).any() else np.zeros(0, np.int64)
        ids = person.copy()
        ids[person < 0] = free + alone
        free = int(ids.max(initial=free - 1)) + 1
        write_tracks(table, folder / f"{view}.txt", ids)
    for kind, by_view in (("persons", found.persons), ("missed", found.missed)):
        tables.write(_with_view(by_view), folder / f"{kind}.parquet")
    plot_retrieval(found, folder / "retrieval.png")


def _persons(table: pa.Table) -> np.ndarray:
    return np.asarray(table.column("person").fill_null(-1).to_numpy(), np.int64)


def _with_view(by_view: dict[str, pa.Table]) -> pa.Table:
    parts = [table.add_column(0, "view", pa.array([view] * len(table), pa.string())) for view, table in by_view.items()]
    return pa.concat_tables(parts)
