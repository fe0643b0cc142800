"""The base of every stage's configuration: one validated model for forms, command line and run records."""

from __future__ import annotations

from typing import Any, get_origin

from pydantic import BaseModel, ConfigDict

SEPARATOR = ","


class StageConfig(BaseModel):
    """Immutable, and strict about names: a misspelt setting is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def parts_of(model: type[StageConfig]) -> dict[str, type[StageConfig]]:
    """The settings of ``model`` that are configurations themselves: forms and the command line show them apart."""
    kinds = {name: field.annotation for name, field in model.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, StageConfig)}


def read_entry(value: Any, annotation: Any) -> Any:
    """What was typed for a setting as the model takes it: a list is typed with commas."""
    is_list = get_origin(annotation) is tuple and isinstance(value, str)
    return [item.strip() for item in value.split(SEPARATOR) if item.strip()] if is_list else value


def show_entry(value: Any) -> Any:
    """A setting as it would be typed; the inverse of :func:`read_entry`."""
    return SEPARATOR.join(map(str, value)) if isinstance(value, tuple) else value
