"""Adaptation: a detector learns a site from its own recordings, without labels, and is kept only if nothing falls.

What needs torch or mmdet is loaded when it is first asked for: settings and cards are wanted where seconds count.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from drape.adaptation.cards import Card, list_models, load_card, write_model
from drape.adaptation.config import AdaptationConfig
from drape.adaptation.config_guard import GuardConfig
from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.fine_tune_config import FineTuneConfig

if TYPE_CHECKING:
    from drape.adaptation.fine_tuning import BaseModel, FineTuned, fine_tune
    from drape.adaptation.guard import Measures, Verdict, judge
    from drape.adaptation.labels import LabelledFrame, labelled_frames, pseudo_labels
    from drape.adaptation.training_set import TrainingSet, write_training_set

_LATER = {
    "BaseModel": "fine_tuning",
    "FineTuned": "fine_tuning",
    "fine_tune": "fine_tuning",
    "Measures": "guard",
    "Verdict": "guard",
    "judge": "guard",
    "LabelledFrame": "labels",
    "labelled_frames": "labels",
    "pseudo_labels": "labels",
    "TrainingSet": "training_set",
    "write_training_set": "training_set",
}

__all__ = [
    "AdaptationConfig",
    "BaseModel",
    "Card",
    "FineTuneConfig",
    "FineTuned",
    "GuardConfig",
    "LabelConfig",
    "LabelledFrame",
    "Measures",
    "TrainingSet",
    "Verdict",
    "fine_tune",
    "judge",
    "labelled_frames",
    "list_models",
    "load_card",
    "pseudo_labels",
    "write_model",
    "write_training_set",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
