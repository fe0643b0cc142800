"""Fixed regions of a camera (monitors, name plates, clocks): given once, masked in every frame."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, RootModel, ValidationError, model_validator

from drape.anonymization.policy import SOLID, STATE_NAMES, Ints, Plan, released_size, snap
from drape.config import StageConfig
from drape.errors import ConfigError
from drape.recording import Recording

STRIPS = 24
"""A polygon is covered by about this many rows of rectangles at most; more would make long videos' tables large."""

Kind = Literal["monitor", "name_plate", "clock", "window", "door", "other"]
Number = Annotated[float, Field(ge=-100_000, le=100_000)]
Point = tuple[Number, Number]


class FixedRegion(StageConfig):
    """A rectangle or a polygon, in pixels of the upright frame; exactly one of the two is given."""

    what: Kind = Field("other", description="What is hidden")
    box: tuple[Number, Number, Number, Number] | None = Field(None, description="x1, y1, x2, y2")
    polygon: tuple[Point, ...] | None = Field(None, min_length=3, max_length=200, description="Corners x, y in order")

    @model_validator(mode="after")
    def _one(self) -> FixedRegion:
        if (self.box is None) == (self.polygon is None):
            raise ValueError("a region has either a box or a polygon")
        if self.box is not None and not (self.box[2] > self.box[0] and self.box[3] > self.box[1]):
            raise ValueError("a box is x1, y1, x2, y2 with x1 < x2 and y1 < y2")
        return self


class FixedRegions(RootModel[dict[str, tuple[FixedRegion, ...]]]):
    """The regions of each view, named by its id or its name."""

    @classmethod
    def load(cls, path: Path) -> FixedRegions:
        """Read a YAML or JSON file: ``view1: [{what: monitor, box: [x1, y1, x2, y2]}, {polygon: [[x, y], …]}]``.

        Raises:
            ConfigError: it cannot be read, or a region is none.
        """
        try:
            text = path.read_text(encoding="utf-8")
            content = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
            return cls.model_validate(content or {})
        except (OSError, UnicodeDecodeError, yaml.YAMLError, json.JSONDecodeError) as error:
            raise ConfigError("The file of fixed regions cannot be read", "Check that it is YAML or JSON") from error
        except ValidationError as error:
            first = error.errors()[0]
            number = next((part + 1 for part in first["loc"] if isinstance(part, int)), 1)
            reason = f"Fixed region {number} of a view is none: {first['msg']}"
            raise ConfigError(reason, "Correct the file of fixed regions") from error

    def by_view(self, recording: Recording) -> dict[str, tuple[FixedRegion, ...]]:
        """Regions by the id of their view; every view of the recording has an entry.

        Raises:
            ConfigError: a key names no view of the recording, or two keys name the same.
        """
        found: dict[str, tuple[FixedRegion, ...]] = {}
        for view in recording.views:
            keys = [key for key in (view.id, view.name) if key in self.root]
            if len(set(keys)) > 1:
                raise ConfigError(f"{view.id} has two lists of fixed regions", "Join them")
            found[view.id] = self.root[keys[0]] if keys else ()
        known = {key for view in recording.views for key in (view.id, view.name)}
        if strange := [key for key in self.root if key not in known]:
            ids = ", ".join(view.id for view in recording.views)
            raise ConfigError(f"{len(strange)} list(s) of fixed regions name no view", f"Name the views: {ids}")
        return found


def fixed_boxes(regions: tuple[FixedRegion, ...], width: int, height: int) -> Ints:
    """Even, half-open rectangles that hold every region's part inside a frame.

    Args:
        regions: of one view.
        width: of the frame in pixels.
        height: likewise.

    Returns:
        (K, 4) int32 ``x1, y1, x2, y2``, not empty; of a polygon several, which may cover a little more than it.
    """
    size = released_size(width, height)
    boxes: list[NDArray[np.float64]] = [np.zeros((0, 4), np.float64)]
    for region in regions:
        boxes.append(
            np.array([region.box], np.float64) if region.box is not None else _strips(np.array(region.polygon), size[1])
        )
    snapped = snap(np.concatenate(boxes), size)
    return snapped[(snapped[:, 2] > snapped[:, 0]) & (snapped[:, 3] > snapped[:, 1])]


def with_fixed(plan: Plan, boxes: Ints) -> Plan:
    """A plan in which solid rectangles lie over every frame that is not a card anyway; decisions stay as they are.

    Args:
        plan: of a view.
        boxes: (K, 4), as of `fixed_boxes`.
    """
    if not len(boxes):
        return plan
    shown = plan.states != STATE_NAMES.index("unknown")
    ends = plan.offsets[1:][shown]  # behind the persons: later regions lie over earlier ones
    at = np.repeat(ends, len(boxes))
    added = np.tile(boxes, (len(ends), 1))
    extra = np.concatenate([[0], np.cumsum(shown)]) * len(boxes)
    return replace(
        plan,
        offsets=plan.offsets + extra,
        boxes=np.insert(plan.boxes, at, added, axis=0),
        fills=np.insert(plan.fills, at, np.full(len(at), SOLID, np.int32)),
    )


def _strips(corners: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Rectangles (K, 4) that cover a polygon, strip by strip; strips are even and lie inside the frame's height."""
    top = max(0, int(np.floor(corners[:, 1].min() / 2)) * 2)
    bottom = min(height, int(np.ceil(corners[:, 1].max() / 2)) * 2)
    step = max(2, -(-(bottom - top) // STRIPS // 2) * 2)
    rows = []
    for y1 in range(top, bottom, step):
        y2 = min(y1 + step, bottom)
        rows += [(left, y1, right, y2) for left, right in _spans(corners, y1, y2)]
    return np.array(rows, np.float64).reshape(-1, 4)


def _spans(corners: NDArray[np.float64], y1: float, y2: float) -> list[tuple[float, float]]:
    """Disjoint intervals of x that hold the polygon's part between two heights.

    Every edge's part inside the strip gives an interval. Where the polygon's inside lies between two edges without
    touching one, scan lines through the strip's borders join them (even-odd rule).
    """
    found = []
    following = np.roll(corners, -1, axis=0)
    for (ax, ay), (bx, by) in zip(corners, following, strict=True):
        low, high = max(min(ay, by), y1), min(max(ay, by), y2)
        if low > high:
            continue
        ends = (ax, bx) if ay == by else tuple(ax + (bx - ax) * (y - ay) / (by - ay) for y in (low, high))
        found.append((min(ends), max(ends)))
    levels = {float(y) for y in corners[:, 1] if y1 < y < y2} | {y1, y2}
    ordered = sorted(levels)
    for y in [(a + b) / 2 for a, b in pairwise(ordered)]:
        crossings = sorted(
            ax + (bx - ax) * (y - ay) / (by - ay)
            for (ax, ay), (bx, by) in zip(corners, following, strict=True)
            if (ay <= y) != (by <= y)
        )
        found += list(zip(crossings[::2], crossings[1::2], strict=True))
    return _joined(found)


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined
