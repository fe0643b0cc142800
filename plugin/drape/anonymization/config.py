"""Settings of a release."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from drape.config import StageConfig

Target = Literal["head", "silhouette", "body"]
TARGETS: tuple[Target, ...] = ("head", "silhouette", "body")
"""What is masked of a person, the larger later: the head's region, a hull around the whole pose, the grown box."""

_TARGETS = "|".join(TARGETS)
_CLASSES = "patient|staff|visitor|opt_out|reviewed|reflection"
"""Classes have fixed names, because they are published: free ones could be people's."""
HeadRule = Literal["key_points", "over_time", "over_views", "upper_box", "whole_box"]

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]


class ReleaseConfig(StageConfig):
    """What is masked, with what, and how the video is encoded.

    Detector boxes are tighter than people, so every box is grown before it is filled. Margins, padding and operating
    point are chosen by coverage of annotated people against masked background (``bench/masking.py``, PETS view 1, our
    tracker's persons). Without margins .79 of the people are covered to 90 %; .20 at the sides brings .96, .05 at top
    and bottom .97, for 2 % of the picture masked besides people; more at top and bottom adds nothing that 90 % of a box
    can show, and .10 at the top is for heads, which detectors cut. An existence of .10 covers more than .50 and masks
    no more background. The padding is one frame at common rates, enough for a box that jitters; more costs much where
    people move fast in the picture and gains little where they do not.

    ``target`` is the body, because people are known by more than their heads; a smaller one is for those who must see
    hands and instruments. Wherever less is known than it needs, the body is masked. A class's target replaces the
    default; of two classes the larger target holds. Identities can be wrong, so an identity speaks for all boxes of its
    tracklet, and while any are listed, a tracklet without one is masked as the largest of them. ``silhouette_margin``
    covers what lies around the bones of arms and legs (``bench/heads.py``).

    ``crf`` is bounded because the verifier tells a fill from anything else by the size of the coding error, and
    ``encoder_threads`` is a number and not that of the machine because the encoder's output depends on it.
    """

    fill: Literal["solid", "blur"] = Field(
        "solid",
        description="solid: one grey; blur: a few noised colour cells per person, looks blurred, restores nothing",
    )
    target: Target = Field("body", description="What is masked of a person: body (the box), silhouette, or head")
    targets: tuple[Annotated[str, Field(pattern=rf"^({_CLASSES})=({_TARGETS})$")], ...] = Field(
        ("patient=body", "opt_out=body", "reviewed=body"),
        description="Other targets by class, such as staff=head; reviewed: boxes that a curator added, reflection: "
        "second images in glass",
    )
    people: tuple[Annotated[str, Field(pattern=rf"^({_CLASSES})=\d+$")], ...] = Field(
        (), description="Classes of persons by identity (persons' numbers over all views), such as patient=3"
    )
    head_rules: tuple[HeadRule, ...] = Field(
        ("key_points", "over_time", "over_views", "upper_box"),
        description="Rules by which a head must have been found to be masked alone; others are masked as bodies",
    )
    silhouette_margin: float = Field(
        0.08, ge=0, le=0.5, description="Growth of a silhouette all around, as a share of the box's height"
    )
    min_existence: float = Field(
        0.1, ge=0, le=0.5, description="Persons with at least this existence probability are masked"
    )
    margin_x: float = Field(0.2, ge=0, le=1, description="Growth on the left and right, as a share of the box's width")
    margin_top: float = Field(0.1, ge=0, le=1, description="Growth at the top, as a share of the box's height")
    margin_bottom: float = Field(0.05, ge=0, le=1, description="Growth at the bottom, as a share of the box's height")
    min_margin_px: int = Field(4, ge=0, le=64, description="Least growth on each side, in pixels")
    temporal_padding_s: float = Field(
        0.04, ge=0, le=5, description="Each mask also covers this many seconds before and after its box"
    )
    grey: int = Field(
        128, ge=16, le=235, description="Luma of the solid fill and of full-frame cards (16 black, 235 white)"
    )
    blur_refresh_s: float = Field(
        5.0, ge=1, le=3600, description="A blurred person's colours are taken anew after this many seconds"
    )
    crf: int = Field(21, ge=0, le=24, description="Quality of the encoder: lower is better and larger")
    encoder_preset: Preset = Field("veryfast", description="Speed of the encoder: slower presets make smaller files")
    face_every: int = Field(
        1, ge=1, le=1000, description="The verifier looks for faces in each n-th frame (1: every frame)"
    )
    encoder_threads: int = Field(4, ge=1, le=64, description="Encoder threads; the output depends on this number")

    @model_validator(mode="after")
    def _known_classes(self) -> ReleaseConfig:
        if strange := [name for name in self.members if name not in self.class_targets]:
            raise ValueError(f"the class {strange[0]} has persons but no target: add it to targets")
        return self

    @property
    def class_targets(self) -> dict[str, Target]:
        """``targets`` by class; of two targets of a class the larger."""
        pairs = [text.split("=") for text in self.targets]
        return {name: target for target in TARGETS for name, own in pairs if own == target}

    @property
    def members(self) -> dict[str, list[int]]:
        """Identities of ``people`` by class."""
        found: dict[str, list[int]] = {}
        for name, identity in (text.split("=") for text in self.people):
            found.setdefault(name, []).append(int(identity))
        return found

    @property
    def shaped(self) -> bool:
        """Whether anybody may be masked by something else than a box."""
        return any(target != "body" for target in (self.target, *self.class_targets.values()))
