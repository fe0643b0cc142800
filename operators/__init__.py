"""The operators of the plugin, in the order in which a curator needs them."""

from .adapt_detector import AdaptDetector
from .associate_views import AssociateViews
from .detect_candidates import DetectCandidates
from .estimate_poses import EstimatePoses
from .export_release import ExportRelease
from .ingest_recording import IngestRecording
from .retrieve_missed import RetrieveMissed
from .run_pipeline import RunPipeline
from .track_persons import TrackPersons
from .train_realtime_detector import TrainRealtimeDetector

OPERATORS = (
    IngestRecording,
    DetectCandidates,
    TrackPersons,
    AssociateViews,
    RetrieveMissed,
    AdaptDetector,
    TrainRealtimeDetector,
    EstimatePoses,
    ExportRelease,
    RunPipeline,
)
