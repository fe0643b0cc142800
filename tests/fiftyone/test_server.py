"""The plugin as the App's server sees it: manifest, operators, forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import drape
import fiftyone as fo
import pytest
import yaml
from support.database import ROOT, Server
from support.plugin import plugin_module
from support.theatre import URI, Theatre

OPERATORS = [
    "ingest_recording",
    "detect_candidates",
    "track_persons",
    "associate_views",
    "retrieve_missed",
    "adapt_detector",
    "train_realtime_detector",
    "estimate_poses",
    "export_release",
    "run_pipeline",
]


@pytest.fixture(scope="module")
def client(database: Server) -> Any:
    """A client of the App's own server application."""
    from fiftyone.server.app import app
    from starlette.testclient import TestClient

    return TestClient(app)


def form(
    client: Any, operator: str, params: dict[str, Any], dataset: str | None = None, **context: Any
) -> dict[str, Any]:
    """The fields of a form, by name."""
    request = {"operator_uri": f"{URI}/{operator}", "dataset_name": dataset, "params": params, "target": "inputs"}
    answer = client.post("/operators/resolve-type", json=request)
    assert answer.status_code == 200, answer.text
    fields: dict[str, Any] = answer.json()["type"]["properties"]
    return fields


def wrong(fields: dict[str, Any]) -> dict[str, str]:
    """Messages of the fields that block."""
    return {name: field["error_message"] for name, field in fields.items() if field["invalid"]}


def test_the_manifest_lists_what_the_code_has() -> None:
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    names = [operator(_builtin=False).name for operator in plugin_module("operators").OPERATORS]
    assert manifest["operators"] == names == OPERATORS
    assert "panels" not in manifest
    assert manifest["name"] == URI
    assert manifest["version"] == drape.__version__
    assert manifest["fiftyone"]["version"] == ">=1.22,<2"
    assert (manifest["type"], manifest["license"]) == ("plugin", "Apache-2.0")


def test_register_registers_them_all() -> None:
    class Plugin:
        def __init__(self) -> None:
            self.found: list[str] = []

        def register(self, operator: Any) -> None:
            self.found.append(operator.NAME)

    plugin = Plugin()
    plugin_module("").register(plugin)
    assert plugin.found == OPERATORS


def test_every_operator_is_delegated_by_default_and_has_its_icon() -> None:
    for operator in plugin_module("operators").OPERATORS:
        config = operator(_builtin=False).config
        assert config.allow_immediate_execution
        assert config.allow_delegated_execution
        assert config.default_choice_to_delegated
        assert (ROOT / config.icon.lstrip("/")).is_file()
        assert operator.__call__.__doc__
        assert "Args:" in operator.__call__.__doc__


def test_the_server_lists_every_operator(client: Any) -> None:
    answer = client.post("/operators", json={}).json()
    ours = [one["uri"] for one in answer["operators"] if one["plugin_name"] == URI]
    assert sorted(ours) == sorted(f"{URI}/{name}" for name in OPERATORS)
    assert not [error for error in answer["errors"] if "drape" in str(error).lower()]


def test_the_ingest_form_says_what_is_wrong(client: Any, source: Path, tmp_path: Path) -> None:
    fields = form(client, "ingest_recording", {})
    assert fields["source"]["type"]["name"] == "File"
    assert fields["source"]["view"]["name"] == "FileExplorerView"
    assert fields["source"]["required"]
    assert fields["dataset_name"]["required"]
    assert wrong(fields) == {}
    fields = form(client, "ingest_recording", {"source": {"absolute_path": "/nowhere"}, "dataset_name": "x"})
    assert "does not exist" in wrong(fields)["source"]
    empty = {"source": str(tmp_path), "dataset_name": "x"}
    assert "no videos and no image folders" in wrong(form(client, "ingest_recording", empty))["source"]
    inside = {"source": str(source), "dataset_name": "x", "workspace": {"absolute_path": str(source / "work")}}
    assert "inside the source's folder" in wrong(form(client, "ingest_recording", inside))["workspace"]
    good = form(client, "ingest_recording", {"source": str(source), "dataset_name": "x"})
    assert wrong(good) == {}
    assert good["found"]["view"]["label"] == "2 views found"


