"""Association and retrieval: what the views of a recording say together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drape import tables
from drape.association import AssociationConfig, ViewBoxes, from_tables
from drape.detection.glimpses import WIDTH, decode
from drape.pipeline.execution import Counts, made, whole_recording
from drape.pipeline.plots import plot_association, plot_retrieval
from drape.pipeline.table_parts import writer
from drape.pipeline.workspace import WHOLE, Workspace
from drape.progress import Progress, silent
from drape.retrieval import RetrievalConfig, RetrievalView, Retrieved
from drape.retrieval import retrieve as retrieve_views

if TYPE_CHECKING:
    from drape.association import AssociatedRecording, Background

ACCEPTED = 0.5
ASSOCIATED = ("pairs", "identities", "expected", "clocks", "synchrony")


def associate(ws: Workspace, config: AssociationConfig | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Learn from a recording's detections which persons of its views are the same.

    Returns:
        The run record; ``counts`` of each view hold ``matched`` detections and ``identified`` persons.

    Raises:
        WorkspaceError: tracking has not run.
    """
    config = config or AssociationConfig()
    kinds = ("frames", "candidates", "tracklets", "glimpses")
    views = ws.recording.views

    def work() -> tuple[dict[str, Counts], list[Path]]:
        from drape.association import associate_recording

        tally = _Tally([view.id for view in views])
        with ExitStack() as files:
            add = {k: files.enter_context(writer(ws.whole_path(k), WHOLE[k])) for k in ASSOCIATED[:3]}

            def write(kind: str, part: pa.Table) -> None:
                tally.add(kind, part)
                add[kind](part)

            found = associate_recording(
                [_view_boxes(ws, view.id) for view in views],
                config,
                backgrounds={view.id: _background(ws, view.id) for view in views},
                progress=progress,
                write=write,
            )
        for kind in ASSOCIATED[3:]:
            tables.write(getattr(found, kind), ws.whole_path(kind))
        written = [ws.whole_path(kind) for kind in ASSOCIATED]
        return tally.counts(), written + _keep(ws, found)

    inputs = {f"{kind}/{v.id}": tables.sha256(made(ws, kind, v)) for v in views for kind in kinds}
    inputs |= {f"size/{v.id}": f"{v.width}x{v.height}" for v in views}
    return whole_recording(ws, "associate", "association", config, inputs, work)


def retrieve(ws: Workspace, config: RetrievalConfig | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Weigh all evidence on everybody, and say where persons are likely still missed. Without association: time alone.

    Returns:
        The run record; ``counts`` of each view hold accepted ``persons``, of these the ``retrieved``, and stretches in
        which somebody is ``likely_missed``.

    Raises:
        WorkspaceError: tracking has not run, or the tables do not belong together.
    """
    config = config or RetrievalConfig()
    views = ws.recording.views

    def work() -> tuple[dict[str, Counts], list[Path]]:
        seen = [_retrieval_view(ws, view.id) for view in views]
        evidence = {kind: ws.whole(kind) if ws.whole_path(kind).is_file() else None for kind in ASSOCIATED[:3]}
        found = retrieve_views(seen, **evidence, config=config, progress=progress)
        written = []
        for view in views:
            for kind, table in (("persons", found.persons[view.id]), ("missed", found.missed[view.id])):
                tables.write(table, ws.path(kind, view.id))
                written.append(ws.path(kind, view.id))
        tables.write(found.intervals, ws.whole_path("intervals"))
        picture = plot_retrieval(found, ws.root / "plots" / "retrieval.png")
        return {view.id: retrieval_counts(found, view.id) for view in views}, [
            *written,
            ws.whole_path("intervals"),
            picture,
        ]

    kinds = ("frames", "candidates", "tracklets")
    inputs = {f"{kind}/{v.id}": tables.sha256(made(ws, kind, v)) for v in views for kind in kinds}
    inputs |= {kind: tables.sha256(ws.whole_path(kind)) for kind in ASSOCIATED[:3] if ws.whole_path(kind).is_file()}
    return whole_recording(ws, "retrieve", "retrieval", config, inputs, work)


def retrieval_counts(found: Retrieved, view: str) -> Counts:
    """What a run record says of a view's persons."""
    persons = found.persons[view]
    accepted = persons.filter(pc.greater_equal(persons.column("existence"), ACCEPTED))
    source = accepted.column("source")
    retrieved = pc.sum(pc.or_(pc.equal(source, "tracked"), pc.equal(source, "associated"))).as_py() or 0
    stretches = pc.sum(pc.equal(found.intervals.column("view"), view)).as_py() or 0
    return {"persons": accepted.num_rows, "retrieved": int(retrieved), "likely_missed": int(stretches)}


class _Tally:
    """Per view, detections that were matched, and persons; counted as the tables come."""

    def __init__(self, views: Sequence[str]) -> None:
        self._matched = dict.fromkeys(views, 0)
        self._persons: dict[str, set[int]] = {view: set() for view in views}

    def add(self, kind: str, part: pa.Table) -> None:
        if kind == "pairs":
            matched = part.filter(part.column("matched"))
            for side in "ab":
                for row in matched.column(f"view_{side}").value_counts():
                    self._matched[row["values"].as_py()] += row["counts"].as_py()
        if kind == "identities":
            for view, persons in self._persons.items():
                mine = part.filter(pc.equal(part.column("view"), view))
                persons.update(mine.column("person").unique().to_pylist())

    def counts(self) -> dict[str, Counts]:
        return {v: {"matched": self._matched[v], "identified": len(p)} for v, p in self._persons.items()}


def _keep(ws: Workspace, found: AssociatedRecording) -> list[Path]:
    """Write the model, where one was learned, and the picture of its learning."""
    if found.model is None:
        return []
    model = ws.root / "models" / "association.safetensors"
    model.parent.mkdir(parents=True, exist_ok=True)
    found.model.save(model)
    return [model, plot_association(found, ws.root / "plots" / "association.png")]


def _view_boxes(ws: Workspace, view: str) -> ViewBoxes:
    facts = ws.recording.view(view)
    size = (facts.width, facts.height)
    return from_tables(view, ws.candidates(view), ws.tracklets(view), size, ws.frames(view))


def _retrieval_view(ws: Workspace, view: str) -> RetrievalView:
    facts = ws.recording.view(view)
    size = (facts.width, facts.height)
    return RetrievalView(view, size, ws.frames(view), ws.candidates(view), ws.tracklets(view))


def _background(ws: Workspace, view: str) -> Background:
    """A view's glimpses, with the boxes of everything that may be a person in each, in the glimpses' pixels."""
    from drape.association import Background

    glimpses = ws.read("glimpses", view)
    frames = glimpses.column("frame").to_numpy()
    candidates = ws.candidates(view)
    at = candidates.column("frame").to_numpy()
    scale = WIDTH / ws.recording.view(view).width
    boxes = tables.boxes_of(candidates) * np.float32(scale)
    people = [boxes[slice(*np.searchsorted(at, [frame, frame + 1]))] for frame in frames]
    pictures = (decode(picture.as_py()) for picture in glimpses.column("picture"))
    return Background(glimpses.column("time").to_numpy(), pictures, people)
