"""The stages in their order, as functions of a workspace: resumable, and skipped where nothing has changed."""

from drape.pipeline.agreement import associate, retrieve
from drape.pipeline.config import PipelineConfig
from drape.pipeline.exporting import export, run
from drape.pipeline.ingestion import ingest
from drape.pipeline.stages import detect, track
from drape.pipeline.workspace import Workspace

__all__ = ["PipelineConfig", "Workspace", "associate", "detect", "export", "ingest", "retrieve", "run", "track"]
