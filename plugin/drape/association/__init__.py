"""Which detections of different views are of one person: learned from the recording itself, without any labels."""

from drape.association.config import AssociationConfig
from drape.association.learning import History, learn
from drape.association.model import AssociationModel
from drape.association.recording import AssociatedRecording, Background, associate_recording
from drape.association.stage import Association, associate
from drape.association.views import ViewBoxes, from_tables, plain

__all__ = [
    "AssociatedRecording",
    "Association",
    "AssociationConfig",
    "AssociationModel",
    "Background",
    "History",
    "ViewBoxes",
    "associate",
    "associate_recording",
    "from_tables",
    "learn",
    "plain",
]
