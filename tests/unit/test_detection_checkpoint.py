"""Checkpoints are data: nothing in them runs, and a model takes all of them or none."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drape.checkpoint import load_into, read_checkpoint
from drape.errors import WeightsError
from torch import nn


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def _saved(tmp_path: Path, content: Any, **how: Any) -> Path:
    path = tmp_path / "weights.pth"
    torch.save(content, path, **how)
    return path


class Payload:
    """Runs a command when it is unpickled the unsafe way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


class Climb:
    """Reaches from a class that is read past to the globals of its module, the first steps of an escape."""

    def __reduce__(self) -> tuple[Any, ...]:
        from mmengine.logging import HistoryBuffer

        return getattr, (HistoryBuffer.__init__, "__globals__")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("place", ["state_dict", "meta", "bare"])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path, legacy: bool, place: str) -> None:
    mark = tmp_path / "mark"
    state: dict[str, Any] = dict(_model().state_dict())
    evil = Payload(mark)
    content = {
        "state_dict": {"state_dict": {**state, "x": evil}},
        "meta": {"state_dict": state, "meta": {"classes": evil}},
        "bare": evil,
    }[place]
    path = _saved(tmp_path, content, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="more than tensors"):
        read_checkpoint(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # the payload was a live one


def test_a_plain_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(WeightsError):
        read_checkpoint(path)
    assert not mark.exists()


def test_training_logs_of_mmengine_are_read_past(tmp_path: Path) -> None:
    from mmengine.logging import HistoryBuffer

    log = HistoryBuffer()
    log.update(1.5)
    content = {
        "state_dict": _model().state_dict(),
        "meta": {"dataset_meta": {"classes": ("person", "dog")}},
        "message_hub": {"log_scalars": {"loss": log}, "runtime_info": {"iter": np.float64(3)}},
    }
    for legacy in (False, True):
        checkpoint = read_checkpoint(_saved(tmp_path, content, _use_new_zipfile_serialization=not legacy))
        assert checkpoint.classes == ("person", "dog")
        load_into(_model(), checkpoint)


def test_attributes_of_named_classes_are_out_of_reach(tmp_path: Path) -> None:
    path = _saved(tmp_path, {"state_dict": {"weight": Climb()}})
    assert "update" in torch.load(path, weights_only=False)["state_dict"]["weight"]["HistoryBuffer"].__dict__
    with pytest.raises(WeightsError, match="'weight', which is no dense tensor"):
        read_checkpoint(path)


def test_digest_and_tensors_are_the_files(tmp_path: Path) -> None:
    model = _model()
    path = _saved(tmp_path, {"module." + k: v for k, v in model.state_dict().items()})
    checkpoint = read_checkpoint(path)
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.classes == ()
    other = _model()
    nn.init.zeros_(other[0].weight)  # type: ignore[index]
    load_into(other, checkpoint)
    assert torch.equal(other[0].weight, model[0].weight)  # type: ignore[index]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, legacy: bool, share: float) -> None:
    path = _saved(tmp_path, {"state_dict": _model().state_dict()}, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsError):
        read_checkpoint(path)


def test_a_compressed_file_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path, {"state_dict": {"weight": torch.zeros(2_000_000)}})
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert packed.stat().st_size < 100_000
    with pytest.raises(WeightsError, match="compressed"):
        read_checkpoint(packed)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    model = _model()
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = value  # type: ignore[index]
    with pytest.raises(WeightsError, match=r"not finite, in '0\.weight'"):
        read_checkpoint(_saved(tmp_path, {"state_dict": model.state_dict()}))


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {}}, {"state_dict": 3}, {"epoch": 3}, torch.zeros(2)])
def test_a_file_without_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(WeightsError):
        read_checkpoint(_saved(tmp_path, content))


def test_a_missing_file_is_an_error_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(tmp_path / "secret.pth")
    assert "secret" not in str(caught.value)


def test_differences_are_counted_and_named(tmp_path: Path) -> None:
    state = dict(_model().state_dict())
    state["7.weight"] = state.pop("0.weight")
    state["1.bias"] = torch.zeros(9)
    checkpoint = read_checkpoint(_saved(tmp_path, state))
    model = _model()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(
        WeightsError, match=r"1 missing: 0\.weight; 1 unexpected: 7\.weight; 1 of another shape: 1\.bias"
    ):
        load_into(model, checkpoint)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_harmless_extras_are_no_difference(tmp_path: Path) -> None:
    state = dict(_model().state_dict())
    del state["1.num_batches_tracked"]
    state |= {"data_preprocessor.mean": torch.zeros(3, 1, 1), "ema_0_weight": torch.zeros(4, 3, 3, 3)}
    load_into(_model(), read_checkpoint(_saved(tmp_path, state)))
