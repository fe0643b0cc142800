"""Settings of association."""

from __future__ import annotations

from pydantic import Field

from drape.config import StageConfig


class AssociationConfig(StageConfig):
    """Settings of association.

    Network, losses and synchronization task follow Self-MVA (Chen et al. 2025). The defaults were chosen in a few
    single runs on MVOR (days 1-3) and 200 instants of WILDTRACK, with their labels in view: figures on these two are
    fitted in that sense, and no setting was varied alone over several seeds. ``match_probability`` is a choice for
    recall: it hardly matters on MVOR and trades precision for recall on WILDTRACK.
    """

    token: int = Field(64, ge=8, le=512, description="Width of a token; features are three tokens wide")
    layers: int = Field(3, ge=1, le=8, description="Layers of the encoder")
    frequency_scale: float = Field(1.0, gt=0, le=10, description="Spread of the box features' frequencies")
    seeds: int = Field(2, ge=1, le=10, description="Networks whose evidence is averaged")
    seed: int = Field(0, ge=0, description="First seed; equal seeds and inputs give equal results")
    steps: int = Field(600, ge=1, le=1_000_000, description="Most steps of training per network")
    floor_steps: int = Field(500, ge=1, le=100_000, description="Steps in which the floors alone are fitted")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Highest learning rate")
    batch_boxes: int = Field(250, ge=16, le=10_000, description="Boxes of a view in a batch, about")
    views_per_step: int = Field(3, ge=2, le=12, description="Views drawn for a batch; the others are left out of it")
    edge_weight: float = Field(0.3, ge=0, le=10, description="Weight of the edge loss where no floor was found")
    reprojection_weight: float = Field(1.0, ge=0, le=10, description="Weight of re-projection into the own view")
    temperature: float = Field(0.3, gt=0, le=1, description="Share of a set's log-likelihood that counts")
    stay_weight: float = Field(
        0.9, ge=0, le=1, description="How much less counts what stands in one place at all times"
    )
    sure_score: float = Field(0.3, gt=0, le=1, description="Detections below this score count proportionally less")
    train_score: float = Field(0.1, ge=0, le=1, description="Detections below this score are not learned from")
    gaps_s: tuple[float, ...] = Field(
        (20.0, 10.0, 5.0), min_length=1, description="Distances of negatives, wide to near, in seconds"
    )
    gap_accuracy: float = Field(0.9, gt=0.5, lt=1, description="Held-out accuracy at which nearer negatives are taken")
    held_out: float = Field(0.15, gt=0, le=0.5, description="Share of the instants held out to check on")
    max_instants: int = Field(2000, ge=16, le=100_000, description="Most instants learned from")
    patience: int = Field(6, ge=1, description="Checks without improvement after which training ends")
    match_score: float = Field(0.1, ge=0, le=1, description="Detections below this score are not matched")
    match_probability: float = Field(0.1, gt=0, lt=1, description="Least probability of a match")
    rate_hz: float = Field(10.0, gt=0, le=1000, description="Most instants per second that are matched")
    keep_probability: float = Field(0.02, gt=0, lt=1, description="Pairs less likely than this are not written")
    appearance_weight: float = Field(0.1, ge=0, le=1, description="Share of appearance in the evidence, where given")
