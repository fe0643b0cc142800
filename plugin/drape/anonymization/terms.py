"""On what terms a release is made, beside the settings of its masks: profile, fixed regions, override, keys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

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

    @classmethod
    def load(
        cls,
        profile: str | Path = "internal",
        fixed: Path | None = None,
        accept: Sequence[str] = (),
        accepted_by: str | None = None,
        reason: str | None = None,
        key: Path | None = None,
        face_weights: Path | None = None,
    ) -> Terms:
        """Terms from what a form or a command line gives: names, and paths of files.

        Raises:
            ConfigError: a file cannot be read or is not what it must be; an override lacks its name or its reason.
            ReleaseError: the key cannot be used.
        """
        override = None
        if accept or accepted_by or reason:
            try:
                override = Override.model_validate({"accepts": tuple(accept), "name": accepted_by, "reason": reason})
            except ValidationError as error:
                first = error.errors()[0]
                where = {"accepts": "accepted checks", "name": "name", "reason": "reason"}[str(first["loc"][0])]
                raise ConfigError(
                    f"An override needs checks, a name and a reason; {where}: {first['msg']}", "Give all three"
                ) from error
        return cls(
            profile=Profile.load(profile),
            fixed=FixedRegions.load(fixed) if fixed else FixedRegions({}),
            override=override,
            key=load_private_key(key) if key else None,
            face_weights=face_weights,
        )

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


def _digest(model: StageConfig) -> str:
    return hashlib.sha256(model.model_dump_json().encode()).hexdigest()
