"""Exported detectors: a file is data that is looked through, and the boxes are those of PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from drape.adaptation.fine_tuning import BaseModel
from drape.adaptation.onnx_export import Exported, export_onnx
from drape.boxes import iou
from drape.detection import PRESETS, DetectionConfig, DeviceError, NoticeWarning, build_detector
from drape.detection.canary import canary_image
from drape.detection.onnx_adapter import OnnxDetector
from drape.detection.onnx_file import OnnxFile, read_onnx
from drape.errors import ConfigError, DetectionError, WeightsError
from drape.openmmlab import load_config
from onnx import TensorProto, helper, numpy_helper
from support.models import one_thread

EXAMPLE = PRESETS["example"]
TEXTS = {"drape.format": "points-1", "drape.height": "64", "drape.width": "96", "drape.pad": "114", "drape.parent": "p"}


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with one_thread():
        yield


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The example detector, exported, compared on the canary picture and on its mirror image."""
    base = BaseModel(load_config(EXAMPLE.configuration()), EXAMPLE.weights(), None, 0)
    pictures = [canary_image(), np.ascontiguousarray(canary_image()[:, ::-1])]
    return export_onnx(base, (192, 320), pictures, tmp_path_factory.mktemp("onnx") / "model.onnx", "Apache-2.0")


def _config(path: Path, **more: Any) -> DetectionConfig:
    return DetectionConfig(preset="onnx", weights=path, device="cpu", **more)


def _handmade(texts: dict[str, str] | None = None) -> onnx.ModelProto:
    """A network of two points: each has the picture's mean divided by itself as its score, so that black has none."""
    box = np.array([[[8, 8, 24, 40], [40, 8, 60, 50]]], np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Div", ["column", "column"], ["one"]),
        helper.make_node("Concat", ["one", "one"], ["scores"], axis=1),
        helper.make_node("Unsqueeze", ["one", "last"], ["deep"]),
        helper.make_node("Mul", ["deep", "places"], ["boxes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "two points",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 64, 96, 3])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", 2, 4]),
        ],
        [numpy_helper.from_array(box, "places"), numpy_helper.from_array(np.array([1], np.int64), "last")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, TEXTS if texts is None else texts)
    return model


def _saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "handmade.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_the_export_agrees_with_pytorch_and_says_what_it_is(exported: Exported) -> None:
    assert exported.score_error <= 1e-4
    assert exported.box_error <= 0.01
    file = read_onnx(exported.path, exported.sha256)
    assert (file.height, file.width, file.pad) == (192, 320, (114, 114, 114))
    assert file.parent == EXAMPLE.asset.sha256
    facts = {item.key: item.value for item in onnx.load(exported.path).metadata_props}
    assert facts["drape.classes"] == "person"
    assert facts["drape.licence"] == "Apache-2.0"


