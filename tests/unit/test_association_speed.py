"""The fast ways give what the plain ones give: nearest points, evidence of meetings, clusters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drape.association import AssociationConfig
from drape.association.calibration import Calibration
from drape.association.cells import evidence, meetings, whole_evidence
from drape.association.clustering import cluster
from drape.association.model import AssociationModel, new_network
from drape.association.neighbours import RIDGE, Neighbours
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from support import ground


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(25, 400), st.booleans())
def test_neighbours_are_the_nearest(seed: int, count: int, on_a_line: bool) -> None:
    rng = np.random.default_rng(seed)
    points, values = rng.normal(size=(count, 4)), rng.random(count)
    points[:, 0] *= 0 if on_a_line else 3
    queries = np.concatenate([points[:20] + 0.1, 8 * rng.normal(size=(20, 4))])
    _, near = cKDTree(points).query(queries, 24)
    found = Neighbours(points)
    assert np.abs(found.means(queries, values, 24) - values[near].mean(axis=1)).max() < 1e-12
    _, typical = found.regress(queries, np.zeros((count, 4)), values, 24)
    assert np.abs(typical - np.median(values[near], axis=1)).max() < 1e-12


def test_regression_is_that_of_the_weighted_neighbours() -> None:
    rng = np.random.default_rng(0)
    points, targets = rng.normal(size=(300, 4)), rng.normal(size=(300, 4))
    queries = 0.5 * rng.normal(size=(20, 4))
    found, _ = Neighbours(points).regress(queries, targets, np.zeros(300), 24)
    for query, value in zip(queries, found, strict=True):
        apart = np.linalg.norm(points - query, axis=1)
        near = np.argsort(apart)[:24]
        weight = np.exp(-0.5 * (apart[near] / np.median(apart[near])) ** 2)
        x, y = points[near], targets[near]
        base, centre = np.average(x, axis=0, weights=weight), np.average(y, axis=0, weights=weight)
        gram = (x - base).T @ np.diag(weight) @ (x - base) + RIDGE * weight.sum() * np.eye(4)
        slope = np.linalg.solve(gram, (x - base).T @ np.diag(weight) @ (y - centre))
        assert np.abs(centre + np.clip(query - base, -1.5, 1.5) @ slope - value).max() < 1e-9
    few, _ = Neighbours(points[:5]).regress(queries, np.ones((5, 4)), np.zeros(5), 24)
    assert few == pytest.approx(1.0)


def model(views: list[str], extent: tuple[float, float]) -> AssociationModel:
    torch.manual_seed(0)
    config = AssociationConfig(seeds=2, keep_probability=1e-3)
    networks = [new_network(config, len(views)).eval() for _ in range(2)]
    curve = Calibration(np.array([-3.0, 0.0]), np.array([-3.0, 3.0]), {})
    return AssociationModel(config, tuple(views), (extent,) * len(views), networks, curve)


def test_evidence_of_whole_meetings_is_that_of_their_cells() -> None:
    made = ground.scene(views=2, people=7, seconds=8, fps=4, clutter=2, miss=0.3, seed=4)
    a, b = made.views
    known = model([a.view, b.view], a.extent())
    spans = [np.stack([np.searchsorted(v.frame, np.arange(32) + k) for k in (0, 1)], axis=1) for v in (a, b)]
    cells = meetings(spans[0], spans[1])
    points = [known.encode(v.view, v.boxes) for v in (a, b)]
    plain = evidence(known.networks, *points, cells)
    assert len(np.unique(cells.shape, axis=0)) > 3
    assert np.abs(whole_evidence(known.networks, *points, cells) - plain).max() < 1e-5


def test_a_layer_in_use_gives_what_it_gave_in_training() -> None:
    network = model(["a"], (640, 480)).networks[0]
    boxes = torch.rand(50, 4)
    camera = torch.zeros(50, dtype=torch.long)
    with torch.no_grad():
        used, trained = network.encode(boxes, camera), network.train().encode(boxes, camera)
    assert torch.allclose(used.feature, trained.feature, atol=1e-6)


def test_nodes_that_nothing_binds_stay_alone_whatever_speaks_against_them() -> None:
    view = np.array([0, 1, 2, 0, 1])
    start, stop = np.zeros(5), np.ones(5)
    label = cluster(
        view, start, stop, np.array([0, 0, 3, 1]), np.array([1, 4, 4, 3]), np.array([2.0, -1.0, -3.0, -2.0])
    )
    assert label[0] == label[1]
    assert len(set(label[[0, 2, 3, 4]].tolist())) == 4
