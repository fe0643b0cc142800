"""What association has learned of a site: networks, the cameras they know, and how evidence becomes probability."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from drape.association import calibration as cal
from drape.association.calibration import Calibration
from drape.association.cells import Cells, evidence, meetings, whole_evidence
from drape.association.config import AssociationConfig
from drape.association.network import Encoded, Network
from drape.association.sets import staying
from drape.association.views import Floats, Instants, Ints, ViewBoxes, meet
from drape.boxes import Boxes
from drape.errors import WeightsError

FORMAT = 1
SAMPLE = 300
"""Instants on which evidence is calibrated."""
MOVING = 0.3
"""Boxes that stand in one place for a greater share of the time are left out of the calibration: what never moves looks
the same at all times, whether it is one person or two."""


@dataclass(frozen=True)
class AssociationModel:
    """Networks of several seeds for the same cameras.

    Attributes:
        config: settings they were trained with.
        cameras: keys of the cameras, in the order of the networks' tables.
        extents: width and height of each camera's picture, in pixels.
        networks: one per seed.
        calibration: how evidence becomes probability.
    """

    config: AssociationConfig
    cameras: tuple[str, ...]
    extents: tuple[tuple[float, float], ...]
    networks: list[Network] = field(repr=False)
    calibration: Calibration = field(repr=False)

    def number(self, camera: str) -> int:
        """The place of a camera in the networks' tables.

        Raises:
            WeightsError: the model does not know the camera.
        """
        if camera not in self.cameras:
            raise WeightsError(
                "The association model does not know this view", "Train it on a recording with this view"
            )
        return self.cameras.index(camera)

    def encode(self, camera: str, boxes: Boxes) -> list[Encoded]:
        """Points of boxes (N, 4) in pixels of a camera, one set per network."""
        number = self.number(camera)
        unit = torch.from_numpy(np.ascontiguousarray(boxes / max(self.extents[number]), np.float32)).reshape(-1, 4)
        which = torch.full((len(unit),), number)
        with torch.no_grad():
            return [network.encode(unit, which) for network in self.networks]

    def log_odds(self, camera_a: str, boxes_a: Boxes, camera_b: str, boxes_b: Boxes) -> Floats:
        """Log-odds (N, M) that boxes of two cameras at one instant are one person, other partners not considered."""
        cells = meetings(np.array([[0, len(boxes_a)]]), np.array([[0, len(boxes_b)]]))
        return self.cell_log_odds(camera_a, boxes_a, camera_b, boxes_b, cells).reshape(len(boxes_a), len(boxes_b))

    def cell_log_odds(self, camera_a: str, boxes_a: Boxes, camera_b: str, boxes_b: Boxes, cells: Cells) -> Floats:
        """``log_odds`` (C,) of the cells of whole meetings."""
        value = whole_evidence(self.networks, self.encode(camera_a, boxes_a), self.encode(camera_b, boxes_b), cells)
        odds = cal.prior_odds(self.calibration.share(camera_a, camera_b), cells.shape)
        out: Floats = np.log(self.calibration.ratio(value) * odds[cells.group])
        return out

    def calibrated(self, views: Sequence[ViewBoxes], gap: float, instants: Instants | None = None) -> AssociationModel:
        """The same model with evidence calibrated on a recording; unchanged where the recording holds too little.

        Args:
            gap: frames at least so many seconds apart are taken as unrelated.
        """
        instants = meet(views) if instants is None else instants
        rng = np.random.default_rng(self.config.seed)
        sample, kept = _sample(instants)
        moving = [staying(view, gap, rng, rows) < MOVING for view, rows in zip(views, kept, strict=True)]
        views = [view.select(rows) for view, rows in zip(views, kept, strict=True)]
        points = [self.encode(view.view, view.boxes) for view in views]
        together, apart, met = [], [], {}
        for a, b in combinations(range(len(views)), 2):
            cells = meetings(sample.rows[a], sample.rows[b])
            value = whole_evidence(self.networks, points[a], points[b], cells)
            other = cal.strangers((views[a], views[b]), sample, (a, b), gap)
            together.append(value[moving[a][cells.i] & moving[b][cells.j]])
            apart.append(
                evidence(self.networks, points[a], points[b], other.where(moving[a][other.i] & moving[b][other.j]))
            )
            met[(a, b)] = (cells, value)
        if not together:
            return self
        curve = cal.fit_ratio(np.concatenate(together), np.concatenate(apart))
        if curve is None:
            return self
        fresh = Calibration(*curve, {})
        overlap = dict(self.calibration.overlap)
        for (a, b), (cells, value) in met.items():
            names = sorted((views[a].view, views[b].view))
            groups: Ints = np.flatnonzero(cells.shape.min(axis=1) > 0)
            overlap[(names[0], names[1])] = cal.fit_overlap(fresh.ratio(value), cells, groups)
        return replace(self, calibration=Calibration(*curve, overlap))

    def save(self, path: Path) -> None:
        """Write the model as safetensors with its settings and calibration as metadata."""
        tensors = {
            f"{k}.{name}": value.contiguous()
            for k, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
        }
        about = {
            "format": FORMAT,
            "config": self.config.model_dump(mode="json"),
            "cameras": self.cameras,
            "extents": self.extents,
            "networks": len(self.networks),
            "knots": self.calibration.knots.tolist(),
            "log_ratio": self.calibration.log_ratio.tolist(),
            "overlap": [[*pair, share] for pair, share in self.calibration.overlap.items()],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        save_file(tensors, partial, metadata={"drape": json.dumps(about)})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> AssociationModel:
        """Read a model.

        Raises:
            WeightsError: the file is missing, damaged, or no association model.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["drape"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about["format"] != FORMAT:
                raise WeightsError("The association model is of another version", "Train it again")
            config = AssociationConfig(**about["config"])
            networks = []
            for k in range(about["networks"]):
                network = new_network(config, len(about["cameras"]))
                prefix = f"{k}."
                mine = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
                network.load_state_dict(mine)
                networks.append(network.eval())
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise WeightsError("The association model cannot be read", "Give a file that drape has written") from error
        overlap = {(a, b): float(share) for a, b, share in about["overlap"]}
        calibration = Calibration(np.array(about["knots"]), np.array(about["log_ratio"]), overlap)
        extents = tuple((float(w), float(h)) for w, h in about["extents"])
        return cls(config, tuple(about["cameras"]), extents, networks, calibration)


def _sample(instants: Instants) -> tuple[Instants, list[Ints]]:
    """Some of the instants, spread over all, and per view which rows they show; the instants count these rows."""
    chosen = np.unique(np.linspace(0, len(instants) - 1, min(SAMPLE, len(instants))).astype(np.int64))
    spans, kept = [], []
    for known in instants.rows:
        low, high = known[chosen].T
        count = high - low
        stop = np.cumsum(count)
        kept.append(np.arange(int(count.sum())) + np.repeat(low - (stop - count), count))
        spans.append(np.stack([stop - count, stop], axis=1))
    return Instants(instants.time[chosen], tuple(spans), instants.present[chosen]), kept


def new_network(config: AssociationConfig, cameras: int) -> Network:
    """An untrained network of the configured size."""
    return Network(cameras, config.token, config.layers, config.frequency_scale)
