"""Candidates of one view become tracklets without gaps, each box with the probability that it holds a person."""

from drape.tracking.config import TrackingConfig
from drape.tracking.stage import track_view

__all__ = ["TrackingConfig", "track_view"]
