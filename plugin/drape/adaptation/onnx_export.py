"""Export of a detector to ONNX, compared on pictures with mmdet's own before anyone may use it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from drape import openmmlab
from drape.adaptation.fine_tuning import BaseModel
from drape.adaptation.onnx_points import Points
from drape.boxes import Boxes, Floats
from drape.checkpoint import load_into, read_checkpoint
from drape.errors import AdaptationError, ConfigError, DrapeError
from drape.tables import sha256

Image = NDArray[np.uint8]

FORMAT = "points-1"
"""What ``drape.detection.onnx_file`` reads; it describes the format."""

SCORE_WITHIN, BOX_WITHIN = 1e-3, 0.1
"""How far scores, and boxes in pixels of the input, may be from PyTorch's."""

_OPSET = 17
_FLOOR = 0.02
"""Of mmdet's own candidates, those of this score are looked for among the exported network's points."""
_EVERY = 100_000


class Exported(NamedTuple):
    """An exported detector and how far it is from PyTorch's, at most, over all points of all pictures."""

    path: Path
    sha256: str
    height: int
    width: int
    score_error: float
    box_error: float
    pictures: int


def input_shape(sizes: Sequence[tuple[int, int]], longer: int) -> tuple[int, int]:
    """Height and width of the smallest input, in multiples of 32, that holds frames whose longer side is scaled to
    ``longer``.

    Args:
        sizes: width and height of the frames.
        longer: in pixels.
    """
    sides = np.array(sizes, np.float64)
    # Rounded as frames are when they are scaled: a larger input for half a pixel would be waste.
    scaled = np.round(sides * (longer / sides.max(axis=1, keepdims=True))).max(axis=0)
    wide, high = (int(np.ceil(length / 32)) * 32 for length in scaled)
    return high, wide


def export_onnx(
    base: BaseModel, shape: tuple[int, int], pictures: Sequence[Image], out: Path, licence: str = ""
) -> Exported:
    """Write a detector as a single ONNX file: normalization and decoding inside, suppression outside.

    Args:
        base: configuration and weights; its ``size`` is not used.
        shape: height and width of the input in pixels, multiples of 32.
        pictures: frames on which it is compared with PyTorch, (H, W, 3) BGR, of any size.
        out: the file to write; it appears only if the comparison succeeds.
        licence: of the weights, to be kept in the file.

    Raises:
        AdaptationError: the export differs from PyTorch's detector, or cannot be written.
        ConfigError: the detector is of a family that cannot be exported.
        WeightsError: the weights are missing, unsafe, or of another architecture.
    """
    if base.weights is None or not pictures:
        raise ConfigError("An export needs weights, and pictures to check it on", "Name the weights, and give frames")
    checkpoint = read_checkpoint(base.weights)
    model: Any = openmmlab.build_model(_unsuppressed(base.config), "mmdet")
    load_into(model, checkpoint)
    pad = padding(base.config)
    points = Points(model, shape, base.person_class).eval()
    facts = {
        "format": FORMAT,
        "height": shape[0],
        "width": shape[1],
        "pad": ",".join(str(value) for value in pad),
        "classes": "person",
        "person_class": 0,
        "parent": checkpoint.sha256,
        "licence": licence,
    }
    partial = out.with_name(f".{out.name}.partial")
    try:
        _write(points, shape, partial)
        _describe(partial, facts)
        pixels = np.stack([_fitted(picture, shape, pad) for picture in pictures])
        errors = _compare(model, points, partial, pixels, base.person_class)
        partial.replace(out)
    except OSError as error:
        raise AdaptationError(
            f"The ONNX file could not be written ({error.strerror})", "Free disk space or choose another folder"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return Exported(out, sha256(out), *shape, *errors, len(pictures))


def padding(config: Any) -> tuple[int, ...]:
    """What the configuration's test pipeline pads pictures with: one number, or B, G, R. 0 if it does not say."""
    dataset = config.test_dataloader.dataset
    while "pipeline" not in dataset:
        dataset = dataset.dataset
    values = [step.get("pad_val", 0) for step in dataset.pipeline if str(step["type"]).endswith("Pad")]
    value = values[0] if values else 0
    value = value.get("img", 0) if isinstance(value, Mapping) else value
    return tuple(int(v) for v in value) if isinstance(value, Sequence) else (int(value),)


def _unsuppressed(config: Any) -> Any:
    """The model's part of a configuration, changed so that mmdet returns every candidate."""
    network = config.model.copy()
    network["test_cfg"] = {
        **network.get("test_cfg", {}),
        "score_thr": _FLOOR,
        "nms_pre": _EVERY,
        "max_per_img": _EVERY,
        "nms": {"type": "nms", "iou_threshold": 1.0},
    }
    return network


def _fitted(picture: Image, shape: tuple[int, int], pad: tuple[int, ...]) -> Image:
    """A picture scaled into the input's shape, at its upper left."""
    factor = min(shape[0] / picture.shape[0], shape[1] / picture.shape[1])
    height, width = (max(1, int(side * factor + 0.5)) for side in picture.shape[:2])
    canvas = np.empty((*shape, 3), np.uint8)
    canvas[:] = pad
    canvas[:height, :width] = cv2.resize(picture, (width, height))
    return canvas


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with openmmlab.quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _write(points: Points, shape: tuple[int, int], path: Path) -> None:
    """Export by tracing: the network has no branches, and it takes a tenth of the time of the newer exporter."""
    example = torch.zeros((2, *shape, 3), dtype=torch.uint8)
    free = {name: {0: "batch"} for name in ("pixels", "scores", "boxes")}
    try:
        with _silence(), torch.inference_mode():
            torch.onnx.export(
                points,
                (example,),
                str(path),
                dynamo=False,
                opset_version=_OPSET,
                input_names=["pixels"],
                output_names=["scores", "boxes"],
                dynamic_axes=free,
            )
    except (OSError, DrapeError):
        raise
    except Exception as error:  # the exporter's own exceptions are many
        raise ConfigError(
            f"The detector cannot be exported to ONNX ({type(error).__name__})", "Choose another architecture"
        ) from error


def _describe(path: Path, facts: Mapping[str, object]) -> None:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {f"drape.{key}": str(value) for key, value in facts.items()})
    onnx.save(model, path)


