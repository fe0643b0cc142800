"""The stages in their order, as functions of a workspace: resumable, and skipped where nothing has changed."""

from drape.pipeline.agreement import associate, retrieve
from drape.pipeline.config import PipelineConfig
from drape.pipeline.exporting import export, run
from drape.pipeline.ingestion import ingest
from drape.pipeline.posing import estimate_poses, find_heads
from drape.pipeline.stages import detect, track
from drape.pipeline.workspace import Workspace

__all__ = [
    "PipelineConfig",
    "Workspace",
    "associate",
    "detect",
    "estimate_poses",
    "export",
    "find_heads",
    "ingest",
    "retrieve",
    "run",
    "track",
]
