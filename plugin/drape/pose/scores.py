"""One scale for the scores of all pose models: 0 nothing was seen, 1 the answer is as it was taught for a clear point.

Every function is monotone: of two points of one model, the one with the higher raw score never gets the lower score.
What a score is worth as a probability differs between models; that the ends of the scale mean the same does not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Floats

BETWEEN_BINS = 0.5
"""Softmax of a clear peak that lies right between two bins: they share its mass, which says nothing against it."""


class SimccScale(NamedTuple):
    """How a SimCC head was taught (Li et al. 2022; RTMPose, Jiang et al. 2023), which its raw scores are measured by.

    ``beta`` multiplies its outputs in the loss. Labels are Gaussians with the peaks ``peak`` (x, y); those of RTMPose
    and RTMW are sharpened by a softmax of ``label_beta`` times the label, and None says that there was no such one.
    """

    beta: float
    label_beta: float | None
    peak: tuple[float, float]

    @property
    def softmax(self) -> bool:
        """Whether raw scores must be peaks of softmax(beta * output) rather than of the output itself."""
        return self.label_beta is None


def simcc_scale(decoder: Any, loss: Any) -> SimccScale:
    """The scale of a head from its codec (mmpose's ``SimCCLabel``) and its loss (``KLDiscretLoss``)."""
    sigma = np.broadcast_to(np.asarray(decoder.sigma, np.float64), (2,))
    height = 1 / (sigma * np.sqrt(2 * np.pi)) if decoder.normalize else np.ones(2)
    softened = bool(getattr(loss, "label_softmax", False))
    label_beta = float(getattr(loss, "label_beta", 10.0)) if softened else None
    return SimccScale(float(getattr(loss, "beta", 1.0)), label_beta, (float(height[0]), float(height[1])))


def simcc_scores(peaks: NDArray[np.floating], scale: SimccScale) -> Floats:
    """Scores of a SimCC head's points.

    A softmax taught with softmax(``label_beta`` * label) is right where ``beta`` * output equals ``label_beta`` * label
    up to a constant, so a clear point's output is ``label_beta`` * peak / ``beta`` high: 1 for RTMPose, 10 for RTMW.
    Of a head taught with plain Gaussians, the softmax itself is as high as the label.

    Args:
        peaks: (N, K, 2) highest output of each axis, or of its softmax where ``scale.softmax`` says so.
        scale: of the head.

    Returns:
        (N, K) in [0, 1]: of the axis that is less sure.
    """
    full = np.array(scale.peak) if scale.label_beta is None else np.array(scale.peak) * scale.label_beta / scale.beta
    return np.clip((peaks / full).min(axis=-1), 0, 1).astype(np.float32)


def doubted(scores: Floats, visibility: NDArray[np.floating]) -> Floats:
    """Scores (N, K) lowered where a SimCC head's visibility (N, K), the peak of a sharpened softmax, says that there is
    no single peak; down to ``BETWEEN_BINS`` it says nothing."""
    return (scores * np.clip(visibility / BETWEEN_BINS, 0, 1)).astype(np.float32)


def heatmap_scores(peaks: NDArray[np.floating]) -> Floats:
    """Scores of a heat map's highest values, any shape: maps are taught with Gaussians of height 1."""
    return np.clip(peaks, 0, 1).astype(np.float32)
