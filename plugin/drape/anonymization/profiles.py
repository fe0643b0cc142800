"""Whom a release is for, and what that asks: the least masking, the greatest risk, the checks that must have run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from drape.anonymization.config import TARGETS, HeadRule, ReleaseConfig, Target
from drape.config import StageConfig
from drape.errors import ConfigError

Gate = Literal["unknown_risk", "risk", "unknown_frames", "no_face_check", "faces"]
"""What may stop a release: nobody estimated whom the masks miss; too many are missed; frames of which nothing is known
are shown as grey cards; nobody looked for faces; faces were found outside the masks."""

GATES: tuple[Gate, ...] = ("unknown_risk", "risk", "unknown_frames", "no_face_check", "faces")

_FLOORS = ("margin_x", "margin_top", "margin_bottom", "min_margin_px", "temporal_padding_s")
_CEILINGS = {"min_existence": "max_existence", "face_every": "max_face_every"}


class Profile(StageConfig):
    """What a release for some readers must at least be. What a file leaves out is as in ``public``, the strictest.

    Settings that mask less than the profile asks are raised to it, never the other way. ``public`` asks for the solid
    fill (what it shows does not depend on the person), for twice the accepted persons' operating point and five times
    the padding of the default settings, for whole bodies, and for less than one expected missed person-second. The
    limits of ``consortium`` are those a curator can reach in one round of review; it takes heads for enough where key
    points or other views tell where they are.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="Of the profile, as it stands in the manifest")
    fills: tuple[Literal["solid", "blur"], ...] = Field(
        ("solid",), min_length=1, description="Fills that may be used; the first replaces any other"
    )
    least_target: Target = Field("body", description="Least that is masked of a person")
    head_rules: tuple[HeadRule, ...] = Field(
        (), description="Rules by which a head may have been found to be masked alone"
    )
    max_existence: float = Field(0.05, ge=0, le=0.5, description="Largest min_existence: lower masks more")
    margin_x: float = Field(0.2, ge=0, le=1, description="Least margin_x")
    margin_top: float = Field(0.1, ge=0, le=1, description="Least margin_top")
    margin_bottom: float = Field(0.05, ge=0, le=1, description="Least margin_bottom")
    min_margin_px: int = Field(4, ge=0, le=64, description="Least min_margin_px")
    temporal_padding_s: float = Field(0.2, ge=0, le=5, description="Least temporal_padding_s")
    max_face_every: int = Field(1, ge=1, le=1000, description="Largest face_every: every frame, every n-th …")
    risk: Literal["reported", "required"] = Field(
        "required", description="required: no release as long as nobody estimated who is missed"
    )
    max_missed_person_seconds: float | None = Field(
        1.0, ge=0, description="Most expected person-seconds that are missed and outside every mask; none: any"
    )
    max_missed_intervals: int | None = Field(
        0, ge=0, description="Most intervals in which somebody is likely missed outside every mask; none: any"
    )
    cards: bool = Field(
        False, description="Whether frames of which nothing is known may be released as cards without an override"
    )
    face_check: Literal["if_available", "required"] = Field(
        "required", description="required: no release unless faces were looked for in the released pictures"
    )
    overridable: tuple[Gate, ...] = Field(
        ("risk", "unknown_frames", "faces"), description="What an override with a name and a reason may accept"
    )
    reviewers: tuple[str, ...] | None = Field(None, description="Who may override; none: anybody with a name")

    @classmethod
    def load(cls, name: str | Path) -> Profile:
        """A built-in profile by its name, or that of a YAML or JSON file.

        Raises:
            ConfigError: there is no such profile, the file cannot be read, or a setting is unknown or out of bounds.
        """
        if str(name) in PROFILES:
            return PROFILES[str(name)]
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
            content = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
            profile = cls.model_validate(content)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, json.JSONDecodeError) as error:
            known = ", ".join(PROFILES)
            raise ConfigError("The profile cannot be read", f"Name one of {known}, or a YAML or JSON file") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ConfigError(f"Profile, {where}: {first['msg']}", "Correct the profile's file") from error
        if profile.name in PROFILES:
            raise ConfigError("The profile has the name of a built-in one", "Give it a name of its own")
        return profile

    def strengthen(self, config: ReleaseConfig) -> tuple[ReleaseConfig, tuple[str, ...]]:
        """Settings that mask at least what the profile asks.

        Returns:
            The settings, and the names of those that were changed.
        """
        changed: dict[str, Any] = {}
        if config.fill not in self.fills:
            changed["fill"] = self.fills[0]
        changed |= self._larger_targets(config)
        for name in _FLOORS:
            if getattr(config, name) < getattr(self, name):
                changed[name] = getattr(self, name)
        for name, own in _CEILINGS.items():
            if getattr(config, name) > getattr(self, own):
                changed[name] = getattr(self, own)
        return ReleaseConfig.model_validate({**config.model_dump(), **changed}), tuple(sorted(changed))

    def _larger_targets(self, config: ReleaseConfig) -> dict[str, Any]:
        """Settings of the targets that change."""
        order = TARGETS.index
        changed: dict[str, Any] = {}
        if order(config.target) < order(self.least_target):
            changed["target"] = self.least_target
        by_class = config.class_targets
        if any(order(target) < order(self.least_target) for target in by_class.values()):
            larger = {name: max(target, self.least_target, key=order) for name, target in by_class.items()}
            changed["targets"] = tuple(f"{name}={target}" for name, target in larger.items())
        strengthened = {**config.model_dump(), **changed}
        allowed = tuple(rule for rule in config.head_rules if rule in self.head_rules)
        if allowed != config.head_rules and ReleaseConfig.model_validate(strengthened).shaped:
            changed["head_rules"] = allowed
        return changed


INTERNAL = Profile(
    name="internal",
    fills=("solid", "blur"),
    least_target="head",
    head_rules=("key_points", "over_time", "over_views", "upper_box", "whole_box"),
    max_existence=0.5,
    margin_x=0,
    margin_top=0,
    margin_bottom=0,
    min_margin_px=0,
    temporal_padding_s=0,
    max_face_every=1000,
    risk="reported",
    max_missed_person_seconds=None,
    max_missed_intervals=None,
    cards=True,
    face_check="if_available",
    overridable=GATES,
)
CONSORTIUM = Profile(
    name="consortium",
    fills=("solid", "blur"),
    least_target="head",
    head_rules=("key_points", "over_time", "over_views"),
    max_existence=0.1,
    temporal_padding_s=0.04,
    max_face_every=5,
    max_missed_person_seconds=10.0,
    max_missed_intervals=5,
    face_check="if_available",
    overridable=GATES,
)
PUBLIC = Profile(name="public")
PROFILES = {profile.name: profile for profile in (INTERNAL, CONSORTIUM, PUBLIC)}


class Override(StageConfig):
    """Somebody's word that a release may go out although a check stopped it; it is published in the manifest."""

    name: str = Field(
        min_length=2, max_length=80, pattern=r"^[^\x00-\x1f<>]+$", description="Who answers for it (may be a pseudonym)"
    )
    reason: str = Field(min_length=10, max_length=500, pattern=r"^[^\x00-\x1f<>]+$", description="Why it may go out")
    accepts: tuple[Gate, ...] = Field(min_length=1, description="Which checks it speaks of")
