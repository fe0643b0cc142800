"""Made-up persons, candidates and glimpses of views from which a detector is to learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from drape import tables
from drape.adaptation.config_labels import LabelConfig
from drape.adaptation.labels import pseudo_labels
from drape.detection.glimpses import encode

SIZE = (320, 180)
Box = tuple[float, float, float, float]
HERE: Box = (20, 40, 50, 120)
THERE: Box = (200, 40, 230, 120)
BESIDE: Box = (120, 40, 150, 120)


@dataclass
class Filmed:
    """One view, one frame a second unless said otherwise; what is not said is known and empty."""

    count: int = 40
    fps: float = 1.0
    unknown: set[int] = field(default_factory=set)
    persons: list[dict[str, Any]] = field(default_factory=list)
    candidates: list[tuple[int, Box, float]] = field(default_factory=list)
    missed: list[tuple[int, Box, float]] = field(default_factory=list)
    reviewed: list[tuple[int, Box, float]] = field(default_factory=list)
    flicker: tuple[int, int, int, int] | None = None
    """Region that looks different at every glimpse."""
    light: bool = False
    """Whether the whole picture changes from glimpse to glimpse."""

    def person(self, frame: int, box: Box, existence: float = 0.95, score: float | None = 0.9, **more: Any) -> None:
        """Somebody; a score says that a candidate stands behind the box, and adds it."""
        row = {"frame": frame, "box": box, "existence": existence, "score": score, "source": "detected"}
        row["candidate"] = None if score is None else sum(f == frame for f, _, _ in self.candidates)
        if score is not None:
            self.candidates.append((frame, box, score))
        self.persons.append({**row, "tracklet": 0, "over_views": None, "copy": False, **more})

    def persons_table(self) -> pa.Table:
        rows = sorted(self.persons, key=lambda row: row["frame"])
        column = {name: [row[name] for row in rows] for name in rows[0] if name != "box"} if rows else {}
        if not rows:
            return tables.empty(tables.PERSONS)
        return tables.make(
            tables.PERSONS,
            **column,
            time=np.array(column["frame"]) / self.fps,
            person=[None] * len(rows),
            over_time=[None] * len(rows),
            **tables.box_columns(np.array([row["box"] for row in rows], np.float32)),
        )

    def reviewed_table(self) -> pa.Table:
        other = Filmed(self.count, self.fps)
        for frame, box, existence in self.reviewed:
            other.person(frame, box, existence, None, source="reviewed")
        return other.persons_table()

    def boxes_table(self, schema: pa.Schema, rows: list[tuple[int, Box, float]], value: str, **more: Any) -> pa.Table:
        rows = sorted(rows, key=lambda row: row[0])
        return tables.make(
            schema,
            frame=[row[0] for row in rows],
            time=np.array([row[0] for row in rows]) / self.fps,
            **{value: [row[2] for row in rows], **{name: [v] * len(rows) for name, v in more.items()}},
            **tables.box_columns(np.array([row[1] for row in rows], np.float32).reshape(-1, 4)),
        )

    def covered_table(self) -> pa.Table:
        known = [frame not in self.unknown for frame in range(self.count)]
        reason = [None if one else "broken" for one in known]
        return tables.make(tables.COVERED, frame=range(self.count), known=known, reason=reason)

    def glimpses_table(self) -> pa.Table:
        still = np.random.default_rng(0).integers(0, 255, (SIZE[1] // 10, SIZE[0] // 10, 3)).astype(np.uint8)
        still = np.kron(still, np.ones((10, 10, 1), np.uint8))
        frames = list(range(0, self.count, max(1, round(2.5 * self.fps))))
        pictures = []
        for k, _ in enumerate(frames):
            picture = still.copy()
            if self.flicker is not None:
                x1, y1, x2, y2 = self.flicker
                picture[y1:y2, x1 : (x1 + x2) // 2] = 255 * (k % 2)
            if self.light:
                picture[: 20 * (k + 1)] = 255
            pictures.append(encode(picture))
        return tables.make(tables.GLIMPSES, frame=frames, time=np.array(frames) / self.fps, picture=pictures)

    def frames_table(self) -> pa.Table:
        return tables.make(tables.FRAMES, frame=range(self.count), pts=range(self.count), time=self.times())

    def times(self) -> np.ndarray:
        return np.arange(self.count) / self.fps


def labels_of(*views: Filmed, exact: bool = False, **settings: Any) -> tuple[list[dict], list[dict]]:
    """Rows of ``LABELS`` and ``CHOSEN`` of views "a", "b", …; near-duplicates are taken unless settings say not to."""
    named = {chr(ord("a") + k): view for k, view in enumerate(views)}
    more = {"tracklet": None, "person": None, "reason": "low_score"}
    labels, chosen = pseudo_labels(
        persons={name: view.persons_table() for name, view in named.items()},
        covered={name: view.covered_table() for name, view in named.items()},
        candidates={n: v.boxes_table(tables.CANDIDATES, v.candidates, "score") for n, v in named.items()},
        sizes=dict.fromkeys(named, SIZE),
        glimpses={name: view.glimpses_table() for name, view in named.items()},
        config=LabelConfig(**{"least_novelty": 0, "background": 0, **settings}),
        reviewed={name: view.reviewed_table() for name, view in named.items()},
        missed={n: v.boxes_table(tables.MISSED, v.missed, "probability", **more) for n, v in named.items()},
        frames={name: view.frames_table() for name, view in named.items()} if exact else None,
    )
    return labels.to_pylist(), chosen.to_pylist()


def place(rows: list[dict[str, Any]]) -> dict[tuple[int, int], tuple[float, str]]:
    """Weight and source of labels by frame and left border."""
    return {(row["frame"], round(row["x1"])): (round(row["weight"], 3), row["source"]) for row in rows}
