"""A stage's configuration as a form, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import fiftyone.operators.types as types
import pytest
from drape.anonymization import ReleaseConfig
from drape.config import StageConfig
from drape.detection import DetectionConfig
from drape.errors import ConfigError
from drape.tracking import TrackingConfig
from pydantic import Field, model_validator
from support.plugin import plugin_module

forms = plugin_module("operators.forms")


class Settings(StageConfig):
    """One field of each kind."""

    on: bool = Field(True, description="a switch")
    count: int = Field(3, ge=1, le=9, description="a number")
    share: float = Field(0.5, gt=0, lt=1, description="a share")
    width: int | None = Field(None, ge=64, description="empty for none")
    kind: Literal["solid", "blur"] = Field("solid", description="one of two")
    name: str = Field("a", description="a text")
    file: Path | None = Field(None, description="a path")

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if self.kind == "blur" and not self.on:
            raise ValueError("blur needs on")
        return self


def section(params: dict[str, Any]) -> tuple[types.Object, dict[str, types.Property]]:
    inputs = types.Object()
    forms.config_section(inputs, params, "stage", Settings, {"name": ["a", "b"]})
    found = inputs.get_property("stage")
    return inputs, {} if found is None else dict(found.type.properties)


def test_a_section_opens_with_its_switch_or_a_callers_settings() -> None:
    assert section({})[1] == {}
    assert section({"change_stage": True})[1].keys() == Settings.model_fields.keys()
    assert section({"stage": {"count": 4}})[1].keys() == Settings.model_fields.keys()
    assert section({"stage": {"count": 4}, "change_stage": False})[1] == {}


def test_every_kind_of_setting_has_its_field() -> None:
    fields = section({"change_stage": True})[1]
    assert isinstance(fields["on"].type, types.Boolean)
    count, share, width = (fields[name].type for name in ("count", "share", "width"))
    assert (count.int, count.min, count.max) == (True, 1, 9)
    assert (share.float, share.min, share.max) == (True, 0, 1)
    assert (width.int, width.min, width.max) == (True, 64, None)
    assert fields["kind"].type.values == ["solid", "blur"]
    assert fields["name"].type.values == ["a", "b"]
    assert isinstance(fields["file"].type, types.String)
    for name, info in Settings.model_fields.items():
        assert fields[name].default == info.default
        assert fields[name].view.description == info.description
        assert not fields[name].required


@pytest.mark.parametrize("model", [DetectionConfig, TrackingConfig, ReleaseConfig])
def test_the_stages_own_settings_all_fit(model: type[StageConfig]) -> None:
    inputs = types.Object()
    forms.config_section(inputs, {"change_x": True}, "x", model)
    fields = inputs.get_property("x").type.properties
    assert fields.keys() == model.model_fields.keys()
    assert all(field.view.description for field in fields.values())
    defaults = {name: field.default for name, field in fields.items()}
    assert forms.config_from({"x": defaults}, "x", model) == model()
    assert inputs.to_json()


def test_what_was_entered_becomes_the_configuration() -> None:
    entered = {"count": 7, "kind": "blur", "width": None, "file": "", "name": "b"}
    assert forms.config_from({"stage": entered}, "stage", Settings) == Settings(count=7, kind="blur", name="b")
    assert forms.config_from({"stage": entered, "change_stage": False}, "stage", Settings) == Settings()
    with pytest.raises(ConfigError, match="Setting count"):
        forms.config_from({"stage": {"count": 12}}, "stage", Settings)
    with pytest.raises(ConfigError, match="Setting colour"):
        forms.config_from({"stage": {"colour": 12}}, "stage", Settings)


def test_problems_stand_at_their_fields_and_block() -> None:
    params = {"stage": {"count": 12, "share": 1.0, "name": "a"}}
    problems = forms.config_problems(params, "stage", Settings)
    assert problems.keys() == {"stage.count", "stage.share"}
    inputs, fields = section(params)
    forms.mark(inputs, params, problems)
    assert (fields["count"].invalid, fields["share"].invalid, fields["on"].invalid) == (True, True, False)
    assert "less than or equal to 9" in fields["count"].error_message


def test_a_contradiction_stands_at_the_switch() -> None:
    params = {"stage": {"kind": "blur", "on": False}}
    problems = forms.config_problems(params, "stage", Settings)
    assert list(problems) == ["change_stage"]
    inputs, _ = section(params | {"change_stage": True})
    forms.mark(inputs, params | {"change_stage": True}, problems)
    assert inputs.get_property("change_stage").invalid
    assert "blur needs on" in inputs.get_property("change_stage").error_message


def test_empty_fields_are_required_not_wrong_and_unknown_ones_are_shown() -> None:
    inputs = types.Object()
    inputs.str("source")
    forms.mark(inputs, {}, {"source": "Choose a source", "dataset": "No dataset is open"})
    assert (inputs.get_property("source").required, inputs.get_property("source").invalid) == (True, False)
    shown = inputs.get_property("dataset")
    assert shown.invalid
    assert shown.view.label == "No dataset is open"


def test_paths_come_as_text_or_from_the_chooser() -> None:
    assert forms.file_param({"a": {"absolute_path": "/x/y", "name": "y"}}, "a") == Path("/x/y")
    assert forms.file_param({"a": " /x/y "}, "a") == Path("/x/y")
    assert [forms.file_param({"a": value}, "a") for value in (None, "", {}, {"absolute_path": ""})] == [None] * 4
    params: dict[str, Any] = {"a": "/x", "b": "", "c": {"absolute_path": "/z"}}
    for name in params:
        forms.path_as_choice(params, name)
    assert params == {"a": {"absolute_path": "/x"}, "b": None, "c": {"absolute_path": "/z"}}


def test_settings_given_in_python_become_parameters() -> None:
    assert forms.settings("stage", None) == {}
    assert forms.settings("stage", Settings(count=7)) == {"stage": {"count": 7}}
    assert forms.settings("stage", {"count": 7}) == {"stage": {"count": 7}}
