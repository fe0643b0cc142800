"""Families of sites: how hospitals differ in light, cameras and clothes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Family = Literal["source", "dim", "steep", "gowned", "hazy", "compressed", "new"]
FAMILIES: tuple[Family, ...] = get_args(Family)

Range = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """Ranges a site's traits are drawn from.

    Attributes:
        brightness: exposure, 1 = normal.
        warmth: colour of the light, 0 = neutral, positive = warm.
        camera_height: share of the ceiling's height.
        camera_distance: share of the way from the table to the wall.
        aim_height: metres above the floor of what the cameras look at.
        field_of_view: in degrees.
        distortion: ``k1`` of the lenses.
        gowned: share of the crew in surgical gowns.
        blur: of the lens, standard deviation in pixels of a picture 640 wide.
        noise: standard deviation in 1 / 255 of full scale x 255.
        jpeg: quality of the compression.
        haze: share of stray light.
        colours: how many colours of scrubs a crew wears.
        contrast: whether drapes are of another colour than what people wear.
    """

    brightness: Range = (1.2, 1.5)
    warmth: Range = (-0.05, 0.05)
    camera_height: Range = (0.76, 0.92)
    camera_distance: Range = (0.84, 0.95)
    aim_height: Range = (0.75, 1.05)
    field_of_view: Range = (66.0, 78.0)
    distortion: Range = (-0.09, -0.03)
    gowned: Range = (0.1, 0.4)
    blur: Range = (0.4, 0.7)
    noise: Range = (0.007, 0.013)
    jpeg: Range = (72, 85)
    haze: Range = (0.0, 0.03)
    colours: Range = (1, 3)
    contrast: bool = True


LOOKS: dict[Family, Look] = {
    "source": Look(),
    "dim": Look(brightness=(0.30, 0.45), noise=(0.018, 0.03), blur=(0.6, 1.0), jpeg=(55, 70), warmth=(-0.12, 0.12)),
    "steep": Look(
        camera_height=(0.96, 0.985), camera_distance=(0.5, 0.75), aim_height=(0.4, 0.6), field_of_view=(84.0, 90.0)
    ),
    "gowned": Look(gowned=(0.9, 1.0), colours=(1, 1), contrast=False),
    "hazy": Look(haze=(0.3, 0.5), blur=(0.9, 1.3), brightness=(0.95, 1.2)),
    "compressed": Look(jpeg=(22, 34), blur=(0.9, 1.4), noise=(0.015, 0.025), brightness=(0.9, 1.2)),
    "new": Look(
        brightness=(0.42, 0.62),
        warmth=(-0.10, 0.10),
        camera_height=(0.95, 0.985),
        camera_distance=(0.6, 0.85),
        aim_height=(0.45, 0.65),
        field_of_view=(82.0, 90.0),
        gowned=(0.8, 1.0),
        blur=(0.8, 1.2),
        noise=(0.015, 0.025),
        jpeg=(42, 58),
        haze=(0.0, 0.12),
        colours=(1, 2),
        contrast=False,
    ),
}
"""``source`` is bright, with ordinary wall cameras and mixed scrubs; the others each leave it in one way, and ``new``
mixes them: dim, steep, gowned and soft."""
