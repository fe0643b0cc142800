"""``drape``: the pipeline on the command line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from drape.anonymization import ReleaseConfig, TermsConfig
from drape.association import AssociationConfig
from drape.cli_adapt import adapt_command, models_command, student_command
from drape.cli_options import configure, with_options
from drape.cli_output import err, out, show_counts, show_manifest, show_recording
from drape.cli_pose import pose_command
from drape.cli_progress import progress_bars
from drape.cli_release import keys_app, verify_command
from drape.cli_simulate import simulate_command
from drape.cli_views import associate_command, retrieve_command
from drape.detection import DetectionConfig, NoticeWarning
from drape.errors import ConfigError, DrapeError
from drape.mot import named_files, read_detections, write_tracks
from drape.pipeline import PipelineConfig, Workspace, detect, export, ingest, run, track
from drape.pose import PoseNoticeWarning
from drape.retrieval import RetrievalConfig
from drape.tracking import TrackingConfig, track_view

app = typer.Typer(
    name="drape",
    help="Anonymize multi-camera operating-room video: find every person in every view, mask them, and prove it.",
    epilog="From videos to a verified release: drape run FOLDER --workspace WORK --out RELEASE",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
Source = Annotated[
    Path, typer.Argument(help="A video, a folder of videos or of image folders, or a recording manifest (YAML)")
]
Work = Annotated[Path, typer.Option("--workspace", "-w", help="Folder of tables, one per recording")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder the release becomes; must not exist")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="YAML file with the keys detection, tracking, association, retrieval, pose, heads, release, terms",
    ),
]


def _base(path: Path | None) -> PipelineConfig:
    return PipelineConfig.from_yaml(path) if path else PipelineConfig()


app.command("simulate")(simulate_command)


@app.command("ingest")
def ingest_command(source: Source, workspace: Work) -> None:
    """Read every view once, strictly, and open a workspace for the recording."""
    with progress_bars() as progress:
        ws = ingest(source, workspace, progress)
    show_recording(ws)


@app.command("detect")
@with_options(detection=DetectionConfig)
def detect_command(workspace: Work, config: ConfigFile = None, *, detection: dict[str, Any]) -> None:
    """Find candidates: every box a person detector gives, low scores included."""
    settings = configure(_base(config).detection, detection)
    with progress_bars() as progress:
        record = detect(Workspace.open(workspace), settings, progress)
    show_counts("Candidates", record)


@app.command("track")
@with_options(tracking=TrackingConfig)
def track_command(
    workspace: Annotated[Path | None, typer.Option("--workspace", "-w", help="Workspace to track in")] = None,
    config: ConfigFile = None,
    mot: Annotated[
        list[str] | None,
        typer.Option(
            "--mot", metavar="VIEW=FILE", help="Your own detections (MOT text) instead of a workspace; repeat"
        ),
    ] = None,
    fps: Annotated[float | None, typer.Option("--fps", help="Frames per second of the --mot files")] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for VIEW.txt (MOT text) of every --mot")
    ] = None,
    *,
    tracking: dict[str, Any],
) -> None:
    """Turn candidates into persons: tracklets without gaps, each box with its existence probability.

    With --mot no video is needed: boxes go in and come out as MOT text (frame,id,x,y,w,h,conf,-1,-1,-1), where conf
    is the existence probability; .5 and more means accepted.
    """
    settings = configure(_base(config).tracking, tracking)
    if mot:
        if fps is None or fps <= 0 or out_folder is None:
            raise ConfigError("--mot needs --fps and --out", "Add the frames per second and a folder for the results")
        _track_mot(mot, fps, out_folder, settings)
        return
    if workspace is None:
        raise ConfigError("Nothing to track", "Give --workspace, or --mot VIEW=FILE with --fps and --out")
    with progress_bars() as progress:
        record = track(Workspace.open(workspace), settings, progress)
    show_counts("Persons", record)


def _track_mot(mot: list[str], fps: float, folder: Path, settings: TrackingConfig) -> None:
    sources = named_files(mot)
    with progress_bars() as progress:
        for done, (view, file) in enumerate(sources.items()):
            progress(done, len(sources), "track")
            frames, candidates = read_detections(file, fps, view)
            write_tracks(track_view(frames, candidates, None, settings), folder / f"{view}.txt")
        progress(len(sources), len(sources), "track")
    out.print(f"{len(sources)} view(s) tracked")


app.command("associate")(associate_command)
app.command("retrieve")(retrieve_command)
app.command("adapt")(adapt_command)
app.command("student")(student_command)
app.command("models")(models_command)
app.command("pose")(pose_command)


@app.command("export")
@with_options(release=ReleaseConfig, terms=TermsConfig)
def export_command(
    workspace: Work, out_folder: Out, config: ConfigFile = None, *, release: dict[str, Any], terms: dict[str, Any]
) -> None:
    """Write the masked release, verify it, and only then let it appear."""
    base = _base(config)
    settings = configure(base.release, release)
    with progress_bars() as progress:
        ws = Workspace.open(workspace)
        manifest = export(ws, settings, out_folder, progress, configure(base.terms, terms))
    show_manifest(manifest)


@app.command("run")
@with_options(
    detection=DetectionConfig,
    tracking=TrackingConfig,
    association=AssociationConfig,
    retrieval=RetrievalConfig,
    release=ReleaseConfig,
    terms=TermsConfig,
)
def run_command(
    source: Source,
    workspace: Work,
    out_folder: Out,
    config: ConfigFile = None,
    *,
    detection: dict[str, Any],
    tracking: dict[str, Any],
    association: dict[str, Any],
    retrieval: dict[str, Any],
    release: dict[str, Any],
    terms: dict[str, Any],
) -> None:
    """All stages: ingest, detect, track, associate, retrieve, export, verify.

    With `--target head` or `silhouette` poses are estimated too; their settings are the keys pose and heads of the
    configuration file. Stopped? The same command goes on where it was.
    """
    base = _base(config)
    given = {
        "detection": detection,
        "tracking": tracking,
        "association": association,
        "retrieval": retrieval,
        "release": release,
        "terms": terms,
    }
    settings = base.model_copy(update={name: configure(getattr(base, name), part) for name, part in given.items()})
    with progress_bars() as progress:
        manifest = run(source, workspace, out_folder, settings, progress)
    show_manifest(manifest)


app.command("verify")(verify_command)
app.add_typer(keys_app, name="keys")


@app.command("info")
def info_command(workspace: Annotated[Path, typer.Argument(help="A workspace folder")]) -> None:
    """Show what a workspace holds: views, clocks, stages that have run."""
    ws = Workspace.open(workspace)
    show_recording(ws)
    for record in ws.records():
        if record["stage"] != "ingest":
            show_counts(f"{record['stage']} ({record['seconds']:.1f} s)", record)


def _show_warning(
    ordinary: Callable[..., None], message: Warning | str, category: type[Warning], *place: Any, **more: Any
) -> None:
    """What a model has to say about itself is one line; other warnings are shown as ever."""
    if issubclass(category, (NoticeWarning, PoseNoticeWarning)):
        err.print(f"[yellow]note:[/yellow] {escape(str(message))}")
    else:
        ordinary(message, category, *place, **more)


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Errors a user can act on are one line and exit status 1, and so is what a model has to say."""
    ordinary = warnings.showwarning
    warnings.showwarning = partial(_show_warning, ordinary)
    try:
        app(arguments, prog_name="drape")
    except DrapeError as error:
        err.print(f"[red]error:[/red] {escape(str(error))}")
        sys.exit(1)


__all__ = ["app", "main"]

if __name__ == "__main__":
    main()
