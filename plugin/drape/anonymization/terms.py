"""On what terms a release is made, beside the settings of its masks: profile, fixed regions, override, keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError

from drape import tables
from drape.anonymization.fixed import FixedRegions
from drape.anonymization.profiles import INTERNAL, Override, Profile
from drape.anonymization.signing import fingerprint, load_private_key
from drape.config import StageConfig
from drape.errors import ConfigError


@dataclass(frozen=True)
class Terms:
    """See the fields; the default is an unsigned release for internal use.

    Attributes:
        profile: whom it is for.
        fixed: regions masked in every frame.
        override: who accepts what a check says, and why.
        key: signs the release; unsigned without it.
        face_weights: YuNet's file; None takes the one on this machine.
    """

    profile: Profile = INTERNAL
    fixed: FixedRegions = field(default_factory=lambda: FixedRegions({}))
    override: Override | None = None
    key: Ed25519PrivateKey | None = None
    face_weights: Path | None = None

    def inputs(self) -> dict[str, str]:
        """Digests of all that changes the released bytes, by name: whether two releases are on the same terms."""
        weights = self.face_weights
        return {
            "profile": _digest(self.profile),
            "fixed": hashlib.sha256(self.fixed.model_dump_json().encode()).hexdigest(),
            "override": _digest(self.override) if self.override else "none",
            "key": fingerprint(self.key.public_key()) if self.key else "none",
            "face_weights": tables.sha256(weights) if weights is not None and weights.is_file() else "none",
        }


class TermsConfig(StageConfig):
    """Terms as forms, configuration files and the command line give them: names, and paths of files.

    The defaults are those of `Terms`: what is not asked for is neither promised nor hidden.
    """

    profile: Literal["internal", "consortium", "public"] = Field(
        "internal", description="Whom the release is for; raises weaker settings, and may stop the release"
    )
    profile_file: Path | None = Field(None, description="YAML or JSON file of a profile of your own, used instead")
    regions: Path | None = Field(
        None, description="YAML or JSON file of regions masked in every frame: monitors, name plates, clocks"
    )
    key: Path | None = Field(None, description="Private key that signs the release; without it nobody does")
    accept: str = Field(
        "",
        description="Checks that may fail, with commas: risk, unknown_risk, unknown_frames, faces, no_face_check",
    )
    accepted_by: str = Field("", description="Who accepts that; stands in the manifest")
    reason: str = Field("", description="Why; stands in the manifest")
    face_weights: Path | None = Field(None, description="YuNet's ONNX file, if not the one on this machine")

    def terms(self) -> Terms:
        """Read the files.

        Raises:
            ConfigError: a file cannot be read or is not what it must be; an override lacks its name or its reason.
            ReleaseError: the key cannot be used.
        """
        return Terms(
            profile=Profile.load(self.profile_file or self.profile),
            fixed=FixedRegions.load(self.regions) if self.regions else FixedRegions({}),
            override=self._override(),
            key=load_private_key(self.key) if self.key else None,
            face_weights=self.face_weights,
        )

    def _override(self) -> Override | None:
        if not (self.accept or self.accepted_by or self.reason):
            return None
        accepts = tuple(name.strip() for name in self.accept.split(",") if name.strip())
        try:
            return Override.model_validate({"accepts": accepts, "name": self.accepted_by, "reason": self.reason})
        except ValidationError as error:
            first = error.errors()[0]
            where = {"accepts": "accept", "name": "accepted_by"}.get(str(first["loc"][0]), str(first["loc"][0]))
            raise ConfigError(
                f"An override needs checks, a name and a reason; {where}: {first['msg']}", "Give all three"
            ) from error


def _digest(model: StageConfig) -> str:
    return hashlib.sha256(model.model_dump_json().encode()).hexdigest()
