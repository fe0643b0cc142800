"""By which rule each head is made, and the region that follows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drape.boxes import Boxes, as_boxes
from drape.pose.head_config import HeadConfig
from drape.pose.head_points import Stance
from drape.pose.head_shape import discs, ellipses, rectangles
from drape.pose.head_template import HALF_AXES, NECK
from drape.pose.head_time import Carried, carried, least_scale, neighbours
from drape.tables import HEAD_RULES

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
KEY_POINTS, OVER_TIME, OVER_VIEWS, UPPER_BOX, WHOLE_BOX = range(len(HEAD_RULES))

_SLACK = 0.1
"""By this share of its sides a box may be left by the centre of its head."""

_ODD = 3.0
"""A head so many deviations from where its neighbours in time expect it is covered in both places."""


class People(NamedTuple):
    """N persons: ``frame``, ``time`` in seconds, ``row`` within their frame, ``tracklet``, ``person`` (-1: unknown),
    ``existence``, all (N,), and ``boxes`` (N, 4)."""

    frame: NDArray[np.int32]
    time: Floats
    row: NDArray[np.int64]
    tracklet: NDArray[np.int32]
    person: NDArray[np.int64]
    existence: NDArray[np.float32]
    boxes: Boxes


class Found(NamedTuple):
    """What the key points of N persons say of their heads: ``centre`` (N, 2), ``scale`` (N,) pixels per metre,
    ``sigma`` (N,) metres, how the body stands, and the region's ``reach`` (N, 16), see ``head_shape``."""

    centre: Floats
    scale: Floats
    sigma: Floats
    stance: Stance
    reach: NDArray[np.float32]


class Chosen(NamedTuple):
    """Of N heads: ``rule`` (N,) index into ``HEAD_RULES``, ``reach`` (N, 16) pixels, ``sigma`` (N,) metres."""

    rule: NDArray[np.int64]
    reach: Floats
    sigma: Floats


def choose(people: People, found: Found, share: Floats, config: HeadConfig) -> Chosen:
    """Rule and region of every head.

    Args:
        people: N persons of a view.
        found: what their key points say.
        share: (N,) how far down the box the head reaches, says another view; NaN where none does.
        config: settings.
    """
    boxes, grown = people.boxes, 1 + config.margin
    sound = np.isfinite(boxes).all(axis=1)
    accepted = sound & (people.existence >= config.accepted)
    certain = accepted & (found.sigma <= config.certain_sigma) & _inside(found.centre, boxes)
    near = neighbours(people.tracklet, people.time, certain)
    floor = least_scale(near, people.time, boxes, found.scale, config)

    rule = np.where(accepted, UPPER_BOX, WHOLE_BOX)
    rule[certain] = KEY_POINTS
    least = ellipses(found.centre, np.maximum(found.scale, floor) * grown, found.stance, np.zeros(len(boxes)))
    reach, sigma = np.maximum(found.reach, least), found.sigma.copy()

    moved = carried(near, people.time, boxes, found.centre, found.scale, found.sigma, config)
    rows = (rule == UPPER_BOX) & np.isfinite(moved.sigma) & _inside(moved.xy, boxes)
    rule[rows] = OVER_TIME
    size = np.maximum(moved.scale, floor)
    elsewhere = _upright(moved.xy, size * grown, config.widening * np.where(rows, moved.sigma, 0.0) * size)
    reach[rows], sigma[rows] = elsewhere[rows], moved.sigma[rows]
    strays = certain & _apart(found, moved)
    reach[strays] = np.maximum(reach, elsewhere)[strays]
    return _boxed(Chosen(rule, reach, sigma), people, found, share, floor, config)


def _boxed(chosen: Chosen, people: People, found: Found, share: Floats, floor: Floats, config: HeadConfig) -> Chosen:
    """Parts of the box for the heads of which nothing better is known."""
    rule, reach, sigma = chosen
    boxes = people.boxes
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    lying, told_how = _stance(people.tracklet, found.stance)
    anywhere = lying | (width > np.where(told_how, config.wide, config.narrow) * height)
    told = (rule == UPPER_BOX) & ~anywhere & np.isfinite(share)
    rule[told] = OVER_VIEWS
    rule[(rule == UPPER_BOX) & anywhere] = WHOLE_BOX

    low = np.maximum(config.upper_share * height, config.upper_of_width * width)
    low = np.where(told, share * height + config.view_sigma * found.scale, low)
    low = np.maximum(low, 2 * HALF_AXES[2] * floor * (1 + config.margin))
    part = boxes.astype(np.float64)
    part[:, 3] = np.where(rule == WHOLE_BOX, part[:, 3], np.minimum(part[:, 1] + low, part[:, 3]))
    grown = config.box_margin * np.stack([width, height], axis=1)
    part += np.concatenate([-grown, grown * np.stack([np.ones(len(rule)), rule == WHOLE_BOX], axis=1)], axis=1)
    rows = rule >= OVER_VIEWS
    reach[rows] = rectangles(as_boxes(part[rows]))
    extent = np.hypot(part[:, 2] - part[:, 0], part[:, 3] - part[:, 1]) / 4
    sigma[rows] = (extent / np.maximum(found.scale, 1e-9))[rows]
    return Chosen(rule, reach, sigma)


def _apart(found: Found, moved: Carried) -> Bools:
    """Where a head lies elsewhere than its neighbours in time say, or is much larger: either may be wrong (N,)."""
    near = np.isfinite(moved.sigma) & np.isfinite(found.sigma)
    distance = np.linalg.norm(found.centre - moved.xy, axis=1) / np.maximum(moved.scale, 1e-9)
    expected = np.hypot(np.where(near, found.sigma, 0.0), np.where(near, moved.sigma, 0.0))
    return near & (distance > _ODD * expected)


def _upright(centre: Floats, scale: Floats, extra: Floats) -> Floats:
    """Reach (N, 16) of upright heads with necks straight below."""
    neck = centre + np.stack([np.zeros(len(centre)), (HALF_AXES[2] + NECK / 2) * scale], axis=1)
    return np.maximum(ellipses(centre, scale, None, extra), discs(neck, NECK * scale + extra))


def _stance(tracklet: NDArray[np.int32], stance: Stance) -> tuple[Bools, Bools]:
    """Who lies or bends (N,), seen to, or as most frames of the tracklet that tell it; and where any tells (N,)."""
    _, which = np.unique(tracklet, return_inverse=True)
    tells = np.bincount(which, stance.clear)
    lies = np.bincount(which, stance.lying)
    return np.asarray(stance.lying | (2 * lies > tells)[which]), np.asarray((tells > 0)[which])


def _inside(centre: Floats, boxes: Boxes) -> Bools:
    slack = _SLACK * (boxes[:, 2:] - boxes[:, :2])
    return np.asarray(((centre >= boxes[:, :2] - slack) & (centre <= boxes[:, 2:] + slack)).all(axis=1))
