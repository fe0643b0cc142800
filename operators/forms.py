"""Forms: a stage's configuration model becomes form fields, and what was entered becomes the configuration again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import fiftyone.operators.types as types
from drape.config import StageConfig, parts_of, read_entry, show_entry
from drape.errors import ConfigError
from pydantic import ValidationError
from pydantic.fields import FieldInfo

Config = TypeVar("Config", bound=StageConfig)
Choices = Sequence[str] | Mapping[str, str]
Problems = dict[str, str]
"""Parameter -> what is wrong with it. Parameters inside a section are written ``section.parameter``."""


def switch_name(section: str) -> str:
    """The parameter that opens a section."""
    return f"change_{section}"


def config_section(
    inputs: types.Object,
    params: Mapping[str, Any],
    section: str,
    model: type[StageConfig],
    choices: Mapping[str, Choices] | None = None,
) -> None:
    """Add a switch and, where it is on, one field per setting of a stage; those that are configurations are left out.

    Args:
        inputs: the form.
        params: what was entered so far.
        section: the parameter that holds the settings, e.g. ``"detection"``.
        model: the stage's configuration.
        choices: values to choose from, for settings whose type does not say them; with a label each, or as they are.
    """
    title = f"Change {section} settings"
    inputs.bool(switch_name(section), default=False, label=title, view=types.SwitchView())
    if not is_open(params, section):
        return
    group = types.Object()
    parts = parts_of(model)
    for name, info in model.model_fields.items():
        if name not in parts:
            _field(group, name, info, (choices or {}).get(name))
    inputs.define_property(section, group, label=f"{section.capitalize()} settings")


def settings(section: str, config: StageConfig | Mapping[str, Any] | None) -> dict[str, Any]:
    """The parameters of a section as the form would give them."""
    if isinstance(config, StageConfig):
        config = config.model_dump(mode="json", exclude_defaults=True)
    return {section: dict(config)} if config else {}


def is_open(params: Mapping[str, Any], section: str) -> bool:
    """Whether a section's settings count: its switch is on, or a caller without a form gave some."""
    return bool(params.get(switch_name(section), section in params))


def config_from(params: Mapping[str, Any], section: str, model: type[Config]) -> Config:
    """The configuration that was entered in a section; what was not entered has its default.

    Raises:
        ConfigError: a setting is unknown or out of its bounds.
    """
    try:
        return model.model_validate(_entered(params, section, model))
    except ValidationError as error:
        where, message = _first(error)
        raise ConfigError(f"Setting {where}: {message}", "Correct it") from None


def with_parts(params: Mapping[str, Any], section: str, model: type[Config]) -> Config:
    """The configuration that was entered in a section, with the parts that have sections of their own.

    Raises:
        ConfigError: a setting is unknown or out of its bounds.
    """
    opened = {name: part for name, part in parts_of(model).items() if is_open(params, name)}
    changed = {name: config_from(params, name, part) for name, part in opened.items()}
    return config_from(params, section, model).model_copy(update=changed)


def config_problems(params: Mapping[str, Any], section: str, model: type[StageConfig]) -> Problems:
    """What is wrong with the settings of a section."""
    try:
        model.model_validate(_entered(params, section, model))
    except ValidationError as error:
        found = ((".".join(str(part) for part in one["loc"]), one["msg"]) for one in error.errors())
        return {f"{section}.{where}" if where else switch_name(section): message for where, message in found}
    return {}


def mark(inputs: types.Object, params: Mapping[str, Any], problems: Problems) -> None:
    """Make the fields with problems block the form; one that is still empty is only required."""
    for path, message in problems.items():
        prop, value = _lookup(inputs, params, path)
        if prop is None or isinstance(prop.type, types.Void):
            prop = inputs.view(path.replace(".", "_"), types.Error(label=message))
        elif value in (None, "", {}):
            prop.required = True
            continue
        prop.invalid, prop.error_message = True, message


def file_param(params: Mapping[str, Any], name: str) -> Path | None:
    """The path that a file chooser or a caller gave: a mapping with ``absolute_path``, or a string."""
    value = params.get(name)
    if isinstance(value, Mapping):
        value = value.get("absolute_path")
    text = str(value).strip() if value else ""
    return Path(text).expanduser() if text else None


def path_as_choice(params: dict[str, Any], name: str) -> None:
    """Bring a path that a caller gave as a string into the file chooser's form."""
    value = params.get(name)
    if isinstance(value, (str, Path)):
        params[name] = {"absolute_path": str(value)} if str(value).strip() else None


def folder_field(inputs: types.Object, name: str, label: str, description: str, **kwargs: Any) -> types.Property:
    """A chooser for a folder on the machine that runs the App's server."""
    view = types.FileExplorerView(choose_dir=True, button_label="Choose a folder…", choose_button_label="Choose")
    return inputs.file(name, label=label, description=description, view=view, **kwargs)


def _entered(params: Mapping[str, Any], section: str, model: type[StageConfig]) -> dict[str, Any]:
    values = params.get(section) if is_open(params, section) else None
    entered = {name: value for name, value in dict(values or {}).items() if value not in (None, "")}
    fields = model.model_fields
    return {n: read_entry(value, fields[n].annotation) if n in fields else value for n, value in entered.items()}


def _first(error: ValidationError) -> tuple[str, str]:
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]) or "combination", first["msg"]


def _lookup(inputs: types.Object, params: Mapping[str, Any], path: str) -> tuple[types.Property | None, Any]:
    section, _, name = path.rpartition(".")
    if section:
        parent = inputs.get_property(section)
        inputs = parent.type if parent is not None else types.Object()
        params = dict(params.get(section) or {})
    return inputs.get_property(name), params.get(name)


def _field(group: types.Object, name: str, info: FieldInfo, choices: Choices | None) -> None:
    kind = _plain_type(info.annotation)
    shared: dict[str, Any] = {
        "label": name.replace("_", " ").capitalize(),
        "description": info.description,
        "default": _shown(info),
        "required": False,
    }
    low, high = _bounds(info)
    if get_origin(kind) is Literal:
        choices = [str(value) for value in get_args(kind)]
    if choices is not None:
        dropdown = types.DropdownView()
        for choice in choices:
            dropdown.add_choice(choice, label=choices[choice] if isinstance(choices, Mapping) else choice)
        group.enum(name, dropdown.values(), view=dropdown, **shared)
    elif kind is bool:
        group.bool(name, **shared)
    elif kind is int:
        group.int(name, min=low, max=high, **shared)
    elif kind is float:
        group.float(name, min=low, max=high, **shared)
    else:
        group.str(name, allow_empty=True, **shared)


def _shown(info: FieldInfo) -> Any:
    default = show_entry(info.get_default(call_default_factory=True))
    return str(default) if isinstance(default, Path) else default


def _plain_type(annotation: Any) -> Any:
    """The type without ``| None``."""
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not NoneType)
    return annotation


def _bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    """Least and greatest value; an exclusive bound is shown as it is, and the model refuses the bound itself."""
    low = high = None
    for constraint in info.metadata:
        low = getattr(constraint, "ge", getattr(constraint, "gt", low))
        high = getattr(constraint, "le", getattr(constraint, "lt", high))
    return low, high
