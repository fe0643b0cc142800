"""The operators of the plugin, in the order in which a curator needs them."""

from .associate_views import AssociateViews
from .detect_candidates import DetectCandidates
from .export_release import ExportRelease
from .ingest_recording import IngestRecording
from .retrieve_missed import RetrieveMissed
from .run_pipeline import RunPipeline
from .track_persons import TrackPersons

OPERATORS = (
    IngestRecording,
    DetectCandidates,
    TrackPersons,
    AssociateViews,
    RetrieveMissed,
    ExportRelease,
    RunPipeline,
)
