"""The configuration of the whole pipeline: one model per stage."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from drape.adaptation.config import AdaptationConfig
from drape.adaptation.student_config import StudentConfig
from drape.anonymization import ReleaseConfig, TermsConfig
from drape.association import AssociationConfig
from drape.config import StageConfig
from drape.detection import DetectionConfig
from drape.errors import ConfigError
from drape.pose import PoseConfig
from drape.pose.head_config import HeadConfig
from drape.retrieval import RetrievalConfig
from drape.tracking import TrackingConfig


class PipelineConfig(StageConfig):
    """All stages' configurations; each field's defaults are justified in its own model."""

    detection: DetectionConfig = DetectionConfig()
    tracking: TrackingConfig = TrackingConfig()
    association: AssociationConfig = AssociationConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    adaptation: AdaptationConfig = AdaptationConfig()
    student: StudentConfig = StudentConfig()
    pose: PoseConfig = PoseConfig()
    heads: HeadConfig = HeadConfig()
    release: ReleaseConfig = ReleaseConfig()
    terms: TermsConfig = TermsConfig()

    @classmethod
    def from_yaml(cls, path: Path) -> PipelineConfig:
        """Read a configuration file whose keys are the stages: ``detection``, ``tracking``, …

        Raises:
            ConfigError: the file cannot be read, or a setting is unknown or out of its bounds.
        """
        try:
            content = yaml.safe_load(path.read_text()) or {}
            return cls.model_validate(content)
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError("The configuration file cannot be read", "Check that it is YAML") from error
        except ValidationError as error:
            raise ConfigError(describe(error), "Correct the configuration file") from error


def describe(error: ValidationError) -> str:
    """A validation error in one line: setting and reason, without the value."""
    first = error.errors()[0]
    return f"Setting {'.'.join(str(p) for p in first['loc'])}: {first['msg']}"
