"""Scores of all pose models on one scale, and the skeleton they belong to."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from drape.pose.scores import SimccScale, doubted, heatmap_scores, simcc_scale, simcc_scores
from drape.pose.skeleton import BODY_CHAINS, BODY_COUNT, CHAINS, COUNT, MIRROR, NAMES
from support.poses import BODY, TINY, shipped_config

RTMPOSE = SimccScale(10.0, 10.0, (1.0, 1.0))
RTMW = SimccScale(1.0, 10.0, (1.0, 1.0))
PLAIN = SimccScale(1.0, None, (0.08, 0.06))


def _taught(scale: SimccScale, sureness: np.ndarray, bins: int = 64) -> np.ndarray:
    """Outputs (N, bins) that are right for the label of a point in the middle, scaled by how sure the model is."""
    gauss = np.exp(-((np.arange(bins) - bins // 2) ** 2) / (2 * 5.0**2))
    return sureness[:, None] * gauss * (scale.label_beta or 1) / scale.beta


def test_points_as_they_were_taught_score_one_whatever_the_head() -> None:
    sureness = np.array([0.0, 0.25, 0.7, 1.0])
    for scale in (RTMPOSE, RTMW):
        peaks = _taught(scale, sureness).max(axis=1)
        np.testing.assert_allclose(simcc_scores(np.stack([peaks, peaks], axis=-1), scale), sureness, atol=1e-6)
    np.testing.assert_allclose(simcc_scores(np.array([[PLAIN.peak]]), PLAIN), 1)
    np.testing.assert_allclose(heatmap_scores(sureness), sureness, atol=1e-7)


@pytest.mark.parametrize("scale", [RTMPOSE, RTMW, PLAIN])
def test_scores_are_monotone_and_never_leave_the_scale(scale: SimccScale) -> None:
    raw = np.linspace(-5, 20, 301)
    for fixed in (0.5, 30.0):
        peaks = np.stack([raw, np.full_like(raw, fixed)], axis=-1)
        scores = simcc_scores(peaks, scale)
        assert (np.diff(scores) >= 0).all()
        assert scores.min() == 0
        assert scores.max() <= 1
    seen = doubted(np.full(101, 0.8, np.float32), np.linspace(0, 1, 101))
    assert (np.diff(seen) >= 0).all()
    np.testing.assert_allclose(seen[[0, 25, 50, 100]], [0, 0.4, 0.8, 0.8], atol=1e-6)
    maps = heatmap_scores(raw)
    assert (np.diff(maps) >= 0).all()
    assert (maps.min(), maps.max()) == (0, 1)


def test_the_scale_comes_from_the_head_that_was_trained() -> None:
    rtmpose = shipped_config(TINY).model.head.loss
    loss = SimpleNamespace(**{k: v for k, v in rtmpose.items() if k != "type"})
    decoder = SimpleNamespace(sigma=np.array([4.9, 5.66]), normalize=False)
    assert simcc_scale(decoder, loss) == RTMPOSE
    assert simcc_scale(decoder, SimpleNamespace(beta=1.0, label_softmax=True, label_beta=10.0)) == RTMW
    normalized = simcc_scale(SimpleNamespace(sigma=5.0, normalize=True), SimpleNamespace(beta=1.0, label_softmax=False))
    assert normalized.softmax
    np.testing.assert_allclose(normalized.peak, 1 / (5 * np.sqrt(2 * np.pi)))


def test_the_skeleton_is_that_of_the_data_set() -> None:
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    for name, count in ((TINY, COUNT), (BODY, BODY_COUNT)):
        file = "coco_wholebody" if name == TINY else "coco"
        meta = parse_pose_metainfo({"from_file": f"configs/_base_/datasets/{file}.py"})
        assert tuple(meta["keypoint_id2name"][k] for k in range(count)) == NAMES[:count]
        assert list(meta["flip_indices"]) == MIRROR[:count].tolist()
    assert (MIRROR[MIRROR] == np.arange(COUNT)).all()
    assert {k for chain in CHAINS for k in chain} == set(range(COUNT))
    assert {k for chain in BODY_CHAINS for k in chain} == set(range(BODY_COUNT))
