"""Two operating points of one probability: generous where people are hidden, strict where a detector learns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drape.retrieval.config import RetrievalConfig

GUESSED = "interpolated"
"""Source of boxes that no detector has seen: they hide people, but would teach wrong borders."""


def masked(persons: pa.Table, config: RetrievalConfig | None = None) -> pa.Table:
    """The rows of ``PERSONS`` that are masked: existence of at least ``mask_existence``."""
    config = config or RetrievalConfig()
    return persons.filter(pc.greater_equal(persons.column("existence"), config.mask_existence))


def teaching_weights(persons: pa.Table, config: RetrievalConfig | None = None) -> NDArray[np.float32]:
    """How much each row of ``PERSONS`` counts as a label for a detector, shape (N,).

    The existence itself where it reaches ``label_existence`` and a detector has seen the box; 0 for a box that must be
    neither learned nor learned away (doubtful, guessed, or a reflection); NaN for one that counts as background,
    below ``min_existence_kept``.
    """
    config = config or RetrievalConfig()
    existence = persons.column("existence").to_numpy().astype(np.float32)
    guessed = pc.equal(persons.column("source"), GUESSED).to_numpy(zero_copy_only=False)
    copy = persons.column("copy").to_numpy(zero_copy_only=False)
    weight = np.where((existence >= config.label_existence) & ~guessed & ~copy, existence, np.float32(0))
    return np.where(existence < config.min_existence_kept, np.float32(np.nan), weight)