def test_the_detector_gives_the_boxes_of_the_mmdet_adapter(exported: Exported) -> None:
    ours = build_detector(_config(exported.path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoticeWarning)
        theirs = build_detector(DetectionConfig(preset="example", device="cpu"))
    boxes, scores = ours([canary_image()])[0]
    wanted, wanted_scores = theirs([canary_image()])[0]
    sure = wanted_scores >= 0.2
    nearest = iou(wanted[sure], boxes).argmax(axis=1)
    assert sure.sum() >= 4
    assert np.abs(boxes[nearest] - wanted[sure]).max() < 0.05
    assert np.abs(scores[nearest] - wanted_scores[sure]).max() < 1e-4
    assert ours.fingerprint["weights"] == exported.sha256


def test_batches_sizes_and_threads_change_no_bits(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    image = canary_image()
    pictures = [image, np.rot90(image).copy(), image[100:400, 50:350].copy()]
    detector = build_detector(_config(exported.path))
    together = detector(pictures)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    other = build_detector(_config(exported.path))
    assert detector.fingerprint == other.fingerprint
    for picture, (boxes, scores) in zip(pictures, together, strict=True):
        alone, alone_scores = other([picture])[0]
        assert len(scores)
        np.testing.assert_array_equal(boxes, alone)
        np.testing.assert_array_equal(scores, alone_scores)
        assert (boxes[:, 2] <= picture.shape[1]).all()
        assert (boxes[:, 3] <= picture.shape[0]).all()


def test_a_damaged_or_changed_file_is_refused(exported: Exported, tmp_path: Path) -> None:
    content = exported.path.read_bytes()
    with pytest.raises(WeightsError, match="changed"):
        read_onnx(exported.path, "0" * 64)
    for name, damaged in {
        "cut": content[: len(content) // 2],
        "garbage": b"\x00" * 100,
        "empty": b"",
        "flipped": b"\xff" * 64 + content[64:],
    }.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(damaged)
        with pytest.raises(WeightsError):
            build_detector(_config(path))
    with pytest.raises(WeightsError, match="cannot be read"):
        read_onnx(tmp_path / "absent.onnx")


def test_a_file_with_parts_elsewhere_or_foreign_operators_is_refused(tmp_path: Path) -> None:
    model = _handmade()
    outside = model.graph.initializer[0]
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../../etc/hostname")
    with pytest.raises(WeightsError, match="other files"):
        read_onnx(_saved(model, tmp_path))
    model = _handmade()
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(WeightsError, match="operators"):
        read_onnx(_saved(model, tmp_path))
    model = _handmade()
    hidden = helper.make_graph([helper.make_node("Odd", ["x"], ["y"], domain="com.example")], "inside", [], [])
    model.graph.node.append(helper.make_node("If", ["mean"], ["unused"], then_branch=hidden, else_branch=hidden))
    with pytest.raises(WeightsError, match="operators"):
        read_onnx(_saved(model, tmp_path))


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {**TEXTS, "drape.format": "boxes-9"},
        {**TEXTS, "drape.height": "100000"},
        {**TEXTS, "drape.width": "-96"},
        {**TEXTS, "drape.width": "128"},
        {**TEXTS, "drape.pad": "999"},
        {**TEXTS, "drape.pad": ""},
    ],
)
def test_a_file_that_says_nothing_or_nonsense_of_itself_is_refused(texts: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        read_onnx(_saved(_handmade(texts), tmp_path))


def test_outputs_that_are_not_finite_raise(tmp_path: Path) -> None:
    detector = OnnxDetector("own", read_onnx(_saved(_handmade(), tmp_path)), _config(tmp_path / "x"))
    grey, black = np.full((64, 96, 3), 90, np.uint8), np.zeros((64, 96, 3), np.uint8)
    boxes, scores = detector([grey])[0]
    np.testing.assert_array_equal(boxes, np.array([[8, 8, 24, 40], [40, 8, 60, 50]], np.float32))
    np.testing.assert_array_equal(scores, np.ones(2, np.float32))
    with pytest.raises(DetectionError, match="not finite"):
        detector([grey, black])


def test_a_detector_without_sight_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="test picture"):
        build_detector(_config(_saved(_handmade(), tmp_path)))


def test_a_batch_too_large_for_the_memory_is_halved(exported: Exported) -> None:
    detector = OnnxDetector("own", read_onnx(exported.path), _config(exported.path, batch_size=8))
    session, sizes = detector._session, []

    class Small:
        """The real session on a machine that holds two frames."""

        def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> Any:
            sizes.append(len(inputs["pixels"]))
            if sizes[-1] > room:
                raise RuntimeError("bad_alloc")
            return session.run(outputs, inputs)

    room = 2
    detector._session = Small()
    images = [canary_image()] * 8
    assert len(detector(images)) == 8
    assert sizes == [8, 4, 2, 2, 2, 2]
    room = 0
    with pytest.raises(DeviceError, match="single frame"):
        detector(images)


def test_settings_that_do_not_fit_are_refused(exported: Exported) -> None:
    with pytest.raises(ConfigError, match="weights"):
        build_detector(DetectionConfig(preset="onnx"))
    with pytest.raises(ConfigError, match="320"):
        build_detector(_config(exported.path, size=640))
    with pytest.raises(ConfigError, match="persons only"):
        build_detector(_config(exported.path, person_class=3))
    with pytest.raises(DetectionError, match="GPU"):
        build_detector(DetectionConfig(preset="onnx", weights=exported.path, device="cuda:9"))


def test_infinite_logits_do_not_hide_behind_the_sigmoid(exported: Exported) -> None:
    model = onnx.load(exported.path)
    biases = {name for node in model.graph.node if node.op_type == "Conv" for name in node.input[2:]}
    classes = next(t for t in model.graph.initializer if t.name in biases and t.name.endswith("rtm_cls.0.bias"))
    classes.CopyFrom(numpy_helper.from_array(np.full(1, np.inf, np.float32), classes.name))
    file = OnnxFile(model.SerializeToString(), "", 192, 320, (114,), "")
    detector = OnnxDetector("own", file, _config(exported.path))
    with pytest.raises(DetectionError, match="not finite"):
        detector([canary_image()])