def test_the_ingest_form_refuses_a_taken_name(client: Any, theatre: Theatre) -> None:
    fo.Dataset(theatre.name, persistent=True)
    params = {"source": str(theatre.source), "dataset_name": theatre.name}
    assert "not made by Drape" in wrong(form(client, "ingest_recording", params))["dataset_name"]


@pytest.mark.parametrize("operator", ["detect_candidates", "track_persons", "export_release"])
def test_forms_need_a_dataset_of_recordings(client: Any, theatre: Theatre, operator: str) -> None:
    assert "No dataset is open" in str(wrong(form(client, operator, {})))
    fo.Dataset(theatre.name, persistent=True)
    assert "not made by Drape" in str(wrong(form(client, operator, {}, theatre.name)))


def test_forms_offer_the_target_and_name_the_missing_stage(client: Any, theatre: Theatre, tmp_path: Path) -> None:
    theatre.ingested()
    fields = form(client, "detect_candidates", {"change_detection": True}, theatre.name)
    assert wrong(fields) == {}
    assert fields["recordings"]["view"]["label"] == "1 recording"
    assert "view_target" in fields
    settings = fields["detection"]["type"]["properties"]
    assert "blobs" in settings["preset"]["type"]["values"]
    assert settings["score_floor"]["type"]["max"] == 0.9
    bad = form(client, "detect_candidates", {"detection": {"score_floor": 2}}, theatre.name)
    assert wrong(bad["detection"]["type"]["properties"])["score_floor"]
    assert "Run detect_candidates first" in str(wrong(form(client, "track_persons", {}, theatre.name)))
    out = {"target": {"absolute_path": str(tmp_path)}}
    assert "Run track_persons first" in str(wrong(form(client, "export_release", out, theatre.name)))


def test_the_export_form_refuses_names_that_would_leak(client: Any, theatre: Theatre, tmp_path: Path) -> None:
    theatre.tracked()
    file = tmp_path / "file"
    file.touch()
    assert "This is a file" in wrong(form(client, "export_release", {"target": str(file)}, theatre.name))["target"]
    leaking = {"target": str(tmp_path / "Mueller_Hans"), "release_dataset": "or7 ceiling_or7"}
    found = wrong(form(client, "export_release", leaking, theatre.name))
    assert "the recording's name" in found["target"]
    assert "view1's" in found["release_dataset"]
    assert wrong(form(client, "export_release", {"target": str(tmp_path / "Mueller_Hans")}, theatre.name)) == {}
    taken = {"target": str(tmp_path), "release_dataset": theatre.name}
    assert "not one of releases" in wrong(form(client, "export_release", taken, theatre.name))["release_dataset"]


def test_the_pipeline_form_follows_the_choice(client: Any, theatre: Theatre) -> None:
    fields = form(client, "run_pipeline", {})
    assert "input" not in fields
    assert {"source", "dataset_name", "workspace", "target", "release_dataset"} <= set(fields)
    theatre.ingested()
    fields = form(client, "run_pipeline", {}, theatre.name)
    assert fields["input"]["default"] == "dataset"
    assert "source" not in fields
    fields = form(client, "run_pipeline", {"input": "source"}, theatre.name)
    assert fields["dataset_name"]["default"] == theatre.name
    assert "view_target" not in fields


def test_the_server_delegates_unless_told_otherwise(client: Any, theatre: Theatre) -> None:
    request = {"operator_uri": f"{URI}/detect_candidates", "dataset_name": None, "params": {}}
    options = client.post("/operators/resolve-execution-options", json=request).json()
    assert options["default_choice_to_delegated"]
    assert options["allow_delegated_execution"]


def test_validation_happens_on_the_server_too(client: Any, theatre: Theatre) -> None:
    request = {
        "operator_uri": f"{URI}/ingest_recording",
        "params": {"source": "/nowhere", "dataset_name": theatre.name},
    }
    answer = client.post("/operators/execute", json=request)
    assert answer.status_code != 200 or answer.json()["error"]
    assert "does not exist" in answer.text
    assert not fo.dataset_exists(theatre.name)
