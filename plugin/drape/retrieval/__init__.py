"""Who is there, by all evidence of all views; whom one view alone misses; and where somebody may still be missed."""

from drape.retrieval.config import RetrievalConfig
from drape.retrieval.decisions import DECISIONS
from drape.retrieval.operating import masked, teaching_weights
from drape.retrieval.pool import RetrievalView
from drape.retrieval.stage import Retrieved, retrieve
from drape.retrieval.untracked import untracked

__all__ = [
    "DECISIONS",
    "RetrievalConfig",
    "RetrievalView",
    "Retrieved",
    "masked",
    "retrieve",
    "teaching_weights",
    "untracked",
]
