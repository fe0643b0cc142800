"""Which detections of different views are of one person: learned from the recording itself, without any labels.

What needs torch is loaded when it is first asked for: settings and tables are wanted in places where seconds count.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from drape.association.config import AssociationConfig
from drape.association.views import ViewBoxes, from_tables, plain

if TYPE_CHECKING:
    from drape.association.learning import History, learn
    from drape.association.model import AssociationModel
    from drape.association.recording import AssociatedRecording, Background, associate_recording
    from drape.association.refit import fit_camera
    from drape.association.stage import Association, associate

_LATER = {
    "History": "learning",
    "learn": "learning",
    "AssociationModel": "model",
    "AssociatedRecording": "recording",
    "Background": "recording",
    "associate_recording": "recording",
    "fit_camera": "refit",
    "Association": "stage",
    "associate": "stage",
}

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
    "fit_camera",
    "from_tables",
    "learn",
    "plain",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
