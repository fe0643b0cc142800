"""Settings of the head regions."""

from __future__ import annotations

from pydantic import Field

from drape.config import StageConfig


class HeadConfig(StageConfig):
    """How heads are made from key points, and what happens where key points say too little.

    Chosen in six simulated rooms (``bench/head_chain.py``, ``TUNING``), reported on seven others by ``bench/heads.py``.

    - ``point_sigma`` and ``doubtful_sigma`` are what the built-in pose model does (``python -m bench.heads sigma``):
      errors on an axis of .011 m at scores above .9, .024 at .55, .039 at .35, .063 at .25; below ``min_score`` one
      point in twenty is off by .2 m or more. Other models' scores are made comparable by their adapters.
    - ``sure_score``: at least one point must be likelier right than not.
    - ``widening`` and ``margin``: with 2 and .3 the regions hold 99 % of .955 of the heads that the built-in model
      finds by points; a widening of 2.5 brings .963 for 9 % more area, 3 brings .972 for 19 %.
    - ``certain_sigma``: of the built-in model's heads with a larger deviation one in ten lies .48 m off.
    - ``time_sigma`` and ``box_sigma`` are what true heads do in boxes that jitter by 3 %: across .018 m after .08 s,
      .026 after .18, .046 after .8; down .042 to .051, whatever the time, and a little more for the poses beside.
      ``time_gap_s``: within .4 s 99 % of .93 of the heads are held, within 1 s of .90; beyond, larger regions hold all.
    - ``upper_share`` and ``upper_of_width``: heads of people seen from head to foot end above .24 of the height; the
      rest is for people cut off by tables and by the edge, and for jitter.
    - ``narrow``, ``wide``: of the boxes of standing people nine in ten are narrower than .64 of their height; lying
      patients, on whom pose models often fail, have wider ones.
    """

    min_score: float = Field(0.3, ge=0, le=1, description="Points below this score are not used")
    sure_score: float = Field(
        0.5, ge=0, le=1, description="A head is certain only if one of its points has at least this score"
    )
    point_sigma: float = Field(
        0.012, gt=0, le=0.2, description="Deviation of a point of score 1, in metres of the person"
    )
    doubtful_sigma: float = Field(
        0.10, gt=0, le=0.5, description="Deviation of a point of score 0 on the same scale; squared between the two"
    )
    certain_sigma: float = Field(
        0.06, gt=0, le=0.3, description="A head whose centre is known worse than this (metres) is not certain"
    )
    widening: float = Field(
        2.5, ge=0, le=5, description="Heads are widened by this many deviations of where their centre may be"
    )
    margin: float = Field(0.3, ge=0, le=1, description="Further growth of the head, as a share of its size")
    accepted: float = Field(
        0.5, ge=0, le=1, description="Below this existence the whole box is the head: nobody knows whether it is one"
    )
    time_gap_s: float = Field(
        0.4, ge=0, le=10, description="Heads are taken over from certain ones at most this far away in time"
    )
    time_sigma: float = Field(
        0.06,
        ge=0,
        le=1,
        description="Deviation a head gathers in the box per root of a second, in metres of the person",
    )
    box_sigma: float = Field(
        0.06, ge=0, le=1, description="Deviation of a head taken over because the box itself jitters, in metres"
    )
    view_sigma: float = Field(
        0.08, ge=0, le=1, description="Deviation of a head whose place was learned from other views, in metres"
    )
    instant_s: float = Field(0.05, ge=0, le=1, description="Frames of views this close in time show one instant")
    upper_share: float = Field(0.35, gt=0, le=1, description="Upper part of the box, as a share of its height")
    upper_of_width: float = Field(
        0.75, ge=0, le=3, description="The upper part is at least this share of the box's width high"
    )
    box_margin: float = Field(
        0.15, ge=0, le=1, description="Growth of box-made heads at the sides and the top, as a share of the box's sides"
    )
    wide: float = Field(
        0.9, gt=0, le=3, description="A box wider than this share of its height may be of somebody bent or lying"
    )
    narrow: float = Field(
        0.5, gt=0, le=3, description="The same where no point of a tracklet tells how the person stands"
    )
    lying: float = Field(
        50.0, ge=0, le=90, description="A torso turned further than this from upright, in degrees, lies or bends"
    )
    memory_s: float = Field(
        10.0, ge=0, le=600, description="For so long no head of a tracklet is smaller than its last certain one"
    )
