"""The base of every stage's configuration: one validated model for forms, command line and run records."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StageConfig(BaseModel):
    """Immutable, and strict about names: a misspelt setting is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