def _compare(model: Any, points: Points, path: Path, pixels: Image, person: int) -> tuple[float, float]:
    """Largest differences in score and box between the file and PyTorch, on fitted pictures (B, height, width, 3).

    Every point is compared with the same function in PyTorch, and every candidate that mmdet itself returns must be
    among the points.

    Raises:
        AdaptationError: they differ by too much.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    scores, boxes = session.run(["scores", "boxes"], {"pixels": pixels})
    with torch.inference_mode():
        wanted_scores, wanted_boxes = (part.numpy() for part in points(torch.from_numpy(pixels)))
    # A score of a box that nobody sees at any threshold may still err in its box: exp() of a wild number is wild.
    seen = wanted_scores >= _FLOOR / 10
    worst = [np.abs(scores - wanted_scores).max(), _largest(np.abs(boxes - wanted_boxes)[seen])]
    for row, (own_boxes, own_scores) in enumerate(_own(model, pixels, person)):
        worst = np.maximum(worst, _distance(own_boxes, own_scores, boxes[row], scores[row], pixels.shape[1:3])).tolist()
    score_error, box_error = (float(value) for value in worst)
    if not (score_error <= SCORE_WITHIN and box_error <= BOX_WITHIN):  # false for what is not a number, too
        raise AdaptationError(
            f"The exported detector is not the one that was trained: scores differ by {score_error:.2g}, "
            f"boxes by {box_error:.2g} pixels",
            "Run the detector in PyTorch instead, and report this",
        )
    return score_error, box_error


def _own(model: Any, pixels: Image, person: int) -> Iterator[tuple[Boxes, Floats]]:
    """Boxes and scores of the persons that mmdet returns for each picture."""
    from mmdet.structures import DetDataSample

    shape = pixels.shape[1:3]
    for picture in pixels:
        sample = DetDataSample(metainfo={"ori_shape": shape, "img_shape": shape, "scale_factor": (1.0, 1.0)})
        data = {"inputs": [torch.from_numpy(picture).permute(2, 0, 1)], "data_samples": [sample]}
        with openmmlab.quiet(), torch.inference_mode():
            found = model.test_step(data)[0].pred_instances
        keep = found.labels == person
        yield found.bboxes[keep].numpy(), found.scores[keep].numpy()


def _distance(
    own_boxes: Boxes, own_scores: Floats, boxes: Boxes, scores: Floats, shape: tuple[int, ...]
) -> tuple[float, float]:
    """Largest distances from mmdet's candidates to the nearest points."""
    edge = np.array([shape[1], shape[0]] * 2, np.float32)
    likely = scores >= _FLOOR / 2
    ours, theirs = np.clip(boxes[likely], 0, edge), np.clip(own_boxes, 0, edge)
    if not len(theirs):
        return 0.0, 0.0
    if not len(ours):
        return float("inf"), float("inf")
    by_box = np.abs(theirs[:, None] - ours[None]).max(-1)
    by_score = np.abs(own_scores[:, None] - scores[likely][None])
    nearest = (by_box + by_score * edge.max()).argmin(1)
    rows = np.arange(len(theirs))
    return float(by_score[rows, nearest].max()), float(by_box[rows, nearest].max())


def _largest(values: NDArray[np.floating[Any]]) -> float:
    return float(values.max()) if values.size else 0.0
