"""Command-line options made from configuration models, so that a setting is described in one place only."""

from __future__ import annotations

import inspect
import typing
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from drape.config import StageConfig, parts_of, read_entry, show_entry
from drape.errors import ConfigError

Model = TypeVar("Model", bound=StageConfig)


def with_options(**models: type[StageConfig]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: give a command an option for every field of ``models`` that is no configuration itself.

    The command receives, for each keyword, a dict of the fields that were given on the command line. Where two models
    of one command share a field name, its options carry their keyword in front (``--tracking-max-gap-s``).

    Raises:
        ValueError: a field has the name of one of the command's own options.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name not in models]
        fields = _option_names(models)
        clash = {p.name for p in own} & set(fields)
        if clash:
            raise ValueError(f"two options are called {sorted(clash)[0]}")
        options = [
            _option(option, models[keyword].model_fields[name], keyword) for option, (keyword, name) in fields.items()
        ]

        def wrapper(**values: Any) -> None:
            given: dict[str, dict[str, Any]] = {keyword: {} for keyword in models}
            for option, (keyword, name) in fields.items():
                value = values.pop(option)
                if value is not None:
                    given[keyword][name] = read_entry(value, models[keyword].model_fields[name].annotation)
            command(**values, **given)

        wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
        wrapper.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
        return wrapper

    return decorate


def _option_names(models: Mapping[str, type[StageConfig]]) -> dict[str, tuple[str, str]]:
    """{option: (keyword, field)} of every field of the models."""
    fields = [(keyword, name) for keyword, model in models.items() for name in _own_fields(model)]
    shared = Counter(name for _, name in fields)
    return {f"{keyword}_{name}" if shared[name] > 1 else name: (keyword, name) for keyword, name in fields}


def _own_fields(model: type[StageConfig]) -> list[str]:
    parts = parts_of(model)
    return [name for name in model.model_fields if name not in parts]


def _option(name: str, field: FieldInfo, group: str) -> inspect.Parameter:
    kind = _plain_type(field.annotation)
    default = _default(field)
    words = f"{field.description} [dim]\\[default: {default}][/dim]"
    flags = [f"--{name.replace('_', '-')}"]
    if kind is bool:
        flags = [f"{flags[0]}/--no-{name.replace('_', '-')}"]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    if choices:
        words = f"{field.description}: {', '.join(map(str, choices))} [dim]\\[default: {default}][/dim]"
    option = typer.Option(None, *flags, help=words, show_default=False, rich_help_panel=f"Settings: {group}")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=typing.Optional[kind])  # noqa: UP045


def _default(field: FieldInfo) -> str:
    value = show_entry(field.get_default(call_default_factory=True))
    return "none" if value is None or value == "" else str(value)


def _plain_type(annotation: Any) -> type:
    """``X`` of ``X | None``; ``str`` for a choice and for a list, which is typed with commas."""
    if get_origin(annotation) in (Literal, tuple):
        return str
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return _plain_type(kinds[0])
    if annotation in (bool, int, float, str, Path):
        return typing.cast(type, annotation)
    raise TypeError(f"no option can be made of {annotation}")


def configure(base: Model, given: Mapping[str, Any]) -> Model:
    """``base`` with the values given on the command line.

    Raises:
        ConfigError: a value is out of its bounds.
    """
    try:
        return type(base).model_validate({**base.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        names = [f"--{str(part).replace('_', '-')}" for part in first["loc"]] or ["the settings"]
        raise ConfigError(f"{' '.join(names)}: {first['msg']}", "See --help for what it takes") from error
