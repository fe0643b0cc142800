"""The self-supervised loop: a detector learns a site from the persons that all views and all times agree on.

Every round learns from the persons of the best round so far, from the base weights on, and is judged by the guard. The
recordings' own tables change once, at the end: to those of the best round that was kept, or of the base.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

import drape
from drape import tables
from drape.adaptation.cards import (
    Card,
    DetectorPart,
    Judgement,
    Lesson,
    Parent,
    free_name,
    load_card,
    write_model,
)
from drape.adaptation.config import AdaptationConfig
from drape.adaptation.guard import Measures, figures
from drape.adaptation.stopping import no_longer_improves
from drape.detection import build_detector
from drape.errors import AdaptationError, WeightsError
from drape.pipeline.adapting_base import base_model, name_of, notice_of
from drape.pipeline.adapting_measures import Examiner, Judged
from drape.pipeline.adapting_rooms import adopt, beside, seed
from drape.pipeline.adapting_rounds import Round, Site, all_stages, run_round
from drape.pipeline.adapting_sight import folder_digest
from drape.pipeline.adapting_teaching import split
from drape.pipeline.agreement import ACCEPTED
from drape.pipeline.config import PipelineConfig
from drape.pipeline.execution import Counts, run_record
from drape.pipeline.records import Stopwatch, digest, public_config
from drape.pipeline.stages import detect
from drape.pipeline.workspace import Workspace
from drape.progress import Progress, silent


class Adapted(NamedTuple):
    """What the loop came to.

    Attributes:
        model: folder of the adapted model; None if no round was kept.
        best: number of the round that the recordings' tables are of; 0 is the base.
        reasons: why no further round was run or kept, in words; empty if all were.
        rounds: what each round was, as on the card.
        records: the run record ``adapt`` of each recording.
    """

    model: Path | None
    best: int
    reasons: tuple[str, ...]
    rounds: tuple[dict[str, Any], ...]
    records: tuple[dict[str, Any], ...]


def adapt(
    workspaces: Sequence[Workspace],
    models: Path,
    config: AdaptationConfig | None = None,
    stages: PipelineConfig | None = None,
    progress: Progress = silent,
) -> Adapted:
    """Adapt the detector to the site of these recordings, without labels.

    Called again after a crash it goes on where it was; called again after its end it returns what it returned.

    Args:
        workspaces: recordings of one site; ingested, further stages are run as needed.
        models: folder of the site's models; the adapted one is put there if a round is kept.
        config: settings.
        stages: settings of the other stages; ``stages.detection`` names the base detector.
        progress: counts the steps of each stage.

    Raises:
        AdaptationError: nothing can be learned, the name of the model is taken, or training cannot go on.
        WorkspaceError: a workspace is in use, or the disk is full.
        DrapeError: see the stages. The recordings' own tables are as they were before.
    """
    config, stages = config or AdaptationConfig(), stages or PipelineConfig()
    if not workspaces:
        raise AdaptationError("There is no recording to learn from", "Name at least one workspace")
    models = models.expanduser().resolve()
    with ExitStack() as held:
        for ws in workspaces:
            held.enter_context(ws.locked())
        watch = Stopwatch()
        bases = [_base_room(ws, stages, progress) for ws in workspaces]
        stamp = _stamp(workspaces, bases, config, stages)
        known = _finished(workspaces, models, config.name, stamp)
        if known is not None:
            return known
        free_name(models, config.name, stamp)
        site = _site(workspaces, bases, config, stages)
        rounds, best, reasons = _rounds(site, progress)
        model = None if best is None else _keep(site, best, rounds, models, stamp)
        stories = tuple(one.story() for one in rounds)
        files = [adopt(room, home) for room, home in zip(best.united if best else bases, workspaces, strict=True)]
        told = {
            "best": best.number if best else 0,
            "rounds": stories,
            "reasons": reasons,
            "before": figures(site.before, "before"),
            "model": None if best is None else {"name": config.name, "sha256": best.tuned.sha256},
        }
        for ws, written in zip(workspaces, files, strict=True):
            _write_record(ws, config, stamp, written, told, watch.seconds)
        records = tuple(ws.record("adapt") or {} for ws in workspaces)
        return Adapted(model, best.number if best else 0, reasons, stories, records)


def _base_room(ws: Workspace, stages: PipelineConfig, progress: Progress) -> Workspace:
    """The recording as the base detector sees it, all stages run."""
    room = beside(ws, "base")
    seed(room, ws)
    detect(room, stages.detection, progress)
    all_stages(room, stages, progress)
    return room


def _site(
    homes: Sequence[Workspace], bases: Sequence[Workspace], config: AdaptationConfig, stages: PipelineConfig
) -> Site:
    splits = [split(base, config) for base in bases]
    examiner = Examiner(config.guard, stages.association)
    judged = [Judged(base, base, base, part) for base, part in zip(bases, splits, strict=True)]
    before = examiner.measures(build_detector(stages.detection), judged)
    return Site(homes, bases, splits, base_model(stages.detection), stages, config, examiner, before)


def _rounds(site: Site, progress: Progress) -> tuple[list[Round], Round | None, tuple[str, ...]]:
    """All rounds that were run, the best of those kept, and why the loop ended before its time."""
    done: list[Round] = []
    best: Round | None = None
    for number in range(1, site.config.rounds + 1):
        teachers = site.bases if best is None else best.united
        found = run_round(site, number, teachers, progress)
        done.append(found)
        if not found.verdict.passed:
            return done, best, tuple(f"round {number} is taken back: {why}" for why in found.verdict.reasons)
        why = _not_better(site, best, found)
        if why is not None:
            return done, best, (f"round {number} is not kept: {why}",)
        best = found
    return done, best, ()


def _not_better(site: Site, best: Round | None, found: Round) -> str | None:
    """Why a round is no better than the one before it, both asked for the persons that the new one made known."""
    if best is None:
        return None

    def of(one: Round) -> Any:
        rooms = zip(site.bases, found.united, one.alone, site.splits, strict=True)
        return site.examiner.agreement([Judged(*four) for four in rooms])

    return no_longer_improves(of(best), of(found), site.config.least_gain)


def _keep(site: Site, best: Round, rounds: Sequence[Round], models: Path, stamp: str) -> Path:
    """Put the best round's model into the models' folder, with its card."""
    config, model = site.config, site.model
    settings = best.tuned.weights.parent / "config.json"
    model.config.dump(settings)
    measures: Measures = best.measures or site.before
    card = Card(
        name=config.name,
        kind="adapted",
        version=drape.__version__,
        site=config.site or ", ".join(home.recording.id for home in site.homes),
        parent=Parent(
            name=name_of(site.stages.detection), sha256=tables.sha256(model.weights) if model.weights else ""
        ),
        detector=DetectorPart(
            engine="mmdet",
            weights="weights.pth",
            config="config.json",
            size=model.size,
            person_class=model.person_class,
            notice=notice_of(site.stages.detection),
        ),
        files={},
        labels=Lesson(digest=best.training.digest, images=best.training.images, boxes=best.training.boxes),
        before=_plain(figures(site.before, "")),
        after=_plain(figures(measures, "")),
        verdict=Judgement(passed=best.verdict.passed, reasons=best.verdict.reasons),
        rounds=tuple(one.story() for one in rounds),
        configs={"adaptation": _public(config), "detection": public_config(site.stages.detection)},
        run=stamp,
    )
    return write_model(models, card, {"weights.pth": best.tuned.weights, "config.json": settings})


def _plain(named: dict[str, float]) -> dict[str, float]:
    return {name.rstrip("."): round(value, 5) for name, value in named.items()}


def _public(config: AdaptationConfig) -> dict[str, Any]:
    """The settings as they may be published: folders are named by what they hold."""
    values = config.model_dump(mode="json")
    values["mixed"] = folder_digest(config.mixed)
    for name in ("canary", "labelled"):
        values["guard"][name] = folder_digest(getattr(config.guard, name))
    return values


def _stamp(
    homes: Sequence[Workspace], bases: Sequence[Workspace], config: AdaptationConfig, stages: PipelineConfig
) -> str:
    """What the whole loop depends on."""
    inputs: dict[str, str] = {}
    for number, (home, base) in enumerate(zip(homes, bases, strict=True)):
        for view in (v.id for v in base.recording.views):
            for kind in ("candidates", "persons", "covered", "reviewed"):
                path = (home if kind == "reviewed" else base).path(kind, view)
                inputs[f"{number}/{kind}/{view}"] = tables.sha256(path) if path.is_file() else ""
    inputs |= {f"folder/{name}": value for name, value in _folders(config).items()}
    inputs["detection"] = digest("detection", stages.detection, {})
    for name in ("tracking", "association", "retrieval"):
        inputs[name] = digest(name, getattr(stages, name), {})
    guard = config.guard.model_copy(update={"canary": None, "labelled": None})
    return digest("adaptation", config.model_copy(update={"mixed": None, "guard": guard}), inputs)


def _folders(config: AdaptationConfig) -> dict[str, str]:
    folders = {"mixed": config.mixed, "canary": config.guard.canary, "labelled": config.guard.labelled}
    return {name: folder_digest(folder) for name, folder in folders.items()}


def _finished(workspaces: Sequence[Workspace], models: Path, name: str, stamp: str) -> Adapted | None:
    """What an earlier call came to, if it ended and nothing has changed since."""
    records = tuple(ws.record("adapt") or {} for ws in workspaces)
    for ws, record in zip(workspaces, records, strict=True):
        if record.get("digest") != stamp:
            return None
        files = record.get("files", {})
        if any(not (ws.root / f).is_file() or tables.sha256(ws.root / f) != known for f, known in files.items()):
            return None
    first = records[0]
    folder = models / name if first["model"] else None
    if folder is not None:
        try:
            if load_card(folder).run != stamp:
                return None
        except WeightsError:
            return None
    return Adapted(folder, first["best"], tuple(first["reasons"]), tuple(first["rounds"]), records)


def _write_record(
    ws: Workspace, config: AdaptationConfig, stamp: str, written: list[Path], told: dict[str, Any], seconds: float
) -> None:
    views = {view.id: {"digest": stamp, "outputs": {}, "counts": _counts(ws, view.id)} for view in ws.recording.views}
    record = run_record("adapt", None, ws.recording, views, seconds)
    files = {path.relative_to(ws.root).as_posix(): tables.sha256(path) for path in written}
    ws.write_record("adapt", {**record, "config": _public(config), "digest": stamp, "files": files, **told})


def _counts(ws: Workspace, view: str) -> Counts:
    """What the record says of a view: accepted persons, candidates that the adapted detector added, labels."""
    persons = ws.persons(view)
    accepted = pc.sum(pc.greater_equal(persons.column("existence"), ACCEPTED)).as_py() or 0
    labels = ws.whole("labels")
    taught = pc.sum(pc.and_(pc.equal(labels.column("view"), view), pc.invert(labels.column("ignored")))).as_py() or 0
    added = (ws.record("detect") or {})["views"][view]["counts"].get("added", 0)
    return {"persons": int(accepted), "added": int(added), "labels": int(taught)}
