"""The pose model that comes with Drape: on a rendered room it finds people's points, the same ones as by mmpose."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from drape import openmmlab
from drape.boxes import as_boxes
from drape.errors import WeightsError
from drape.pose import PRESETS, PoseConfig, PoseEstimator, PoseNoticeWarning, build_estimator
from drape.pose.canary import PERSONS, canary_image, check_sight
from drape.simulator import stills
from support.models import one_thread


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    with pytest.warns(PoseNoticeWarning, match="rendered rooms only"):
        return build_estimator(PoseConfig(preset="example", device="cpu"))


@pytest.fixture(scope="module")
def room() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pictures of a site that the model was not trained on: picture, boxes (N, 4) and key points (N, 133, 3)."""
    shown = []
    for image, truth in stills("source", 9100, 4):
        clear = (truth.kind == 0) & (truth.visible > 0.6) & (truth.boxes[:, 3] - truth.boxes[:, 1] > 60)
        shown.append((image, as_boxes(truth.boxes[clear]), truth.keypoints[clear]))
    assert sum(len(boxes) for _, boxes, _ in shown) >= 5
    return shown


def test_it_finds_heads_and_bodies_and_is_surer_where_it_is_right(estimator: PoseEstimator, room: list) -> None:
    errors, sure = [], []
    found = estimator([image for image, _, _ in room], [boxes for _, boxes, _ in room])
    for (_, boxes, truth), (points, scores) in zip(room, found, strict=True):
        size = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
        off = np.linalg.norm(points - truth[..., :2], axis=-1) / size[:, None]
        seen = truth[..., 2] == 2
        errors += [off[seen]]
        sure += [scores[seen]]
    error, score = np.concatenate(errors), np.concatenate(sure)
    assert np.median(error) < 0.06  # guessing the box's middle is off by 0.3
    assert np.median(error[score > np.median(score)]) < np.median(error[score <= np.median(score)])
    assert 0.2 < np.median(score) <= 1


def test_it_sees_everybody_in_the_test_picture(estimator: PoseEstimator) -> None:
    assert canary_image().shape == (240, 640, 3)
    assert check_sight(estimator) == len(PERSONS)


def test_the_same_points_as_mmpose_without_exception(estimator: PoseEstimator, room: list) -> None:
    preset = PRESETS["example"]
    with openmmlab.quiet():
        from mmpose.apis import inference_topdown, init_model

        model = init_model(openmmlab.load_config(preset.configuration()), str(preset.weights()), device="cpu")
        for image, boxes, _ in room:
            points, _ = estimator([image], [boxes])[0]
            theirs = np.stack([s.pred_instances.keypoints[0] for s in inference_topdown(model, image, boxes)])
            assert np.abs(points - theirs).max() < 0.5


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    preset = PRESETS["example"]
    changed = tmp_path / "pose.pth"
    changed.write_bytes(preset.weights().read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="was changed"):
        dataclasses.replace(preset, folder=tmp_path).weights()
