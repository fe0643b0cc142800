"""Operators at work: now and delegated, from Python and by request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
import pytest
from drape.errors import WorkspaceError
from drape.pipeline import PipelineConfig
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionError
from support import blobs
from support.plugin import plugin_module
from support.theatre import BLOBS, QUICK, URI, Theatre

base = plugin_module("operators.base")


def requests(result: Any) -> list[str]:
    """What an execution told the App to do."""
    return [one["operator_uri"] for one in result.executor.to_json()["requests"]]


@pytest.mark.slow
def test_the_operators_one_after_another_from_python(theatre: Theatre, tmp_path: Path) -> None:
    run = theatre.operator("ingest_recording")(theatre.source, theatre.name, workspace=theatre.work)
    assert run.result == {"dataset": theatre.name, "recording": theatre.recording, "views": 2, "frames": 100}
    assert requests(run)[-2:] == ["open_dataset", "notify"]
    run = theatre.operator("detect_candidates")(theatre.dataset, config=BLOBS)
    ws = theatre.workspace
    candidates = sum(ws.candidates(view.id).num_rows for view in ws.recording.views)
    assert run.result == {"recordings": 1, "frames": 100, "candidates": candidates, "unknown_frames": 0}
    assert requests(run)[-2:] == ["reload_dataset", "notify"]
    run = theatre.operator("track_persons")(theatre.dataset)
    assert run.result["persons"] == sum(ws.persons(view.id).num_rows for view in ws.recording.views)
    assert run.result["tracklets"] > 3
    run = theatre.operator("associate_views")(theatre.dataset, QUICK)
    pairs = ws.whole("pairs")
    assert run.result["matched"] == 2 * int(np.sum(pairs.column("matched").to_numpy(zero_copy_only=False))) > 0
    run = theatre.operator("retrieve_missed")(theatre.dataset)
    accepted = [int((ws.persons(v.id).column("existence").to_numpy() >= 0.5).sum()) for v in ws.recording.views]
    assert run.result["persons"] == sum(accepted)
    run = theatre.operator("export_release")(theatre.dataset, tmp_path / "out", f"{theatre.name}-public")
    assert run.result["frames"] == 100
    assert run.result["masked_frames"] + run.result["empty_frames"] == 100
    assert (tmp_path / "out" / theatre.recording / "manifest.json").is_file()
    assert fo.dataset_exists(f"{theatre.name}-public")


@pytest.mark.slow
def test_all_in_one_on_a_source_by_a_worker(theatre: Theatre, tmp_path: Path) -> None:
    operator = theatre.operator("run_pipeline")
    config = {"detection": BLOBS, "association": QUICK, "release": {"margin_x": 0.25}}
    queued = operator(theatre.source, tmp_path / "out", theatre.name, theatre.work, config=config, delegate=True)
    assert queued.delegated
    assert not fo.dataset_exists(theatre.name)
    (operation,) = DelegatedOperationService().execute_queued_operations(operator=f"{URI}/run_pipeline", log=False)
    assert operation.error is None
    document = DelegatedOperationService().get(queued.result["id"])
    assert document.run_state == "completed", document.result
    assert document.result.result["dataset"] == theatre.name
    assert document.status.progress is not None
    assert theatre.slice("view1").count("frames.persons.detections") > 0
    manifest = tmp_path / "out" / theatre.recording / "manifest.json"
    assert '"margin_x": 0.25' in manifest.read_text()
    assert (
        theatre.dataset.get_run_info(f"export_{theatre.recording.replace('-', '_')}").config.config["margin_x"] == 0.25
    )


@pytest.mark.slow
def test_all_in_one_on_the_open_dataset_touches_only_the_selection(theatre: Theatre, tmp_path: Path) -> None:
    first = theatre.ingested().recording
    blobs.make_recording(tmp_path / "second", views=1, frames=8, seed=5)
    theatre.operator("ingest_recording")(tmp_path / "second", theatre.name, workspace=theatre.work)
    dataset = theatre.dataset
    config = PipelineConfig.model_validate({"detection": BLOBS, "association": QUICK})
    run = theatre.operator("run_pipeline")(
        dataset.match(fo.ViewField("recording") != first), tmp_path / "out", config=config
    )
    assert run.result["recordings"] == 1
    assert run.result["frames"] == 8
    view = dataset.select_group_slices("view1")
    assert view.match(fo.ViewField("recording") == first).count("frames.persons.detections") == 0
    assert view.match(fo.ViewField("recording") != first).count("frames.persons.detections") > 0


@pytest.mark.slow
def test_a_selection_in_the_app_is_the_target(theatre: Theatre, tmp_path: Path) -> None:
    theatre.ingested()
    blobs.make_recording(tmp_path / "second", views=1, frames=8, seed=5)
    theatre.operator("ingest_recording")(tmp_path / "second", theatre.name, workspace=theatre.work)
    second = theatre.dataset.match(fo.ViewField("num_frames") == 8).first()
    context = {
        "dataset": theatre.dataset,
        "selected": [second.id],
        "params": {"view_target": "SELECTED_SAMPLES", "detection": BLOBS},
    }
    assert foo.execute_operator(f"{URI}/detect_candidates", context).result["frames"] == 8


@pytest.mark.slow
def test_delegated_failures_are_told_without_private_names(theatre: Theatre, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(theatre.source, tmp_path / "Mueller_Hans")
    theatre.source = tmp_path / "Mueller_Hans"
    theatre.ingested()
    (theatre.source / "ceiling_or7.mp4").unlink()
    theatre.operator("detect_candidates")(theatre.dataset, config=BLOBS, delegate=True)
    DelegatedOperationService().execute_queued_operations(operator=f"{URI}/detect_candidates", log=False)
    (document,) = DelegatedOperationService().list_operations(dataset_name=theatre.name)
    assert document.run_state == "failed"
    told = f"{document.result.error} {document.result.error_message}"
    assert "view1: the media are gone" in told
    assert "ceiling" not in told
    assert "Mueller" not in told


def test_a_caller_without_a_form_gets_the_same_checks(theatre: Theatre) -> None:
    theatre.ingested()
    with pytest.raises(ExecutionError, match="Run detect_candidates first"):
        theatre.operator("track_persons")(theatre.dataset)
    with pytest.raises(ExecutionError, match=r"less than or equal to 0\.9"):
        theatre.operator("detect_candidates")(theatre.dataset, config={"score_floor": 3})
    with pytest.raises(ExecutionError, match="does not exist"):
        theatre.operator("ingest_recording")("/nowhere", "x")


class Told:
    """Takes down what an operator reports."""

    def __init__(self) -> None:
        self.reports: list[tuple[float, str]] = []

    def set_progress(self, progress: float, label: str) -> None:
        self.reports.append((progress, label))


def test_progress_is_told_once_a_second_and_only_grows() -> None:
    told, now = Told(), [0.0]
    steps = base.Steps(told, clock=lambda: now[0])
    steps.plan(2)
    for _ in range(2):
        report = steps.begin()
        for done in range(1, 501):
            now[0] += 0.01
            report(done, 500, "track view1")
    assert 9 <= len(told.reports) <= 11
    shares = [share for share, _ in told.reports]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.01
    assert 0.85 < shares[-1] <= 1
    assert told.reports[1][1] == "track view1 (101 of 500)"


def test_unexpected_errors_tell_their_place_and_nothing_else() -> None:
    place = r"Unexpected FileNotFoundError in .*pathlib"
    with pytest.raises(base.OperatorFailed, match=place) as caught, base.readable_errors():
        Path("/srv/Mueller_Hans/x").read_text()
    assert "Mueller" not in str(caught.value)
    assert caught.value.__suppress_context__
    with pytest.raises(base.OperatorFailed, match=r"The disk is full\. Free some space"), base.readable_errors():
        raise WorkspaceError("The disk is full", "Free some space")
